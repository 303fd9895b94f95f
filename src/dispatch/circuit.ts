/** The circuit breaker of a lane: what the results of attempts mean to it, and which attempts a probe spends. */
import { Breaker, type BreakerState } from '../core/breaker.ts';
import type { Clock } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import type { Attempted, Result } from '../deliver/runner.ts';
import type { Destination } from './destination.ts';
import type { Running } from './running.ts';

/**
 * A probe that fails shows that the world is still down, and spends no attempt. But a delivery that can never succeed
 * must end too, also when only such are left: after this many free probes it spends attempts like any other.
 */
const FREE_PROBES_MAX = 10;
/** Deliveries whose free probes are counted; beyond it, counting starts anew. */
const COUNTED_MAX = 1000;

const OTHER = 'another process found out';

export class Circuit {
  readonly #breaker: Breaker | null;
  readonly #name: string;
  readonly #observer: Observer;
  readonly #freeProbes = new Map<string, number>();
  /** What the observer was told last. */
  #told: BreakerState = 'closed';

  constructor(destination: Destination, clock: Clock, observer: Observer) {
    this.#breaker = destination.breaker === null ? null : new Breaker(destination.breaker, clock);
    this.#name = destination.name;
    this.#observer = observer;
  }

  get state(): BreakerState | 'none' {
    const breaker = this.#breaker;
    if (breaker === null) return 'none';
    const { state } = breaker;
    // Nothing happens when its time is over: it is noticed when the lane looks again, which it does then.
    if (state === 'half-open') this.#tell(state, 'its time is over');
    return state;
  }

  /** Whether it holds attempts back, or lets probes through only. */
  get isOpen(): boolean {
    return this.state === 'open' || this.state === 'half-open';
  }

  /** Milliseconds until an attempt may begin; 0: now. */
  get waitMs(): number {
    return this.state === 'none' ? 0 : (this.#breaker?.waitMs() ?? 0);
  }

  began(running: Running): void {
    if (this.#breaker === null) return;
    running.probe = this.state === 'half-open';
    running.permit = this.#breaker.began();
  }

  /** Takes in how an attempt went. Answers whether that opened it. */
  ended(running: Running, { results }: Attempted): boolean {
    const breaker = this.#breaker;
    if (breaker === null) return false;
    const before = this.state;
    const down = results.find((result) => result.kind === 'unavailable');
    // A batch of which some ended well shows that what they need is there: what failed, failed by itself.
    const failed = results.some(isFailure) && !results.some(endedWell);
    if (running.probe && failed) running.spared = this.#spare(running);
    if (down !== undefined) breaker.trip(running.permit);
    else if (failed) breaker.failed(running.permit);
    else breaker.succeeded(running.permit);
    const { state } = breaker;
    if (state === before) return false;
    if (state === 'closed') this.#freeProbes.clear();
    this.#tell(state, down?.reason ?? (failed ? 'failures in a row' : 'probes succeeded'));
    return state === 'open';
  }

  /** Another process opened it for so long: see {@link Breaker.open}. */
  open(openMs: number): void {
    if (this.#breaker?.open(openMs) === true) this.#tell('open', OTHER, true);
  }

  /** Another process closed it. Answers whether that closed this one. */
  close(): boolean {
    if (this.#breaker?.close() !== true) return false;
    this.#freeProbes.clear();
    this.#tell('closed', OTHER, true);
    return true;
  }

  #tell(state: BreakerState, reason: string, heard = false): void {
    if (state === this.#told) return;
    this.#told = state;
    this.#observer.breaker(this.#name, state, reason, heard);
  }

  #spare(running: Running): boolean {
    if (this.#freeProbes.size > COUNTED_MAX) this.#freeProbes.clear();
    return running.claims.every(({ deliveryId }) => {
      const count = (this.#freeProbes.get(deliveryId) ?? 0) + 1;
      this.#freeProbes.set(deliveryId, count);
      return count <= FREE_PROBES_MAX;
    });
  }
}

/** Whether a result says that the destination does not work. One that asks to be tried later works. */
export function isFailure(result: Result): boolean {
  if (result.kind === 'failed') return result.delayMs === null;
  return result.kind === 'timeout' || result.kind === 'crashed';
}

/** Whether a result says that the destination works. */
export function endedWell({ kind }: Result): boolean {
  return kind === 'succeeded' || kind === 'skipped' || kind === 'rejected';
}
