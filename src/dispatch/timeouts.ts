/**
 * Ends attempts that take too long. All of a lane have the same timeout, so the oldest ends first: one timer is enough.
 * Those whose start is being committed are passed over, and are the youngest once it is.
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { Turnover } from '../core/turnover.ts';
import type { Running } from './running.ts';

export class Timeouts {
  /** In the order they began. */
  readonly #running: Turnover<Running>;
  readonly #clock: Clock;
  #timer: Timer | null = null;

  constructor(running: Turnover<Running>, clock: Clock) {
    this.#running = running;
    this.#clock = clock;
  }

  /** Sees to it that the oldest is ended in time. Called when one begins. */
  watch(): void {
    if (this.#timer !== null) return;
    const oldest = this.#oldest();
    if (oldest === null) return;
    const leftMs = oldest.timeoutMs - (this.#clock.monotonic() - oldest.since);
    this.#timer = this.#clock.schedule(Math.max(1, leftMs), () => this.#end());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  #oldest(): Running | null {
    for (const running of this.#running.values()) if (!running.waits) return running;
    return null;
  }

  #end(): void {
    this.#timer = null;
    const now = this.#clock.monotonic();
    for (const running of this.#running.values()) {
      if (running.waits) continue;
      if (now - running.since < running.timeoutMs) break;
      running.abort('timeout');
    }
    this.watch();
  }
}
