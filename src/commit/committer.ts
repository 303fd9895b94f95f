/**
 * Group commit, the heart of the gateway. Requests and finished attempts queue up while one commit is in flight; when
 * it ends, all that waits goes in the next, bounded by rows and bytes. When idle it commits in the same turn of the
 * event loop: no timer, no added latency. Nobody is answered before the commit that holds their row has ended.
 *
 * | the store says | appends and the like | outcomes, releases, starts |
 * | --- | --- | --- |
 * | committed / refused | answered | answered |
 * | unavailable | 503, try later | kept, and committed when the store is back; what is refused alone is set aside |
 * | unknown | the same batch again under its token; 503 after a while | the same batch again |
 * | fatal | 503, nothing more is taken, the process ends | lost with the process: attempted again after the restart |
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { IdMaker } from '../core/id.ts';
import type { Observer } from '../core/observer.ts';
import { HoldfastError } from '../errors.ts';
import type {
  Action,
  ActionAnswer,
  Append,
  AppendAnswer,
  ClaimRef,
  CommitAnswers,
  CommitBatch,
  DocumentAnswer,
  DocumentWrite,
  Release,
  ReplayRow,
  RowAnswer,
  SettleAnswer,
  Settlement,
  WorkStore,
} from '../store/store.ts';
import { StoreError } from '../store/store.ts';
import {
  answerAll,
  type AnswerOf,
  batchOf,
  emptyBatch,
  lastAnswered,
  type Kind,
  mostKept,
  rejectNew,
  type ReplayAnswers,
  type RowOf,
  type Rows,
  take,
  type Waiting,
} from './batch.ts';
import { Aside } from './aside.ts';
import type { Lease } from './lease.ts';

export interface CommitterOptions {
  readonly store: WorkStore;
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly observer: Observer;
  /** How long claims made in a commit hold. */
  readonly lease: Lease;
  /** Attempts that began and are not marked started yet; asked once per commit. */
  readonly starts: () => readonly ClaimRef[];
  /** Told of every commit, before its rows are answered. */
  readonly committed: (batch: CommitBatch, answers: CommitAnswers) => void;
  /** The store stopped taking commits, takes them again, or is lost; `why` is the error, where it was one. */
  readonly changed: (state: CommitterState, why: unknown) => void;
}

export type CommitterState = 'open' | 'unavailable' | 'fatal' | 'closed';

/** A commit that was answered. */
interface Committed {
  readonly batch: CommitBatch;
  readonly answers: CommitAnswers;
  readonly startedAt: number;
}

/** Most rows and body bytes of one commit. */
const ROWS_MAX = 1024;
const BYTES_MAX = 4 * 1024 * 1024;
/**
 * Turns of the event loop between two commits: the answers of one set off outcomes and, on the same connections, the next
 * requests. A flush costs the same for few as for many, so they share one (measured: a fifth more events per second).
 */
const TURNS_BETWEEN = 2;
/** What is in a commit while none is made. */
const NONE = emptyBatch();
const BACKOFF_FIRST_MS = 50;
const BACKOFF_LAST_MS = 2000;
/** How long an append waits for an unknown commit to be resolved. */
const UNKNOWN_ANSWER_MS = 10_000;

export class Committer {
  readonly #options: CommitterOptions;
  readonly #rows: Rows = emptyBatch();
  /** Those of the commit that is being made. */
  #flying: Rows = NONE;
  #state: CommitterState = 'open';
  #closing = false;
  #inFlight = false;
  #scheduled = false;
  #backoffMs = BACKOFF_FIRST_MS;
  #retry: Timer | null = null;
  readonly #aside: Aside;
  #idle: (() => void)[] = [];

  constructor(options: CommitterOptions) {
    this.#options = options;
    this.#aside = new Aside({ ...options, batchOf: (rows) => this.#batchOf(rows, []), given: unavailable });
  }

  get state(): CommitterState {
    return this.#state;
  }

  /** Outcomes that are not committed yet: dispatch starts nothing new above its bound. */
  get unsettled(): number {
    return this.#rows.settlements.length + this.#flying.settlements.length;
  }

  /** @throws HoldfastError store_unavailable, commit_unknown, stopping */
  append(append: Append): Promise<AppendAnswer> {
    return this.#add('appends', append);
  }

  /** Committed sooner or later as long as the process lives, also over an outage of the store. */
  settle(settlement: Settlement): Promise<SettleAnswer> {
    return this.#add('settlements', settlement);
  }

  start(claim: ClaimRef): Promise<RowAnswer> {
    return this.#add('starts', claim);
  }

  release(release: Release): Promise<RowAnswer> {
    return this.#add('releases', release);
  }

  /** @throws HoldfastError store_unavailable, commit_unknown, stopping */
  act(action: Action): Promise<ActionAnswer> {
    return this.#add('actions', action);
  }

  /**
   * Replay rows with the documents that say how far the replay is, in one commit.
   * @throws HoldfastError store_unavailable, commit_unknown, stopping
   */
  async replay(rows: readonly ReplayRow[], writes: readonly DocumentWrite[]): Promise<ReplayAnswers> {
    const [replays, documents] = await Promise.all([
      Promise.all(rows.map((row) => this.#add('replays', row))),
      Promise.all(writes.map((document) => this.#add('documents', document))),
    ]);
    return { replays, documents };
  }

  /** @throws HoldfastError store_unavailable, commit_unknown, stopping */
  write(document: DocumentWrite): Promise<DocumentAnswer> {
    return this.#add('documents', document);
  }

  /** Resolves when everything that was given until now has its answer or was set aside, however much came since. */
  async caughtUp(): Promise<void> {
    await Promise.all(this.#lists().map(lastAnswered));
  }

  /**
   * Takes nothing new from now on, and nothing at all once what waits is committed, or the store takes no commits. Safe
   * twice.
   */
  async close(): Promise<void> {
    this.#closing = true;
    if (this.#state === 'open') await this.#becameQuiet();
    this.#retry?.cancel();
    if (this.#state !== 'fatal') this.#enter('closed');
    this.#refuse('stopping');
  }

  #add<K extends Kind>(kind: K, row: RowOf<K>): Promise<AnswerOf<K>> {
    const kept = kind === 'settlements' || kind === 'releases' || kind === 'starts';
    if (this.#state === 'closed' || (this.#closing && !kept))
      return Promise.reject(new HoldfastError('stopping', { retryAfterS: 5 }));
    if (this.#state !== 'open' && !kept) return Promise.reject(unavailable());
    return new Promise((resolve, reject) => {
      this.#rows[kind].push({ row, resolve, reject });
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight || this.#state !== 'open') return;
    this.#scheduled = true;
    // After the sockets that are readable in this turn: what they bring goes into the same commit.
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#inFlight && this.#state === 'open') void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#inFlight = true;
    while (this.#state === 'open' && this.#pending() > 0) {
      const rows = this.#take();
      await this.#commit(rows, this.#batchOf(rows, this.#options.starts()));
      for (let turn = 0; turn < TURNS_BETWEEN; turn++) await nextTurn();
    }
    this.#inFlight = false;
    if (this.#quiet()) for (const resolve of this.#idle.splice(0)) resolve();
    else this.#schedule();
  }

  #take(rowsMax = ROWS_MAX): Rows {
    this.#flying = take(this.#rows, rowsMax, BYTES_MAX);
    return this.#flying;
  }

  #batchOf(rows: Rows, starts: readonly ClaimRef[]): CommitBatch {
    const { ids, clock, lease } = this.#options;
    return batchOf(rows, { token: ids.make('cmt'), now: clock.now(), leaseMs: lease.ms, starts });
  }

  async #commit(rows: Rows, batch: CommitBatch): Promise<void> {
    const startedAt = this.#options.clock.monotonic();
    try {
      const { store, lease } = this.#options;
      const answers = await lease.timed(() => store.commit(batch));
      this.#answer(rows, { batch, answers, startedAt });
    } catch (error) {
      await this.#failed(rows, batch, error);
    }
  }

  #answer(rows: Rows, { batch, answers, startedAt }: Committed): void {
    this.#backoffMs = BACKOFF_FIRST_MS;
    this.#flying = NONE;
    const { observer, clock, committed } = this.#options;
    observer.committed(
      rows.appends.length + rows.settlements.length + rows.replays.length + rows.releases.length,
      clock.monotonic() - startedAt,
    );
    committed(batch, answers);
    answerAll(rows, answers);
  }

  async #failed(rows: Rows, batch: CommitBatch, error: unknown): Promise<void> {
    const failure = error instanceof StoreError ? error.failure : 'fatal';
    this.#options.observer.commitFailed(failure, error instanceof Error ? error.message : String(error));
    if (failure === 'unknown') {
      await this.#resolveUnknown(rows, batch);
      return;
    }
    rejectNew(rows, unavailable());
    if (failure === 'fatal') return this.#lose(error);
    this.#keep(rows);
    // Those that were collected for it, too: it is the only place where they are known.
    for (const row of batch.starts.slice(rows.starts.length))
      this.#rows.starts.push({ row, resolve: ignore, reject: ignore });
    this.#down(error);
  }

  /** The reply was lost: the same batch under the same token until the store says what became of it. */
  async #resolveUnknown(rows: Rows, batch: CommitBatch): Promise<void> {
    const { clock, store } = this.#options;
    const since = clock.monotonic();
    this.#enter('unavailable');
    rejectNew(this.#rows, unavailable());
    for (;;) {
      await this.#pause();
      if (this.#state === 'closed') return;
      if (clock.monotonic() - since > UNKNOWN_ANSWER_MS)
        rejectNew(rows, new HoldfastError('commit_unknown', { retryAfterS: 5 }));
      try {
        const answers = await store.commit(batch);
        this.#enter('open');
        this.#answer(rows, { batch, answers, startedAt: since });
        return;
      } catch (error) {
        const failure = error instanceof StoreError ? error.failure : 'fatal';
        if (failure === 'fatal') return this.#lose(error);
        // `unavailable` says only that this call wrote nothing, not what the first one did: ask again. Once its claims have
        // ended by themselves it does not matter any more: an outcome counts once, whatever its token is.
        if (failure === 'unknown' || clock.monotonic() - since <= Math.max(UNKNOWN_ANSWER_MS, batch.leaseMs)) continue;
        this.#keep(rows);
        return this.#probe();
      }
    }
  }

  /** Outcomes outlive an outage: they go first in the commit after it. */
  #keep(rows: Rows): void {
    this.#flying = NONE;
    this.#rows.settlements.unshift(...rows.settlements);
    this.#rows.releases.unshift(...rows.releases);
    this.#rows.starts.unshift(...rows.starts);
  }

  #down(why: unknown): void {
    this.#enter('unavailable', why);
    rejectNew(this.#rows, unavailable());
    void this.#probe();
  }

  /**
   * Tries with what must not be lost until the store takes a commit. It may be there, and refuse one row of them: so with
   * fewer and fewer, and at last with nothing. What it refuses alone after it took nothing is set aside.
   */
  async #probe(): Promise<void> {
    let rowsMax = ROWS_MAX;
    let isThere = false;
    while (this.#state === 'unavailable') {
      if (!isThere) await this.#pause(rowsMax === ROWS_MAX);
      if (this.#state !== 'unavailable') return;
      const rows = this.#take(rowsMax);
      const batch = this.#batchOf(rows, []);
      const startedAt = this.#options.clock.monotonic();
      try {
        const answers = await this.#options.store.commit(batch);
        isThere = rowsMax === 0;
        rowsMax = 1;
        if (isThere) continue;
        this.#enter('open');
        this.#answer(rows, { batch, answers, startedAt });
      } catch (error) {
        const failure = error instanceof StoreError ? error.failure : 'fatal';
        if (failure === 'unknown') return this.#resolveUnknown(rows, batch);
        if (failure === 'fatal') return this.#lose(error);
        this.#keep(rows);
        if (isThere) this.#setAside();
        rowsMax = rowsMax === 0 ? ROWS_MAX : Math.floor((mostKept(rows) || 2 * ROWS_MAX) / 2);
      }
    }
  }

  #setAside(): void {
    this.#aside.add(take(this.#rows, 1, BYTES_MAX), this.#options.lease.ms);
    const text =
      'The store takes commits, but not this outcome: it is set aside, and tried again while its claim holds.';
    this.#options.observer.commitFailed('unavailable', text);
    this.#enter('open');
  }

  #pause(grows = true): Promise<void> {
    const delayMs = this.#backoffMs;
    if (grows) this.#backoffMs = Math.min(BACKOFF_LAST_MS, delayMs * 2);
    return new Promise((resolve) => {
      this.#retry = this.#options.clock.schedule(delayMs, resolve);
    });
  }

  #enter(state: CommitterState, why: unknown = null): void {
    if (this.#state === state || this.#state === 'fatal' || this.#state === 'closed') return;
    this.#state = state;
    this.#options.changed(state, why);
    if (state === 'open') this.#schedule();
    else for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** The store is lost. */
  #lose(why: unknown): void {
    this.#enter('fatal', why);
    this.#refuse('store_unavailable');
  }

  #refuse(code: 'stopping' | 'store_unavailable'): void {
    const error = new HoldfastError(code, { retryAfterS: 5 });
    this.#aside.close(error);
    for (const list of this.#lists()) for (const waiting of list.splice(0)) waiting.reject(error);
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #lists(): Waiting<unknown, never>[][] {
    return [...Object.values(this.#flying), ...Object.values(this.#rows)];
  }

  #pending(): number {
    let count = 0;
    for (const list of Object.values(this.#rows)) count += list.length;
    return count;
  }

  /** Resolves when nothing waits and nothing is in flight, or the store takes no commits any more. */
  #becameQuiet(): Promise<void> {
    if (this.#quiet()) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #quiet(): boolean {
    return !this.#inFlight && this.#pending() === 0;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function ignore(): void {}

function unavailable(): HoldfastError {
  return new HoldfastError('store_unavailable', { retryAfterS: 5 });
}
