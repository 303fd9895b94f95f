/**
 * Everything in the file, for moving it into another store. Positions are spread so that an event has one of its own below
 * those of what it owes: here it shares that of its first delivery.
 */
import { formatId } from '../../core/id.ts';
import type { JsonValue } from '../batch.ts';
import {
  POSITION_MAX,
  type TransferBatch,
  type TransferRequest,
  type TransferredDelivery,
  type TransferredEvent,
  type TransferSource,
} from '../transfer.ts';
import type { ChunkEntry } from './chunk.ts';
import type { Chunk } from './chunks.ts';
import { digestOf, ENTRY_BYTES, expiryAt } from './dedupe-entry.ts';
import { damaged } from './failure.ts';
import { attempts, eventRecord } from './history.ts';
import { ORDINALS, ordinalOf, positionIn, positionOf, seqOf } from './position.ts';
import { entriesOf, ofRow, type Placed } from './records.ts';
import { type DeliveryRow, rowStates, toDeliveryRow } from './rows.ts';
import { unseal } from './sealed.ts';
import type { State } from './state.ts';
import { readWords } from './words.ts';

const SPREAD = 2 * ORDINALS;

export function transferSource(state: State): TransferSource {
  return {
    read: async (request) => state.reader.snapshot(() => read(state, request)),
    documents: async () => {
      const rows = state.reader.all({ sql: 'SELECT kind, key, version, value FROM document ORDER BY kind, key' });
      return rows.map(({ kind, key, version, value }) => ({
        kind: String(kind),
        key: String(key),
        version: Number(version),
        value: value === null ? null : (JSON.parse(String(value)) as JsonValue),
      }));
    },
    dedupeKeys: async (now) => state.reader.snapshot(() => dedupeKeys(state, now)),
  };
}

/** Where the delivery at a position of this file goes. */
function spread(position: number): number {
  return seqOf(position) * SPREAD + 1 + ordinalOf(position);
}

/** An event that is to be given. */
interface Owner {
  readonly chunk: Chunk;
  readonly entry: ChunkEntry;
}

function read(state: State, request: TransferRequest): TransferBatch {
  const after = request.after === null ? -1 : Math.floor(request.after / SPREAD);
  const owners = ownersAfter(state, after, request);
  const made = madeAfter(state, after, request.rowsMax);
  const last = Math.min(owners.last, made.last);
  if (Number.isFinite(last) && (last + 1) * SPREAD > POSITION_MAX) throw damaged('a position');
  const events: TransferredEvent[] = [];
  const deliveries: TransferredDelivery[] = [];
  for (const owner of owners.found) {
    if (owner.entry.seq > last) break;
    events.push(transferredEvent(state, owner));
    deliveries.push(...deliveriesOf(state, owner));
  }
  for (const row of made.found) {
    if (seqOf(row.position) > last) break;
    deliveries.push(transferred(state, ofRow(state, row, state.clock.now()), row));
  }
  deliveries.sort((a, b) => a.position - b.position);
  return { events, deliveries, cursor: Number.isFinite(last) ? last * SPREAD + SPREAD - 1 : null };
}

/** The events behind a seq, as many as fit; `last`: up to where all of them are found. */
function ownersAfter(
  state: State,
  after: number,
  { rowsMax, bytesMax }: TransferRequest,
): { readonly found: readonly Owner[]; readonly last: number } {
  const found: Owner[] = [];
  let bytes = 0;
  const next = 'SELECT seq FROM chunk WHERE seq > ? ORDER BY seq LIMIT 1';
  let chunk = after < 0 ? null : state.chunks.holding(after);
  for (;;) {
    for (const entry of chunk?.entries ?? []) {
      if (chunk === null || entry.seq <= after) continue;
      found.push({ chunk, entry });
      bytes += entry.bodyBytes;
      if (found.length >= rowsMax || bytes > bytesMax) return { found, last: entry.seq };
    }
    const row = state.reader.first({ sql: next }, chunk?.seq ?? -1);
    if (row === null) return { found, last: Number.POSITIVE_INFINITY };
    chunk = state.chunks.get(Number(row['seq']));
    if (chunk === null) throw damaged('chunks');
  }
}

/** Deliveries that were made for events after these were committed. */
function madeAfter(
  state: State,
  after: number,
  rowsMax: number,
): { readonly found: readonly DeliveryRow[]; readonly last: number } {
  const sql = `SELECT * FROM delivery WHERE replay_id IS NOT NULL AND position >= ? ORDER BY position LIMIT ${rowsMax}`;
  const found = state.reader.all({ sql }, positionOf(after + 1, 0)).map(toDeliveryRow);
  const isAll = found.length < rowsMax;
  return { found, last: isAll ? Number.POSITIVE_INFINITY : seqOf(found.at(-1)?.position ?? 0) };
}

function transferredEvent(state: State, { entry }: Owner): TransferredEvent {
  const id = formatId('evt', entry.idBytes);
  const record = eventRecord(state, id);
  if (record === null) throw damaged(`the event of seq ${entry.seq}`);
  const position = entry.seq * SPREAD;
  const event = { ...record.event, receivedAt: Math.floor(record.event.receivedAt) };
  return {
    ...record,
    event,
    position,
    lastPosition: position + entry.owed.length,
    dedupeUntil: dedupeUntil(state, entry, event),
  };
}

function dedupeUntil(state: State, { idBytes: bytes }: ChunkEntry, event: TransferredEvent['event']): number | null {
  if (event.dedupeKey === null) return null;
  const known = state.dedupe.find(digestOf(event, event.dedupeKey), Number.NEGATIVE_INFINITY);
  const { a, b, c, d } = readWords(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
  if (known === null || known.expiresAt === 0) return null;
  const { id } = known;
  return id.a === a && id.b === b && id.c === c && id.d === d ? known.expiresAt : null;
}

function deliveriesOf(state: State, { chunk, entry }: Owner): TransferredDelivery[] {
  const found = new Map<number, TransferredDelivery>();
  for (const placed of entriesOf(state, chunk.seq, entry)) {
    found.set(placed.position, transferred(state, placed, null));
  }
  const sql = 'SELECT * FROM delivery WHERE position >= ? AND position < ?';
  const now = state.clock.now();
  for (const one of state.reader.all({ sql }, positionOf(entry.seq, 0), positionOf(entry.seq + 1, 0))) {
    const row = toDeliveryRow(one);
    found.set(row.position, transferred(state, ofRow(state, row, now), row));
  }
  return [...found.values()];
}

const STATES: Readonly<Record<number, TransferredDelivery['state']>> = {
  [rowStates.succeeded]: 'succeeded',
  [rowStates.skipped]: 'skipped',
  [rowStates.dead]: 'dead',
  [rowStates.cancelled]: 'cancelled',
};

/** `row`: `null` for an entry of a page, which is open or succeeded. */
function transferred(state: State, { position, record }: Placed, row: DeliveryRow | null): TransferredDelivery {
  const { resolved } = record;
  const paged = record.state === 'succeeded' ? 'succeeded' : 'open';
  const replayed = record.replayOf === null ? null : positionIn(record.replayOf);
  const owner = row?.event ?? seqOf(position);
  return {
    position: spread(position),
    eventId: record.eventId,
    eventPosition: owner * SPREAD,
    destination: record.destination,
    orderKey: record.orderKey,
    state: row === null ? paged : (STATES[row.state] ?? 'open'),
    place: row?.queue ? spread(row.place) : spread(position),
    holdsKey: row !== null && row.state === rowStates.dead && row.queue !== null && row.resolved_at === null,
    dueAt: row !== null && row.state === rowStates.open && row.due > 0 ? Math.ceil(row.due) : null,
    committedAt: Math.floor(record.committedAt),
    attempts: record.attempts,
    crashes: record.crashes,
    endedAt: record.endedAt === null ? null : Math.floor(record.endedAt),
    reason: record.reason,
    note: record.note,
    lastError: record.lastError,
    resolved: resolved === null ? null : { ...resolved, at: Math.floor(resolved.at) },
    replayOf: replayed === null ? null : spread(replayed),
    replayId: record.replayId,
    tries: attempts(state, record.id),
  };
}

/** Blocks and commits that are read at once. */
const READ_AT_ONCE = 64;

function dedupeKeys(state: State, now: number): number {
  const recent = 'SELECT turn AS place, data FROM recent WHERE turn > ? ORDER BY turn LIMIT ?';
  const runs = 'SELECT place, data FROM run_block WHERE place > ? ORDER BY place LIMIT ?';
  return liveIn(state, { sql: recent, seal: 'recent' }, now) + liveIn(state, { sql: runs, seal: 'run' }, now);
}

function liveIn(
  state: State,
  { sql, seal }: { readonly sql: string; readonly seal: 'recent' | 'run' },
  now: number,
): number {
  let live = 0;
  for (let after = -1; ;) {
    const rows = state.reader.all({ sql }, after, READ_AT_ONCE);
    for (const row of rows) {
      after = Number(row['place']);
      live += countLive(unseal(seal, after, row['data'] as Uint8Array), now);
    }
    if (rows.length < READ_AT_ONCE) return live;
  }
}

function countLive(entries: Uint8Array, now: number): number {
  const view = new DataView(entries.buffer, entries.byteOffset, entries.byteLength);
  let live = 0;
  for (let at = 0; at < entries.length; at += ENTRY_BYTES) if (expiryAt(view, at) > now) live++;
  return live;
}
