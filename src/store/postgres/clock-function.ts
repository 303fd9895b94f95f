/** Time, locks and partitions: what the other functions of the schema stand on. */
import { STEADY } from './steady.ts';
import { BUCKETED } from './tables.ts';

const bucketed = BUCKETED.map((table) => `'${table}'`).join(', ');

/**
 * The only clock of the store: milliseconds since 1970 by the database. (A test that holds time still replaces it.)
 */
const now = `
CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
$$;`;

/**
 * Advisory locks, all of a transaction and none of a session, so that a pooler in transaction mode does no harm. They
 * are taken in this order: days (by retention only), the gate, the process, order keys by their slots, then rows by their `seq`.
 *
 * The gate is shared by all that writes, and taken alone to drop a partition or open an epoch. Whoever wants it alone waits
 * for those within, and lets nobody in meanwhile: for a fifth of a second at most, else under load it would never be free.
 */
const locks = `
CREATE FUNCTION lock_class() RETURNS integer LANGUAGE sql STABLE AS $$
  SELECT hashtext('holdfast ' || current_schema())
$$;
CREATE FUNCTION enter_gate() RETURNS void LANGUAGE sql VOLATILE AS $$
  SELECT pg_advisory_xact_lock_shared(lock_class(), 1000)
$$;
CREATE FUNCTION try_gate_alone() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_usual text := current_setting('lock_timeout');
BEGIN
  PERFORM set_config('lock_timeout', '200', true);
  PERFORM pg_advisory_xact_lock(lock_class(), 1000);
  PERFORM set_config('lock_timeout', v_usual, true);
  RETURN true;
EXCEPTION WHEN lock_not_available THEN
  RETURN false;
END $$;
CREATE FUNCTION share_days(p_buckets integer[]) RETURNS void LANGUAGE sql VOLATILE AS $$
  SELECT pg_advisory_xact_lock_shared(lock_class(), 1100 + (b & 255)) FROM unnest(p_buckets) b ORDER BY b & 255
$$;
CREATE FUNCTION take_day_alone(p_bucket integer) RETURNS void LANGUAGE sql VOLATILE AS $$
  SELECT pg_advisory_xact_lock(lock_class(), 1100 + (p_bucket & 255))
$$;
CREATE FUNCTION lock_process(p_owner integer) RETURNS void LANGUAGE sql VOLATILE AS $$
  SELECT pg_advisory_xact_lock(lock_class(), 2000 + p_owner)
$$;
CREATE FUNCTION lock_keys(p_keys text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(lock_class(), slot)
    FROM (SELECT DISTINCT hashtext(k) & 255 AS slot FROM unnest(p_keys) k ORDER BY 1) slots;
END $$;
CREATE FUNCTION lock_all_keys() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(lock_class(), slot) FROM generate_series(0, 255) slot;
END $$;`;

/**
 * Positions (`seq`) become visible when their transaction commits, which need not be in their order. Who draws positions
 * therefore first shares a lock that names one below them; who reads forward stops below the lowest name that is held.
 */
const positions = `
CREATE FUNCTION position_tag() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT (hashtext('holdfast positions ' || current_schema()) & 32767)::bigint << 48
$$;
CREATE FUNCTION draw_positions(p_count bigint) RETURNS bigint[] LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(position_tag() | (SELECT last_value FROM position));
  RETURN ARRAY(SELECT nextval('position') FROM generate_series(1, p_count));
END $$;
CREATE FUNCTION settled_position_1() RETURNS bigint LANGUAGE plpgsql ${STEADY} AS $$
DECLARE
  v_last bigint := (SELECT last_value FROM position);
  v_tag bigint := position_tag();
BEGIN
  RETURN least(v_last, (
    SELECT min((classid::bigint << 32 | objid::bigint) & ((1::bigint << 48) - 1)) FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (classid::bigint >> 16) = (v_tag >> 48)));
END $$;`;

/**
 * Partitions for the events of one day, and for a new epoch of dedupe keys. They are made apart and then attached: that
 * waits for nobody, while making them in place would wait for all that writes, and all else would wait behind it.
 */
const partitions = `
CREATE FUNCTION make_bucket(p_bucket integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_table text;
BEGIN
  PERFORM pg_advisory_xact_lock(lock_class(), 1001);
  FOREACH v_table IN ARRAY ARRAY[${bucketed}] LOOP
    CONTINUE WHEN to_regclass(v_table || '_' || p_bucket) IS NOT NULL;
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING INDEXES)', v_table || '_' || p_bucket, v_table);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES IN (%s)', v_table, v_table || '_' || p_bucket, p_bucket);
  END LOOP;
END $$;
CREATE FUNCTION make_epoch(p_now bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_epoch integer := (SELECT coalesce(max(epoch), 0) + 1 FROM dedupe_epoch);
BEGIN
  EXECUTE format('CREATE TABLE %I (LIKE dedupe INCLUDING ALL EXCLUDING INDEXES)', 'dedupe_' || v_epoch);
  EXECUTE format('ALTER TABLE dedupe ATTACH PARTITION %I FOR VALUES IN (%s)', 'dedupe_' || v_epoch, v_epoch);
  INSERT INTO dedupe_epoch (epoch, opened_at, forgotten_at, generation)
    SELECT v_epoch, p_now, coalesce(max(forgotten_at), 0), coalesce(max(generation), 0) FROM dedupe_epoch;
END $$;`;

/** What every other function needs. */
export const clockFunctions = [now, locks, positions, partitions].join('\n');
