/** Retention: what has come of age goes. */
import { BY_INDEX, STEADY } from './steady.ts';
import { BUCKETED } from './tables.ts';

const bucketed = BUCKETED.map((table) => `'${table}'`).join(', ');

/**
 * What has become of the events of a day, in the order of positions: whether they are due to go, or only their bodies. The
 * clocks are in milliseconds, null keeps for ever. One day: a list of days would not keep the others from being read.
 */
const aged = `
CREATE FUNCTION aged_events(p_now bigint, p_clocks json, p_bucket integer, p_after bigint, p_limit integer)
RETURNS TABLE (seq bigint, goes boolean, body_goes boolean, dead bigint)
LANGUAGE sql STABLE AS $$
  SELECT e.seq, coalesce(p_now - e.since >= e.kept_ms, false),
    e.has_body AND e.usual AND coalesce(p_now - e.since >= (p_clocks ->> 'bodies')::bigint, false), e.dead
  FROM (
    SELECT x.seq, x.body IS NOT NULL AS has_body, live.dead,
      greatest(x.received_at, live.since, past.since) AS since,
      live.open = 0 AND live.dead = 0 AND NOT is_unmatched.it AS usual,
      CASE WHEN live.open > 0 THEN NULL
        WHEN live.dead > 0 THEN (p_clocks ->> 'deadLetters')::bigint
        WHEN is_unmatched.it THEN (p_clocks ->> 'unmatched')::bigint
        ELSE (p_clocks ->> 'events')::bigint END AS kept_ms
    FROM (SELECT * FROM event v WHERE v.bucket = p_bucket AND v.seq > p_after ORDER BY v.seq LIMIT p_limit) x,
      LATERAL (
        SELECT count(*) FILTER (WHERE NOT d.dead) AS open, count(*) FILTER (WHERE d.dead) AS dead, count(*) AS total,
          max(d.ended_at) AS since
        FROM delivery d WHERE d.seq IN (SELECT o FROM deliveries_of(x.seq, x.last_seq) AS o)) live,
      LATERAL (
        SELECT count(*) AS total, max(coalesce(p.resolved_at, p.ended_at)) AS since
        FROM (
          SELECT n.resolved_at, n.ended_at FROM ended n
          WHERE n.bucket = p_bucket AND n.seq BETWEEN x.seq AND x.last_seq AND n.event_seq = x.seq
          UNION ALL
          SELECT n.resolved_at, n.ended_at FROM ended n
          WHERE n.bucket = p_bucket AND n.event_seq = x.seq AND n.replay_id IS NOT NULL) p) past,
      LATERAL (SELECT live.total + past.total = 0 AND x.duplicate_of IS NULL AS it) is_unmatched) e
$$;`;

/** The days there are, how much is in them, and when they were last looked through to their end. */
const days = `
CREATE FUNCTION days_1() RETURNS TABLE (bucket integer, bytes bigint, swept_at bigint)
LANGUAGE sql STABLE ${STEADY} AS $$
  SELECT d.bucket, pg_total_relation_size(d.oid), coalesce(s.at, 0)
  FROM (SELECT substring(c.relname FROM 7)::integer AS bucket, c.oid
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'event'::regclass) d
  LEFT JOIN swept s ON s.bucket = d.bucket ORDER BY 1
$$;
CREATE FUNCTION note_swept_1(p_buckets integer[], p_at bigint) RETURNS void
LANGUAGE sql VOLATILE ${STEADY} AS $$
  INSERT INTO swept AS s (bucket, at) SELECT b, p_at FROM unnest(p_buckets) b
  ON CONFLICT (bucket) DO UPDATE SET at = greatest(s.at, excluded.at)
$$;`;

/** One step of a sweep through a day. Answers how far it came; null: to the end. `o_looked`: at how many events it looked. */
const sweep = `
CREATE FUNCTION sweep_1(p_clocks json, p_bucket integer, p_after bigint, p_limit integer,
  OUT o_after bigint, OUT o_looked bigint, OUT o_events bigint, OUT o_bodies bigint, OUT o_dead bigint)
LANGUAGE plpgsql ${BY_INDEX}
AS $$
DECLARE
  v_now bigint := now_ms();
  v_found bigint[];
  v_goes bigint[];
  v_dead bigint[];
  v_bodies bigint[];
  v_destinations text[];
  v_keys text[];
BEGIN
  PERFORM share_days(ARRAY[p_bucket]);
  PERFORM enter_gate();
  SELECT array_agg(a.seq ORDER BY a.seq), array_agg(a.seq) FILTER (WHERE a.goes) INTO v_found, v_goes
    FROM aged_events(v_now, p_clocks, p_bucket, p_after, p_limit) a;
  o_looked := coalesce(array_length(v_found, 1), 0);
  IF o_looked >= p_limit THEN o_after := v_found[o_looked]; END IF;
  o_events := 0; o_bodies := 0; o_dead := 0;
  IF v_found IS NULL THEN RETURN; END IF;
  IF v_goes IS NOT NULL AND p_clocks ->> 'deadLetters' IS NOT NULL THEN
    PERFORM lock_keys(ARRAY(SELECT d.key FROM event e, deliveries_of(e.seq, e.last_seq) AS o JOIN delivery d ON d.seq = o
      WHERE e.seq = ANY (v_goes) AND e.bucket = p_bucket AND d.holds));
  END IF;
  -- Whoever makes a replay shares a lock on the event: what is locked now and still goes has none.
  v_found := ARRAY(SELECT e.seq FROM event e WHERE e.seq = ANY (v_found) AND e.bucket = p_bucket FOR UPDATE SKIP LOCKED);
  SELECT array_agg(a.seq) FILTER (WHERE a.goes), array_agg(a.seq) FILTER (WHERE a.body_goes AND NOT a.goes),
    coalesce(sum(a.dead) FILTER (WHERE a.goes), 0)
  INTO v_goes, v_bodies, o_dead
  FROM aged_events(v_now, p_clocks, p_bucket, p_after, p_limit) a WHERE a.seq = ANY (v_found);

  UPDATE event SET body = NULL WHERE seq = ANY (v_bodies) AND bucket = p_bucket;
  GET DIAGNOSTICS o_bodies = ROW_COUNT;
  IF v_goes IS NULL THEN RETURN; END IF;
  WITH gone AS (
    DELETE FROM delivery d
    WHERE d.seq IN (
      SELECT o FROM event e, deliveries_of(e.seq, e.last_seq) AS o WHERE e.seq = ANY (v_goes) AND e.bucket = p_bucket)
    RETURNING d.seq, d.destination, d.key, d.holds
  )
  SELECT array_agg(seq), array_agg(destination) FILTER (WHERE holds), array_agg(key) FILTER (WHERE holds)
  INTO v_dead, v_destinations, v_keys FROM gone;
  WITH gone AS (
    DELETE FROM ended n
    USING event e
    WHERE e.seq = ANY (v_goes) AND e.bucket = p_bucket AND n.bucket = p_bucket AND n.event_seq = e.seq
      AND (n.seq BETWEEN e.seq AND e.last_seq OR n.replay_id IS NOT NULL)
    RETURNING n.seq
  )
  SELECT v_dead || array_agg(seq) INTO v_dead FROM gone;
  DELETE FROM attempt WHERE delivery = ANY (v_dead) AND bucket = p_bucket;
  DELETE FROM answer WHERE event_seq = ANY (v_goes) AND bucket = p_bucket;
  WITH gone AS (
    DELETE FROM event WHERE seq = ANY (v_goes) AND bucket = p_bucket RETURNING source
  ), counted AS (
    INSERT INTO source_total (source, kept) SELECT source, -count(*) FROM gone GROUP BY source
  )
  SELECT count(*) INTO o_events FROM gone;
  IF v_keys IS NOT NULL THEN PERFORM unblock(v_destinations, v_keys); END IF;
END $$;`;

/** Open, unclaimed deliveries of a held destination that were committed before a time. */
const held = `
CREATE FUNCTION bury_held_1(p_destination text, p_before bigint, p_limit bigint) RETURNS integer
LANGUAGE plpgsql ${BY_INDEX} AS $$
DECLARE
  v_now bigint;
  v_buried record;
BEGIN
  PERFORM enter_gate();
  PERFORM lock_all_keys();
  v_now := now_ms();
  SELECT * INTO v_buried FROM bury_unclaimed(v_now, ARRAY(
    SELECT d.seq FROM delivery d
    WHERE d.seq IN (SELECT oldest_unclaimed(v_now, p_destination, p_limit)) AND d.committed_at < p_before), 'held_too_long');
  IF v_buried.o_keys IS NOT NULL THEN PERFORM unblock(v_buried.o_destinations, v_buried.o_keys); END IF;
  RETURN v_buried.o_count;
END $$;`;

/** Moves what outlives its day to where nothing is dropped. Answers how far it came, and how many it moved. */
const keep = `
CREATE FUNCTION keep_1(p_clocks json, p_bucket integer, p_after bigint, p_limit integer,
  OUT o_after bigint, OUT o_moved bigint)
LANGUAGE plpgsql ${STEADY} AS $$
DECLARE
  v_now bigint := now_ms();
  v_found bigint[];
  v_stays bigint[];
  v_seqs bigint[];
BEGIN
  PERFORM share_days(ARRAY[p_bucket]);
  PERFORM enter_gate();
  SELECT array_agg(a.seq ORDER BY a.seq), array_agg(a.seq) FILTER (WHERE NOT a.goes) INTO v_found, v_stays
    FROM aged_events(v_now, p_clocks, p_bucket, p_after, p_limit) a;
  IF coalesce(array_length(v_found, 1), 0) >= p_limit THEN o_after := v_found[array_length(v_found, 1)]; END IF;
  o_moved := coalesce(array_length(v_stays, 1), 0);
  IF v_stays IS NULL THEN RETURN; END IF;
  -- Whoever makes a replay shares a lock on the event: its delivery is there to be moved, or it finds the event moved.
  PERFORM FROM event e WHERE e.seq = ANY (v_stays) AND e.bucket = p_bucket ORDER BY e.seq FOR UPDATE;
  WITH moved AS (
    UPDATE delivery d SET bucket = 0
    WHERE d.seq IN (
      SELECT o FROM event e, deliveries_of(e.seq, e.last_seq) AS o WHERE e.seq = ANY (v_stays) AND e.bucket = p_bucket)
    RETURNING d.seq
  )
  SELECT array_agg(seq) INTO v_seqs FROM moved;
  WITH moved AS (
    UPDATE ended n SET bucket = 0 FROM event e
    WHERE e.seq = ANY (v_stays) AND e.bucket = p_bucket AND n.bucket = p_bucket AND n.event_seq = e.seq
      AND (n.seq BETWEEN e.seq AND e.last_seq OR n.replay_id IS NOT NULL)
    RETURNING n.seq
  )
  SELECT v_seqs || array_agg(seq) INTO v_seqs FROM moved;
  UPDATE attempt SET bucket = 0 WHERE delivery = ANY (v_seqs) AND bucket = p_bucket;
  UPDATE answer SET bucket = 0 WHERE event_seq = ANY (v_stays) AND bucket = p_bucket;
  UPDATE event SET bucket = 0 WHERE seq = ANY (v_stays) AND bucket = p_bucket;
END $$;`;

/**
 * Drops a day of which nothing is left to keep, alone at the gate. All of the day is looked through before that, while
 * others write: what they have added to it since then has higher positions. Answers how many events went; null: not now,
 * somebody writes or there is something to keep after all.
 */
const drop = `
CREATE FUNCTION drop_bucket_1(p_bucket integer, p_horizon bigint) RETURNS bigint
LANGUAGE plpgsql ${STEADY} AS $$
DECLARE
  v_settled bigint;
  v_sources text[];
  v_counts bigint[];
  v_events bigint;
  v_table text;
BEGIN
  PERFORM take_day_alone(p_bucket);
  v_settled := settled_position_1();
  IF EXISTS (SELECT FROM delivery WHERE bucket = p_bucket)
    OR EXISTS (SELECT FROM ended WHERE bucket = p_bucket AND coalesce(resolved_at, ended_at) > p_horizon)
    OR EXISTS (SELECT FROM event WHERE bucket = p_bucket AND received_at > p_horizon)
  THEN RETURN NULL; END IF;
  SELECT array_agg(source), array_agg(events), coalesce(sum(events), 0) INTO v_sources, v_counts, v_events
  FROM (SELECT source, count(*) AS events FROM event WHERE bucket = p_bucket GROUP BY source) counted;
  IF NOT try_gate_alone() THEN RETURN NULL; END IF;
  PERFORM set_config('enable_seqscan', 'off', true);
  -- Who reads the day now is not waited for long: others would wait behind.
  PERFORM set_config('lock_timeout', '300', true);
  IF EXISTS (SELECT FROM delivery WHERE bucket = p_bucket AND seq > v_settled)
    OR EXISTS (SELECT FROM ended WHERE bucket = p_bucket AND seq > v_settled)
    OR EXISTS (SELECT FROM event WHERE bucket = p_bucket AND seq > v_settled)
  THEN RETURN NULL; END IF;
  INSERT INTO source_total (source, kept) SELECT source, -events FROM unnest(v_sources, v_counts) AS gone(source, events);
  FOREACH v_table IN ARRAY ARRAY[${bucketed}] LOOP
    EXECUTE format('DROP TABLE IF EXISTS %I', v_table || '_' || p_bucket);
  END LOOP;
  DELETE FROM swept WHERE bucket = p_bucket;
  RETURN v_events;
EXCEPTION WHEN lock_not_available THEN
  RETURN NULL;
END $$;`;

/** Adds up the rows that totals are made of, lets tokens of processes that have ended go, and sees to the epochs of dedupe keys. Answers how many keys were forgotten. */
const housekeeping = `
CREATE FUNCTION fold_totals_1() RETURNS void LANGUAGE plpgsql ${STEADY} AS $$
BEGIN
  WITH gone AS (
    DELETE FROM destination_total
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM destination_total LIMIT 50000 FOR UPDATE SKIP LOCKED)) RETURNING *
  )
  INSERT INTO destination_total (destination, received, succeeded, skipped, failed, dead)
  SELECT destination, sum(received), sum(succeeded), sum(skipped), sum(failed), sum(dead) FROM gone GROUP BY destination;
  WITH gone AS (
    DELETE FROM source_total
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM source_total LIMIT 50000 FOR UPDATE SKIP LOCKED)) RETURNING *
  )
  INSERT INTO source_total (source, accepted, duplicates, differing, kept)
  SELECT source, sum(accepted), sum(duplicates), sum(differing), sum(kept) FROM gone GROUP BY source;
  DELETE FROM token WHERE at < now_ms() - 86400000;
END $$;
CREATE FUNCTION turn_epochs_1() RETURNS bigint LANGUAGE plpgsql ${STEADY} AS $$
DECLARE
  v_now bigint := now_ms();
  v_newest record;
  v_turns boolean;
  v_old record;
  v_over integer[] := '{}';
  v_counts bigint[] := '{}';
  v_count bigint;
  v_forgotten bigint := 0;
BEGIN
  SELECT * INTO v_newest FROM dedupe_epoch ORDER BY epoch DESC LIMIT 1;
  -- An eighth of the longest window: so a look-up asks about nine indexes, however long the window is.
  v_turns := remembered_until(v_newest.epoch) > 0 AND v_now - v_newest.opened_at >= greatest(3600000,
    (SELECT max(window_max) / 8 FROM dedupe_window WHERE epoch = v_newest.epoch));
  -- Counted before anybody has to wait. What comes into one meanwhile puts off its end.
  FOR v_old IN SELECT epoch FROM dedupe_epoch WHERE v_turns AND remembered_until(epoch) <= v_now LOOP
    EXECUTE format('SELECT count(*) FROM %I', 'dedupe_' || v_old.epoch) INTO v_count;
    v_over := v_over || v_old.epoch;
    v_counts := v_counts || v_count;
  END LOOP;
  UPDATE dedupe_epoch SET forgotten_at = greatest(forgotten_at, v_now), generation = generation + 1
  WHERE epoch = v_newest.epoch;
  -- Another process may have opened one while this one counted.
  IF NOT v_turns OR EXISTS (SELECT FROM dedupe_epoch WHERE epoch > v_newest.epoch) THEN RETURN 0; END IF;
  IF NOT try_gate_alone() THEN RETURN 0; END IF;
  -- Who reads an epoch now (a backup) is not waited for long: all that writes waits behind.
  PERFORM set_config('lock_timeout', '300', true);
  PERFORM make_epoch(v_now);
  FOR v_old IN SELECT epoch FROM dedupe_epoch WHERE epoch = ANY (v_over) AND remembered_until(epoch) <= v_now LOOP
    BEGIN
      EXECUTE format('DROP TABLE %I', 'dedupe_' || v_old.epoch);
    EXCEPTION WHEN lock_not_available THEN
      -- It goes when the next epoch is opened.
      EXIT;
    END;
    DELETE FROM dedupe_epoch WHERE epoch = v_old.epoch;
    DELETE FROM dedupe_window WHERE epoch = v_old.epoch;
    v_forgotten := v_forgotten + v_counts[array_position(v_over, v_old.epoch)];
  END LOOP;
  RETURN v_forgotten;
END $$;`;

export const purgeFunctions = [aged, days, sweep, held, keep, drop, housekeeping].join('\n');
