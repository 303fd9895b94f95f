/**
 * One transaction: statements to run, what to do with the rows they return, and what holds in memory once all of it is
 * durable. Nothing in memory changes before; a transaction that fails leaves no trace.
 */
import type { StoredEvent } from '../../core/event.ts';
import type { StoredAnswer } from '../store.ts';
import { type Counter, counters, type Counts, noCounts } from './destinations.ts';
import { ScriptError, storeErrorOf } from './executor.ts';
import { type Page, type PageKey, SUCCEEDED } from './page.ts';
import type { Param, Row, Script, Step } from './script.ts';
import type { SealKind } from './sealed.ts';
import type { Slot } from './slots.ts';
import type { State } from './state.ts';
import type { Writer } from './writer.ts';

/** Called at labelled points, for tests that end the process there. */
export type Failpoint = (label: 'after-append' | 'before-commit' | 'after-commit') => void;

export interface SourceCounts {
  accepted: number;
  duplicates: number;
  differing: number;
  kept: number;
}

export interface TxnOptions {
  readonly state: State;
  readonly writer: Writer;
  readonly now: number;
  readonly leaseMs: number;
  readonly failpoint: Failpoint | undefined;
}

/** An event of this transaction: where it is, and what was committed of it. */
export interface StagedEvent {
  readonly seq: number;
  /** The first seq of its chunk. */
  readonly chunkSeq: number;
  readonly event: StoredEvent;
  readonly owed: readonly number[];
}

/** The events of this transaction. */
export interface StagedEvents {
  find(id: string): StagedEvent | null;
  at(seq: number): StagedEvent | null;
}

interface Pending {
  readonly step: Step;
  readonly handle: ((rows: readonly Row[]) => void) | null;
}

export class Txn {
  readonly state: State;
  readonly now: number;
  readonly leaseMs: number;
  nextSeq: number;
  highId: string;
  /** Where retention is, in the order of chunks. */
  purgedTo = 0;
  /** Positions whose claim this transaction ends, and those it claims at birth. */
  readonly released = new Set<number>();
  readonly born = new Set<number>();
  /** Numbers of destinations that new events gave ready work. */
  readonly ready = new Set<number>();
  /** Deliveries that came to wait, with the numbers of their destinations: ready, unless something happened since. */
  readonly offered = new Map<number, number>();
  /** Destinations that were renamed: they have ready work if they have any. */
  readonly renamed = new Set<number>();
  /** Answers that this transaction stores, by the id of the event. */
  readonly answers = new Map<string, StoredAnswer>();
  /** Set by whoever writes chunks. */
  staged: StagedEvents = { find: () => null, at: () => null };
  readonly #options: TxnOptions;
  #pending: Pending[] = [];
  #begun = false;
  #isDone = false;
  #bytes = 0;
  readonly #after: (() => void)[] = [];
  readonly #beforeEnd: (() => void)[] = [];
  readonly #counts = new Map<number, Counts>();
  readonly #sources = new Map<string, SourceCounts>();
  readonly #undo: (() => void)[] = [];
  readonly #drafts = new Map<number, Map<number, Page>>();
  readonly #pinned: Slot[] = [];
  readonly #toTell = new Map<string, Uint8Array>();

  constructor(options: TxnOptions) {
    this.#options = options;
    this.state = options.state;
    this.now = options.now;
    this.leaseMs = options.leaseMs;
    this.nextSeq = options.state.nextSeq;
    this.highId = options.state.highId;
    options.writer.begin();
  }

  /** Whether it is durable. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** About how much it wrote to the log: a page for every statement, and its blobs. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a statement; `handle` sees the rows it returns and may add more. */
  step(step: Step, handle: ((rows: readonly Row[]) => void) | null = null): void {
    this.#pending.push({ step, handle });
    this.#bytes += 4096 + sizeOf(step.params);
  }

  /** A blob for a step; compressed by the writer. `raw` may be used again at once. */
  blob(kind: SealKind, key: number, raw: Uint8Array): Param {
    this.#bytes += raw.length / 4;
    return this.#options.writer.blob(kind, key, raw);
  }

  /** To be done in memory once everything is durable. */
  afterwards(run: () => void): void {
    this.#after.push(run);
  }

  /** Takes back what had to be true at once, when the transaction fails. */
  onFailure(run: () => void): void {
    this.#undo.push(run);
  }

  /** To be done last, before the statements that sum up. */
  beforeEnd(run: () => void): void {
    this.#beforeEnd.push(run);
  }

  count(destination: number, counter: Counter, by = 1): void {
    let counts = this.#counts.get(destination);
    if (counts === undefined) this.#counts.set(destination, (counts = noCounts()));
    counts[counter] += by;
  }

  /** Whoever waits in a queue that changed is told of its head, though that may have been free before. */
  tellHead(queue: Uint8Array): void {
    this.#toTell.set(Buffer.from(queue).toString('latin1'), queue);
  }

  /** What this transaction counts for a source. */
  source(name: string): SourceCounts {
    let counts = this.#sources.get(name);
    if (counts === undefined) {
      counts = { accepted: 0, duplicates: 0, differing: 0, kept: 0 };
      this.#sources.set(name, counts);
    }
    return counts;
  }

  /** New entries in a page of this destination wait to be claimed. */
  offerPage(destination: number): void {
    if (this.ready.has(destination)) return;
    this.ready.add(destination);
    this.afterwards(() => this.state.lane(destination).offerPage());
  }

  /** The number of a destination; a new one when nothing was ever owed to it. */
  destination(name: string): number {
    const { destinations } = this.state;
    const known = destinations.head(name);
    if (known !== null) return known;
    const number = destinations.next;
    this.step({ statement: 'insertDestination', params: [number, name] });
    destinations.add(number, name);
    this.onFailure(() => destinations.remove(number, name));
    return number;
  }

  /** The page as this transaction leaves it so far; `null`: there is none. */
  page(key: PageKey): Page | null {
    return this.#drafts.get(key.destination)?.get(key.seq) ?? this.state.pages.get(key);
  }

  /** The page to change. */
  draft(key: PageKey): Page | null {
    const known = this.#drafts.get(key.destination)?.get(key.seq);
    if (known !== undefined) return known;
    const page = this.state.pages.get(key)?.copy() ?? null;
    if (page !== null) this.putPage(page);
    return page;
  }

  /** A page that is to be written at the end. */
  putPage(page: Page): void {
    let drafts = this.#drafts.get(page.key.destination);
    if (drafts === undefined) this.#drafts.set(page.key.destination, (drafts = new Map<number, Page>()));
    drafts.set(page.key.seq, page);
  }

  /** A page that is no more. */
  dropPage({ destination, seq }: PageKey): void {
    this.#drafts.get(destination)?.delete(seq);
  }

  /** Keeps the lease of a claim this transaction decides about. */
  pin(slot: Slot): void {
    slot.pinned = true;
    this.#pinned.push(slot);
  }

  /** Ends a claim with this transaction. */
  release(slot: Slot): void {
    this.released.add(slot.position);
    this.afterwards(() => this.state.slots.end(slot));
  }

  isClaimed(position: number): boolean {
    return (this.state.slots.has(position) && !this.released.has(position)) || this.born.has(position);
  }

  /** Runs what was added so far, pages included, inside the transaction, and all that follows from it. */
  async flush(): Promise<void> {
    this.#writePages(true);
    while (this.#pending.length > 0) await this.#run(false);
  }

  /** Asks inside the transaction: sees everything this transaction did. */
  async query(sql: string, ...params: Step['params']): Promise<readonly Row[]> {
    await this.flush();
    let found: readonly Row[] = [];
    this.step({ statement: { sql }, params }, (rows) => void (found = rows));
    await this.flush();
    return found;
  }

  /**
   * Makes it durable and then true in memory.
   * @throws StoreError, HoldfastError
   */
  async commit(): Promise<void> {
    do {
      this.#tellHeads();
      if (this.#pending.some(({ handle }) => handle !== null)) await this.#run(false);
    } while (this.#pending.some(({ handle }) => handle !== null) || this.#toTell.size > 0);
    const { failpoint } = this.#options;
    if (failpoint !== undefined) {
      await this.#run(false);
      failpoint('after-append');
    }
    for (const run of this.#beforeEnd) run();
    this.#writePages(false);
    this.#writeCounts();
    if (failpoint !== undefined) {
      await this.#run(false);
      failpoint('before-commit');
    }
    await this.#run(true);
    failpoint?.('after-commit');
    this.#apply();
  }

  /** Takes everything back. Safe after a failed commit. */
  async rollBack(): Promise<void> {
    for (const slot of this.#pinned) slot.pinned = false;
    for (let undo = this.#undo.pop(); undo !== undefined; undo = this.#undo.pop()) undo();
    if (this.#begun) await this.#options.writer.rollBack();
  }

  #tellHeads(): void {
    for (const queue of this.#toTell.values()) {
      this.step({ statement: 'readyHead', params: [queue, this.now] }, (rows) => {
        for (const row of rows) this.offered.set(Number(row['position']), Number(row['destination']));
      });
    }
    this.#toTell.clear();
  }

  async #run(commit: boolean): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    const script: Script = { begin: !this.#begun, steps: pending.map(({ step }) => step), commit };
    this.#begun = true;
    try {
      const { rows } = await this.#options.writer.run(script);
      pending.forEach(({ handle }, index) => handle?.(rows[index] ?? []));
    } catch (error) {
      if (!(error instanceof ScriptError)) throw error;
      this.#begun = !error.failure.rolledBack;
      throw storeErrorOf(error);
    }
  }

  #writePages(early: boolean): void {
    for (const drafts of this.#drafts.values()) {
      for (const page of drafts.values()) {
        const { destination, seq } = page.key;
        const params = [destination, seq, page.open, page.started, succeededIn(page), page.encode()];
        this.step({ statement: 'writePage', params });
        if (!early) this.afterwards(() => this.state.pages.put(page));
      }
    }
  }

  #writeCounts(): void {
    for (const [number, counts] of this.#counts) {
      const params = [number, ...counters.map((counter) => counts[counter])];
      this.step({ statement: 'countDestination', params });
      this.afterwards(() => {
        const sums = this.state.destinations.counts(number);
        for (const counter of counters) sums[counter] += counts[counter];
      });
    }
    for (const [source, { accepted, duplicates, differing, kept }] of this.#sources) {
      this.step({ statement: 'countSource', params: [source, accepted, duplicates, differing, kept] });
    }
  }

  #apply(): void {
    this.#isDone = true;
    this.state.nextSeq = this.nextSeq;
    this.state.highId = this.highId;
    for (const slot of this.#pinned) slot.pinned = false;
    for (const run of this.#after) run();
  }
}

/** Lists of what succeeded find their pages by it. */
function succeededIn(page: Page): number {
  let succeeded = 0;
  for (let index = 0; index < page.count; index++) if (page.state(index) === SUCCEEDED) succeeded++;
  return succeeded;
}

function sizeOf(params: Step['params']): number {
  let bytes = 0;
  for (const param of params) {
    if (param instanceof Uint8Array) bytes += param.length;
  }
  return bytes;
}
