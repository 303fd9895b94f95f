/**
 * Destinations that are held: paused by a person, disabled, or absent because no process has them any more. Nothing of theirs is
 * discarded while they are; retention ends what was held too long.
 */
import type { Committer } from '../commit/committer.ts';
import type { Clock } from '../core/clock.ts';
import { Follower } from '../core/follower.ts';
import type { Observer } from '../core/observer.ts';
import { HoldfastError } from '../errors.ts';
import type { Document, RegistryStore } from '../store/store.ts';
import type { Group } from './group.ts';
import type { Lane } from './lane.ts';
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
  /** Managed endpoints, that may be paused together. */
  readonly group: Group;
}

const PAUSE = 'pause';
const SEEN = 'destination';
/** How often `seen` is to be called. */
export const SEEN_MS = 3_600_000;
/** Whoever has a destination says so each hour, and is heard here within another: before that it may be there. */
const ABSENT_MS = 3 * SEEN_MS;

export class Holds {
  readonly #options: HoldsOptions;
  readonly #pauses = new Map<string, Pause>();
  readonly #lastSeen = new Map<string, number>();
  /** Earlier names of destinations that have some: what was paused under one stays so. */
  readonly #formerly: ReadonlyMap<string, readonly string[]>;
  readonly #follower: Follower<Document>;

  constructor(options: HoldsOptions) {
    this.#options = options;
    const { registry, clock, observer, lanes } = options;
    const formerly = [...lanes.fixed()].map((name) => [name, lanes.find(name)?.formerly ?? []] as const);
    this.#formerly = new Map(formerly.filter(([, names]) => names.length > 0));
    this.#follower = new Follower({
      registry,
      kind: PAUSE,
      clock,
      known: () => this.#pauses.keys(),
      apply: (name, row) => this.#apply(name, row && (row.value as unknown as Pause)),
      failed: (error) => observer.note('warn', 'pauses could not be read', { error: String(error) }),
    });
  }

  /** Reads the pauses, and says of the destinations of this process that they are here. */
  async start(): Promise<void> {
    await this.#follower.start();
    await this.seen();
  }

  stop(): void {
    this.#follower.stop();
  }

  /** Reads where destinations were seen last, and notes that those of this process are here; called at start, at times, and at stop. */
  async seen(): Promise<void> {
    // Other processes of the store may have destinations that this one has not.
    for (const { key, value } of await this.#options.registry.list(SEEN)) {
      this.#lastSeen.set(key, (value as { readonly at: number }).at);
    }
    const at = this.#options.clock.now();
    for (const name of this.#options.lanes.fixed()) {
      this.#lastSeen.set(name, at);
      await this.#options.committer.write({ kind: SEEN, key: name, value: { at }, ifVersion: null });
    }
  }

  /** Its own pause, else that of all endpoints together. */
  pauseOf(destination: string): Pause | null {
    const { group } = this.#options;
    const own = this.#ownPause(destination);
    return own ?? (group.has(destination) ? (this.#pauses.get(group.name ?? '') ?? null) : null);
  }

  /** Whether it is paused by itself, and not only with all others. */
  isPausedItself(destination: string): boolean {
    return this.#ownPause(destination) !== null;
  }

  /** @throws HoldfastError destination_unknown */
  async pause(destination: string, by: string): Promise<void> {
    this.known(destination);
    const pause: Pause = { by, at: this.#options.clock.now() };
    await this.#options.committer.write({ kind: PAUSE, key: destination, value: { ...pause }, ifVersion: null });
    this.#wrote(destination, pause);
    this.#options.observer.note('info', 'destination paused', { destination, by });
  }

  /** @throws HoldfastError destination_unknown */
  async resume(destination: string, by: string): Promise<void> {
    this.known(destination);
    for (const key of [destination, ...(this.#formerly.get(destination) ?? [])]) {
      if (key !== destination && !this.#pauses.has(key)) continue;
      await this.#options.committer.write({ kind: PAUSE, key, value: null, ifVersion: null });
      this.#wrote(key, null);
    }
    this.#options.observer.note('info', 'destination resumed', { destination, by });
  }

  /** A destination is gone for good: its pause goes with it. */
  async forget(destination: string): Promise<void> {
    if (!this.#pauses.has(destination)) return;
    await this.#options.committer.write({ kind: PAUSE, key: destination, value: null, ifVersion: null });
    this.#follower.wrote(destination);
    this.#pauses.delete(destination);
  }

  /** Destinations held since before `time`: what was committed before it has been held as long. */
  heldSinceBefore(time: number, counted: readonly string[]): string[] {
    const absentSince = Math.min(time, this.#options.clock.now() - ABSENT_MS);
    return counted.filter((name) => {
      const heldAt = this.pauseOf(name)?.at ?? this.#options.lanes.disabledSince(name);
      if (heldAt !== null) return heldAt < time;
      return !this.#options.lanes.has(name) && (this.#lastSeen.get(name) ?? Number.POSITIVE_INFINITY) < absentSince;
    });
  }

  #wrote(destination: string, pause: Pause | null): void {
    this.#follower.wrote(destination);
    this.#apply(destination, pause);
  }

  #apply(destination: string, pause: Pause | null): void {
    const before = this.#pauses.has(destination);
    if (pause === null) this.#pauses.delete(destination);
    else this.#pauses.set(destination, pause);
    if ((pause !== null) === before) return;
    for (const lane of this.#lanesOf(destination)) {
      if (pause !== null) lane.pause();
      // One that is paused by itself, or with all others, stays so.
      else if (this.pauseOf(lane.destination.name) === null) lane.resume();
    }
  }

  #lanesOf(destination: string): readonly Lane[] {
    const { lanes, group } = this.#options;
    if (group.is(destination)) return [...lanes.values()].filter((lane) => group.has(lane.destination.name));
    const named = [...this.#formerly].filter(([, names]) => names.includes(destination)).map(([name]) => name);
    return [destination, ...named].flatMap((name) => lanes.awake(name) ?? []);
  }

  #ownPause(destination: string): Pause | null {
    const own = this.#pauses.get(destination);
    if (own !== undefined) return own;
    const earlier = this.#formerly.get(destination)?.find((name) => this.#pauses.has(name));
    return earlier === undefined ? null : (this.#pauses.get(earlier) ?? null);
  }

  /** @throws HoldfastError destination_unknown when no process has or had it */
  known(destination: string): void {
    const { lanes, group } = this.#options;
    if (!lanes.has(destination) && !group.is(destination) && !this.#lastSeen.has(destination)) {
      throw new HoldfastError('destination_unknown', { detail: `'${destination}'.` });
    }
  }
}
