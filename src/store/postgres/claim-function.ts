/** Claims, their renewal, and when to look again. */
import { IN_ORDER, STEADY } from './steady.ts';

/**
 * Ends the leases that have ended, and makes ready what has fallen due, of these destinations: from then on both are found
 * by the order of commits. At most so many of each at once; more are found by the next call. Answers whether it reached that.
 */
const ripen = `
CREATE FUNCTION ripen(p_now bigint, p_destinations text[], p_limit integer) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  v_count integer;
BEGIN
  UPDATE delivery SET claimed = false, wake_at = NULL
  WHERE seq IN (
    SELECT ripe.seq FROM unnest(p_destinations) AS q(destination), LATERAL (
      SELECT d.seq FROM delivery d
      WHERE d.destination = q.destination AND d.wake_at <= p_now AND d.wake_at IS NOT NULL AND (d.claimed OR NOT d.blocked)
      ORDER BY d.wake_at LIMIT p_limit FOR UPDATE SKIP LOCKED) ripe);
  GET DIAGNOSTICS v_count = ROW_COUNT;
  RETURN v_count >= p_limit;
END $$;`;

/** Whether something is ready; each look along the one index that holds it. */
const hasReady = `
CREATE FUNCTION has_ready(p_destination text, p_now bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT (SELECT d.seq FROM delivery d
      WHERE d.destination = p_destination AND d.wake_at IS NULL AND NOT d.blocked AND NOT d.dead
      ORDER BY d.seq + 0 LIMIT 1) IS NOT NULL
    OR (SELECT d.seq FROM delivery d
      WHERE d.destination = p_destination AND d.wake_at <= p_now AND d.wake_at IS NOT NULL AND (d.claimed OR NOT d.blocked)
        AND NOT d.blocked
      ORDER BY d.wake_at LIMIT 1) IS NOT NULL
$$;`;

const CLAIMED = `seq bigint, claim integer, destination text, key text, attempts integer, crashes integer, committed_at bigint,
  replay_of bigint, replay_of_at bigint, answered boolean, id text, source text, type text, tenant text, dedupe_key text,
  order_key text, received_at bigint, method text, path text, query text, headers json, body bytea, correlation_id text,
  traceparent text, unfit text, duplicate_of text`;

/**
 * Claims ready deliveries in the order of their commits: for each want, up to its slots, and until its bytes are passed;
 * or those of `p_ids`. What another process is claiming right now is passed over. The last row says what has more.
 */
const claim = `
CREATE FUNCTION claim_1(p_owner integer, p_lease bigint, p_destinations text[], p_slots integer[], p_bytes bigint[],
  p_firsts boolean[], p_ids bigint[]) RETURNS TABLE (turn integer, more text[], ${CLAIMED})
LANGUAGE plpgsql ${IN_ORDER}
AS $$
#variable_conflict use_column
DECLARE
  v_now bigint := now_ms();
  v_ripe boolean := ripen(v_now, p_destinations, 1000);
  v_seqs bigint[] := '{}';
  v_turns integer[] := '{}';
  v_more text[] := '{}';
  v_row record;
  v_bytes bigint;
  v_taken integer;
BEGIN
  IF p_ids IS NOT NULL THEN
    SELECT coalesce(array_agg(r.seq), '{}'), coalesce(array_agg(array_position(p_destinations, r.destination)), '{}')
    INTO v_seqs, v_turns FROM (
      SELECT d.seq, d.destination FROM delivery d
      WHERE d.seq = ANY (p_ids) AND d.destination = ANY (p_destinations)
        AND d.wake_at IS NULL AND NOT d.blocked AND NOT d.dead
      ORDER BY d.seq FOR UPDATE SKIP LOCKED) r;
  ELSE
    FOR v_want IN 1 .. coalesce(array_length(p_destinations, 1), 0) LOOP
      v_bytes := 0; v_taken := 0;
      FOR v_row IN
        SELECT d.seq, d.bytes FROM delivery d
        WHERE d.destination = p_destinations[v_want] AND d.wake_at IS NULL AND NOT d.blocked AND NOT d.dead
          AND (d.attempts = 0 OR NOT p_firsts[v_want])
        ORDER BY d.seq + 0 LIMIT p_slots[v_want] + 1 FOR UPDATE SKIP LOCKED
      LOOP
        IF v_taken >= p_slots[v_want] OR v_bytes > p_bytes[v_want] THEN
          v_more := v_more || p_destinations[v_want]; EXIT;
        END IF;
        v_seqs := v_seqs || v_row.seq; v_turns := v_turns || v_want;
        v_bytes := v_bytes + v_row.bytes; v_taken := v_taken + 1;
      END LOOP;
    END LOOP;
  END IF;
  -- One that is marked started and yet free was given up by no process that lives: its lease ended.
  UPDATE delivery d SET claimed = true, claim = d.claim + 1, wake_at = v_now + p_lease, owner = p_owner,
    crashes = d.crashes + d.started::integer, started = false
  WHERE d.seq = ANY (v_seqs);
  IF p_ids IS NOT NULL OR v_ripe OR true = ANY (p_firsts) THEN
    v_more := ARRAY(SELECT q FROM unnest(p_destinations) q WHERE has_ready(q, v_now));
  END IF;
  RETURN QUERY
    SELECT c.turn, NULL::text[], d.seq, d.claim, d.destination, d.key, d.attempts, d.crashes, d.committed_at,
      d.replay_of, d.replay_of_at,
      EXISTS (SELECT FROM answer a WHERE a.event_seq = d.event_seq AND a.bucket = d.bucket),
      e.id, e.source, e.type, e.tenant, e.dedupe_key, e.order_key, e.received_at, e.method, e.path, e.query, e.headers,
      e.body, e.correlation_id, e.traceparent, e.unfit, e.duplicate_of
    FROM unnest(v_seqs, v_turns) AS c(seq, turn) JOIN delivery d ON d.seq = c.seq
      JOIN event e ON e.seq = d.event_seq AND e.bucket = d.bucket
    ORDER BY c.turn, d.seq;
  turn := NULL; more := v_more; seq := NULL;
  RETURN NEXT;
END $$;`;

/** Extends what is current; answers which were. In the order of positions, like all who lock several rows. */
const renew = `
CREATE FUNCTION renew_1(p_seqs bigint[], p_claims integer[], p_lease bigint) RETURNS boolean[]
LANGUAGE plpgsql ${IN_ORDER}
AS $$
DECLARE
  v_now bigint;
  v_current boolean[];
BEGIN
  PERFORM lock_claims(p_seqs);
  v_now := now_ms();
  v_current := current_claims(v_now, p_seqs, p_claims);
  UPDATE delivery d SET wake_at = v_now + p_lease
  FROM unnest(p_seqs, p_claims) AS r(seq, claim)
  WHERE d.seq = r.seq AND d.claim = r.claim AND d.claimed AND d.wake_at > v_now;
  RETURN v_current;
END $$;`;

/** Two index probes a destination asked for, and none for the others. `o_in`: milliseconds until something falls due. */
const wake = `
CREATE FUNCTION wake_ups_1(p_destinations text[], OUT o_ready text[], OUT o_in bigint)
LANGUAGE plpgsql ${IN_ORDER}
AS $$
DECLARE
  v_now bigint := now_ms();
BEGIN
  SELECT array_agg(q.destination) FILTER (WHERE q.ready), min(q.next) - v_now INTO o_ready, o_in FROM (
    SELECT destination,
      has_ready(w.destination, v_now) AS ready,
      (SELECT d.wake_at FROM delivery d WHERE d.destination = w.destination AND d.wake_at > v_now
        AND d.wake_at IS NOT NULL AND (d.claimed OR NOT d.blocked) ORDER BY d.wake_at LIMIT 1) AS next
    FROM unnest(p_destinations) AS w(destination)) q;
END $$;`;

/** The claims of a process end: it is closing. */
const endClaims = `
CREATE FUNCTION end_claims_1(p_owner integer) RETURNS void LANGUAGE plpgsql ${STEADY} AS $$
BEGIN
  PERFORM FROM delivery WHERE owner = p_owner AND (claimed OR started) ORDER BY seq FOR UPDATE;
  UPDATE delivery SET claimed = false, started = false, wake_at = CASE WHEN claimed THEN NULL ELSE wake_at END
  WHERE owner = p_owner AND (claimed OR started);
END $$;`;

export const claimFunctions = [ripen, hasReady, claim, renew, wake, endClaims].join('\n');
