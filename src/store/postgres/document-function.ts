/** Versioned documents. A deleted one keeps its row, and with it its version. */
import { STEADY } from './steady.ts';

const put = `
CREATE FUNCTION put_document(p_kind text, p_key text, p_value text, p_if_version bigint) RETURNS bigint
LANGUAGE plpgsql ${STEADY} AS $$
DECLARE
  v_old record;
  v_current bigint;
  v_version bigint;
BEGIN
  LOOP
    SELECT version, value IS NOT NULL AS there INTO v_old FROM document
      WHERE kind = p_kind AND key = p_key FOR UPDATE;
    v_current := CASE WHEN FOUND AND v_old.there THEN v_old.version ELSE 0 END;
    IF p_if_version IS NOT NULL AND p_if_version <> v_current THEN RETURN NULL; END IF;
    IF p_value IS NULL AND v_current = 0 THEN RETURN coalesce(v_old.version, 0); END IF;
    IF v_old.version IS NOT NULL THEN
      UPDATE document SET value = p_value::json, version = version + 1 WHERE kind = p_kind AND key = p_key
        RETURNING version INTO v_version;
      RETURN v_version;
    END IF;
    INSERT INTO document (kind, key, value, version) VALUES (p_kind, p_key, p_value::json, 1) ON CONFLICT DO NOTHING;
    IF FOUND THEN RETURN 1; END IF;
    -- Somebody else wrote the first one meanwhile.
  END LOOP;
END $$;`;

export const documentFunctions = put;
