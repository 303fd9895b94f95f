/** Stores new events with the deliveries they owe. */

/**
 * The events of one phase of a commit (`p_emits`: those that handlers emitted; `p_positions`: how many positions they need) that are not refused and do not merely
 * repeat. Answers the positions it drew, in the order of events and their deliveries, and which deliveries may be ready:
 * those of what is born free, unclaimed and due are named by their destination at once.
 */
const append = `
CREATE FUNCTION append_events(p_now bigint, p_owner integer, p_lease bigint, p_events json, p_deliveries json,
  p_bytes bytea, p_positions bigint, p_emits boolean, p_refused integer[], p_index integer[], p_first text[], p_differs boolean[],
  OUT o_positions bigint[], OUT o_ready text[], OUT o_destinations text[], OUT o_keys text[]) LANGUAGE plpgsql
SET enable_hashjoin = on AS $$
DECLARE
  v_same integer[] := ARRAY(SELECT i FROM unnest(p_index, p_differs) AS r(i, differs) WHERE NOT differs);
  v_other integer[] := ARRAY(SELECT i FROM unnest(p_index, p_differs) AS r(i, differs) WHERE differs);
BEGIN
  -- What the caller counted, where all of it is taken.
  IF array_length(p_index, 1) > 0 OR array_length(p_refused, 1) > 0 THEN
    SELECT coalesce(sum(1 + CASE WHEN x.i = ANY (v_other) THEN 0 ELSE x.a END), 0) INTO p_positions
    FROM json_to_recordset(p_events) AS x(i integer, a integer, f integer)
    WHERE (x.f IS NOT NULL) = p_emits AND x.i <> ALL (v_same) AND (x.f IS NULL OR x.f <> ALL (p_refused));
  END IF;
  o_positions := draw_positions(p_positions);

  WITH given AS MATERIALIZED (
    SELECT x.*, x.i = ANY (v_other) AS differs
    FROM json_to_recordset(p_events) AS x(i integer, id text, b integer, s text, t text, n text, d text, k text,
      r bigint, m text, p text, q text, h text, o integer, l integer, c text, w text, u text, x text, a integer, f integer)
    WHERE (x.f IS NOT NULL) = p_emits AND (x.f IS NULL OR x.f <> ALL (p_refused))
  ), placed AS MATERIALIZED (
    SELECT g.*, CASE WHEN differs THEN 0 ELSE a END AS owes,
      (sum(1 + CASE WHEN differs THEN 0 ELSE a END) OVER (ORDER BY i))::integer - CASE WHEN differs THEN 0 ELSE a END AS turn
    FROM given g WHERE i <> ALL (v_same)
  ), events AS (
    INSERT INTO event (seq, last_seq, received_at, bucket, owed, body_bytes, id, source, type, tenant, dedupe_key,
      order_key, correlation_id, method, path, query, traceparent, unfit, duplicate_of, headers, body)
    SELECT o_positions[turn], o_positions[turn + owes], r, b, owes, coalesce(l, 0), id, s, t, n, d, k, c, m, p, q, w, u,
      CASE WHEN differs THEN p_first[array_position(p_index, i)] ELSE x END, h::json,
      CASE WHEN l IS NOT NULL THEN substring(p_bytes FROM o + 1 FOR l) END
    FROM placed
  ), born AS MATERIALIZED (
    SELECT o_positions[e.turn + 1 + y.j] AS seq, o_positions[e.turn] AS event_seq, e.b, e.r, coalesce(e.l, 0) AS bytes,
      y.d AS destination, y.x AS reason,
      CASE WHEN y.k IS NOT NULL THEN json_build_array(e.n, y.k)::text END AS key,
      CASE WHEN y.w > p_now THEN y.w END AS due,
      y.h > 0 AND y.k IS NULL AND y.x IS NULL AND (y.w IS NULL OR y.w <= p_now) AS handed, y.h = 2 AS begun
    FROM placed e JOIN json_to_recordset(p_deliveries) AS y(i integer, j integer, d text, k text, w bigint,
      x text, h integer) ON y.i = e.i AND NOT e.differs
  ), deliveries AS (
    INSERT INTO delivery (seq, event_seq, place, committed_at, received_at, wake_at, ended_at, bucket, bytes, claim, owner,
      claimed, started, blocked, dead, destination, key, reason)
    SELECT seq, event_seq, seq, p_now, r, CASE WHEN handed THEN p_now + p_lease WHEN reason IS NULL THEN due END,
      CASE WHEN reason IS NOT NULL THEN p_now END, b, bytes, handed::integer, CASE WHEN handed THEN p_owner END,
      handed, handed AND begun,
      CASE WHEN key IS NULL OR reason IS NOT NULL THEN false
        ELSE lag(seq) OVER (PARTITION BY destination, key, reason ORDER BY seq) IS NOT NULL
          OR is_blocked(destination, key, seq, seq) END,
      reason IS NOT NULL, destination, key, reason
    FROM born
    RETURNING destination, key, dead, wake_at IS NULL AND NOT blocked AND NOT dead AS is_ready
  ), received AS (
    INSERT INTO destination_total (destination, received, dead)
    SELECT destination, count(*), count(reason) FROM born GROUP BY destination
  ), accepted AS (
    INSERT INTO source_total (source, accepted, duplicates, differing, kept)
    SELECT s, count(*) FILTER (WHERE i <> ALL (p_index)), count(*) FILTER (WHERE i = ANY (p_index)),
      count(*) FILTER (WHERE differs), count(*) FILTER (WHERE i <> ALL (v_same))
    FROM given GROUP BY s
  )
  SELECT array_agg(DISTINCT destination) FILTER (WHERE is_ready),
    array_agg(destination) FILTER (WHERE key IS NOT NULL), array_agg(key) FILTER (WHERE key IS NOT NULL)
  INTO o_ready, o_destinations, o_keys FROM deliveries;
END $$;`;

export const appendFunctions = append;
