/**
 * Outcomes that the store does not take although it takes commits: something about them is wrong that nobody foresaw. Each
 * is tried again alone, and holds up nothing else, as long as its claim may hold. Then its delivery is attempted again.
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { HoldfastError } from '../errors.ts';
import type { CommitAnswers, CommitBatch, WorkStore } from '../store/store.ts';
import { answerAll, type Rows, waitingIn } from './batch.ts';

export interface AsideOptions {
  readonly store: Pick<WorkStore, 'commit'>;
  readonly clock: Clock;
  /** A batch of these rows under a token of its own: an outcome counts once, by its fence. */
  readonly batchOf: (rows: Rows) => CommitBatch;
  readonly committed: (batch: CommitBatch, answers: CommitAnswers) => void;
  /** What those are told that nobody takes. */
  readonly given: () => HoldfastError;
}

/** Soon at first: the store may have been away for just that moment. */
const FIRST_MS = 1000;
const AGAIN_MS = 10_000;

export class Aside {
  readonly #options: AsideOptions;
  readonly #waiting = new Map<Rows, Timer>();

  constructor(options: AsideOptions) {
    this.#options = options;
  }

  /** Whoever waits for all that was given waits for these no more. */
  add(rows: Rows, leaseMs: number): void {
    for (const waiting of waitingIn(rows)) waiting.passed?.();
    this.#wait(rows, { ms: FIRST_MS, until: this.#options.clock.monotonic() + leaseMs });
  }

  close(error: HoldfastError): void {
    for (const timer of this.#waiting.values()) timer.cancel();
    for (const rows of this.#waiting.keys()) this.#giveUp(rows, error);
  }

  #wait(rows: Rows, { ms, until }: { readonly ms: number; readonly until: number }): void {
    const timer = this.#options.clock.schedule(ms, () => void this.#try(rows, until));
    this.#waiting.set(rows, timer);
  }

  async #try(rows: Rows, until: number): Promise<void> {
    const { store, clock, batchOf, committed, given } = this.#options;
    const batch = batchOf(rows);
    let answers: CommitAnswers;
    try {
      answers = await store.commit(batch);
    } catch {
      if (clock.monotonic() >= until) this.#giveUp(rows, given());
      else if (this.#waiting.has(rows)) this.#wait(rows, { ms: AGAIN_MS, until });
      return;
    }
    if (!this.#waiting.delete(rows)) return;
    committed(batch, answers);
    answerAll(rows, answers);
  }

  #giveUp(rows: Rows, error: HoldfastError): void {
    if (this.#waiting.delete(rows)) for (const waiting of waitingIn(rows)) waiting.reject(error);
  }
}
