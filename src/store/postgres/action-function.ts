/** What a person or the gateway itself does to deliveries. All of it under the locks of all order keys. */

/** Open, unclaimed deliveries become dead letters: these, where nobody is claiming them now. */
const bury = `
CREATE FUNCTION bury_unclaimed(p_now bigint, p_seqs bigint[], p_reason text,
  OUT o_count integer, OUT o_destinations text[], OUT o_keys text[]) LANGUAGE plpgsql AS $$
BEGIN
  WITH changed AS (
    UPDATE delivery SET dead = true, ended_at = p_now, reason = p_reason, claimed = false, started = false, wake_at = NULL,
      blocked = false
    WHERE seq IN (
      SELECT seq FROM delivery
      WHERE seq = ANY (p_seqs) AND NOT dead AND (NOT claimed OR wake_at <= p_now)
      ORDER BY seq FOR UPDATE SKIP LOCKED)
    RETURNING destination, key
  ), counted AS (
    INSERT INTO destination_total (destination, dead) SELECT destination, count(*) FROM changed GROUP BY destination
  )
  SELECT count(*), array_agg(destination) FILTER (WHERE key IS NOT NULL), array_agg(key) FILTER (WHERE key IS NOT NULL)
  INTO o_count, o_destinations, o_keys FROM changed;
END $$;`;

/** The oldest open, unclaimed deliveries of a destination, each kind from the index that holds it. */
const oldest = `
CREATE FUNCTION oldest_unclaimed(p_now bigint, p_destination text, p_limit bigint) RETURNS SETOF bigint
LANGUAGE sql STABLE AS $$
  SELECT seq FROM (
    (SELECT seq FROM delivery
      WHERE destination = p_destination AND wake_at IS NULL AND NOT blocked AND NOT dead
      ORDER BY seq + 0 LIMIT p_limit)
    UNION
    -- OFFSET 0: they lie in another order, and looking for them by position would read the whole table.
    (SELECT seq FROM (
      SELECT seq FROM delivery
      WHERE destination = p_destination AND wake_at IS NOT NULL AND (claimed OR NOT blocked)
        AND (NOT claimed OR wake_at <= p_now) OFFSET 0) later ORDER BY seq LIMIT p_limit)
    UNION
    (SELECT seq FROM delivery
      WHERE destination = p_destination AND blocked AND (NOT claimed OR wake_at <= p_now)
      ORDER BY seq + 0 LIMIT p_limit)
  ) unclaimed ORDER BY seq LIMIT p_limit
$$;`;

/** All open deliveries of an event end as cancelled, if none of its deliveries has been begun. */
const cancel = `
CREATE FUNCTION cancel_event(p_now bigint, p_event text, p_bucket integer,
  OUT o_count integer, OUT o_destinations text[], OUT o_keys text[]) LANGUAGE plpgsql AS $$
DECLARE
  v_event record;
  v_free bigint[];
BEGIN
  o_count := 0;
  SELECT seq, last_seq, bucket INTO v_event FROM event WHERE id = p_event AND bucket IN (p_bucket, 0);
  IF NOT FOUND THEN RETURN; END IF;
  -- Whoever holds the lock of a row claims it, or moves all of the event to where it is kept.
  SELECT array_agg(seq) INTO v_free FROM (
    SELECT seq FROM delivery WHERE seq IN (SELECT o FROM deliveries_of(v_event.seq, v_event.last_seq) AS o) AND NOT dead
      AND NOT started AND crashes = 0 AND records = 0 AND (NOT claimed OR wake_at <= p_now)
    ORDER BY seq FOR UPDATE) free;
  IF EXISTS (SELECT FROM delivery WHERE seq IN (SELECT o FROM deliveries_of(v_event.seq, v_event.last_seq) AS o)
      AND (NOT dead OR started OR crashes > 0 OR records > 0) AND seq <> ALL (coalesce(v_free, '{}')))
    OR EXISTS (SELECT FROM ended WHERE bucket IN (p_bucket, 0)
      AND (seq BETWEEN v_event.seq AND v_event.last_seq OR replay_id IS NOT NULL) AND event_seq = v_event.seq
      AND (crashes > 0 OR records > 0 OR state IN ('succeeded', 'skipped')))
  THEN RETURN; END IF;
  WITH gone AS (
    DELETE FROM delivery WHERE seq = ANY (v_free) RETURNING *
  ), kept AS (
    INSERT INTO ended (seq, event_seq, committed_at, ended_at, replay_of, replay_of_at, bucket, attempts, crashes,
      records, state, destination, key, replay_id, note, last_error)
    SELECT seq, event_seq, committed_at, p_now, replay_of, replay_of_at, bucket, attempts, crashes, records, 'cancelled',
      destination, key, replay_id, note, last_error
    FROM gone
  )
  SELECT count(*), array_agg(destination) FILTER (WHERE key IS NOT NULL), array_agg(key) FILTER (WHERE key IS NOT NULL)
  INTO o_count, o_destinations, o_keys FROM gone;
END $$;
CREATE FUNCTION deliveries_of(p_event bigint, p_last bigint) RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
  SELECT seq FROM delivery WHERE seq BETWEEN p_event AND p_last AND event_seq = p_event
  UNION ALL
  SELECT seq FROM delivery WHERE event_seq = p_event AND replay_id IS NOT NULL
$$;`;

/** All that belongs to a destination belongs to another from now on; their order keys become one. */
const rename = `
CREATE FUNCTION rename_destination(p_from text, p_to text, OUT o_count integer, OUT o_seqs bigint[],
  OUT o_destinations text[], OUT o_keys text[]) LANGUAGE plpgsql AS $$
BEGIN
  o_count := 0;
  IF p_from = p_to OR NOT EXISTS (SELECT FROM destination_total WHERE destination = p_from) THEN RETURN; END IF;
  o_count := 1;
  UPDATE destination_total SET destination = p_to WHERE destination = p_from;
  UPDATE ended SET destination = p_to WHERE destination = p_from;
  PERFORM FROM delivery WHERE destination = p_from ORDER BY seq FOR UPDATE;
  WITH changed AS (UPDATE delivery SET destination = p_to WHERE destination = p_from RETURNING seq, destination, key)
  SELECT array_agg(seq), array_agg(destination) FILTER (WHERE key IS NOT NULL), array_agg(key) FILTER (WHERE key IS NOT NULL)
  INTO o_seqs, o_destinations, o_keys FROM changed;
  IF o_keys IS NOT NULL THEN
    UPDATE delivery SET blocked = true
    WHERE destination = p_to AND key = ANY (o_keys) AND NOT dead AND NOT blocked
      AND seq NOT IN (SELECT heads(o_destinations, o_keys));
  END IF;
END $$;`;

export const actionFunctions = [bury, oldest, cancel, rename].join('\n');
