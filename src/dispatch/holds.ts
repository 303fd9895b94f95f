/**
 * Destinations that are held: paused by a person, disabled, or absent because no process has them any more. Nothing of theirs is
 * discarded while they are; retention ends what was held too long.
 */
import type { Committer } from '../commit/committer.ts';
import type { Clock } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import { HoldfastError } from '../errors.ts';
import type { RegistryStore } from '../store/store.ts';
import type { Lanes } from './lanes.ts';

export interface Pause {
  readonly by: string;
  readonly at: number;
}

export interface HoldsOptions {
  readonly registry: RegistryStore;
  readonly committer: Committer;
  readonly clock: Clock;
  readonly observer: Observer;
  readonly lanes: Lanes;
}

const PAUSE = 'pause';
const SEEN = 'destination';

export class Holds {
  readonly #options: HoldsOptions;
  readonly #pauses = new Map<string, Pause>();
  readonly #lastSeen = new Map<string, number>();
  #unwatch: (() => void) | null = null;

  constructor(options: HoldsOptions) {
    this.#options = options;
  }

  /** Reads the pauses, and says of the destinations of this process that they are here. */
  async start(): Promise<void> {
    await this.#load();
    for (const { key, value } of await this.#options.registry.list(SEEN)) {
      this.#lastSeen.set(key, (value as { readonly at: number }).at);
    }
    await this.seen();
    this.#unwatch = this.#options.registry.watch(PAUSE, () => void this.#load());
  }

  stop(): void {
    this.#unwatch?.();
    this.#unwatch = null;
  }

  /** Notes that the destinations of this process are here; called at start, at times, and at stop. */
  async seen(): Promise<void> {
    const at = this.#options.clock.now();
    for (const name of this.#options.lanes.fixed()) {
      this.#lastSeen.set(name, at);
      await this.#options.committer.write({ kind: SEEN, key: name, value: { at }, ifVersion: null });
    }
  }

  pauseOf(destination: string): Pause | null {
    return this.#pauses.get(destination) ?? null;
  }

  /** @throws HoldfastError destination_unknown */
  async pause(destination: string, by: string): Promise<void> {
    this.#known(destination);
    const pause: Pause = { by, at: this.#options.clock.now() };
    await this.#options.committer.write({ kind: PAUSE, key: destination, value: { ...pause }, ifVersion: null });
    this.#apply(destination, pause);
    this.#options.observer.note('info', 'destination paused', { destination, by });
  }

  /** @throws HoldfastError destination_unknown */
  async resume(destination: string, by: string): Promise<void> {
    this.#known(destination);
    await this.#options.committer.write({ kind: PAUSE, key: destination, value: null, ifVersion: null });
    this.#apply(destination, null);
    this.#options.observer.note('info', 'destination resumed', { destination, by });
  }

  /** A destination is gone for good: its pause goes with it. */
  async forget(destination: string): Promise<void> {
    if (!this.#pauses.has(destination)) return;
    await this.#options.committer.write({ kind: PAUSE, key: destination, value: null, ifVersion: null });
    this.#pauses.delete(destination);
  }

  /** Destinations held since before `time`: what was committed before it has been held as long. */
  heldSinceBefore(time: number, counted: readonly string[]): string[] {
    return counted.filter((name) => {
      const heldAt = this.#pauses.get(name)?.at ?? this.#options.lanes.disabledSince(name);
      if (heldAt !== null) return heldAt < time;
      return !this.#options.lanes.has(name) && (this.#lastSeen.get(name) ?? Number.POSITIVE_INFINITY) < time;
    });
  }

  async #load(): Promise<void> {
    const documents = await this.#options.registry.list(PAUSE);
    const stored = new Map(documents.map(({ key, value }) => [key, value as unknown as Pause]));
    for (const name of this.#pauses.keys()) if (!stored.has(name)) this.#apply(name, null);
    for (const [name, pause] of stored) this.#apply(name, pause);
  }

  #apply(destination: string, pause: Pause | null): void {
    const before = this.#pauses.has(destination);
    if (pause === null) this.#pauses.delete(destination);
    else this.#pauses.set(destination, pause);
    const lane = this.#options.lanes.awake(destination);
    if (pause !== null && !before) lane?.pause();
    if (pause === null && before) lane?.resume();
  }

  #known(destination: string): void {
    if (!this.#options.lanes.has(destination) && !this.#lastSeen.has(destination)) {
      throw new HoldfastError('destination_unknown', { detail: `'${destination}'.` });
    }
  }
}
