/**
 * Which dedupe keys have been seen. Exact: a filter only says where to look. What a commit adds is one blob; keys in
 * memory are those of the newest bucket; a full bucket becomes a run on disk, a few blocks with every commit, so that
 * no commit pays for it and the cost does not depend on how many keys are retained.
 */
import { BlockSort } from './block-sort.ts';
import { Bucket } from './bucket.ts';
import { type DedupeEntry, type Digest, ENTRY_BYTES, writeEntry } from './dedupe-entry.ts';
import { filterBits, RunFilter } from './filter.ts';
import type { Reader } from './reader.ts';
import { blockBitsFor, blockPlace, FILTER_PIECE_BYTES, piecePlace, type Run, Runs, type Seat } from './runs.ts';
import type { Step } from './script.ts';
import { seal, unseal } from './sealed.ts';
import { readWords } from './words.ts';

/** Keys in a bucket. 128 Ki: 13 MB in memory at most, twice while one is being frozen. */
export const BUCKET_KEYS = 128 * 1024;

/** A run that is being written. */
interface Freezing {
  readonly bucket: Bucket;
  readonly run: Run;
  readonly sort: BlockSort;
  readonly filter: RunFilter;
  readonly seat: Seat;
  /** Blocks and then filter pieces that are written. */
  done: number;
}

/** Entries before `index` of `bucket`, and of all buckets before, that had expired at `now`. */
interface Forgotten {
  readonly now: number;
  readonly bucket: number;
  readonly index: number;
}

/** What a commit does about dedupe keys: the steps to write, and what holds once they are written. */
export interface DedupeStage {
  readonly steps: readonly Step[];
  apply(): void;
}

export class Dedupe {
  readonly #reader: Reader;
  readonly #bucketKeys: number;
  readonly #runs: Runs;
  #active: Bucket;
  #freezing: Freezing | null = null;
  /** Rows of `recent` up to this turn belong to runs already and go step by step. */
  /** What had expired when retention last came by is forgotten, though it is still here. */
  #forgotten: Forgotten = { now: Number.NEGATIVE_INFINITY, bucket: 0, index: 0 };
  #spentUpTo = 0;
  #oldestTurn = 1;
  #turn = 1;
  #lastTurnOfFrozen = 0;

  constructor(reader: Reader, bucketKeys: number) {
    this.#reader = reader;
    this.#bucketKeys = bucketKeys;
    this.#runs = new Runs(reader, bucketKeys);
    this.#active = new Bucket(1, bucketKeys);
  }

  /** Reads what is on disk. Runs that were not finished count for nothing, see {@link clearUnfinished}. */
  load(): void {
    this.#runs.load();
    const forgotten = this.#reader.first({ sql: "SELECT value FROM meta WHERE key = 'forgotten'" })?.['value'];
    if (typeof forgotten === 'string') this.#forgotten = JSON.parse(forgotten) as Forgotten;
    const last = this.#reader.first({ sql: 'SELECT max(number) AS number FROM run WHERE sealed = 1' });
    let newest = Number(last?.['number'] ?? 0);
    const sql = 'SELECT turn, bucket, data FROM recent WHERE bucket > ? ORDER BY turn';
    this.#active = new Bucket(newest + 1, this.#bucketKeys);
    for (const row of this.#reader.all({ sql }, newest)) {
      const turn = Number(row['turn']);
      if (Number(row['bucket']) !== this.#active.number) {
        newest = Number(row['bucket']);
        if (this.#active.count > 0) this.#freeze(turn - 1);
        this.#active = new Bucket(newest, this.#bucketKeys);
      }
      this.#active.addAll(unseal('recent', turn, row['data'] as Uint8Array));
    }
    const turns = this.#reader.first({ sql: 'SELECT min(turn) AS low, max(turn) AS high FROM recent' });
    this.#turn = Number(turns?.['high'] ?? 0) + 1;
    this.#oldestTurn = Number(turns?.['low'] ?? this.#turn);
    this.#freezeIfFull(this.#turn - 1);
  }

  /** What counts for an event received at `at`; `null`: the key is new. */
  find(digest: Digest, at: number): DedupeEntry | null {
    for (const bucket of [this.#active, this.#freezing?.bucket]) {
      const index = bucket?.find(digest) ?? -1;
      if (bucket === undefined || index < 0) continue;
      const { now, bucket: last, index: end } = this.#forgotten;
      const wasThere = bucket.number < last || (bucket.number === last && index < end);
      const entry = bucket.entry(index);
      return at < entry.expiresAt && !(wasThere && entry.expiresAt <= now) ? entry : null;
    }
    const found = this.#runs.size === 0 ? null : this.#runs.find(digest);
    if (found === null || at >= found.entry.expiresAt) return null;
    const wasForgotten = found.run.number < this.#forgotten.bucket && found.entry.expiresAt <= this.#forgotten.now;
    return wasForgotten ? null : found.entry;
  }

  /** Keys expired by now are new again, also for an event that was received earlier and is committed later. */
  forget(now: number): DedupeStage {
    const forgotten = { now, bucket: this.#active.number, index: this.#active.count };
    const apply = (): void => void (this.#forgotten = forgotten);
    const isEmpty = this.#active.count === 0 && this.#freezing === null && this.#runs.size === 0;
    if (isEmpty || now < this.#forgotten.now) return { steps: [], apply: () => undefined };
    return { steps: [{ statement: 'setMeta', params: ['forgotten', JSON.stringify(forgotten)] }], apply };
  }

  /** What to write for new keys, and the next bit of freezing. */
  stage(entries: readonly DedupeEntry[]): DedupeStage {
    const steps: Step[] = [];
    const after: (() => void)[] = [];
    if (entries.length > 0) {
      const turn = this.#turn;
      const bytes = new Uint8Array(entries.length * ENTRY_BYTES);
      const view = new DataView(bytes.buffer);
      entries.forEach((entry, index) => writeEntry(view, index * ENTRY_BYTES, entry));
      const data = seal('recent', turn, bytes);
      steps.push({ statement: 'insertRecent', params: [turn, this.#active.number, data] });
      after.push(() => this.#remember(bytes, turn));
      this.#stageFreezing(entries.length, steps, after);
      this.#stageSpent(steps, after);
    }
    return { steps, apply: () => after.forEach((run) => run()) };
  }

  /** Forgets the keys of one run that are all new again: how many, and the statements that remove it. */
  expire(now: number): { readonly keys: number; readonly stage: DedupeStage } | null {
    const run = this.#runs.expired(now);
    if (run === null) return null;
    const steps: Step[] = [
      { statement: { sql: 'DELETE FROM run WHERE number = ?' }, params: [run.number] },
      ...clearRun(run.number),
    ];
    return { keys: run.entries, stage: { steps, apply: () => this.#runs.remove(run) } };
  }

  #remember(entries: Uint8Array, turn: number): void {
    this.#turn = turn + 1;
    this.#active.addAll(entries);
    this.#freezeIfFull(turn);
  }

  #freezeIfFull(lastTurn: number): void {
    if (!this.#active.isFull || this.#freezing !== null) return;
    this.#freeze(lastTurn);
    this.#active = new Bucket(this.#active.number + 1, this.#bucketKeys);
  }

  #freeze(lastTurn: number): void {
    const bucket = this.#active;
    // A run does not tell the order of its entries any more: what is forgotten is marked before.
    if (bucket.number === this.#forgotten.bucket) bucket.expire(this.#forgotten.index, this.#forgotten.now);
    const blockBits = blockBitsFor(bucket.count);
    const run = { number: bucket.number, blockBits, entries: bucket.count, expiresAt: bucket.newestExpiry };
    const filter = new RunFilter(filterBits(this.#bucketKeys));
    const parts = { filter, sort: new BlockSort(bucket, blockBits), seat: this.#runs.reserve(run) };
    this.#freezing = { bucket, run, ...parts, done: 0 };
    this.#lastTurnOfFrozen = lastTurn;
  }

  /**
   * Twice as fast as the next bucket fills. Should a bucket be full before (it never is, unless one commit brings a
   * good part of a bucket), it simply grows on until the one before is written.
   */
  #stageFreezing(keys: number, steps: Step[], after: (() => void)[]): void {
    const freezing = this.#freezing;
    if (freezing === null) return;
    const { run, filter, sort, seat } = freezing;
    // Each entry is counted, placed and written: three steps, twice as fast as they come.
    const left = sort.step(2 * 3 * keys);
    if (!sort.isDone || left === 0) return;
    const blocks = 2 ** run.blockBits;
    const pieces = Math.ceil(filter.bytes.length / FILTER_PIECE_BYTES);
    const share = Math.ceil((left * (blocks + pieces)) / Math.max(1, run.entries));
    const end = Math.min(blocks + pieces, freezing.done + share);
    if (freezing.done === 0) {
      const params = [run.number, run.blockBits, run.entries, run.expiresAt];
      const sql = 'INSERT OR REPLACE INTO run (number, blocks, entries, expires_at, sealed) VALUES (?, ?, ?, ?, 0)';
      steps.push({ statement: { sql }, params });
    }
    for (let part = freezing.done; part < end; part++) {
      if (part < blocks) {
        steps.push(blockStep(freezing, part));
        continue;
      }
      steps.push(pieceStep(freezing, part - blocks));
      after.push(() => this.#runs.loadPiece(seat, part - blocks, pieceOf(filter, part - blocks)));
    }
    if (end < blocks + pieces) {
      after.push(() => void (freezing.done = end));
      return;
    }
    steps.push({ statement: { sql: 'UPDATE run SET sealed = 1 WHERE number = ?' }, params: [run.number] });
    after.push(() => {
      this.#runs.add(seat);
      this.#spentUpTo = this.#lastTurnOfFrozen;
      this.#freezing = null;
    });
  }

  #stageSpent(steps: Step[], after: (() => void)[]): void {
    if (this.#oldestTurn > this.#spentUpTo) return;
    const upTo = Math.min(this.#spentUpTo, this.#oldestTurn + 3);
    steps.push({ statement: { sql: 'DELETE FROM recent WHERE turn <= ?' }, params: [upTo] });
    after.push(() => void (this.#oldestTurn = upTo + 1));
  }
}

function blockStep({ run, sort, filter }: Freezing, block: number): Step {
  const { bytes, starts } = sort;
  const place = blockPlace(run.number, block);
  const part = bytes.subarray((starts[block] ?? 0) * ENTRY_BYTES, (starts[block + 1] ?? 0) * ENTRY_BYTES);
  const view = new DataView(part.buffer, part.byteOffset, part.byteLength);
  // Adding a key twice, after a commit that failed, is harmless.
  for (let at = 0; at < part.length; at += ENTRY_BYTES) filter.add(readWords(view, at));
  const sql = 'INSERT OR REPLACE INTO run_block (place, data) VALUES (?, ?)';
  return { statement: { sql }, params: [place, seal('run', place, part)] };
}

function pieceStep({ run, filter }: Freezing, piece: number): Step {
  const place = piecePlace(run.number, piece);
  const part = pieceOf(filter, piece);
  const sql = 'INSERT OR REPLACE INTO run_filter (place, data) VALUES (?, ?)';
  return { statement: { sql }, params: [place, seal('filter', place, part)] };
}

function pieceOf(filter: RunFilter, piece: number): Uint8Array {
  return filter.bytes.subarray(piece * FILTER_PIECE_BYTES, (piece + 1) * FILTER_PIECE_BYTES);
}

function clearRun(number: number): Step[] {
  const blocks = 'DELETE FROM run_block WHERE place >= ? AND place < ?';
  const pieces = 'DELETE FROM run_filter WHERE place >= ? AND place < ?';
  return [
    { statement: { sql: blocks }, params: [blockPlace(number, 0), blockPlace(number + 1, 0)] },
    { statement: { sql: pieces }, params: [piecePlace(number, 0), piecePlace(number + 1, 0)] },
  ];
}

/** On opening: a run that was not finished goes; its keys are still in `recent`. What is in a run leaves `recent`. */
export function clearUnfinished(reader: Reader): Step[] {
  const unfinished = reader.all({ sql: 'SELECT number FROM run WHERE sealed = 0' });
  return [
    ...unfinished.flatMap((row) => clearRun(Number(row['number']))),
    { statement: { sql: 'DELETE FROM run WHERE sealed = 0' }, params: [] },
    { statement: { sql: 'DELETE FROM recent WHERE bucket <= (SELECT max(number) FROM run)' }, params: [] },
  ];
}
