/**
 * When a lane that is full of retries looks for first attempts behind them. Soon after one has come, or was found; less
 * and less while there are none, and for a small part of the time: shared stores pass over every retry to tell.
 */
import type { Clock } from '../core/clock.ts';

const WAIT_MS = 25;
const WAIT_MS_MAX = 4000;
/** Looking in vain takes no more than one part in so many of the time. */
const SHARE = 8;

export class FirstLooks {
  readonly #clock: Clock;
  #at = Number.NEGATIVE_INFINITY;
  #waitMs = WAIT_MS;
  #tookMs = 0;
  #isLooking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether to look now; `true` begins a look. */
  begin(): boolean {
    const now = this.#clock.monotonic();
    if (now - this.#at < this.#waitMs) return false;
    this.#at = now;
    this.#isLooking = true;
    this.#waitMs = Math.min(WAIT_MS_MAX, Math.max(this.#waitMs * 2, this.#tookMs * SHARE));
    return true;
  }

  /** The store has answered. */
  end(): void {
    if (!this.#isLooking) return;
    this.#isLooking = false;
    this.#tookMs = this.#clock.monotonic() - this.#at;
  }

  /** There is one, or there was just now: looking is not in vain, and may take half of the time. */
  promising(): void {
    this.#waitMs = Math.min(WAIT_MS_MAX, Math.max(WAIT_MS, this.#tookMs * 2));
  }
}
