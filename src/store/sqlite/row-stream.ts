/** Streams of deliveries that have rows, along the indexes of `delivery`. */
import { ofRow, type Placed } from './records.ts';
import { toDeliveryRow } from './rows.ts';
import { fits, type Listing, type Range, type Stream } from './stream.ts';

/** Which rows: an index (`null`: the table's own order), and what it is asked for. */
export interface RowSource {
  readonly index: string | null;
  readonly where: string;
  readonly params: readonly (number | string | Uint8Array)[];
}

const AHEAD_MAX = 256;

export const allRows: RowSource = { index: null, where: 'true', params: [] };

export const openRows = (destination: number): RowSource => ({
  index: 'delivery_open',
  where: 'state = 0 AND destination = ?',
  params: [destination],
});

export const blockedRows = (destination: number): RowSource => ({
  index: 'delivery_blocked',
  where: 'state = 0 AND blocked = 1 AND destination = ?',
  params: [destination],
});

/** Rows that were never put off. */
export const atOnceRows = (destination: number): RowSource => ({
  index: 'delivery_ready',
  where: 'state = 0 AND blocked = 0 AND destination = ? AND due = 0',
  params: [destination],
});

/** Rows that were put off, whether they have fallen due or not. */
export const putOffRows = (destination: number): RowSource => ({
  index: 'delivery_put_off',
  where: 'state = 0 AND blocked = 0 AND due > 0 AND destination = ?',
  params: [destination],
});

/** @param state 1 succeeded, 2 skipped, 4 cancelled */
export const endedRows = (destination: number, state: number): RowSource => ({
  index: 'delivery_ended',
  where: 'state IN (1, 2, 4) AND destination = ? AND state = ?',
  params: [destination, state],
});

export const allDeadRows: RowSource = { index: 'delivery_dead_at', where: 'state = 3', params: [] };

export const replayedRows: RowSource = { index: 'delivery_replayed_at', where: 'replay_id IS NOT NULL', params: [] };

export const rowsOfReplay = (replayId: Uint8Array): RowSource => ({
  index: 'delivery_of_replay',
  where: 'replay_id IS NOT NULL AND replay_id = ?',
  params: [replayId],
});

export const deadRows = (isResolved: boolean, { destination, reason }: DeadKind): RowSource => ({
  index: isResolved ? 'delivery_resolved' : 'delivery_dead',
  where: `state = 3 AND ${resolvedIs(isResolved)} AND destination = ? AND reason = ?`,
  params: [destination, reason],
});

/** Dead letters of one destination and reason lie together. */
export interface DeadKind {
  readonly destination: number;
  readonly reason: string;
}

function resolvedIs(isResolved: boolean): string {
  return isResolved ? 'resolved_at IS NOT NULL' : 'resolved_at IS NULL';
}

/** The kinds of dead letters of these destinations, by one seek each; `null`: more than `most`. */
export function deadKinds(
  { state }: Listing,
  { numbers, isResolved, most }: { numbers: readonly number[]; isResolved: boolean; most: number },
): DeadKind[] | null {
  const sql = `SELECT reason FROM delivery INDEXED BY ${isResolved ? 'delivery_resolved' : 'delivery_dead'}
    WHERE state = 3 AND ${resolvedIs(isResolved)} AND destination = ? AND reason > ? ORDER BY reason LIMIT 1`;
  const kinds: DeadKind[] = [];
  for (const destination of numbers) {
    for (let reason: string | null = ''; reason !== null && kinds.length <= most;) {
      const row = state.reader.first({ sql }, destination, reason);
      reason = row === null ? null : String(row['reason']);
      if (reason !== null) kinds.push({ destination, reason });
    }
  }
  return kinds.length > most ? null : kinds;
}

/** Rows by the positions that an index gives, a few at a time. */
export class RowStream implements Stream {
  readonly isExact = true;
  readonly #listing: Listing;
  readonly #sql: string;
  readonly #params: RowSource['params'];
  readonly #high: number;
  readonly #low: number;
  #from: number;
  #ahead: number;
  #positions: number[] = [];
  #at = 0;
  #ended = false;

  constructor(listing: Listing, { index, where, params }: RowSource, { low, high }: Range) {
    const { oldestFirst } = listing;
    this.#listing = listing;
    this.#sql = `SELECT position FROM delivery ${index === null ? '' : `INDEXED BY ${index}`} WHERE ${where}
      AND position >= ? AND position < ? ORDER BY position ${oldestFirst ? '' : 'DESC'} LIMIT ?`;
    this.#params = params;
    this.#low = low;
    this.#high = high;
    this.#from = oldestFirst ? low : high;
    this.#ahead = listing.ahead;
  }

  peek(): number | null {
    if (this.#at >= this.#positions.length) this.#more();
    return this.#positions[this.#at] ?? null;
  }

  take(): Placed | null {
    const position = this.peek();
    if (position === null) return null;
    this.#at++;
    return rowAt(this.#listing, position);
  }

  #more(): void {
    if (this.#ended) return;
    const { oldestFirst, state } = this.#listing;
    const [low, high] = oldestFirst ? [this.#from, this.#high] : [this.#low, this.#from];
    const rows = state.reader.all({ sql: this.#sql }, ...this.#params, low, high, this.#ahead);
    this.#positions = rows.map((row) => Number(row['position']));
    this.#at = 0;
    this.#ended = rows.length < this.#ahead;
    this.#ahead = Math.min(AHEAD_MAX, this.#ahead * 2);
    const last = this.#positions.at(-1);
    if (last !== undefined) this.#from = oldestFirst ? last + 1 : last;
  }
}

/** The row of a position, if it fits. */
export function rowAt(listing: Listing, position: number): Placed | null {
  const row = listing.state.reader.first('row', position);
  const placed = row === null ? null : ofRow(listing.state, toDeliveryRow(row), listing.now);
  if (placed !== null && fits(placed, listing.filter)) return placed;
  listing.misses++;
  return null;
}

/** Positions that are known: few, or held in memory anyway. */
export class KnownStream implements Stream {
  readonly isExact = true;
  readonly #positions: Float64Array;
  readonly #read: (position: number) => Placed | null;
  readonly #oldestFirst: boolean;
  #taken = 0;

  constructor(
    { oldestFirst }: Listing,
    positions: Iterable<number>,
    { range, read }: { range: Range; read: (position: number) => Placed | null },
  ) {
    this.#positions = Float64Array.from(
      [...positions].filter((one) => one >= range.low && one < range.high),
    ).toSorted();
    this.#read = read;
    this.#oldestFirst = oldestFirst;
  }

  peek(): number | null {
    const index = this.#oldestFirst ? this.#taken : this.#positions.length - 1 - this.#taken;
    return this.#positions[index] ?? null;
  }

  take(): Placed | null {
    const position = this.peek();
    this.#taken++;
    return position === null ? null : this.#read(position);
  }
}
