/**
 * How long what is claimed holds. A lease that ends before the store has taken the outcome of an attempt is worth
 * nothing: another process makes the same attempt, is as late, and so on, the more the busier the store is. So a lease
 * is never shorter than many of the store's calls take just now.
 */
import type { Clock } from '../core/clock.ts';

/**
 * Between a claim and its outcome are the claim's own call, a renewal or a start, each perhaps behind another call, and
 * the outcome's behind the one that is under way.
 */
const CALLS = 8;
/** No longer than so many times what is set: what a dead process had is waited for. */
const TIMES_MAX = 10;
/** The slowest call of this span and of the one before counts. */
const SPAN_MS = 30_000;

export class Lease {
  readonly #clock: Clock;
  readonly #setMs: number;
  #span = 0;
  #slowestMs = 0;
  #slowestBeforeMs = 0;

  /** @param setMs as set, in ms: what it is while the store is quick */
  constructor(clock: Clock, setMs: number) {
    this.#clock = clock;
    this.#setMs = setMs;
  }

  /** From now on, in ms. */
  get ms(): number {
    this.#turn();
    const neededMs = CALLS * this.#slowest;
    return Math.min(Math.max(this.#setMs, Math.ceil(neededMs)), this.#setMs * TIMES_MAX);
  }

  /**
   * How long to wait between two renewals. By what is set, not by what leases are made now: when the store is quick again, new
   * ones are as short as that at once. A store that is slow is not asked all the time.
   */
  get renewalMs(): number {
    this.#turn();
    return Math.min(this.#setMs / 2, Math.max(this.#setMs / 3, this.#slowest));
  }

  /** Makes a call of the store and takes note of how long it took; of one that fails nothing is learned. */
  async timed<Answer>(call: (leaseMs: number) => Promise<Answer>): Promise<Answer> {
    const begun = this.#clock.monotonic();
    const answer = await call(this.ms);
    this.#turn();
    this.#slowestMs = Math.max(this.#slowestMs, this.#clock.monotonic() - begun);
    return answer;
  }

  get #slowest(): number {
    return Math.max(this.#slowestMs, this.#slowestBeforeMs);
  }

  #turn(): void {
    const span = Math.floor(this.#clock.monotonic() / SPAN_MS);
    if (span === this.#span) return;
    this.#slowestBeforeMs = span === this.#span + 1 ? this.#slowestMs : 0;
    this.#slowestMs = 0;
    this.#span = span;
  }
}
