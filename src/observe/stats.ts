/**
 * Live figures of each destination: rates over the last minute, average and p95 processing time, most open
 * deliveries seen. Counts and totals are the store's; these are what only the running process knows.
 */
import type { AttemptRecord } from '../core/delivery.ts';
import type { Clock } from '../core/clock.ts';
import type { PartialObserver } from './combine.ts';
import { isManaged } from './destination-label.ts';

/** The live figures of one destination, or of all together. */
export interface LiveFigures {
  /**
   * Most open deliveries seen; over restarts, when {@link Stats.restorePeaks} was given what was kept. Of an endpoint that
   * is managed through the API: since it last had nothing to do.
   */
  readonly peakOpen: number;
  /** Deliveries committed, per second over the last minute. */
  readonly receivedPerS: number;
  /** Deliveries that succeeded or were skipped, per second over the last minute. */
  readonly processedPerS: number;
  /** Attempts that failed, per second over the last minute. */
  readonly failedPerS: number;
  /** Of attempts since the start of this process; `null` before the first. */
  readonly processingMsAverage: number | null;
  /** As above; at most 9 % too high. */
  readonly processingMsP95: number | null;
}

/** Endpoints of the API whose figures are kept at once; beyond it those that came first are forgotten. */
export const MANAGED_MAX = 10_000;

/**
 * Keeps {@link LiveFigures} in constant memory: about 4 KB a destination. An endpoint that is managed through the API has
 * figures from its first delivery until its lane rests: thousands that are quiet cost nothing.
 */
export class Stats {
  readonly #clock: Clock;
  readonly #destinations = new Map<string, Figures>();
  /** Of endpoints that are managed through the API. */
  readonly #managed = new Map<string, Figures>();
  readonly #overall: Figures;
  #openHere: (() => Iterable<readonly [destination: string, open: number]>) | null = null;
  /** Of all endpoints that are managed through the API, together. */
  readonly #endpoints: Figures;

  /** What the gateway's observer has to include for anything but peaks to be counted. */
  readonly observer: PartialObserver = {
    queued: (destination) => this.#received(destination),
    committed: () => this.#openHere && this.sawOpen(this.#openHere()),
    attemptEnded: (destination, _event, attempt) => this.#ended(destination, attempt),
    rested: (destination) => void this.#managed.delete(destination),
  };

  /** @param clock Gives the seconds of the rates. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#overall = new Figures(clock.monotonic());
    this.#endpoints = new Figures(clock.monotonic());
  }

  /**
   * What this process counts as open, for a store that is its own: looked at with every commit, so that a burst which is
   * over before anybody reads counts has its peak too.
   */
  follow(openHere: () => Iterable<readonly [destination: string, open: number]>): void {
    this.#openHere = openHere;
  }

  /** So many deliveries of each destination are open now. Call it wherever counts are read; peaks come from it. */
  sawOpen(open: Iterable<readonly [destination: string, open: number]>): void {
    let sum = 0;
    let managed = 0;
    for (const [destination, count] of open) {
      if (isManaged(destination)) managed += count;
      const figures = isManaged(destination) ? this.#managed.get(destination) : this.#figures(destination);
      if (figures !== undefined) figures.peakOpen = Math.max(figures.peakOpen, count);
      sum += count;
    }
    this.#overall.peakOpen = Math.max(this.#overall.peakOpen, sum);
    this.#endpoints.peakOpen = Math.max(this.#endpoints.peakOpen, managed);
  }

  /** Figures of all endpoints that are managed through the API, together. */
  endpoints(): LiveFigures {
    return this.#endpoints.read(this.#clock.monotonic());
  }

  /** Figures of one destination; all zero when it is not known. */
  of(destination: string): LiveFigures {
    const figures = this.#destinations.get(destination) ?? this.#managed.get(destination);
    return (figures ?? new Figures(this.#clock.monotonic())).read(this.#clock.monotonic());
  }

  /** Figures of all destinations together. */
  overall(): LiveFigures {
    return this.#overall.read(this.#clock.monotonic());
  }

  /** Peaks to keep over a restart: by destination, those of endpoints of the API left out; of all together under `''`. */
  peaks(): Readonly<Record<string, number>> {
    const peaks: Record<string, number> = { '': this.#overall.peakOpen };
    for (const [name, { peakOpen }] of this.#destinations) peaks[name] = peakOpen;
    return peaks;
  }

  /** Takes in what {@link peaks} gave before the restart. */
  restorePeaks(peaks: Readonly<Record<string, number>>): void {
    for (const [name, peak] of Object.entries(peaks)) {
      if (isManaged(name)) continue;
      const figures = name === '' ? this.#overall : this.#figures(name);
      figures.peakOpen = Math.max(figures.peakOpen, peak);
    }
  }

  #received(destination: string): void {
    const second = this.#second();
    this.#figures(destination).received.add(second, 1);
    this.#overall.received.add(second, 1);
    if (isManaged(destination)) this.#endpoints.received.add(second, 1);
  }

  #ended(destination: string, attempt: AttemptRecord): void {
    const second = this.#second();
    const figures = this.#figures(destination);
    figures.ended(second, attempt);
    this.#overall.ended(second, attempt);
    if (isManaged(destination)) this.#endpoints.ended(second, attempt);
  }

  #figures(destination: string): Figures {
    return this.#destinations.get(destination) ?? this.#managed.get(destination) ?? this.#make(destination);
  }

  #make(destination: string): Figures {
    const kept = isManaged(destination) ? this.#managed : this.#destinations;
    const figures = new Figures(this.#clock.monotonic());
    kept.set(destination, figures);
    const [oldest] = this.#managed.keys();
    if (this.#managed.size > MANAGED_MAX && oldest !== undefined) this.#managed.delete(oldest);
    return figures;
  }

  #second(): number {
    return Math.floor(this.#clock.monotonic() / 1000);
  }
}

class Figures {
  readonly received = new MinuteRate();
  readonly processed = new MinuteRate();
  readonly failed = new MinuteRate();
  readonly processingMs = new LogHistogram();
  peakOpen = 0;
  readonly #sinceMs: number;

  constructor(sinceMs: number) {
    this.#sinceMs = sinceMs;
  }

  ended(second: number, attempt: AttemptRecord): void {
    const { outcome } = attempt;
    if (outcome === 'succeeded' || outcome === 'skipped') this.processed.add(second, 1);
    else this.failed.add(second, 1);
    this.processingMs.add(attempt.durationMs);
  }

  read(nowMs: number): LiveFigures {
    const second = Math.floor(nowMs / 1000);
    // A destination that is younger than a minute is not made slower than it is by seconds before it began.
    const seconds = Math.min(MINUTE_S, Math.max(1, (nowMs - this.#sinceMs) / 1000));
    return {
      peakOpen: this.peakOpen,
      receivedPerS: this.received.sum(second) / seconds,
      processedPerS: this.processed.sum(second) / seconds,
      failedPerS: this.failed.sum(second) / seconds,
      processingMsAverage: this.processingMs.average(),
      processingMsP95: this.processingMs.quantile(0.95),
    };
  }
}

const MINUTE_S = 60;

/** How often something happened in each of the last sixty seconds. Adding is one array access. */
export class MinuteRate {
  readonly #slots = new Float64Array(MINUTE_S);
  #newest = 0;

  add(second: number, count: number): void {
    if (second !== this.#newest) this.#moveTo(second);
    const slot = second % MINUTE_S;
    this.#slots[slot] = (this.#slots[slot] ?? 0) + count;
  }

  /** How often in the last sixty seconds, the current one included. */
  sum(second: number): number {
    this.#moveTo(second);
    let sum = 0;
    for (const count of this.#slots) sum += count;
    return sum;
  }

  /** Empties the seconds in which nothing happened. */
  #moveTo(second: number): void {
    const passed = Math.min(MINUTE_S, second - this.#newest);
    for (let step = 0; step < passed; step++) this.#slots[(second - step) % MINUTE_S] = 0;
    if (second > this.#newest) this.#newest = second;
  }
}

/** Eight buckets for each doubling, from 0.01 ms to more than three days: each bound is 9 % above the one before. */
const PER_DOUBLING = 8;
const LOWEST_MS = 0.01;
const BUCKETS = 36 * PER_DOUBLING;

/** Quantiles of durations in constant memory. */
export class LogHistogram {
  readonly #buckets = new Float64Array(BUCKETS);
  #count = 0;
  #sum = 0;

  add(ms: number): void {
    const bucket = ms <= LOWEST_MS ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log2(ms / LOWEST_MS) * PER_DOUBLING));
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    this.#count++;
    this.#sum += ms;
  }

  average(): number | null {
    return this.#count === 0 ? null : this.#sum / this.#count;
  }

  /** The upper bound of the bucket in which this share of all durations is reached; `null` when there are none. */
  quantile(share: number): number | null {
    if (this.#count === 0) return null;
    let left = Math.ceil(this.#count * share);
    for (const [bucket, count] of this.#buckets.entries()) {
      left -= count;
      if (left <= 0) return LOWEST_MS * 2 ** (bucket / PER_DOUBLING);
    }
    return LOWEST_MS * 2 ** ((BUCKETS - 1) / PER_DOUBLING);
  }
}
