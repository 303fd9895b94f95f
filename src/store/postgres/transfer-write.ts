/** Takes in what another store had, at the positions it had there. Each step is one transaction, with what the mover says. */
import { hash } from 'node:crypto';
import { documentText, storedJson, storedText } from './text.ts';
import {
  TRANSFER_DOCUMENT,
  type TransferBatch,
  type TransferredDelivery,
  type TransferredEvent,
  type TransferState,
  type TransferTarget,
} from '../transfer.ts';
import type { Committing } from './commit.ts';
import type { Statement } from './connection.ts';
import { bucketOf } from './delivery-id.ts';
import { dedupeDigest } from './transfer-read.ts';

/** A batch is large, and what is done at the end goes through all open deliveries. */
const WRITE_MS = 60_000;
const FINISH_MS = 600_000;

export function transferTarget(to: Committing): TransferTarget {
  const { connections, schema } = to;
  const path: Statement = { text: `SET LOCAL search_path = ${schema}, pg_temp` };
  const within = (statements: readonly Statement[], statementMs: number): Promise<unknown> =>
    connections.run([path, { text: 'SELECT enter_gate()' }, ...statements], { statementMs });
  const made = new Set<number>([0]);
  const makeBuckets = async ({ events }: Pick<TransferBatch, 'events'>): Promise<void> => {
    const buckets = new Set(events.map(({ event }) => bucketOf(event.id)));
    const missing = [...buckets].filter((bucket) => !made.has(bucket)).toSorted((a, b) => a - b);
    if (missing.length === 0) return;
    await connections.run([path, ...missing.map((bucket) => ({ text: 'SELECT make_bucket($1)', values: [bucket] }))]);
    for (const bucket of missing) made.add(bucket);
  };
  return {
    isEmpty: async () => {
      const some = ['event', 'delivery', 'ended', 'dedupe', 'destination_total', 'source_total'].map(
        (table) => `EXISTS (SELECT FROM ${schema}.${table})`,
      );
      const others = `EXISTS (SELECT FROM ${schema}.document WHERE kind NOT IN ('process', 'breaker'))`;
      const [row] = await connections.read(`SELECT ${[...some, others].join(' OR ')} AS used`);
      return row?.['used'] !== true;
    },
    write: async (batch, state) => {
      await makeBuckets(batch);
      await within([...rowsOf(batch), stateOf(state)], WRITE_MS);
    },
    writeDocuments: async (documents) => {
      const rows = documents.map(({ kind, key, version, value }) => {
        return { k: storedText(kind), y: storedText(key), v: version, t: documentText(value) };
      });
      await within([{ text: DOCUMENTS, values: [JSON.stringify(rows)] }], WRITE_MS);
    },
    finish: async ({ destinations, sources }, state) => {
      const destinationRows = destinations.map((one) => ({ ...one, destination: storedText(one.destination) }));
      const sourceRows = sources.map((one) => ({ ...one, source: storedText(one.source) }));
      const statements = [
        { text: BLOCKED },
        { text: NEXT },
        { text: DESTINATIONS, values: [JSON.stringify(destinationRows)] },
        { text: SOURCES, values: [JSON.stringify(sourceRows)] },
        stateOf(state),
      ];
      await within(statements, FINISH_MS);
    },
  };
}

function stateOf(state: TransferState): Statement {
  const { kind, key } = TRANSFER_DOCUMENT;
  return { text: 'SELECT put_document($1, $2, $3, NULL)', values: [kind, key, documentText(state)] };
}

function rowsOf({ events, deliveries }: Pick<TransferBatch, 'events' | 'deliveries'>): readonly Statement[] {
  const statements: Statement[] = [];
  const add = (text: string, rows: readonly unknown[]): void => {
    if (rows.length > 0) statements.push({ text, values: [JSON.stringify(rows)] });
  };
  const answered = events.filter(({ answer }) => answer !== null);
  const keyed = events.filter(({ dedupeUntil }) => dedupeUntil !== null);
  const isLive = ({ state, resolved }: TransferredDelivery): boolean =>
    state === 'open' || (state === 'dead' && resolved === null);
  add(EVENTS, events.map(eventRow));
  add(ANSWERS, answered.map(answerRow));
  add(KEYS, keyed.map(keyRow));
  if (keyed.length > 0) {
    const until = Math.max(...keyed.map(({ dedupeUntil }) => dedupeUntil ?? 0));
    const window = Math.max(...keyed.map(({ dedupeUntil, event }) => (dedupeUntil ?? 0) - event.receivedAt));
    statements.push({ text: NOTE, values: [until, window] });
  }
  add(LIVE, deliveries.filter(isLive).map(deliveryRow));
  add(ENDED, deliveries.filter((one) => !isLive(one)).map(deliveryRow));
  const replays = deliveries.filter(({ replayOf }) => replayOf !== null).map(({ position }) => position);
  if (replays.length > 0) statements.push(...REPEATED.map((text) => ({ text, values: [replays] })));
  add(ATTEMPTS, deliveries.flatMap(attemptRows));
  return statements;
}

function eventRow({ event, position, lastPosition, ...record }: TransferredEvent): unknown {
  return {
    q: position,
    l: lastPosition,
    r: event.receivedAt,
    b: bucketOf(event.id),
    o: record.owed,
    z: record.bodyBytes,
    u: record.duplicates.count,
    w: record.duplicates.newest.length === 0 ? null : storedJson(record.duplicates.newest),
    id: storedText(event.id),
    s: storedText(event.source),
    t: storedText(event.type),
    n: storedText(event.tenant),
    d: storedText(event.dedupeKey),
    k: storedText(event.orderKey),
    c: storedText(event.correlationId),
    m: storedText(event.method),
    p: storedText(event.path),
    y: storedText(event.query),
    h: JSON.stringify(event.headers),
    e: storedText(event.traceparent),
    f: storedText(event.unfit),
    x: storedText(event.duplicateOf),
    g: event.body === null ? null : base64(event.body),
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

function answerRow({ event, position, answer }: TransferredEvent): unknown {
  const { status = 0, headers = [], body = new Uint8Array() } = answer ?? {};
  return { q: position, b: bucketOf(event.id), t: status, h: JSON.stringify(headers), g: base64(body) };
}

/** Of a body that has been purged no digest can be made: a repeat is told from it, as if it were another one. */
function keyRow({ event, bodyBytes, dedupeUntil }: TransferredEvent): unknown {
  const { source, tenant, type, dedupeKey, body } = event;
  const isPurged = body === null && bodyBytes > 0;
  return {
    r: event.receivedAt,
    u: dedupeUntil,
    b: bucketOf(event.id),
    id: storedText(event.id),
    d: dedupeDigest([source, tenant, type, dedupeKey]).toString('base64'),
    g: isPurged ? '' : base64(hash('sha256', body ?? new Uint8Array(), 'buffer')),
  };
}

function deliveryRow(delivery: TransferredDelivery): unknown {
  const { resolved, tries, position, eventPosition, eventId } = delivery;
  return {
    q: position,
    e: eventPosition,
    b: bucketOf(eventId),
    p: delivery.place,
    c: delivery.committedAt,
    w: delivery.dueAt,
    z: delivery.endedAt,
    o: delivery.replayOf,
    a: delivery.attempts,
    x: delivery.crashes,
    t: tries.length,
    s: delivery.state,
    h: delivery.holdsKey,
    d: storedText(delivery.destination),
    k: storedText(delivery.orderKey),
    i: storedText(delivery.replayId),
    r: delivery.reason,
    n: storedText(delivery.note),
    l: storedText(delivery.lastError),
    ra: resolved?.at ?? null,
    rb: storedText(resolved?.by ?? null),
    rn: storedText(resolved?.note ?? null),
    g: lastIsBeside(delivery) ? storedJson(tries.at(-1)) : null,
  };
}

/** What ended well has the record of its last attempt beside it, and only those before are rows of their own. */
function lastIsBeside({ state, tries }: TransferredDelivery): boolean {
  return (state === 'succeeded' || state === 'skipped') && tries.length > 0;
}

function attemptRows(delivery: TransferredDelivery): unknown[] {
  const { position, eventId, tries } = delivery;
  const own = lastIsBeside(delivery) ? tries.slice(0, -1) : tries;
  return own.map((record, index) => ({ q: position, b: bucketOf(eventId), n: index + 1, g: storedJson(record) }));
}

const EVENTS = `INSERT INTO event (seq, last_seq, received_at, bucket, owed, body_bytes, duplicates, newest, id, source, type,
    tenant, dedupe_key, order_key, correlation_id, method, path, query, headers, traceparent, unfit, duplicate_of, body)
  SELECT q, l, r, b, o, z, u, w::jsonb, id, s, t, n, d, k, c, m, p, y, h::json, e, f, x, decode(g, 'base64')
  FROM json_to_recordset($1::json) AS given(q bigint, l bigint, r bigint, b integer, o integer, z integer, u integer, w text,
    id text, s text, t text, n text, d text, k text, c text, m text, p text, y text, h text, e text, f text, x text, g text)`;

const ANSWERS = `INSERT INTO answer (event_seq, bucket, status, headers, body)
  SELECT q, b, t, h::json, decode(g, 'base64')
  FROM json_to_recordset($1::json) AS given(q bigint, b integer, t integer, h text, g text)`;

const NEWEST = '(SELECT epoch, generation FROM dedupe_epoch ORDER BY epoch DESC LIMIT 1) newest';

const KEYS = `INSERT INTO dedupe (epoch, generation, digest, received_at, until, event_id, bucket, body)
  SELECT newest.epoch, newest.generation, decode(d, 'base64'), r, u, id, b, decode(g, 'base64')
  FROM json_to_recordset($1::json) AS given(r bigint, u bigint, b integer, id text, d text, g text), ${NEWEST}`;

const NOTE = `SELECT note_windows(newest.epoch, $1::bigint, $2::bigint) FROM ${NEWEST}`;

const DELIVERY = `q bigint, e bigint, b integer, p bigint, c bigint, w bigint, z bigint, o bigint, a integer, x integer,
    t integer, s text, h boolean, d text, k text, i text, r text, n text, l text, ra bigint, rb text, rn text, g text`;

/** The id of what a replay repeats is made of when that was committed, too. */
const REPEATED = ['delivery', 'ended'].map(
  (table) => `UPDATE ${table} AS replay SET replay_of_at = coalesce(
      (SELECT committed_at FROM delivery WHERE seq = replay.replay_of),
      (SELECT max(committed_at) FROM ended WHERE seq = replay.replay_of))
    WHERE seq = ANY ($1::bigint[])`,
);

const KEY = 'CASE WHEN k IS NOT NULL THEN json_build_array(event.tenant, k)::text END';

const LIVE = `INSERT INTO delivery (seq, event_seq, place, committed_at, received_at, wake_at, ended_at, replay_of,
    bucket, bytes, attempts, crashes, records, dead, holds, destination, key, replay_id, reason, note, last_error)
  SELECT q, e, p, c, event.received_at, w, z, o,
    b, event.body_bytes, a, x, t, s = 'dead', h, d, ${KEY}, i, r, n, l
  FROM json_to_recordset($1::json) AS given(${DELIVERY}) JOIN event ON event.seq = given.e AND event.bucket = given.b`;

const ENDED = `INSERT INTO ended (seq, event_seq, committed_at, ended_at, resolved_at, replay_of, bucket,
    attempts, crashes, records, state, destination, key, replay_id, reason, note, last_error, resolved_by, resolved_note, attempt)
  SELECT q, e, c, z, ra, o, b, a, x, t, s, d, ${KEY}, i, r, n, l, rb, rn, g::jsonb
  FROM json_to_recordset($1::json) AS given(${DELIVERY}) JOIN event ON event.seq = given.e AND event.bucket = given.b`;

const ATTEMPTS = `INSERT INTO attempt (delivery, number, bucket, record)
  SELECT q, n, b, g::jsonb FROM json_to_recordset($1::json) AS given(q bigint, n integer, b integer, g text)`;

const DOCUMENTS = `INSERT INTO document AS known (kind, key, version, value)
  SELECT k, y, v, t::json FROM json_to_recordset($1::json) AS given(k text, y text, v bigint, t text)
  ON CONFLICT (kind, key) DO UPDATE SET version = excluded.version, value = excluded.value`;

/** As order-function.ts has it: of each key the first open one is free, unless a dead letter holds the key before it. */
const BLOCKED = `UPDATE delivery SET blocked = NOT queue.is_head FROM (
    SELECT seq, dead, place = min(place) OVER (PARTITION BY destination, key)
      AND seq = min(seq) FILTER (WHERE NOT dead) OVER (PARTITION BY destination, key, place) AS is_head
    FROM delivery WHERE key IS NOT NULL AND (NOT dead OR holds)) queue
  WHERE delivery.seq = queue.seq AND NOT queue.dead AND delivery.blocked = queue.is_head`;

const NEXT = `SELECT setval('position', greatest((SELECT last_value FROM position), (SELECT max(last_seq) FROM event),
    (SELECT max(seq) FROM delivery), (SELECT max(seq) FROM ended)))`;

const DESTINATIONS = `INSERT INTO destination_total (destination, received, succeeded, skipped, failed, dead)
  SELECT destination, received, succeeded, skipped, failed, dead
  FROM json_to_recordset($1::json) AS given(destination text, received bigint, succeeded bigint, skipped bigint,
    failed bigint, dead bigint)`;

const SOURCES = `INSERT INTO source_total (source, accepted, duplicates, differing, kept)
  SELECT source, accepted, duplicates, differing, (SELECT count(*) FROM event WHERE event.source = given.source)
  FROM json_to_recordset($1::json) AS given(source text, accepted bigint, duplicates bigint, differing bigint)`;
