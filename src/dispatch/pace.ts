/** How fast a lane may go: its concurrency, its rate, its circuit breaker, and the ramp after an outage. */
import { AdaptiveConcurrency, type LaneLoad } from '../core/concurrency.ts';
import type { Clock } from '../core/clock.ts';
import { TokenBucket } from '../core/limiter.ts';
import type { Observer } from '../core/observer.ts';
import type { Attempted } from '../deliver/runner.ts';
import { Circuit } from './circuit.ts';
import type { Destination } from './destination.ts';
import type { Running } from './running.ts';

type Paced = Pick<Destination, 'concurrency' | 'ratePerS'>;

export class Pace {
  readonly circuit: Circuit;
  readonly #clock: Clock;
  #paced: Paced;
  #bucket: TokenBucket | null;
  #concurrency: AdaptiveConcurrency;
  /**
   * Attempts at once while what was down comes back: one after the breaker closed, and one more with every success, so
   * that a backlog does not fall on it all at once. `null`: no ramp.
   */
  #ramp: number | null = null;

  constructor(destination: Destination, clock: Clock, observer: Observer) {
    this.circuit = new Circuit(destination, clock, observer);
    this.#clock = clock;
    this.#paced = destination;
    this.#bucket = bucketOf(destination, clock);
    this.#concurrency = new AdaptiveConcurrency(destination.concurrency);
  }

  /** Attempts that may run at once now. */
  get limit(): number {
    return this.#ramp === null ? this.#concurrency.limit : Math.min(this.#ramp, this.#concurrency.limit);
  }

  /** Milliseconds until the next attempt may begin; 0: now. */
  get waitMs(): number {
    return Math.max(this.circuit.waitMs, this.#bucket?.waitMs(1) ?? 0);
  }

  /** An attempt begins that the rate counts. */
  spend(): void {
    this.#bucket?.take(1);
  }

  /** Takes in how an attempt went. Answers whether that opened the breaker. */
  ended(running: Running, attempted: Attempted): boolean {
    const wasOpen = this.circuit.isOpen;
    const opened = this.circuit.ended(running, attempted);
    if (wasOpen && !this.circuit.isOpen) this.#ramp = 1;
    else if (this.#ramp !== null) this.#climb(attempted);
    return opened;
  }

  adapt(load: LaneLoad): void {
    this.#concurrency.adapt(load);
  }

  /** The destination was changed: what is the same goes on as it is. */
  update(destination: Destination): void {
    const { concurrency, ratePerS } = this.#paced;
    this.#paced = destination;
    if (destination.ratePerS !== ratePerS) this.#bucket = bucketOf(destination, this.#clock);
    if (destination.concurrency.min !== concurrency.min || destination.concurrency.max !== concurrency.max) {
      this.#concurrency = new AdaptiveConcurrency(destination.concurrency);
    }
  }

  #climb({ results }: Attempted): void {
    const ramp = this.#ramp ?? 1;
    const well = results.every(({ kind }) => kind === 'succeeded' || kind === 'skipped' || kind === 'rejected');
    const next = well ? ramp + 1 : Math.max(1, Math.floor(ramp / 2));
    this.#ramp = next > this.#paced.concurrency.max ? null : next;
  }
}

function bucketOf({ ratePerS }: Paced, clock: Clock): TokenBucket | null {
  return ratePerS === null ? null : new TokenBucket(ratePerS, ratePerS, clock);
}
