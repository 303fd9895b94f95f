/**
 * Outcomes that the store does not take although it takes commits: something about them is wrong that nobody foresaw. Each
 * is tried again alone, now and then, and holds up nothing else. It ends with the process: its delivery is attempted again.
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { HoldfastError } from '../errors.ts';
import type { CommitAnswers, CommitBatch, WorkStore } from '../store/store.ts';
import { answerAll, type Rows } from './batch.ts';

export interface AsideOptions {
  readonly store: Pick<WorkStore, 'commit'>;
  readonly clock: Clock;
  /** A batch of these rows under a token of its own. */
  readonly batchOf: (rows: Rows) => CommitBatch;
  readonly committed: (batch: CommitBatch, answers: CommitAnswers) => void;
}

/** Soon at first: the store may have been away for just that moment. */
const FIRST_MS = 1000;
const AGAIN_MS = 60_000;

export class Aside {
  readonly #options: AsideOptions;
  readonly #waiting = new Map<Rows, Timer>();

  constructor(options: AsideOptions) {
    this.#options = options;
  }

  add(rows: Rows): void {
    const batch = this.#options.batchOf(rows);
    this.#wait(rows, batch, FIRST_MS);
  }

  close(error: HoldfastError): void {
    for (const [rows, timer] of this.#waiting) {
      timer.cancel();
      for (const list of Object.values(rows)) for (const waiting of list) waiting.reject(error);
    }
    this.#waiting.clear();
  }

  #wait(rows: Rows, batch: CommitBatch, ms: number): void {
    const timer = this.#options.clock.schedule(ms, () => void this.#try(rows, batch));
    this.#waiting.set(rows, timer);
  }

  /** Always under the same token: whether an earlier try was committed after all is for the store to say. */
  async #try(rows: Rows, batch: CommitBatch): Promise<void> {
    const { store, committed } = this.#options;
    let answers: CommitAnswers;
    try {
      answers = await store.commit(batch);
    } catch {
      if (this.#waiting.has(rows)) this.#wait(rows, batch, AGAIN_MS);
      return;
    }
    if (!this.#waiting.delete(rows)) return;
    committed(batch, answers);
    answerAll(rows, answers);
  }
}
