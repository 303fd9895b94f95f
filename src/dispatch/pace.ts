/** How fast a lane may go: its concurrency, its rate, its circuit breaker, and the ramp after an outage. */
import { AdaptiveConcurrency, type LaneLoad } from '../core/concurrency.ts';
import type { Clock } from '../core/clock.ts';
import { TokenBucket } from '../core/limiter.ts';
import type { Observer } from '../core/observer.ts';
import type { Attempted } from '../deliver/runner.ts';
import { Circuit, endedWell } from './circuit.ts';
import type { Destination } from './destination.ts';
import type { Running } from './running.ts';
import { ALONE, type Paced, type Shared } from './shared.ts';

/** Most deliveries of a lane that wait in memory, where nobody else could do them. */
const QUEUE_MAX = 4096;
export const CLAIM_MIN = 64;
/**
 * Most that are claimed at once, or one batch where that is more; and that wait in memory, where others could do them:
 * about what one commit brings.
 */
const CLAIM_MAX = 512;

/** What a pace has of its lane's host. */
export interface PaceHost {
  readonly clock: Clock;
  readonly observer: Observer;
  /** Default: nothing is shared. */
  readonly shared?: Shared | undefined;
}

export class Pace {
  readonly circuit: Circuit;
  readonly #clock: Clock;
  readonly #shared: Shared;
  #perAttempt: number;
  /** What this process may do of it; `null`: nothing, others do it. */
  #part: Paced | null;
  /** Whether it is a part of what all processes may do together. */
  #isDivided: boolean;
  #bucket: TokenBucket | null;
  #concurrency: AdaptiveConcurrency | null;
  /**
   * Attempts at once while what was down comes back: one after the breaker closed, and one more with every success, so
   * that a backlog does not fall on it all at once. `null`: no ramp.
   */
  #ramp: number | null = null;

  constructor(destination: Destination, { clock, observer, shared = ALONE }: PaceHost) {
    this.circuit = new Circuit(destination, clock, observer);
    this.#clock = clock;
    this.#shared = shared;
    this.#perAttempt = destination.batch?.size ?? 1;
    this.#part = shared.part(destination);
    this.#isDivided = this.#part !== destination;
    this.#bucket = this.#bucketOf(this.#part?.ratePerS ?? null);
    this.#concurrency = concurrencyOf(this.#part);
    const openMs = shared.openMs(destination.name);
    if (openMs > 0) this.circuit.open(openMs);
  }

  /** Attempts that may run at once now; 0: other processes do it. */
  get limit(): number {
    const limit = this.#concurrency?.limit ?? 0;
    if (this.#isDivided && this.#shared.lapsed) return 0;
    return this.#ramp === null ? limit : Math.min(this.#ramp, limit);
  }

  /** How much of what waits in the store to have in memory. */
  get claimMax(): number {
    const most = Math.max(CLAIM_MAX, this.#perAttempt);
    return Math.min(most, Math.max(CLAIM_MIN, this.#perAttempt * this.limit * 2));
  }

  /** How many to claim where so many wait in memory, for whose events so many bytes are left there. */
  room(queued: number, bytesLeft: number): number {
    const most = this.claimMax;
    // Half of it is enough to go on with, but a batch fills up, as long as its events fit.
    const enough = bytesLeft > 0 ? Math.max(most / 2, this.#perAttempt - 1) : most / 2;
    if (queued > enough) return 0;
    return this.circuit.state === 'half-open' ? 1 : Math.max(0, most - queued);
  }

  /** Most that may wait in memory. Of what is divided no process keeps what another could do. */
  get waitingMax(): number {
    if (this.#isDivided) return this.claimMax;
    return this.#shared.company ? CLAIM_MAX : QUEUE_MAX;
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
    else if (this.#ramp !== null) this.#climb(this.#ramp, attempted);
    return opened;
  }

  /** Another process found that the destination is down (for so long), or that it is back (0). */
  heard(openMs: number): void {
    if (openMs > 0) this.circuit.open(openMs);
    else if (this.circuit.close()) this.#ramp = 1;
  }

  adapt(load: LaneLoad): void {
    this.#concurrency?.adapt(load);
  }

  /** The destination was changed, or this process's part of it: what is the same goes on as it is. */
  update(destination: Destination): void {
    this.#perAttempt = destination.batch?.size ?? 1;
    const before = this.#part;
    const part = this.#shared.part(destination);
    this.#part = part;
    this.#isDivided = part !== destination;
    const ratePerS = part?.ratePerS ?? null;
    if (ratePerS === null || this.#bucket === null) this.#bucket = this.#bucketOf(ratePerS);
    else this.#bucket.change(ratePerS, ratePerS);
    if (part?.concurrency.min !== before?.concurrency.min || part?.concurrency.max !== before?.concurrency.max) {
      this.#concurrency = concurrencyOf(part);
    }
  }

  #climb(ramp: number, { results }: Attempted): void {
    const next = results.some(endedWell) ? ramp + 1 : Math.max(1, Math.floor(ramp / 2));
    this.#ramp = next > (this.#part?.concurrency.max ?? 0) ? null : next;
  }

  /** A process that has just got its part of a rate has nothing saved up: what the others had of it they may have used. */
  #bucketOf(ratePerS: number | null): TokenBucket | null {
    if (ratePerS === null) return null;
    const bucket = new TokenBucket(ratePerS, ratePerS, this.#clock);
    if (this.#isDivided) bucket.emptied(this.#shared.since);
    return bucket;
  }
}

function concurrencyOf(part: Paced | null): AdaptiveConcurrency | null {
  return part === null ? null : new AdaptiveConcurrency(part.concurrency);
}
