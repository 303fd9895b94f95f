/** What outcomes come to. Each statement takes a whole list and is fenced: a row counts only under its current claim. */

/** Whether a claim is the current one, as every statement here asks it. */
const CURRENT = 'd.seq = x.s AND d.claim = x.c AND d.claimed AND d.wake_at > p_now';

/** The first answer stored for an event stays. */
const answers = `
CREATE FUNCTION store_answers(p_now bigint, p_answers json, p_bytes bytea, OUT o_events bigint[], OUT o_turns integer[])
LANGUAGE plpgsql AS $$
BEGIN
  WITH stored AS (
    INSERT INTO answer (event_seq, bucket, status, headers, body)
    SELECT DISTINCT ON (d.event_seq) d.event_seq, d.bucket, x.t, x.h::json, substring(p_bytes FROM x.o + 1 FOR x.l)
    FROM json_to_recordset(p_answers) AS x(s bigint, c bigint, f integer, t integer, h text, o integer, l integer),
      delivery d
    WHERE ${CURRENT}
    ORDER BY d.event_seq, x.f
    ON CONFLICT DO NOTHING
    RETURNING event_seq
  )
  SELECT array_agg(first.event_seq), array_agg(first.turn) INTO o_events, o_turns FROM (
    SELECT d.event_seq, min(x.f) AS turn
    FROM json_to_recordset(p_answers) AS x(s bigint, c bigint, f integer), delivery d
    WHERE ${CURRENT} AND d.event_seq IN (SELECT event_seq FROM stored)
    GROUP BY d.event_seq) first;
END $$;`;

/** Successes and skips leave "delivery" with the record of their last attempt. */
const finish = `
CREATE FUNCTION finish_deliveries(p_now bigint, p_ends json,
  OUT o_destinations text[], OUT o_keys text[], OUT o_replayed bigint[]) LANGUAGE plpgsql AS $$
BEGIN
  WITH gone AS (
    DELETE FROM delivery d
    USING json_to_recordset(p_ends) AS x(s bigint, c bigint, x text, n text, a text)
    WHERE ${CURRENT}
    RETURNING d.*, x.x AS outcome, x.n AS remark, x.a AS record
  ), kept AS (
    INSERT INTO ended (seq, event_seq, committed_at, ended_at, replay_of, replay_of_at, bucket, attempts, crashes,
      records, state, destination, key, replay_id, note, last_error, attempt)
    SELECT seq, event_seq, committed_at, p_now, replay_of, replay_of_at, bucket, attempts + 1, crashes, records + 1,
      outcome, destination, key, replay_id, remark, last_error, record::jsonb
    FROM gone
  ), counted AS (
    INSERT INTO destination_total (destination, succeeded, skipped)
    SELECT destination, count(*) FILTER (WHERE outcome = 'succeeded'), count(*) FILTER (WHERE outcome = 'skipped')
    FROM gone GROUP BY destination
  )
  SELECT array_agg(destination) FILTER (WHERE key IS NOT NULL), array_agg(key) FILTER (WHERE key IS NOT NULL),
    array_agg(replay_of) FILTER (WHERE replay_of IS NOT NULL)
  INTO o_destinations, o_keys, o_replayed FROM gone;
END $$;`;

/** Failed for now: due again after a delay. */
const retry = `
CREATE FUNCTION retry_deliveries(p_now bigint, p_retries json,
  OUT o_seqs bigint[], OUT o_destinations text[], OUT o_keys text[]) LANGUAGE plpgsql AS $$
BEGIN
  WITH changed AS (
    UPDATE delivery d SET claimed = false, started = false, wake_at = CASE WHEN x.d > 0 THEN p_now + x.d END,
      attempts = d.attempts + x.p::integer, records = d.records + 1, last_error = coalesce(x.e, d.last_error)
    FROM json_to_recordset(p_retries) AS x(s bigint, c bigint, d bigint, p boolean, e text, a text)
    WHERE ${CURRENT}
    RETURNING d.seq, d.bucket, d.records, d.destination, d.key, x.p AS spent, x.a AS record
  ), tried AS (
    INSERT INTO attempt (delivery, number, bucket, record) SELECT seq, records, bucket, record::jsonb FROM changed
  ), forgotten AS (
    DELETE FROM attempt a USING changed WHERE a.delivery = changed.seq AND a.number <= changed.records - 100
  ), counted AS (
    INSERT INTO destination_total (destination, failed)
    SELECT destination, count(*) FROM changed WHERE spent GROUP BY destination
  )
  SELECT array_agg(seq), array_agg(destination) FILTER (WHERE key IS NOT NULL), array_agg(key) FILTER (WHERE key IS NOT NULL)
  INTO o_seqs, o_destinations, o_keys FROM changed;
END $$;`;

/** Dead letters stay in "delivery" until somebody resolves them, and hold their key where that was asked for. */
const die = `
CREATE FUNCTION bury_claimed(p_now bigint, p_deaths json, OUT o_destinations text[], OUT o_keys text[])
LANGUAGE plpgsql AS $$
BEGIN
  WITH changed AS (
    UPDATE delivery d SET dead = true, holds = x.h AND d.key IS NOT NULL, ended_at = p_now, reason = x.r, note = x.n,
      claimed = false, started = false, blocked = false, wake_at = NULL,
      attempts = d.attempts + (x.a IS NOT NULL)::integer, records = d.records + (x.a IS NOT NULL)::integer,
      last_error = coalesce(x.e, d.last_error)
    FROM json_to_recordset(p_deaths) AS x(s bigint, c bigint, r text, n text, h boolean, e text, a text)
    WHERE ${CURRENT}
    RETURNING d.seq, d.bucket, d.records, d.destination, d.key, x.a AS record
  ), tried AS (
    INSERT INTO attempt (delivery, number, bucket, record)
    SELECT seq, records, bucket, record::jsonb FROM changed WHERE record IS NOT NULL
  ), counted AS (
    INSERT INTO destination_total (destination, dead, failed)
    SELECT destination, count(*), count(record) FROM changed GROUP BY destination
  )
  SELECT array_agg(destination) FILTER (WHERE key IS NOT NULL), array_agg(key) FILTER (WHERE key IS NOT NULL)
  INTO o_destinations, o_keys FROM changed;
END $$;`;

/** Claims given back. */
const release = `
CREATE FUNCTION release_deliveries(p_now bigint, p_releases json,
  OUT o_seqs bigint[], OUT o_destinations text[], OUT o_keys text[]) LANGUAGE plpgsql AS $$
BEGIN
  WITH changed AS (
    UPDATE delivery d SET claimed = false, started = false, wake_at = CASE WHEN x.d > 0 THEN p_now + x.d END
    FROM json_to_recordset(p_releases) AS x(s bigint, c bigint, d bigint)
    WHERE ${CURRENT}
    RETURNING d.seq, d.destination, d.key
  )
  SELECT array_agg(seq), array_agg(destination) FILTER (WHERE key IS NOT NULL), array_agg(key) FILTER (WHERE key IS NOT NULL)
  INTO o_seqs, o_destinations, o_keys FROM changed;
END $$;`;

/** Unresolved dead letters become resolved and leave "delivery". A row that somebody else holds is resolved or moved then. */
const resolve = `
CREATE FUNCTION resolve_dead(p_now bigint, p_seqs bigint[], p_by text, p_note text,
  OUT o_count integer, OUT o_destinations text[], OUT o_keys text[]) LANGUAGE plpgsql AS $$
BEGIN
  WITH gone AS (
    DELETE FROM delivery
    WHERE seq IN (SELECT seq FROM delivery WHERE seq = ANY (p_seqs) AND dead ORDER BY seq FOR UPDATE)
    RETURNING *
  ), kept AS (
    INSERT INTO ended (seq, event_seq, committed_at, ended_at, resolved_at, replay_of, replay_of_at, bucket, attempts,
      crashes, records, state, destination, key, replay_id, reason, note, last_error, resolved_by, resolved_note)
    SELECT seq, event_seq, committed_at, ended_at, p_now, replay_of, replay_of_at, bucket, attempts, crashes, records,
      'dead', destination, key, replay_id, reason, note, last_error, p_by, p_note
    FROM gone
  )
  SELECT count(*), array_agg(destination) FILTER (WHERE holds), array_agg(key) FILTER (WHERE holds)
  INTO o_count, o_destinations, o_keys FROM gone;
END $$;`;

/** A replay that ended well resolves the dead letter it repeats, and the ones that one repeats in turn. */
const resolveRepeated = `
CREATE FUNCTION resolve_repeated(p_now bigint, p_replayed bigint[], OUT o_destinations text[], OUT o_keys text[])
LANGUAGE plpgsql AS $$
DECLARE
  v_chain bigint[];
BEGIN
  WITH RECURSIVE chain(seq) AS (
    SELECT unnest(p_replayed)
    UNION
    SELECT original.replay_of FROM chain, LATERAL (
      SELECT d.replay_of FROM delivery d WHERE d.seq = chain.seq
      UNION ALL
      SELECT e.replay_of FROM ended e WHERE e.seq = chain.seq) original
    WHERE original.replay_of IS NOT NULL
  )
  SELECT array_agg(seq) INTO v_chain FROM chain;
  -- The commit has locked the replay's own key, which may be none.
  PERFORM lock_keys(ARRAY(SELECT d.key FROM delivery d WHERE d.seq = ANY (v_chain) AND d.holds));
  SELECT r.o_destinations, r.o_keys INTO o_destinations, o_keys
  FROM resolve_dead(p_now, v_chain, 'replay', 'replayed') r;
END $$;`;

export const settleFunctions = [answers, finish, retry, die, release, resolve, resolveRepeated].join('\n');
