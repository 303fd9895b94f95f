/** Events by filter, in the order of their commits. Chunks that cannot hold one are passed over undecoded. */
import { formatId } from '../../core/id.ts';
import type { EventFilter, EventSummary, Listed, Page } from '../store.ts';
import type { ChunkEntry } from './chunk.ts';
import { type MarkField, markOf, mayHold } from './marks.ts';
import type { Row } from './script.ts';
import { inSlices } from './slices.ts';
import type { State } from './state.ts';

const CHUNKS_AHEAD = 32;
const COLUMNS = 'seq, received_min, received_max, unmatched, marks';

export async function listEvents(state: State, filter: EventFilter, page: Page): Promise<Listed<EventSummary>> {
  const oldestFirst = page.oldestFirst ?? false;
  const after = page.cursor === undefined ? null : Number(page.cursor);
  const found: ChunkEntry[] = [];
  const marks = marksOf(state, filter);
  // The chunk that holds the cursor itself comes again: the rest of it is still to be listed.
  let from = after ?? (oldestFirst ? -1 : Number.MAX_SAFE_INTEGER);
  let isFirst = after !== null;
  await inSlices(performance.now.bind(performance), () => {
    const rows = nextChunks(state, { from, oldestFirst, inclusive: isFirst });
    isFirst = false;
    for (const row of rows) {
      from = Number(row['seq']);
      if (!mayFit(row, filter, marks)) continue;
      const entries = state.chunks.get(from)?.entries ?? [];
      for (const entry of oldestFirst ? entries : entries.toReversed()) {
        if (after !== null && (oldestFirst ? entry.seq <= after : entry.seq >= after)) continue;
        if (fits(entry, filter)) found.push(entry);
      }
      if (found.length > page.limit) return true;
    }
    return rows.length < CHUNKS_AHEAD;
  });
  const given = found.slice(0, page.limit);
  const cursor = found.length > given.length ? String(given.at(-1)?.seq ?? after ?? '') : null;
  return { rows: given.map(summary), cursor };
}

function nextChunks(state: State, at: { from: number; oldestFirst: boolean; inclusive: boolean }): readonly Row[] {
  const { from, oldestFirst, inclusive } = at;
  if (!oldestFirst) {
    const sql = `SELECT ${COLUMNS} FROM chunk WHERE seq < ? ORDER BY seq DESC LIMIT ${CHUNKS_AHEAD}`;
    return state.reader.all({ sql }, from);
  }
  const holding = '(SELECT coalesce(max(seq), 0) FROM chunk WHERE seq <= ?)';
  const start = inclusive ? `seq >= ${holding}` : 'seq > ?';
  return state.reader.all(
    { sql: `SELECT ${COLUMNS} FROM chunk WHERE ${start} ORDER BY seq LIMIT ${CHUNKS_AHEAD}` },
    from,
  );
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
