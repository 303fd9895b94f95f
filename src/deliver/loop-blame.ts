/**
 * The event loop's delay, measured, and the part of it that a destination's inline code caused. Every inline call is
 * timed while it runs synchronously (about 0.1 µs); the delay as a whole comes from the runtime's own histogram.
 * One object per gateway, passed to its inline runners.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock, Timer } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';

export interface LoopBlameOptions {
  readonly clock: Clock;
  readonly observer: Observer;
  /** A stretch this long, in milliseconds, is reported. Default 50. */
  readonly thresholdMs?: number;
}

/** Delay of the event loop since the last reading, in milliseconds. */
export interface LoopDelay {
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

type Histogram = ReturnType<typeof monitorEventLoopDelay>;

/** Granularity of the runtime's measurement: its timer fires this often. */
const RESOLUTION_MS = 20;
/** How often unexplained delays are looked for. */
const CHECK_MS = 1000;
const NS_PER_MS = 1e6;

export class LoopBlame {
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #thresholdMs: number;
  #delay: Histogram | null = null;
  #checked: Histogram | null = null;
  #timer: Timer | null = null;
  #current: string | null = null;
  /** The longest stretch since the last check that was put down to a destination. */
  #explainedMs = 0;

  constructor(options: LoopBlameOptions) {
    this.#clock = options.clock;
    this.#observer = options.observer;
    this.#thresholdMs = options.thresholdMs ?? 50;
  }

  /** The destination whose inline code runs synchronously right now, for who is told of an exit or an uncaught error. */
  get current(): string | null {
    return this.#current;
  }

  /** Code of this destination is about to run. Give the answer to {@link leave}. */
  enter(destination: string): number {
    this.#current = destination;
    return this.#clock.monotonic();
  }

  /** The code has returned, or awaits. */
  leave(entered: number): void {
    const destination = this.#current;
    this.#current = null;
    const ms = this.#clock.monotonic() - entered;
    if (ms < this.#thresholdMs) return;
    if (ms > this.#explainedMs) this.#explainedMs = ms;
    this.#observer.loopBlocked(ms, destination);
  }

  /** Begins to measure the delay as a whole. Safe twice. */
  start(): void {
    if (this.#delay !== null) return;
    this.#delay = histogram();
    this.#checked = histogram();
    this.#schedule();
  }

  /** Safe twice and unstarted. */
  stop(): void {
    this.#timer?.cancel();
    this.#delay?.disable();
    this.#checked?.disable();
    this.#timer = this.#delay = this.#checked = null;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** The delay since the last reading; zeros while not started. */
  read(): LoopDelay {
    const delay = this.#delay;
    if (delay === null || delay.count === 0) return { meanMs: 0, p99Ms: 0, maxMs: 0 };
    const read = { meanMs: lateMs(delay.mean), p99Ms: lateMs(delay.percentile(99)), maxMs: lateMs(delay.max) };
    delay.reset();
    return read;
  }

  #schedule(): void {
    this.#timer = this.#clock.schedule(CHECK_MS, () => {
      this.check();
      this.#schedule();
    });
  }

  /** Reports a delay that no synchronous call explains: code after an `await`, or the gateway's own. */
  check(): void {
    const checked = this.#checked;
    if (checked === null || checked.count === 0) return;
    const ms = lateMs(checked.max);
    const explainedMs = this.#explainedMs;
    checked.reset();
    this.#explainedMs = 0;
    if (ms >= this.#thresholdMs && ms > explainedMs + RESOLUTION_MS) this.#observer.loopBlocked(ms, null);
  }
}

function histogram(): Histogram {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  return delay;
}

/** The histogram holds the time between two ticks: what exceeds the tick itself is delay. */
function lateMs(ns: number): number {
  return Math.max(0, ns / NS_PER_MS - RESOLUTION_MS);
}
