/**
 * The event loop's delay, measured, and the part of it that a destination's inline code caused. Every inline call is
 * timed while it runs synchronously (about 0.1 µs); the delay as a whole comes from the runtime's own histogram. A delay
 * that no such call explains, as of code that goes on after an `await`, is reported without a name, and for a while the
 * loop is watched closely: then the next one has a name. One object per gateway, passed to its inline runners.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock, Timer } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import { LoopLook } from './loop-look.ts';

export interface LoopBlameOptions {
  readonly clock: Clock;
  readonly observer: Observer;
  /** A stretch this long, in milliseconds, is reported. Default 50. */
  readonly thresholdMs?: number;
  /** Measures the delay of the event loop. Default: the runtime's histogram. */
  readonly measure?: () => Histogram;
}

/** Delay of the event loop since the last reading, in milliseconds. */
export interface LoopDelay {
  readonly meanMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** What is used of the runtime's histogram: nanoseconds between two ticks. */
export type Histogram = Pick<
  ReturnType<typeof monitorEventLoopDelay>,
  'count' | 'mean' | 'max' | 'percentile' | 'reset' | 'enable' | 'disable'
>;

/** Granularity of the runtime's measurement: its timer fires this often. */
const RESOLUTION_MS = 20;
/** How often unexplained delays are looked for. */
const CHECK_MS = 1000;
/** How long a close look is, and how long none is taken after it. */
const LOOK_MS = 10_000;
const REST_MS = 60_000;
const NS_PER_MS = 1e6;

export class LoopBlame {
  readonly #clock: Clock;
  readonly #observer: Observer;
  readonly #thresholdMs: number;
  readonly #measure: () => Histogram;
  #delay: Histogram | null = null;
  #checked: Histogram | null = null;
  #timer: Timer | null = null;
  #current: string | null = null;
  /** Inline code has run: without any there is nobody to be found by looking closely. */
  #hasCode = false;
  /** The longest stretch since the last check that was put down to a destination. */
  #explainedMs = 0;
  #look: LoopLook | null = null;
  /** While looking: until when. Else: not before when. */
  #lookTurn = 0;

  constructor(options: LoopBlameOptions) {
    this.#clock = options.clock;
    this.#observer = options.observer;
    this.#thresholdMs = options.thresholdMs ?? 50;
    this.#measure = options.measure ?? (() => monitorEventLoopDelay({ resolution: RESOLUTION_MS }));
  }

  /** The destination whose inline code runs synchronously right now, for who is told of an exit or an uncaught error. */
  get current(): string | null {
    return this.#current;
  }

  /** Code of this destination is about to run. Give the answer to {@link leave}. */
  enter(destination: string): number {
    this.#current = destination;
    this.#hasCode = true;
    return this.#clock.monotonic();
  }

  /** The code has returned, or awaits. */
  leave(entered: number): void {
    const destination = this.#current;
    this.#current = null;
    this.#took(this.#clock.monotonic() - entered, destination);
  }

  /** Calls the code of a destination so that what it does after an `await` can be told, while that is looked at. */
  follow(call: { readonly destination: string; start(): unknown }): unknown {
    return this.#look === null ? call.start() : this.#look.run(call.destination, () => call.start());
  }

  /** Begins to measure the delay as a whole. Safe twice. */
  start(): void {
    if (this.#delay !== null) return;
    this.#delay = this.#measure();
    this.#checked = this.#measure();
    this.#delay.enable();
    this.#checked.enable();
    this.#schedule();
  }

  /** Safe twice and unstarted. */
  stop(): void {
    this.#timer?.cancel();
    this.#delay?.disable();
    this.#checked?.disable();
    this.#look?.stop();
    this.#timer = this.#delay = this.#checked = this.#look = null;
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
    const unexplained = ms >= this.#thresholdMs && ms > explainedMs + RESOLUTION_MS;
    if (unexplained) this.#observer.loopBlocked(ms, null);
    this.#lookOrRest(unexplained);
  }

  #lookOrRest(unexplained: boolean): void {
    const now = this.#clock.monotonic();
    if (now < this.#lookTurn) return;
    if (this.#look !== null) {
      this.#look.stop();
      this.#look = null;
      this.#lookTurn = now + REST_MS;
    } else if (unexplained && this.#hasCode) {
      this.#look = new LoopLook({
        monotonic: () => this.#clock.monotonic(),
        took: (ms, destination) => this.#took(ms, destination),
      });
      this.#lookTurn = now + LOOK_MS;
    }
  }

  #took(ms: number, destination: string | null): void {
    if (ms < this.#thresholdMs) return;
    if (ms > this.#explainedMs) this.#explainedMs = ms;
    this.#observer.loopBlocked(ms, destination);
  }
}

/** The histogram holds the time between two ticks: what exceeds the tick itself is delay. */
function lateMs(ns: number): number {
  return Math.max(0, ns / NS_PER_MS - RESOLUTION_MS);
}
