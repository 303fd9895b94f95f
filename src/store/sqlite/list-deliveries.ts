/** Deliveries by filter, in the order of their commits. */
import type { DeliveryState } from '../../core/delivery.ts';
import { idBytes } from '../../core/id.ts';
import type { DeliveryFilter, DeliveryRecord, Listed, Page as Cut } from '../store.ts';
import { type Chunk, entryOf } from './chunks.ts';
import { markOf, mayHold } from './marks.ts';
import { SUCCEEDED } from './page.ts';
import { ORDINALS, positionOf, seqOf } from './position.ts';
import { entriesOf, ofEntry, ofRow, type Placed } from './records.ts';
import { rowStates, toDeliveryRow } from './rows.ts';
import type { Row } from './script.ts';
import { inSlices } from './slices.ts';
import type { State } from './state.ts';

const ROWS_AHEAD = 256;
const CHUNKS_AHEAD = 16;
/** States that only rows have. */
const ROW_STATES: ReadonlySet<DeliveryState> = new Set(['blocked', 'due', 'dead', 'skipped', 'cancelled']);

/** What is being listed, and what was found so far. */
interface Listing {
  readonly state: State;
  readonly filter: DeliveryFilter;
  readonly cut: Cut;
  readonly now: number;
  readonly after: number | null;
  readonly oldestFirst: boolean;
  /** The numbers of the destination; `null`: any. */
  readonly numbers: readonly number[] | null;
  readonly found: Placed[];
}

export async function listDeliveries(state: State, filter: DeliveryFilter, cut: Cut): Promise<Listed<DeliveryRecord>> {
  state.expire();
  const listing: Listing = {
    state,
    filter,
    cut,
    now: state.clock.now(),
    after: cut.cursor === undefined ? null : Number(cut.cursor),
    oldestFirst: cut.oldestFirst ?? false,
    numbers: filter.destination === undefined ? null : state.destinations.numbers(filter.destination),
    found: [],
  };
  if (filter.eventId !== undefined) state.reader.snapshot(() => listOfEvent(listing, filter.eventId ?? ''));
  else if (onlyRows(filter)) await listRows(listing);
  else await listAll(listing);
  const given = listing.found.slice(0, cut.limit);
  const cursor = listing.found.length > given.length ? String(given.at(-1)?.position ?? cut.cursor ?? '') : null;
  return { rows: given.map(({ record }) => record), cursor };
}

function onlyRows({ states, reason, resolved, replayId }: DeliveryFilter): boolean {
  if (reason !== undefined || resolved !== undefined || replayId !== undefined) return true;
  return states !== undefined && states.every((state) => ROW_STATES.has(state));
}

/** Adds what fits, in order. Whether there is enough. */
function add(listing: Listing, placed: readonly Placed[]): boolean {
  const { after, oldestFirst, found, cut } = listing;
  const ordered = placed.toSorted((a, b) => (oldestFirst ? a.position - b.position : b.position - a.position));
  for (const one of ordered) {
    const isBehind = after === null || (oldestFirst ? one.position > after : one.position < after);
    if (isBehind && fits(one.record, listing.filter)) found.push(one);
  }
  return found.length > cut.limit;
}

function listOfEvent(listing: Listing, eventId: string): void {
  const { state, now } = listing;
  const found = state.chunks.find(eventId);
  if (found === null) return;
  const { seq } = found.entry;
  const sql = `SELECT * FROM delivery WHERE position >= ? AND position < ?
    UNION SELECT * FROM delivery WHERE event = ? AND replay_id IS NOT NULL`;
  const rows = state.reader.all({ sql }, positionOf(seq, 0), positionOf(seq + 1, 0), seq);
  const placed = new Map(entriesOf(state, found.chunk.seq, found.entry).map((one) => [one.position, one]));
  for (const row of rows) {
    const one = ofRow(state, toDeliveryRow(row), now);
    placed.set(one.position, one);
  }
  add(listing, [...placed.values()]);
}

/** What only rows can be: found by their indexes. */
async function listRows(listing: Listing): Promise<void> {
  const { state, oldestFirst, now } = listing;
  const where = conditions(listing);
  const order = oldestFirst ? 'position > ? ORDER BY position' : 'position < ? ORDER BY position DESC';
  const sql = `SELECT * FROM delivery WHERE ${where.sql}${order} LIMIT ${ROWS_AHEAD}`;
  let from = listing.after ?? (oldestFirst ? -1 : Number.MAX_SAFE_INTEGER);
  await inSlices(performance.now.bind(performance), () => {
    const rows = state.reader.all({ sql }, ...where.params, from);
    from = Number(rows.at(-1)?.['position'] ?? from);
    const enough = add(
      listing,
      rows.map((row) => ofRow(state, toDeliveryRow(row), now)),
    );
    return enough || rows.length < ROWS_AHEAD;
  });
}

function conditions({ filter, numbers }: Listing): { readonly sql: string; readonly params: (number | Uint8Array)[] } {
  const params: (number | Uint8Array)[] = [];
  let sql = '';
  const isDead = filter.resolved !== undefined || filter.reason !== undefined;
  const states = isDead ? ['dead' as const] : filter.states;
  if (states?.length === 1 && states[0] === 'dead') sql += `state = ${rowStates.dead} AND `;
  else if (states?.every((one) => one === 'blocked' || one === 'due') === true) sql += `state = ${rowStates.open} AND `;
  if (numbers !== null) {
    sql += `destination IN (${numbers.map(() => '?').join(', ')}) AND `;
    params.push(...numbers);
  }
  if (filter.replayId !== undefined) {
    sql += 'replay_id = ? AND replay_id IS NOT NULL AND ';
    params.push(idBytes(filter.replayId) ?? new Uint8Array());
  }
  return { sql, params };
}

/** Chunk by chunk: its entries, and the rows from it to the next. */
async function listAll(listing: Listing): Promise<void> {
  const { state, oldestFirst, after } = listing;
  const start = after === null ? (oldestFirst ? 0 : Number.MAX_SAFE_INTEGER) : seqOf(after);
  // Rows of events whose chunk has gone would lie before the first chunk; there are none, but none is passed over.
  let low = 0;
  let high = Number.MAX_SAFE_INTEGER / ORDINALS;
  if (oldestFirst) low = chunkAt(state, start);
  else if (after !== null) high = start + 1;
  await inSlices(performance.now.bind(performance), () => {
    const chunks = oldestFirst ? chunksFrom(state, low) : chunksBelow(state, high);
    for (const [index, row] of chunks.entries()) {
      const seq = Number(row['seq']);
      const end = oldestFirst ? Number(chunks[index + 1]?.['seq'] ?? nextChunk(state, seq)) : high;
      if (
        add(
          listing,
          state.reader.snapshot(() => window(listing, row, end)),
        )
      )
        return true;
      low = end;
      high = seq;
    }
    return chunks.length < CHUNKS_AHEAD;
  });
}

/** All between a chunk's start and `end`. Rows go before entries: an entry that has just moved is not shown twice. */
function window(listing: Listing, row: Row, end: number): Placed[] {
  const { state, now, numbers, filter } = listing;
  const seq = Number(row['seq']);
  const sql = 'SELECT * FROM delivery WHERE position >= ? AND position < ?';
  const placed = new Map<number, Placed>();
  if (mayFit(row, filter))
    for (const one of entriesIn(state, state.chunks.get(seq), numbers)) placed.set(one.position, one);
  const limit = Math.min(end * ORDINALS, Number.MAX_SAFE_INTEGER);
  for (const found of state.reader.all({ sql }, positionOf(seq, 0), limit)) {
    const one = ofRow(state, toDeliveryRow(found), now);
    placed.set(one.position, one);
  }
  return [...placed.values()];
}

function entriesIn(state: State, chunk: Chunk | null, numbers: readonly number[] | null): Placed[] {
  if (chunk === null) return [];
  const owed = new Set(chunk.entries.flatMap((entry) => entry.owed));
  const placed: Placed[] = [];
  for (const destination of owed) {
    if (numbers !== null && !numbers.includes(destination)) continue;
    const page = state.pages.get({ destination, seq: chunk.seq });
    if (page === null) continue;
    for (const index of page.entries(SUCCEEDED)) {
      const entry = entryOf(chunk, page.seq(index));
      if (entry !== null) placed.push(ofEntry(state, page, { index, entry }));
    }
  }
  return placed;
}

const CHUNK_COLUMNS = 'seq, received_min, received_max, marks';

function chunksFrom(state: State, low: number): readonly Row[] {
  const sql = `SELECT ${CHUNK_COLUMNS} FROM chunk WHERE seq >= ? ORDER BY seq LIMIT ${CHUNKS_AHEAD}`;
  return state.reader.all({ sql }, low);
}

function chunksBelow(state: State, high: number): readonly Row[] {
  const sql = `SELECT ${CHUNK_COLUMNS} FROM chunk WHERE seq < ? ORDER BY seq DESC LIMIT ${CHUNKS_AHEAD}`;
  return state.reader.all({ sql }, high);
}

/** The start of the chunk that holds `seq`, or of the first there is. */
function chunkAt(state: State, seq: number): number {
  return Number(state.reader.first({ sql: 'SELECT max(seq) AS seq FROM chunk WHERE seq <= ?' }, seq)?.['seq'] ?? 0);
}

function nextChunk(state: State, seq: number): number {
  const row = state.reader.first({ sql: 'SELECT min(seq) AS seq FROM chunk WHERE seq > ?' }, seq);
  return Number(row?.['seq'] ?? Number.MAX_SAFE_INTEGER / ORDINALS);
}

function mayFit(row: Row, { source, type, tenant, since, until }: DeliveryFilter): boolean {
  if (since !== undefined && Number(row['received_max']) < since) return false;
  if (until !== undefined && Number(row['received_min']) >= until) return false;
  const marks = row['marks'] as Uint8Array;
  return (
    (source === undefined || mayHold(marks, markOf('source', source))) &&
    (type === undefined || mayHold(marks, markOf('type', type))) &&
    (tenant === undefined || mayHold(marks, markOf('tenant', tenant)))
  );
}

function fits(record: DeliveryRecord, filter: DeliveryFilter): boolean {
  const { state, resolved } = record;
  if (filter.states?.includes(state) === false) return false;
  if (filter.resolved !== undefined && (state !== 'dead' || (resolved !== null) !== filter.resolved)) return false;
  return (
    is(filter.destination, record.destination) &&
    is(filter.source, record.source) &&
    is(filter.type, record.type) &&
    is(filter.tenant, record.tenant) &&
    is(filter.reason, record.reason) &&
    is(filter.replayId, record.replayId) &&
    (filter.since === undefined || record.receivedAt >= filter.since) &&
    (filter.until === undefined || record.receivedAt < filter.until)
  );
}

function is(wanted: string | undefined, found: string | null): boolean {
  return wanted === undefined || wanted === found;
}
