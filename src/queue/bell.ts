/** Waiting for whatever comes first: something that happened, time, an abort. */
import type { Clock } from '../core/clock.ts';

/** Rings when something may have changed. One who looks notes `rings` first, so that no ring is missed in between. */
export class Bell {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #rings = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get rings(): number {
    return this.#rings;
  }

  ring(): void {
    this.#rings++;
    for (const wake of this.#waiting) wake();
  }

  /** Resolves at the first ring after `since`, after `delayMs`, or at an abort, whichever is first. */
  wait(until: {
    readonly since: number;
    readonly delayMs: number;
    readonly signal: AbortSignal | undefined;
  }): Promise<void> {
    const { since, delayMs, signal } = until;
    if (this.#rings !== since || delayMs <= 0 || signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        timer.cancel();
        this.#waiting.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const timer = this.#clock.schedule(delayMs, wake);
      this.#waiting.add(wake);
      signal?.addEventListener('abort', wake);
    });
  }
}
