/**
 * Which events of a commit repeat an earlier one. All commits insert into the newest epoch, in the order of digests: where
 * two of them bring the same key at once the second waits for the first at the unique index, and nobody waits in a circle.
 * Older epochs are only read.
 */

/**
 * What an epoch has to remember, to the hour above, so that it is written once an hour and not with every commit. Never by
 * an update: all others would wait for whoever came first, and that may be a transaction of the application's.
 */
const note = `
CREATE FUNCTION note_windows(p_epoch integer, p_until bigint, p_window bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO dedupe_window (epoch, until_max, window_max)
  SELECT p_epoch, (p_until / 3600000 + 1) * 3600000, p_window
  WHERE NOT EXISTS (
    SELECT FROM dedupe_window w WHERE w.epoch = p_epoch AND w.until_max >= p_until AND w.window_max >= p_window);
END $$;
CREATE FUNCTION remembered_until(p_epoch integer) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce(max(until_max), 0) FROM dedupe_window WHERE epoch = p_epoch
$$;`;

/** The events of a commit that are deduplicated and not refused, with their digests cut from the bytes. */
const keyed = `
CREATE FUNCTION keyed_events(p_events json, p_bytes bytea, p_refused integer[])
RETURNS TABLE (i integer, id text, bucket integer, digest bytea, body bytea, received_at bigint, until bigint)
LANGUAGE sql STABLE AS $$
  SELECT x.i, x.id, x.b, substring(p_bytes FROM x.g + 1 FOR 32), substring(p_bytes FROM x.g + 33 FOR 32), x.r, x.r + x.e
  FROM json_to_recordset(p_events) AS x(i integer, id text, b integer, g integer, r bigint, e bigint, f integer)
  WHERE x.g IS NOT NULL AND (x.f IS NULL OR x.f <> ALL (p_refused))
$$;`;

/**
 * Answers the repeats: index, id and bucket of the first, whether the body differs. First the first of each digest, in
 * one statement; what that leaves open (repeats, and digests that come twice) one by one.
 */
const find = `
CREATE FUNCTION find_repeats(p_events json, p_bytes bytea, p_refused integer[],
  OUT o_index integer[], OUT o_first text[], OUT o_bucket integer[], OUT o_differs boolean[]) LANGUAGE plpgsql AS $$
DECLARE
  v_epoch integer;
  v_forgotten bigint;
  v_generation integer;
  v_count bigint;
  v_taken text[];
  v_until bigint;
  v_window bigint;
  v_event record;
  v_known record;
BEGIN
  o_index := '{}';
  SELECT e.epoch, e.forgotten_at, e.generation INTO v_epoch, v_forgotten, v_generation
    FROM dedupe_epoch e ORDER BY e.epoch DESC LIMIT 1;
  WITH given AS MATERIALIZED (
    SELECT * FROM keyed_events(p_events, p_bytes, p_refused)
  ), first AS MATERIALIZED (
    SELECT DISTINCT ON (k.digest) k.* FROM given k ORDER BY k.digest, k.i
  ), taken AS (
    INSERT INTO dedupe AS known (epoch, generation, digest, received_at, until, event_id, bucket, body)
    SELECT v_epoch, v_generation, first.digest, first.received_at, first.until, first.id, first.bucket, first.body
    FROM first
    WHERE NOT EXISTS (
      SELECT FROM dedupe old WHERE old.digest = first.digest AND old.epoch < v_epoch 
        AND old.until > first.received_at AND (old.generation = v_generation OR old.until > v_forgotten))
    ORDER BY first.digest
    ON CONFLICT (digest, epoch) DO UPDATE
      SET generation = excluded.generation, received_at = excluded.received_at, until = excluded.until, event_id = excluded.event_id,
        bucket = excluded.bucket, body = excluded.body
      WHERE NOT (known.until > excluded.received_at AND (known.generation = v_generation OR known.until > v_forgotten))
    RETURNING event_id
  )
  SELECT (SELECT array_agg(event_id) FROM taken), count(*), max(until), max(until - received_at)
  INTO v_taken, v_count, v_until, v_window FROM given;
  IF v_count = 0 THEN RETURN; END IF;
  PERFORM note_windows(v_epoch, v_until, v_window);
  IF coalesce(array_length(v_taken, 1), 0) = v_count THEN RETURN; END IF;

  FOR v_event IN
    SELECT k.* FROM keyed_events(p_events, p_bytes, p_refused) k WHERE k.id <> ALL (coalesce(v_taken, '{}')) ORDER BY k.i
  LOOP
    SELECT known.* INTO v_known FROM dedupe known
      WHERE known.digest = v_event.digest ORDER BY known.epoch DESC LIMIT 1;
    IF FOUND AND v_known.until > v_event.received_at AND (v_known.generation = v_generation OR v_known.until > v_forgotten) THEN
      o_index := o_index || v_event.i;
      o_first := o_first || v_known.event_id;
      o_bucket := o_bucket || v_known.bucket;
      o_differs := o_differs || (v_event.body <> v_known.body);
    ELSE
      INSERT INTO dedupe (epoch, generation, digest, received_at, until, event_id, bucket, body)
      VALUES (v_epoch, v_generation, v_event.digest, v_event.received_at, v_event.until, v_event.id, v_event.bucket, v_event.body)
      ON CONFLICT (digest, epoch) DO UPDATE
        SET generation = excluded.generation, received_at = excluded.received_at, until = excluded.until, event_id = excluded.event_id,
          bucket = excluded.bucket, body = excluded.body;
    END IF;
  END LOOP;
END $$;`;

/** Counts the repeats with the first ones, in order; keeps the newest ten. */
const count = `
CREATE FUNCTION count_repeats(p_events json, p_index integer[], p_first text[], p_bucket integer[], p_differs boolean[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_repeat record;
BEGIN
  PERFORM FROM event WHERE id = ANY (p_first) AND bucket = ANY (p_bucket || 0) ORDER BY seq FOR NO KEY UPDATE;
  FOR v_repeat IN
    SELECT p_first[array_position(p_index, x.i)] AS first, p_bucket[array_position(p_index, x.i)] AS bucket,
      jsonb_build_object('receivedAt', x.r, 'differs', p_differs[array_position(p_index, x.i)], 'correlationId', x.c) AS one
    FROM json_to_recordset(p_events) AS x(i integer, r bigint, c text)
    WHERE x.i = ANY (p_index) ORDER BY x.i
  LOOP
    UPDATE event SET duplicates = duplicates + 1,
      newest = jsonb_path_query_array(jsonb_build_array(v_repeat.one) || coalesce(newest, '[]'), '$[0 to 9]')
    WHERE id = v_repeat.first AND bucket IN (v_repeat.bucket, 0);
  END LOOP;
END $$;`;

export const dedupeFunctions = [note, keyed, find, count].join('\n');
