/**
 * Ends attempts that take too long, by one timer for all of a lane: mostly they have the same timeout, and the oldest ends
 * first. Those whose start is being committed have not begun.
 */
import type { Clock, Timer } from '../core/clock.ts';
import type { Turnover } from '../core/turnover.ts';
import type { Running } from './running.ts';

export class Timeouts {
  readonly #running: Turnover<Running>;
  readonly #clock: Clock;
  #timer: Timer | null = null;
  /** When it is due (monotonic). */
  #dueAt = Number.POSITIVE_INFINITY;

  constructor(running: Turnover<Running>, clock: Clock) {
    this.#running = running;
    this.#clock = clock;
  }

  /** Sees to it that this one is ended in time. */
  watch(running: Running): void {
    const endsAt = running.since + running.timeoutMs;
    if (running.waits || running.overdue || endsAt >= this.#dueAt) return;
    this.#timer?.cancel();
    this.#dueAt = endsAt;
    this.#timer = this.#clock.schedule(Math.max(1, endsAt - this.#clock.monotonic()), () => this.#end());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#dueAt = Number.POSITIVE_INFINITY;
  }

  #end(): void {
    this.#dueAt = Number.POSITIVE_INFINITY;
    const now = this.#clock.monotonic();
    for (const running of this.#running.values()) {
      if (now - running.since < running.timeoutMs) this.watch(running);
      else if (!running.waits && !running.overdue) {
        // Told once: what takes no notice may run on for a while.
        running.overdue = true;
        running.abort('timeout');
      }
    }
  }
}
