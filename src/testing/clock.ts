/** A clock that stands still until a test moves it. */
import type { Clock, Timer } from '../core/clock.ts';

interface Scheduled {
  readonly at: number;
  readonly run: () => void;
}

/** Where a {@link TestClock} starts: 2026-01-01T00:00:00Z. */
export const TEST_START = Date.UTC(2026, 0, 1);

/** A {@link Clock} for tests: time passes only by {@link TestClock.advance}, and timers run inside of it. */
export class TestClock implements Clock {
  #wall: number;
  #monotonic = 0;
  readonly #timers = new Set<Scheduled>();

  /** @param start Wall-clock time in ms since 1970. Default {@link TEST_START}. */
  constructor(start: number = TEST_START) {
    this.#wall = start;
  }

  now(): number {
    return this.#wall;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  schedule(delayMs: number, run: () => void): Timer {
    const scheduled = { at: this.#monotonic + Math.max(0, delayMs), run };
    this.#timers.add(scheduled);
    return { cancel: () => void this.#timers.delete(scheduled) };
  }

  /** How many timers wait. A test that ends with some has leaked them. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets time pass and runs what falls due, in order of time and then of scheduling, each at its own moment. */
  advance(ms: number): void {
    const end = this.#monotonic + ms;
    for (let next = this.#next(end); next !== null; next = this.#next(end)) this.#run(next);
    this.#moveTo(end);
  }

  /**
   * Like {@link advance}, but lets promises and I/O that a timer set off get on before the next timer runs.
   * @param between Resolves when they have. Default: one turn of the event loop
   */
  async advanceSlowly(ms: number, between: () => Promise<void> = turn): Promise<void> {
    const end = this.#monotonic + ms;
    await between();
    for (let next = this.#next(end); next !== null; next = this.#next(end)) {
      this.#run(next);
      await between();
    }
    this.#moveTo(end);
    await between();
  }

  /** Sets the wall clock forward or back, as an operator or NTP does. Monotonic time and timers do not notice. */
  jump(ms: number): void {
    this.#wall += ms;
  }

  #next(end: number): Scheduled | null {
    let next: Scheduled | null = null;
    for (const timer of this.#timers) {
      if (timer.at <= end && (next === null || timer.at < next.at)) next = timer;
    }
    return next;
  }

  #run(timer: Scheduled): void {
    this.#timers.delete(timer);
    this.#moveTo(timer.at);
    timer.run();
  }

  #moveTo(monotonic: number): void {
    const passed = Math.max(0, monotonic - this.#monotonic);
    this.#monotonic += passed;
    this.#wall += passed;
  }
}

/** One turn of the event loop: every promise that can go on has gone on. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
