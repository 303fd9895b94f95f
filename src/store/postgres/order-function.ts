/**
 * Order keys: which delivery of a key is free. A key's queue is its open deliveries and the dead letters that hold it, by
 * place and then by position. The first open one is free, unless a dead letter with a lower place holds the key before it;
 * a replay that took a dead letter's place has the same place and is not held by it.
 *
 * That is stored as `blocked`, so that a claim never reads past what waits: 120,000 deliveries behind one key cost the
 * others nothing. It is only changed under the lock of the key.
 */

/** The free delivery of each of these keys, where there is one. */
const heads = `
CREATE FUNCTION heads(p_destinations text[], p_keys text[]) RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
  SELECT head.seq
  FROM (SELECT DISTINCT destination, key FROM unnest(p_destinations, p_keys) AS q(destination, key)) q,
    LATERAL (
      SELECT place FROM delivery d
      WHERE d.destination = q.destination AND d.key = q.key AND d.key IS NOT NULL AND (NOT d.dead OR d.holds)
      ORDER BY d.place, d.seq LIMIT 1) first,
    LATERAL (
      SELECT d.seq FROM delivery d
      WHERE d.destination = q.destination AND d.key = q.key AND d.key IS NOT NULL AND (NOT d.dead OR d.holds)
        AND d.place = first.place AND NOT d.dead
      ORDER BY d.place, d.seq LIMIT 1) head
$$;`;

const unblock = `
CREATE FUNCTION unblock(p_destinations text[], p_keys text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  UPDATE delivery SET blocked = false
  WHERE seq IN (SELECT heads(p_destinations, p_keys)) AND blocked;
END $$;`;

/** Whether a delivery at this place is not free. */
const stands = `
CREATE FUNCTION is_blocked(p_destination text, p_key text, p_place bigint, p_seq bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
  SELECT (
    SELECT d.seq FROM delivery d
    WHERE d.destination = p_destination AND d.key = p_key AND d.key IS NOT NULL AND (NOT d.dead OR d.holds)
      AND (d.place, d.seq) < (p_place, p_seq) AND (NOT d.dead OR d.place < p_place)
    ORDER BY d.place, d.seq LIMIT 1) IS NOT NULL
$$;`;

/** What a commit made ready: of the deliveries it touched, and of the heads of the keys it touched. */
const ready = `
CREATE FUNCTION ready_of(p_seqs bigint[], p_destinations text[], p_keys text[], p_now bigint) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
  SELECT DISTINCT d.destination FROM delivery d
  WHERE d.seq IN (SELECT unnest(p_seqs) UNION SELECT heads(p_destinations, p_keys))
    AND NOT d.dead AND NOT d.blocked AND (d.wake_at IS NULL OR d.wake_at <= p_now)
$$;`;

export const orderFunctions = [heads, unblock, stands, ready].join('\n');
