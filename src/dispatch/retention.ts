/** Retention: small steps, one after the other, with the event loop free in between. */
import type { Clock, Timer } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import type { HistoryStore, PurgeAnswer, Retention as Clocks, WorkStore } from '../store/store.ts';
import type { Holds } from './holds.ts';

export interface RetentionOptions {
  readonly store: WorkStore;
  readonly history: HistoryStore;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly holds: Holds;
  readonly clocks: Clocks;
  /** How long deliveries of a held destination are kept open. */
  readonly heldMaxMs: number;
  /** So many of what a destination was owed became dead letters. */
  readonly buried: (destination: string, count: number) => void;
}

const ROUND_MS = 60_000;
/** A step takes as long as it should; this only bounds what it touches. */
const STEP_ROWS = 2_000;
/** Rest between two steps: in proportion to how long the last one took, so that most of the time is not retention's. */
const REST = 3;
const REST_MS = { min: 5, max: 100 } as const;

export class Retention {
  readonly #options: RetentionOptions;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #stopped = true;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#stopped = false;
    this.#next(ROUND_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  /** Purges until nothing is left to purge; answers what went. */
  async round(): Promise<Omit<PurgeAnswer, 'more'>> {
    const { store, history, clock, holds, clocks, heldMaxMs, buried } = this.#options;
    const total = { bodies: 0, events: 0, deadLetters: 0, dedupeKeys: 0, held: 0 };
    const before = clock.now() - heldMaxMs;
    const counted = (await history.counts()).destinations.map(({ destination }) => destination);
    // One after the other: a step says how many it buried, not whose.
    const held = holds.heldSinceBefore(before, counted);
    for (let more = true; more && !this.#stopped;) {
      const start = clock.monotonic();
      const [destination] = held;
      const heldBefore = destination === undefined ? [] : [{ destination, before }];
      const step = await store.purge({ now: clock.now(), retention: clocks, heldBefore, limit: STEP_ROWS });
      if (destination !== undefined && step.held > 0) buried(destination, step.held);
      else held.shift();
      total.bodies += step.bodies;
      total.events += step.events;
      total.deadLetters += step.deadLetters;
      total.dedupeKeys += step.dedupeKeys;
      total.held += step.held;
      more = step.more || held.length > 0;
      const restMs = Math.min(REST_MS.max, Math.max(REST_MS.min, (clock.monotonic() - start) * REST));
      if (more) await new Promise<void>((resolve) => clock.schedule(restMs, resolve));
    }
    return total;
  }

  #next(delayMs: number): void {
    this.#timer = this.#options.clock.schedule(delayMs, () => {
      this.#running = this.#run().finally(() => {
        if (!this.#stopped) this.#next(ROUND_MS);
      });
    });
  }

  async #run(): Promise<void> {
    try {
      const purged = await this.round();
      if (purged.held > 0)
        this.#options.observer.note('warn', 'held too long: now dead letters', { count: purged.held });
      if (purged.events + purged.bodies > 0) this.#options.observer.note('info', 'purged', purged);
    } catch (error) {
      this.#options.observer.note('error', 'retention failed', { error: String(error) });
    }
  }
}
