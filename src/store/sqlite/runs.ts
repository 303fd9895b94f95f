/** Runs: frozen buckets of dedupe keys on disk, in blocks by digest, found through their filters. */
import { damaged } from './failure.ts';
import { type DedupeEntry, type Digest, ENTRY_BYTES, readEntry } from './dedupe-entry.ts';
import { COLUMNS, FilterGroup, filterBits } from './filter.ts';
import type { Reader } from './reader.ts';
import { unseal } from './sealed.ts';
import { hasWords } from './words.ts';

/** Entries of a run that share a block: one read of about six kilobytes decides. */
const BLOCK_ENTRIES = 128;
const BLOCKS_MAX = 4096;
/** A filter is written in pieces, so that no commit carries much of it. */
export const FILTER_PIECE_BYTES = 16 * 1024;
const PIECES_MAX = 4096;

export interface Run {
  readonly number: number;
  readonly blockBits: number;
  readonly entries: number;
  readonly expiresAt: number;
}

/** Into how many blocks (a power of two) a run of this size is cut. */
export function blockBitsFor(entries: number): number {
  return Math.max(0, Math.min(12, Math.round(Math.log2(entries / BLOCK_ENTRIES))));
}

export function blockPlace(run: number, block: number): number {
  return run * BLOCKS_MAX + block;
}

export function piecePlace(run: number, piece: number): number {
  return run * PIECES_MAX + piece;
}

/** Where the filter of a run is: a column of a group. */
export interface Seat {
  readonly run: Run;
  readonly group: FilterGroup;
  readonly column: number;
}

export class Runs {
  readonly #reader: Reader;
  readonly #bits: number;
  readonly #groups: { readonly filter: FilterGroup; readonly runs: (Run | null)[] }[] = [];
  /** Oldest first. */
  readonly #seats = new Map<number, Seat>();

  constructor(reader: Reader, keysPerRun: number) {
    this.#reader = reader;
    this.#bits = filterBits(keysPerRun);
  }

  get size(): number {
    return this.#seats.size;
  }

  /** The oldest run whose keys are all new again. */
  expired(now: number): Run | null {
    for (const { run } of this.#seats.values()) if (run.expiresAt <= now) return run;
    return null;
  }

  /** The newest entry of this key; `null`: the key is in no run. */
  find(digest: Digest): { readonly entry: DedupeEntry; readonly run: Run } | null {
    const candidates: Run[] = [];
    for (const { filter, runs } of this.#groups) {
      for (let columns = filter.candidates(digest); columns !== 0;) {
        const column = 31 - Math.clz32(columns);
        columns &= ~(1 << column);
        const run = runs[column];
        if (run !== null && run !== undefined && this.#seats.has(run.number)) candidates.push(run);
      }
    }
    candidates.sort((a, b) => b.number - a.number);
    for (const run of candidates) {
      const entry = this.#findIn(run, digest);
      if (entry !== null) return { entry, run };
    }
    return null;
  }

  /**
   * A place for the filter of a run that is being written. Until it is {@link add}ed it is not asked: the filter of a run
   * that went may still be there, the blocks may not be, and its keys are found elsewhere.
   */
  reserve(run: Run): Seat {
    return this.#take(run);
  }

  loadPiece({ group, column }: Seat, piece: number, bytes: Uint8Array): void {
    group.load(column, piece * FILTER_PIECE_BYTES * 8, bytes);
  }

  /** A run that has just been written; all pieces of its filter are loaded. */
  add(seat: Seat): void {
    this.#seats.set(seat.run.number, seat);
  }

  remove(run: Run): void {
    const seat = this.#seats.get(run.number);
    if (seat === undefined) return;
    this.#seats.delete(run.number);
    const group = this.#groups.find(({ filter }) => filter === seat.group);
    if (group !== undefined) group.runs[seat.column] = null;
  }

  /** The runs on disk, with their filters: ten megabytes to read for five million keys. */
  load(): void {
    const sql = 'SELECT number, blocks, entries, expires_at FROM run WHERE sealed = 1 ORDER BY number';
    for (const row of this.#reader.all({ sql })) {
      const run = {
        number: Number(row['number']),
        blockBits: Number(row['blocks']),
        entries: Number(row['entries']),
        expiresAt: Number(row['expires_at']),
      };
      const seat = this.#take(run);
      this.#loadFilter(seat);
      this.add(seat);
    }
  }

  #loadFilter(seat: Seat): void {
    const { run } = seat;
    const pieces = Math.ceil(this.#bits / 8 / FILTER_PIECE_BYTES);
    const sql = 'SELECT place, data FROM run_filter WHERE place >= ? AND place < ? ORDER BY place';
    const rows = this.#reader.all({ sql }, piecePlace(run.number, 0), piecePlace(run.number, pieces));
    if (rows.length !== pieces) throw damaged(`filter of run ${run.number}`);
    rows.forEach((row, piece) => {
      const bytes = unseal('filter', piecePlace(run.number, piece), row['data'] as Uint8Array);
      this.loadPiece(seat, piece, bytes);
    });
  }

  #take(run: Run): Seat {
    let group = this.#groups.find(({ runs }) => runs.includes(null));
    if (group === undefined) {
      const runs = Array.from({ length: COLUMNS }, () => null);
      group = { filter: new FilterGroup(this.#bits), runs };
      this.#groups.push(group);
    }
    const column = group.runs.indexOf(null);
    group.runs[column] = run;
    return { run, group: group.filter, column };
  }

  #findIn(run: Run, digest: Digest): DedupeEntry | null {
    const place = blockPlace(run.number, run.blockBits === 0 ? 0 : digest.a >>> (32 - run.blockBits));
    const row = this.#reader.first({ sql: 'SELECT data FROM run_block WHERE place = ?' }, place);
    if (row === null) throw damaged(`run ${run.number}`);
    const bytes = unseal('run', place, row['data'] as Uint8Array);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // Within a block, entries are in the order in which they were made.
    for (let start = bytes.length - ENTRY_BYTES; start >= 0; start -= ENTRY_BYTES) {
      if (hasWords(view, start, digest)) return readEntry(view, start);
    }
    return null;
  }
}
