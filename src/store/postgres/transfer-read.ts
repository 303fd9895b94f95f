/** Reads everything, in the order of positions. */
import { hash } from 'node:crypto';
import type { AttemptRecord, DeadReason } from '../../core/delivery.ts';
import type { JsonValue } from '../batch.ts';
import type { DuplicateSummary } from '../records.ts';
import type {
  TransferBatch,
  TransferredDelivery,
  TransferredDocument,
  TransferredEvent,
  TransferRequest,
} from '../transfer.ts';
import type { Committing } from './commit.ts';
import type { Row } from './connection.ts';
import {
  answerOf,
  EVENT_COLUMNS,
  eventOf,
  jsonIn,
  numberIn,
  numberOrNull,
  orderKeyOf,
  textIn,
  textOrNull,
} from './rows.ts';

/** The digest under which a dedupe key is remembered: of source, tenant, type and key. */
export function dedupeDigest(scopeAndKey: readonly (string | null)[]): Buffer {
  return hash('sha256', JSON.stringify(scopeAndKey), 'buffer');
}

export async function readBatch(to: Committing, request: TransferRequest): Promise<TransferBatch> {
  const after = request.after ?? 0;
  const last = await lastOf(to, after, request);
  const range = [after, last ?? Number.MAX_SAFE_INTEGER];
  const [events, deliveries] = await Promise.all([readEvents(to, range), readDeliveries(to, range)]);
  return { events, deliveries, cursor: last };
}

/** Where this batch ends; `null`: it is the last. Never between an event and what it owed at first. */
async function lastOf(
  { connections, schema }: Committing,
  after: number,
  { rowsMax, bytesMax }: TransferRequest,
): Promise<number | null> {
  const events = `SELECT last_seq, body_bytes FROM ${schema}.event WHERE seq > $1 ORDER BY seq LIMIT $2`;
  const rows = await connections.read(events, [after, rowsMax]);
  let bytes = 0;
  const large = rows.find((row) => (bytes += numberIn(row, 'body_bytes')) > bytesMax);
  const cut = large ?? (rows.length === rowsMax ? rows.at(-1) : undefined);
  const last = cut === undefined ? null : numberIn(cut, 'last_seq');
  // Only as far as the events go: where nothing was replayed it would be a search through all the rest, batch by batch.
  const made = ['delivery', 'ended'].map(async (table) => {
    const text = `SELECT seq FROM ${schema}.${table}
      WHERE seq > $1 AND seq <= $3 AND replay_id IS NOT NULL ORDER BY seq LIMIT $2`;
    const found = await connections.read(text, [after, rowsMax, last ?? Number.MAX_SAFE_INTEGER]);
    return found.length < rowsMax ? null : Number(found.at(-1)?.['seq']);
  });
  const ends = [last, ...(await Promise.all(made))].filter((end) => end !== null);
  return ends.length === 0 ? null : Math.min(...ends);
}

async function readEvents(to: Committing, range: readonly number[]): Promise<TransferredEvent[]> {
  const { connections, schema } = to;
  const text = `SELECT e.seq, e.last_seq, ${EVENT_COLUMNS}, e.body_bytes, e.owed, e.duplicates, e.newest::text AS newest,
      a.status, a.headers AS answer_headers, a.body AS answer_body
    FROM ${schema}.event e LEFT JOIN ${schema}.answer a ON a.event_seq = e.seq AND a.bucket = e.bucket
    WHERE e.seq > $1 AND e.seq <= $2 ORDER BY seq`;
  const rows = await connections.read(text, range);
  const keys = await readKeys(to, rows);
  return rows.map((row) => ({
    event: eventOf(row),
    bodyBytes: numberIn(row, 'body_bytes'),
    owed: numberIn(row, 'owed'),
    duplicates: {
      count: numberIn(row, 'duplicates'),
      newest: (jsonIn(row, 'newest') as DuplicateSummary['newest'] | null) ?? [],
    },
    answer: answerOf(row),
    position: numberIn(row, 'seq'),
    lastPosition: numberIn(row, 'last_seq'),
    dedupeUntil: keys.get(String(row['id'])) ?? null,
  }));
}

/** Until when the keys of these events are theirs, by the id of the event as it is stored. */
async function readKeys(
  { connections, schema }: Committing,
  rows: readonly Row[],
): Promise<ReadonlyMap<string, number>> {
  const digests = rows
    .filter((row) => row['dedupe_key'] !== null && row['duplicate_of'] === null)
    .map((row) => dedupeDigest(['source', 'tenant', 'type', 'dedupe_key'].map((name) => textOrNull(row, name))));
  if (digests.length === 0) return new Map();
  const text = `SELECT known.event_id, known.until FROM (
      SELECT DISTINCT ON (digest) * FROM ${schema}.dedupe WHERE digest = ANY ($1) ORDER BY digest, epoch DESC) known,
      (SELECT generation, forgotten_at FROM ${schema}.dedupe_epoch ORDER BY epoch DESC LIMIT 1) newest
    WHERE known.generation = newest.generation OR known.until > newest.forgotten_at`;
  const found = await connections.read(text, [digests]);
  return new Map(found.map((row) => [String(row['event_id']), numberIn(row, 'until')]));
}

const COMMON = `seq, event_seq, bucket, destination, key, committed_at, ended_at, attempts, crashes, records, replay_of,
  replay_id, reason, note, last_error`;

async function readDeliveries(
  { connections, schema }: Committing,
  range: readonly number[],
): Promise<TransferredDelivery[]> {
  const live = `SELECT ${COMMON}, CASE WHEN dead THEN 'dead' ELSE 'open' END AS state, place, holds,
      CASE WHEN NOT dead AND NOT claimed THEN wake_at END AS due_at,
      NULL::bigint AS resolved_at, NULL::text AS resolved_by, NULL::text AS resolved_note, NULL::jsonb AS attempt
    FROM ${schema}.delivery WHERE seq > $1 AND seq <= $2`;
  const past = `SELECT ${COMMON}, state, seq AS place, false AS holds, NULL::bigint AS due_at,
      resolved_at, resolved_by, resolved_note, attempt
    FROM ${schema}.ended WHERE seq > $1 AND seq <= $2`;
  const text = `SELECT d.*, d.attempt::text AS last_try, e.id AS event_id, (
      SELECT json_agg(a.record::text ORDER BY a.number) FROM ${schema}.attempt a
      WHERE a.delivery = d.seq AND a.bucket = d.bucket) AS tries
    FROM (${live} UNION ALL ${past}) d JOIN ${schema}.event e ON e.seq = d.event_seq AND e.bucket = d.bucket
    ORDER BY d.seq`;
  return (await connections.read(text, range)).map(deliveryOf);
}

function deliveryOf(row: Row): TransferredDelivery {
  const earlier = (row['tries'] as readonly string[] | null) ?? [];
  const last = typeof row['last_try'] === 'string' ? [row['last_try']] : [];
  const resolvedAt = numberOrNull(row, 'resolved_at');
  const tries = [...earlier, ...last].map((record) => jsonIn({ record }, 'record') as AttemptRecord);
  return {
    position: numberIn(row, 'seq'),
    eventId: textIn(row, 'event_id'),
    eventPosition: numberIn(row, 'event_seq'),
    destination: textIn(row, 'destination'),
    orderKey: orderKeyOf(row['key']),
    state: textIn(row, 'state') as TransferredDelivery['state'],
    place: numberIn(row, 'place'),
    holdsKey: row['holds'] === true,
    dueAt: numberOrNull(row, 'due_at'),
    committedAt: numberIn(row, 'committed_at'),
    attempts: numberIn(row, 'attempts'),
    crashes: numberIn(row, 'crashes'),
    endedAt: numberOrNull(row, 'ended_at'),
    reason: textOrNull(row, 'reason') as DeadReason | null,
    note: textOrNull(row, 'note'),
    lastError: textOrNull(row, 'last_error'),
    resolved:
      resolvedAt === null
        ? null
        : { at: resolvedAt, by: textOrNull(row, 'resolved_by') ?? '', note: textOrNull(row, 'resolved_note') ?? '' },
    replayOf: numberOrNull(row, 'replay_of'),
    replayId: textOrNull(row, 'replay_id'),
    tries: tries.slice(-100),
  };
}

export async function readDocuments({ connections, schema }: Committing): Promise<readonly TransferredDocument[]> {
  const text = `SELECT kind, key, version, value::text AS value FROM ${schema}.document ORDER BY kind, key`;
  return (await connections.read(text)).map((row) => ({
    kind: textIn(row, 'kind'),
    key: textIn(row, 'key'),
    version: numberIn(row, 'version'),
    value: typeof row['value'] === 'string' ? (JSON.parse(row['value']) as JsonValue) : null,
  }));
}

export async function readDedupeKeys({ connections, schema }: Committing, now: number): Promise<number> {
  const text = `SELECT count(DISTINCT digest) AS keys FROM ${schema}.dedupe WHERE until > $1`;
  const [row] = await connections.read(text, [now]);
  return Number(row?.['keys'] ?? 0);
}
