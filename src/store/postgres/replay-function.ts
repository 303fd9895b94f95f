/** New deliveries for past events, one row after the other: what one makes the next may not make again. */

const replay = `
CREATE FUNCTION replay_one(p_now bigint, p_row json, OUT o_refused text, OUT o_seq bigint, OUT o_destination text,
  OUT o_key text) LANGUAGE plpgsql AS $$
DECLARE
  v_event record;
  v_original record;
  v_of bigint := (p_row ->> 'of')::bigint;
  v_at bigint;
  v_place bigint;
BEGIN
  o_destination := p_row ->> 'destination';
  -- The lock keeps retention away from it.
  SELECT e.* INTO v_event FROM event e
    WHERE e.id = p_row ->> 'event' AND e.bucket IN ((p_row ->> 'bucket')::integer, 0) FOR KEY SHARE;
  IF NOT FOUND THEN o_refused := 'not_found'; RETURN; END IF;
  IF v_of IS NOT NULL THEN
    SELECT d.seq, d.committed_at, d.destination, d.key, d.dead, d.holds, d.place INTO v_original
      FROM delivery d WHERE d.seq = v_of AND d.event_seq = v_event.seq;
    IF NOT FOUND THEN
      SELECT e.seq, e.committed_at, e.destination, e.key, true AS dead, false AS holds, NULL::bigint AS place
        INTO v_original FROM ended e WHERE e.seq = v_of AND e.event_seq = v_event.seq AND e.bucket = v_event.bucket;
    END IF;
    v_at := v_original.committed_at;
    IF v_at IS NULL OR v_original.destination <> o_destination OR v_at <> (p_row ->> 'ofAt')::bigint THEN
      o_refused := 'not_found'; RETURN;
    END IF;
  END IF;
  IF v_event.body IS NULL THEN o_refused := 'body_purged'; RETURN; END IF;
  IF v_of IS NOT NULL THEN
    IF NOT v_original.dead THEN o_refused := 'conflict'; RETURN; END IF;
  END IF;
  IF EXISTS (SELECT FROM delivery d WHERE d.event_seq = v_event.seq AND d.destination = o_destination
      AND d.replay_id IS NOT NULL AND (NOT d.dead OR d.replay_id = p_row ->> 'replay')
      AND d.replay_of IS NOT DISTINCT FROM v_of)
    OR EXISTS (SELECT FROM ended e WHERE e.event_seq = v_event.seq AND e.bucket = v_event.bucket
      AND e.destination = o_destination AND e.replay_id = p_row ->> 'replay' AND e.replay_of IS NOT DISTINCT FROM v_of)
  THEN o_refused := 'replay_open'; RETURN; END IF;

  IF (p_row ->> 'ordered')::boolean THEN
    IF v_of IS NOT NULL THEN
      o_key := v_original.key;
      IF v_original.holds AND o_key IS NOT NULL THEN v_place := v_original.place; END IF;
    END IF;
    IF o_key IS NULL AND v_event.order_key IS NOT NULL THEN
      o_key := json_build_array(v_event.tenant, v_event.order_key)::text;
    END IF;
  END IF;
  o_seq := (draw_positions(1))[1];
  INSERT INTO delivery (seq, event_seq, place, committed_at, received_at, replay_of, replay_of_at, bucket, bytes, blocked,
    destination, key, replay_id)
  SELECT o_seq, v_event.seq, coalesce(v_place, o_seq), p_now, v_event.received_at, v_of, v_at, v_event.bucket, v_event.body_bytes,
    o_key IS NOT NULL AND is_blocked(o_destination, o_key, coalesce(v_place, o_seq), o_seq),
    o_destination, o_key, p_row ->> 'replay';
  INSERT INTO destination_total (destination, received) VALUES (o_destination, 1);
END $$;`;

export const replayFunctions = replay;
