/** A token bucket: so many a second, with bursts up to its size. */
import type { Clock } from './clock.ts';

export class TokenBucket {
  #ratePerMs: number;
  #burst: number;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #tokens: number;
  #filledAt: number;

  /**
   * Starts full.
   * @param ratePerS Tokens that come back per second.
   * @param burst Most tokens at once; at least one.
   */
  constructor(ratePerS: number, burst: number, clock: Pick<Clock, 'monotonic'>) {
    this.#ratePerMs = ratePerS / 1000;
    this.#burst = Math.max(1, burst);
    this.#clock = clock;
    this.#tokens = this.#burst;
    this.#filledAt = clock.monotonic();
  }

  /** It was empty then (monotonic). */
  emptied(at: number): void {
    this.#tokens = 0;
    this.#filledAt = at;
  }

  /** Another rate and burst from now on. It brings no tokens. */
  change(ratePerS: number, burst: number): void {
    this.#fill();
    this.#ratePerMs = ratePerS / 1000;
    this.#burst = Math.max(1, burst);
    this.#tokens = Math.min(this.#tokens, this.#burst);
  }

  /** Takes `count` tokens if they are there. */
  take(count: number): boolean {
    this.#fill();
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Milliseconds until `count` tokens are there; 0: now. More than the burst never are: then the wait for a full bucket. */
  waitMs(count: number): number {
    this.#fill();
    const missing = Math.min(count, this.#burst) - this.#tokens;
    return missing <= 0 ? 0 : missing / this.#ratePerMs;
  }

  #fill(): void {
    const now = this.#clock.monotonic();
    this.#tokens = Math.min(this.#burst, this.#tokens + (now - this.#filledAt) * this.#ratePerMs);
    this.#filledAt = now;
  }
}
