/** Events by filter, in the order of their commits. Chunks that cannot hold one are passed over undecoded. */
import { formatId } from '../../core/id.ts';
import type { EventFilter, EventSummary, Listed, Page } from '../store.ts';
import type { ChunkEntry } from './chunk.ts';
import { chunkStart } from './page-stream.ts';
import { type MarkField, markOf, mayHold } from './marks.ts';
import type { Row } from './script.ts';
import { inSlices } from './slices.ts';
import type { State } from './state.ts';
import { spanOf } from './times.ts';

const CHUNKS_AHEAD = 32;
/** Chunks that are looked at in vain for one page. */
const MISSES_MAX = 10_000;

export async function listEvents(state: State, filter: EventFilter, page: Page): Promise<Listed<EventSummary>> {
  const oldestFirst = page.oldestFirst ?? false;
  const after = page.cursor === undefined ? null : Number(page.cursor);
  const found: ChunkEntry[] = [];
  const marks = marksOf(state, filter);
  const chunks = chunksOf(state, { filter, after, oldestFirst });
  let misses = 0;
  let seen: number | null = null;
  await inSlices(
    () => state.clock.monotonic(),
    () => {
      const row = chunks.next().value;
      seen = row === undefined ? null : Number(row['seq']);
      if (row === undefined || seen === null) return true;
      const entries = mayFit(row, filter, marks) ? (state.chunks.get(seq(row))?.entries ?? []) : [];
      const before = found.length;
      for (const entry of oldestFirst ? entries : entries.toReversed()) {
        if (after !== null && (oldestFirst ? entry.seq <= after : entry.seq >= after)) continue;
        if (fits(entry, filter)) found.push(entry);
      }
      if (found.length === before) misses++;
      return found.length > page.limit || misses > MISSES_MAX;
    },
  );
  const given = found.slice(0, page.limit);
  const last = found.length > given.length ? (given.at(-1)?.seq ?? after) : seen;
  return { rows: given.map(summary), cursor: last === null ? null : String(last) };
}

interface Walk {
  readonly filter: EventFilter;
  readonly after: number | null;
  readonly oldestFirst: boolean;
}

/** The chunks that may hold what fits, in order. That of the cursor comes again: the rest of it is still to be listed. */
function* chunksOf(state: State, { filter, after, oldestFirst }: Walk): Generator<Row, undefined> {
  const { from, to } = spanOf(state, filter);
  const low = oldestFirst && after !== null ? chunkStart(state, after) : 0;
  const high = oldestFirst || after === null ? Number.MAX_SAFE_INTEGER : after;
  const main = { low: Math.max(low, from), high: Math.min(high, to ?? high), early: false };
  const late = { low: Math.max(low, to ?? high), high, early: true };
  const isUnmatched = filter.unmatched === true;
  for (const { early, ...range } of oldestFirst ? [main, late] : [late, main]) {
    const where = early ? EARLY : isUnmatched ? UNMATCHED : 'WHERE';
    yield* chunksIn(state, { where, oldestFirst, ...range });
  }
}

const EARLY = 'INDEXED BY chunk_early WHERE early = 1 AND';
const UNMATCHED = 'INDEXED BY chunk_unmatched WHERE unmatched > 0 AND';

function* chunksIn(
  state: State,
  { where, oldestFirst, ...range }: { where: string; oldestFirst: boolean; low: number; high: number },
): Generator<Row, undefined> {
  let { low, high } = range;
  const sql = `SELECT seq, received_min, received_max, unmatched, marks FROM chunk ${where} seq >= ? AND seq < ?
    ORDER BY seq ${oldestFirst ? '' : 'DESC'} LIMIT ${CHUNKS_AHEAD}`;
  while (low < high) {
    const rows = state.reader.all({ sql }, low, high);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < CHUNKS_AHEAD) return;
    if (oldestFirst) low = seq(last) + 1;
    else high = seq(last);
  }
}

function seq(row: Row): number {
  return Number(row['seq']);
}

/** What a chunk that holds a fitting event is marked with. */
interface Marks {
  readonly hashes: readonly number[];
  readonly correlation: number | null;
  /** The chunk of the event that has the correlation id as its own id: such an event is not marked. */
  readonly own: number | null;
}

function marksOf(state: State, filter: EventFilter): Marks {
  const fields: MarkField[] = ['source', 'type', 'tenant', 'dedupeKey'];
  const hashes = fields.flatMap((field) => {
    const text = filter[field];
    return text === undefined ? [] : [markOf(field, text)];
  });
  const { correlationId } = filter;
  if (correlationId === undefined) return { hashes, correlation: null, own: null };
  const own = state.chunks.find(correlationId)?.chunk.seq ?? null;
  return { hashes, correlation: markOf('correlationId', correlationId), own };
}

function mayFit(row: Row, filter: EventFilter, { hashes, correlation, own }: Marks): boolean {
  if (filter.since !== undefined && Number(row['received_max']) < filter.since) return false;
  if (filter.until !== undefined && Number(row['received_min']) >= filter.until) return false;
  if (filter.unmatched === true && row['unmatched'] === 0) return false;
  const marks = row['marks'] as Uint8Array;
  if (correlation !== null && row['seq'] !== own && !mayHold(marks, correlation)) return false;
  return hashes.every((hash) => mayHold(marks, hash));
}

function fits(entry: ChunkEntry, filter: EventFilter): boolean {
  const unmatched = entry.owed.length === 0 && entry.duplicateOf === null;
  return (
    (filter.unmatched === undefined || filter.unmatched === unmatched) &&
    is(filter.source, entry.source) &&
    is(filter.type, entry.type) &&
    is(filter.tenant, entry.tenant) &&
    is(filter.correlationId, entry.correlationId) &&
    is(filter.dedupeKey, entry.dedupeKey) &&
    (filter.since === undefined || entry.receivedAt >= filter.since) &&
    (filter.until === undefined || entry.receivedAt < filter.until)
  );
}

function is(wanted: string | undefined, found: string | null): boolean {
  return wanted === undefined || wanted === found;
}

function summary(entry: ChunkEntry): EventSummary {
  return {
    id: formatId('evt', entry.idBytes),
    source: entry.source,
    type: entry.type,
    tenant: entry.tenant,
    dedupeKey: entry.dedupeKey,
    orderKey: entry.orderKey,
    receivedAt: entry.receivedAt,
    correlationId: entry.correlationId,
    bodyBytes: entry.bodyBytes,
    unfit: entry.unfit,
    duplicateOf: entry.duplicateOf === null ? null : formatId('evt', entry.duplicateOf),
    owed: entry.owed.length,
  };
}
