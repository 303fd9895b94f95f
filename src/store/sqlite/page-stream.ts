/** Streams of deliveries that lie in pages, and of everything that lies between two chunks. */
import type { DeliveryFilter } from '../store.ts';
import { type Chunk, entryOf } from './chunks.ts';
import { markOf, mayHold } from './marks.ts';
import { type Page, STARTED, SUCCEEDED } from './page.ts';
import { ORDINALS, ordinalOf, positionOf, seqOf } from './position.ts';
import { ofEntry, ofRow, type Placed } from './records.ts';
import { toDeliveryRow } from './rows.ts';
import type { Row } from './script.ts';
import type { State } from './state.ts';
import { fits, type Listing, type Range, type Stream } from './stream.ts';

/** Which entries of a destination's pages. */
export type Entries = 'open' | 'succeeded';

const AHEAD_MAX = 64;
const SEQ_END = Number.MAX_SAFE_INTEGER / ORDINALS;

/** Goes through blocks of deliveries, each named by the seq it begins with. One step opens one block. */
abstract class BlockStream implements Stream {
  protected readonly listing: Listing;
  protected readonly range: Range;
  /** What is open and fits the range; the one that comes first is the last. */
  #positions: number[] = [];
  #seqs: readonly number[] = [];
  #at = 0;
  #ended = false;
  #from: number;
  #ahead: number;

  constructor(listing: Listing, range: Range) {
    const { oldestFirst, state } = listing;
    this.listing = listing;
    this.range = range;
    // The block that holds the first position begins before it.
    this.#from = oldestFirst ? chunkStart(state, seqOf(range.low)) : Math.min(SEQ_END, seqOf(range.high - 1) + 1);
    this.#ahead = Math.min(AHEAD_MAX, listing.ahead);
  }

  get isExact(): boolean {
    return this.#positions.length > 0;
  }

  peek(): number | null {
    const { oldestFirst } = this.listing;
    const open = this.#positions.at(-1);
    if (open !== undefined) return open;
    if (this.#at >= this.#seqs.length) this.#more();
    const seq = this.#seqs[this.#at];
    if (seq === undefined) return null;
    if (oldestFirst) return Math.max(positionOf(seq, 0), this.range.low);
    // It reaches at most to where the one above it begins.
    const above = this.#at === 0 ? this.#from : (this.#seqs[this.#at - 1] ?? SEQ_END);
    return Math.min(this.range.high, positionOf(above, 0)) - 1;
  }

  take(): Placed | null {
    const position = this.#positions.pop();
    if (position !== undefined) return this.read(position);
    if (this.peek() === null) return null;
    const seq = this.#seqs[this.#at++] ?? 0;
    const { low, high } = this.range;
    const found = this.open(seq).filter((one) => one >= low && one < high);
    this.#positions = this.listing.oldestFirst ? found.toReversed() : found;
    if (found.length === 0) this.listing.misses++;
    return null;
  }

  /** The seqs of the next blocks: from `low` on, or below `high`. */
  protected abstract seqs(low: number, high: number, ahead: number): readonly Row[];
  /** The positions in a block that may fit, lowest first. */
  protected abstract open(seq: number): number[];
  protected abstract read(position: number): Placed | null;

  #more(): void {
    if (this.#ended) return;
    const { oldestFirst } = this.listing;
    // What `peek` says of the first of them is where the ones before ended.
    const last = this.#seqs.at(-1);
    if (last !== undefined) this.#from = oldestFirst ? last + 1 : last;
    const rows = this.seqs(oldestFirst ? this.#from : 0, oldestFirst ? SEQ_END : this.#from, this.#ahead);
    const { low, high } = this.range;
    const all = rows.map((row) => Number(row['seq']));
    const beyond = all.findIndex((seq) => (oldestFirst ? positionOf(seq, 0) >= high : positionOf(seq, 0) <= low));
    // Newest first, the block that begins at or before the range's start is the last that reaches into it.
    this.#seqs = beyond < 0 ? all : all.slice(0, oldestFirst ? beyond : beyond + 1);
    this.#ended = beyond >= 0 || rows.length < this.#ahead;
    this.#at = 0;
    this.#ahead = Math.min(AHEAD_MAX, this.#ahead * 2);
  }
}

/** What lies in the pages of one destination. */
export class PageStream extends BlockStream {
  readonly #destination: number;
  readonly #entries: Entries;
  readonly #sql: string;
  #page: Page | null = null;
  #indexes = new Map<number, number>();

  constructor(listing: Listing, from: { destination: number; entries: Entries }, range: Range) {
    super(listing, range);
    this.#destination = from.destination;
    this.#entries = from.entries;
    this.#sql = `SELECT seq FROM page INDEXED BY page_${from.entries} WHERE ${from.entries} > 0 AND destination = ? AND seq >= ? AND seq < ?
      ORDER BY seq ${listing.oldestFirst ? '' : 'DESC'} LIMIT ?`;
  }

  protected seqs(low: number, high: number, ahead: number): readonly Row[] {
    return this.listing.state.reader.all({ sql: this.#sql }, this.#destination, low, high, ahead);
  }

  protected open(seq: number): number[] {
    const { state, filter } = this.listing;
    this.#indexes = new Map();
    this.#page = mayFit(state, seq, filter) ? state.pages.get({ destination: this.#destination, seq }) : null;
    if (this.#page === null) return [];
    for (let index = 0; index < this.#page.count; index++) {
      const entry = this.#page.state(index);
      const isWanted = this.#entries === 'open' ? entry <= STARTED : entry === SUCCEEDED;
      if (isWanted) this.#indexes.set(this.#page.position(index), index);
    }
    return [...this.#indexes.keys()];
  }

  protected read(position: number): Placed | null {
    const index = this.#indexes.get(position);
    return this.#page === null || index === undefined ? null : entryIn(this.listing, this.#page, index);
  }
}

/** Entries of all destinations, chunk by chunk; of early chunks what has rows as well. */
export class ChunkStream extends BlockStream {
  readonly #onlyEarly: boolean;
  readonly #sql: string;
  #placed = new Map<number, Placed>();

  constructor(listing: Listing, range: Range, onlyEarly: boolean) {
    super(listing, range);
    this.#onlyEarly = onlyEarly;
    this.#sql = `SELECT seq FROM chunk ${onlyEarly ? 'INDEXED BY chunk_early WHERE early = 1 AND' : 'WHERE'}
      seq >= ? AND seq < ? ORDER BY seq ${listing.oldestFirst ? '' : 'DESC'} LIMIT ?`;
  }

  protected seqs(low: number, high: number, ahead: number): readonly Row[] {
    return this.listing.state.reader.all({ sql: this.#sql }, low, high, ahead);
  }

  protected open(seq: number): number[] {
    const { state, filter } = this.listing;
    this.#placed = new Map();
    const chunk = mayFit(state, seq, filter) ? state.chunks.get(seq) : null;
    if (chunk === null) return [];
    const rows = this.#onlyEarly ? rowsIn(this.listing, chunk) : [];
    for (const one of [...entriesIn(state, chunk), ...rows]) if (fits(one, filter)) this.#placed.set(one.position, one);
    return [...this.#placed.keys()].toSorted((a, b) => a - b);
  }

  protected read(position: number): Placed | null {
    return this.#placed.get(position) ?? null;
  }
}

/** Where the chunk begins that holds `seq`. */
export function chunkStart(state: State, seq: number): number {
  const sql = 'SELECT seq FROM chunk WHERE seq <= ? ORDER BY seq DESC LIMIT 1';
  return Number(state.reader.first({ sql }, seq)?.['seq'] ?? 0);
}

function entryIn(listing: Listing, page: Page, index: number): Placed | null {
  const { state, filter } = listing;
  const chunk = state.chunks.get(page.key.seq);
  const entry = entryOf(chunk, page.seq(index));
  const placed = entry === null ? null : ofEntry(state, page, { index, entry });
  if (placed !== null && fits(placed, filter)) return placed;
  listing.misses++;
  return null;
}

/** What is claimed at a position and lies in a page of this destination, if it fits. */
export function entryAt(listing: Listing, destination: number, position: number): Placed | null {
  const { state } = listing;
  const seq = seqOf(position);
  const page = state.pages.get({ destination, seq: state.chunks.holding(seq)?.seq ?? seq });
  const index = page?.find(seq, ordinalOf(position)) ?? -1;
  if (page === null || index < 0 || page.state(index) > STARTED) return null;
  return entryIn(listing, page, index);
}

/** The rows of the events of a chunk. */
function rowsIn({ state, now }: Listing, chunk: Chunk): Placed[] {
  const end = (chunk.entries.at(-1)?.seq ?? chunk.seq) + 1;
  const sql = 'SELECT * FROM delivery WHERE position >= ? AND position < ?';
  const rows = state.reader.all({ sql }, positionOf(chunk.seq, 0), positionOf(end, 0));
  return rows.map((row) => ofRow(state, toDeliveryRow(row), now));
}

function entriesIn(state: State, chunk: Chunk): Placed[] {
  const owed = new Set(chunk.entries.flatMap((entry) => entry.owed));
  const placed: Placed[] = [];
  for (const destination of owed) {
    const page = state.pages.get({ destination, seq: chunk.seq });
    if (page === null) continue;
    for (const index of page.entries(SUCCEEDED)) {
      const entry = entryOf(chunk, page.seq(index));
      if (entry !== null) placed.push(ofEntry(state, page, { index, entry }));
    }
  }
  return placed;
}

/** Whether a chunk may hold what is asked for, told without decoding it. */
function mayFit(state: State, seq: number, filter: DeliveryFilter): boolean {
  const { source, type, tenant, since, until } = filter;
  if (source === undefined && type === undefined && since === undefined && until === undefined) return true;
  const row = state.reader.first({ sql: 'SELECT received_min, received_max, marks FROM chunk WHERE seq = ?' }, seq);
  if (row === null) return true;
  if (since !== undefined && Number(row['received_max']) < since) return false;
  if (until !== undefined && Number(row['received_min']) >= until) return false;
  const marks = row['marks'] as Uint8Array;
  return (
    (source === undefined || mayHold(marks, markOf('source', source))) &&
    (type === undefined || mayHold(marks, markOf('type', type))) &&
    (tenant === undefined || mayHold(marks, markOf('tenant', tenant)))
  );
}
