/**
 * One commit: one call, one transaction. Rows apply in the order that the port says; the token is looked up first and
 * stored last. The answer holds only what the caller cannot derive from its own batch, so that it is small to send and to
 * keep: which claims were current, the positions that were drawn, which events were repeats, what became ready.
 */
import { BY_INDEX, STEADY } from './steady.ts';

/** Settlements with all that follows from them; part of {@link commit} only to keep that readable. */
const settle = `
CREATE FUNCTION settle_all(p_now bigint, p_answers json, p_ends json, p_retries json, p_deaths json, p_bytes bytea,
  OUT o_seqs bigint[], OUT o_destinations text[], OUT o_keys text[], OUT o_answered bigint[], OUT o_turns integer[])
LANGUAGE plpgsql AS $$
DECLARE
  v_some record;
BEGIN
  IF p_answers IS NOT NULL THEN
    SELECT a.o_events, a.o_turns INTO o_answered, o_turns FROM store_answers(p_now, p_answers, p_bytes) a;
  END IF;
  IF p_ends IS NOT NULL THEN
    SELECT * INTO v_some FROM finish_deliveries(p_now, p_ends);
    o_destinations := v_some.o_destinations; o_keys := v_some.o_keys;
    IF v_some.o_replayed IS NOT NULL THEN
      SELECT * INTO v_some FROM resolve_repeated(p_now, v_some.o_replayed);
      o_destinations := o_destinations || v_some.o_destinations; o_keys := o_keys || v_some.o_keys;
    END IF;
  END IF;
  IF p_retries IS NOT NULL THEN
    SELECT * INTO v_some FROM retry_deliveries(p_now, p_retries);
    o_seqs := v_some.o_seqs;
    o_destinations := o_destinations || v_some.o_destinations; o_keys := o_keys || v_some.o_keys;
  END IF;
  IF p_deaths IS NOT NULL THEN
    SELECT * INTO v_some FROM bury_claimed(p_now, p_deaths);
    o_destinations := o_destinations || v_some.o_destinations; o_keys := o_keys || v_some.o_keys;
  END IF;
END $$;`;

const act = `
CREATE FUNCTION act_one(p_now bigint, p_action json,
  OUT o_count integer, OUT o_seqs bigint[], OUT o_destinations text[], OUT o_keys text[]) LANGUAGE plpgsql AS $$
BEGIN
  CASE p_action ->> 'kind'
    WHEN 'resolve' THEN
      SELECT r.o_count, r.o_destinations, r.o_keys INTO o_count, o_destinations, o_keys
      FROM resolve_dead(p_now, ARRAY(SELECT json_array_elements_text(p_action -> 'seqs')::bigint),
        p_action ->> 'by', p_action ->> 'note') r;
    WHEN 'bury' THEN
      SELECT b.o_count, b.o_destinations, b.o_keys INTO o_count, o_destinations, o_keys
      FROM bury_unclaimed(p_now,
        ARRAY(SELECT oldest_unclaimed(p_now, p_action ->> 'destination', (p_action ->> 'limit')::bigint)),
        p_action ->> 'reason') b;
    WHEN 'cancel' THEN
      SELECT c.o_count, c.o_destinations, c.o_keys INTO o_count, o_destinations, o_keys
      FROM cancel_event(p_now, p_action ->> 'event', (p_action ->> 'bucket')::integer) c;
    ELSE
      SELECT r.o_count, r.o_seqs, r.o_destinations, r.o_keys INTO o_count, o_seqs, o_destinations, o_keys
      FROM rename_destination(p_action ->> 'from', p_action ->> 'to') r;
  END CASE;
END $$;`;

/** Which claims a batch refers to are current now; the rows stay locked, in the order of their positions. */
const current = `
CREATE FUNCTION lock_claims(p_seqs bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM delivery WHERE seq = ANY (p_seqs) ORDER BY seq FOR UPDATE;
END $$;
CREATE FUNCTION current_claims(p_now bigint, p_seqs bigint[], p_claims integer[]) RETURNS boolean[]
LANGUAGE sql STABLE AS $$
  SELECT array_agg(coalesce(d.claimed AND d.claim = r.claim AND d.wake_at > p_now, false) ORDER BY r.turn)
  FROM unnest(p_seqs, p_claims) WITH ORDINALITY AS r(seq, claim, turn) LEFT JOIN delivery d ON d.seq = r.seq
$$;`;

/** Applies the rows of a batch; `p_seqs` and `p_claims`: its claims, of which the first `p_starts` are to be marked. */
const apply = `
CREATE FUNCTION apply_batch(p_owner integer, p_lease bigint, p_rows json, p_bytes bytea,
  p_seqs bigint[], p_claims integer[], p_starts integer) RETURNS json LANGUAGE plpgsql AS $$
DECLARE
  v_now bigint;
  v_current boolean[];
  v_refused integer[] := '{}';
  v_seqs bigint[];
  v_destinations text[];
  v_keys text[];
  v_ready text[];
  v_positions bigint[] := '{}';
  v_replays json[] := '{}';
  v_actions integer[] := '{}';
  v_documents bigint[] := '{}';
  v_answered bigint[];
  v_turns integer[];
  v_index integer[] := '{}';
  v_first text[];
  v_bucket integer[];
  v_differs boolean[];
  v_some record;
  v_row json;
  v_rows record;
BEGIN
  -- Once: every look into a JSON text reads it from its beginning.
  SELECT * INTO v_rows FROM json_to_record(p_rows) AS r(settled json, answers json, ends json, retries json, deaths json,
    keyed json, events json, deliveries json, emits integer, appends integer, releases json, replays json, actions json,
    documents json, keys json);
  IF v_rows.replays IS NOT NULL OR v_rows.actions IS NOT NULL THEN
    PERFORM lock_all_keys();
  ELSIF v_rows.keys IS NOT NULL THEN
    PERFORM lock_keys(ARRAY(SELECT json_array_elements_text(v_rows.keys)));
  END IF;
  IF array_length(p_seqs, 1) > 0 THEN PERFORM lock_claims(p_seqs); END IF;
  v_now := now_ms();

  IF array_length(p_seqs, 1) > 0 THEN
    v_current := current_claims(v_now, p_seqs, p_claims);
    -- Outcomes by their turn in "settled": those that are refused take their emits with them.
    v_refused := ARRAY(SELECT x.turn FROM json_to_recordset(v_rows.settled) AS x(turn integer, at integer, refuse boolean)
      WHERE x.refuse OR NOT v_current[x.at]);
  END IF;
  IF p_starts > 0 THEN
    WITH marked AS (
      UPDATE delivery d SET started = true
      FROM unnest(p_seqs[1:p_starts], p_claims[1:p_starts]) AS r(seq, claim)
      WHERE d.seq = r.seq AND d.claim = r.claim AND d.claimed AND d.wake_at > v_now
      RETURNING d.destination, d.key
    )
    SELECT array_agg(destination), array_agg(key) INTO v_destinations, v_keys FROM marked WHERE key IS NOT NULL;
  END IF;
  IF v_rows.settled IS NOT NULL THEN
    SELECT * INTO v_some FROM settle_all(v_now, v_rows.answers, v_rows.ends, v_rows.retries, v_rows.deaths, p_bytes);
    v_seqs := v_some.o_seqs; v_answered := v_some.o_answered; v_turns := v_some.o_turns;
    v_destinations := v_destinations || v_some.o_destinations; v_keys := v_keys || v_some.o_keys;
  END IF;
  IF v_rows.keyed IS NOT NULL THEN
    SELECT r.o_index, r.o_first, r.o_bucket, r.o_differs INTO v_index, v_first, v_bucket, v_differs
      FROM find_repeats(v_rows.keyed, p_bytes, v_refused) r;
  END IF;
  IF v_rows.emits IS NOT NULL THEN
    SELECT * INTO v_some FROM append_events(v_now, p_owner, p_lease, v_rows.events, v_rows.deliveries, p_bytes, v_rows.emits, true, v_refused,
      v_index, v_first, v_differs);
    v_positions := v_some.o_positions; v_seqs := v_seqs || v_some.o_positions;
    v_destinations := v_destinations || v_some.o_destinations; v_keys := v_keys || v_some.o_keys;
  END IF;
  IF v_rows.releases IS NOT NULL THEN
    SELECT * INTO v_some FROM release_deliveries(v_now, v_rows.releases);
    v_seqs := v_seqs || v_some.o_seqs;
    v_destinations := v_destinations || v_some.o_destinations; v_keys := v_keys || v_some.o_keys;
  END IF;
  FOR v_row IN SELECT json_array_elements(v_rows.replays) LOOP
    SELECT * INTO v_some FROM replay_one(v_now, v_row);
    v_replays := v_replays || json_build_array(v_some.o_refused, v_some.o_seq);
    IF v_some.o_refused IS NULL THEN
      v_seqs := v_seqs || v_some.o_seq;
      IF v_some.o_key IS NOT NULL THEN
        v_destinations := v_destinations || v_some.o_destination; v_keys := v_keys || v_some.o_key;
      END IF;
    END IF;
  END LOOP;
  FOR v_row IN SELECT json_array_elements(v_rows.actions) LOOP
    SELECT * INTO v_some FROM act_one(v_now, v_row);
    v_actions := v_actions || v_some.o_count; v_seqs := v_seqs || v_some.o_seqs;
    v_destinations := v_destinations || v_some.o_destinations; v_keys := v_keys || v_some.o_keys;
  END LOOP;
  IF v_keys IS NOT NULL THEN PERFORM unblock(v_destinations, v_keys); END IF;
  IF v_rows.appends IS NOT NULL THEN
    SELECT * INTO v_some FROM append_events(v_now, p_owner, p_lease, v_rows.events, v_rows.deliveries, p_bytes, v_rows.appends, false, v_refused,
      v_index, v_first, v_differs);
    v_positions := v_positions || v_some.o_positions; v_ready := v_some.o_ready;
    v_destinations := v_destinations || v_some.o_destinations; v_keys := v_keys || v_some.o_keys;
  END IF;
  IF array_length(v_index, 1) > 0 THEN
    PERFORM count_repeats(v_rows.events, v_index, v_first, v_bucket, v_differs);
  END IF;
  FOR v_row IN SELECT json_array_elements(v_rows.documents) LOOP
    v_documents := v_documents
      || put_document(v_row ->> 'kind', v_row ->> 'key', v_row ->> 'value', (v_row ->> 'ifVersion')::bigint);
  END LOOP;
  IF v_seqs IS NOT NULL OR v_keys IS NOT NULL THEN
    v_ready := ARRAY(SELECT ready_of(v_seqs, v_destinations, v_keys, v_now) UNION SELECT unnest(v_ready));
  END IF;
  IF array_length(v_ready, 1) > 0 OR v_rows.documents IS NOT NULL THEN
    PERFORM tell_1(p_owner, v_ready, v_rows.documents IS NOT NULL);
  END IF;
  RETURN json_build_object('now', v_now, 'current', v_current, 'positions', v_positions,
    'repeats', (SELECT json_agg(json_build_array(r.i, r.id, r.differs, answer_of(r.id, r.bucket, r.i, v_rows.events, v_answered, v_turns)))
      FROM unnest(v_index, v_first, v_differs, v_bucket) AS r(i, id, differs, bucket)),
    'replays', v_replays, 'actions', v_actions, 'documents', v_documents, 'ready', v_ready);
END $$;
CREATE FUNCTION answer_of(p_first text, p_bucket integer, p_index integer, p_events json, p_answered bigint[],
  p_turns integer[]) RETURNS json LANGUAGE sql STABLE AS $$
  SELECT json_build_array(a.event_seq, a.bucket) FROM event e JOIN answer a ON a.event_seq = e.seq AND a.bucket = e.bucket
  WHERE e.id = p_first AND e.bucket IN (p_bucket, 0)
    -- An answer of this batch is not there yet for what an earlier outcome of it emitted.
    AND NOT EXISTS (
      SELECT FROM unnest(p_answered, p_turns) AS new(seq, turn)
      WHERE new.seq = e.seq AND new.turn > (
        SELECT x.f FROM json_to_recordset(p_events) AS x(i integer, f integer) WHERE x.i = p_index))
$$;`;

/**
 * One NOTIFY a commit at most, and only where it made something ready that it did not hand off, or wrote a document: it
 * costs a lock that all commits share. It is a hint: whoever does not hear it finds out by looking.
 */
const tell = `
CREATE FUNCTION tell_1(p_owner integer, p_ready text[], p_written boolean) RETURNS void
LANGUAGE plpgsql ${STEADY} AS $$
DECLARE
  v_text text := json_build_object('by', p_owner, 'ready', coalesce(p_ready, '{}'), 'written', p_written)::text;
BEGIN
  IF octet_length(v_text) > 7000 THEN
    v_text := json_build_object('by', p_owner, 'ready', NULL, 'written', p_written)::text;
  END IF;
  PERFORM pg_notify('holdfast_' || current_schema(), v_text);
END $$;`;

/**
 * The call of the driver. `p_number` counts the commits of a process; of the newest four the answers are kept. The lock of
 * the process makes a repeat wait for the first call, which may still be running although its connection has gone.
 */
const commit = `
CREATE FUNCTION commit_1(p_owner integer, p_number bigint, p_token text, p_lease bigint, p_rows json, p_bytes bytea,
  p_seqs bigint[], p_claims integer[], p_starts integer) RETURNS json
LANGUAGE plpgsql ${BY_INDEX}
AS $$
DECLARE
  v_answers json;
BEGIN
  PERFORM enter_gate();
  PERFORM lock_process(p_owner);
  SELECT answers INTO v_answers FROM token WHERE owner = p_owner AND token = p_token;
  IF FOUND THEN RETURN v_answers; END IF;
  v_answers := apply_batch(p_owner, p_lease, p_rows, p_bytes, p_seqs, p_claims, p_starts);
  INSERT INTO token (owner, slot, number, at, token, answers)
    VALUES (p_owner, p_number & 3, p_number, now_ms(), p_token, v_answers)
    ON CONFLICT (owner, slot) DO UPDATE
    SET number = excluded.number, at = excluded.at, token = excluded.token, answers = excluded.answers;
  RETURN v_answers;
END $$;`;

/** The same rows in a transaction of the caller's own: without a token, since it is the caller who commits. */
const applyIn = `
CREATE FUNCTION apply_in_1(p_owner integer, p_lease bigint, p_rows json, p_bytes bytea,
  p_seqs bigint[], p_claims integer[], p_starts integer) RETURNS json
LANGUAGE plpgsql ${BY_INDEX}
AS $$
BEGIN
  IF current_setting('transaction_isolation') <> 'read committed' THEN
    RAISE EXCEPTION 'The transaction must be READ COMMITTED.' USING ERRCODE = 'HF001';
  END IF;
  PERFORM enter_gate();
  RETURN apply_batch(p_owner, p_lease, p_rows, p_bytes, p_seqs, p_claims, p_starts);
END $$;`;

export const commitFunctions = [settle, act, current, tell, apply, commit, applyIn].join('\n');
