/**
 * The lanes of a process. Those of handlers and of endpoints in the config are there from the start; an endpoint that is
 * managed through the API gets one when it has work, and loses it a while after: thousands of endpoints cost what the
 * busy ones cost.
 */
import type { StoredEvent } from '../core/event.ts';
import type { Clock } from '../core/clock.ts';
import type { Destination } from './destination.ts';
import type { Lane } from './lane.ts';

/** Destinations that come, change and go while the process runs. */
export interface Directory {
  /** As it is now; `null`: there is none of this name. */
  find(name: string): Destination | null;
  /** Since when it takes nothing (ms since 1970), so that its deliveries are held; `null`: it takes. */
  disabledSince(name: string): number | null;
  /** The names of all that are not disabled. */
  names(): Iterable<string>;
  /** The names of those that an event is for, among those made at or before `until` (ms since 1970). */
  matching(event: StoredEvent, until: number): readonly string[];
  /** How many an event of a tenant can be for at most. */
  reach(tenant: string | null): number;
  /** Whether it may be sent events of this tenant: what is a tenant's own gets no other's, nor those of none. */
  mayHave(name: string, tenant: string | null): boolean;
}

/** A process without managed endpoints. */
export const NO_DIRECTORY: Directory = {
  find: () => null,
  disabledSince: () => null,
  names: () => [],
  matching: () => [],
  reach: () => 0,
  mayHave: () => true,
};

export interface LanesOptions {
  readonly fixed: readonly Destination[];
  readonly directory: Directory;
  readonly clock: Clock;
  readonly make: (destination: Destination) => Lane;
  /** Whether this process attempts what it is owed. */
  readonly attempts: (name: string) => boolean;
  /** Whether a person paused it. */
  readonly paused: (name: string) => boolean;
  /** A lane was let go. */
  readonly rested: (name: string) => void;
}

const SLEEP_MS = 60_000;

export class Lanes {
  readonly #options: LanesOptions;
  readonly #fixed: ReadonlySet<string>;
  readonly #awake = new Map<string, Lane>();
  /** Since when a lane has had nothing to do. */
  readonly #idleSince = new Map<string, number>();
  /** Open deliveries of lanes that have not been made yet. */
  #open = new Map<string, number>();

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#fixed = new Set(options.fixed.map(({ name }) => name));
    for (const destination of options.fixed) this.#awake.set(destination.name, options.make(destination));
  }

  /** The lanes there are now. */
  get size(): number {
    return this.#awake.size;
  }

  /** The lane of a destination of this process, made if need be. */
  get(name: string): Lane | undefined {
    return this.#awake.get(name) ?? this.#wake(name);
  }

  /** The lane of a destination, if there is one now. */
  awake(name: string): Lane | undefined {
    return this.#awake.get(name);
  }

  /** A destination of this process as it is now, whether or not it has a lane. */
  find(name: string): Destination | null {
    return this.#awake.get(name)?.destination ?? this.#options.directory.find(name);
  }

  /** Whether this process has the destination. */
  has(name: string): boolean {
    return this.#awake.has(name) || this.#options.directory.find(name) !== null;
  }

  /** Whether a destination may be sent events of this tenant. */
  mayHave(name: string, tenant: string | null): boolean {
    return this.#options.directory.mayHave(name, tenant);
  }

  /** The lanes there are now. */
  values(): MapIterator<Lane> {
    return this.#awake.values();
  }

  /** Destinations that are there as long as the process is. */
  fixed(): ReadonlySet<string> {
    return this.#fixed;
  }

  /** Since when a destination takes nothing by its own state (ms since 1970); `null`: it takes. */
  disabledSince(name: string): number | null {
    return this.#options.directory.disabledSince(name);
  }

  /** Whether nobody attempts it: a person paused it, or it takes nothing by its own state. */
  isHeld(name: string): boolean {
    return this.#options.paused(name) || this.disabledSince(name) !== null;
  }

  /** The names of all destinations that this process attempts now: not held, not left to workers. */
  working(): string[] {
    const { directory, paused, attempts } = this.#options;
    const names = [...this.#fixed, ...directory.names()];
    return names.filter((name) => attempts(name) && !(this.#awake.get(name)?.paused ?? paused(name)));
  }

  /** What each destination is owed, as the store counted it at the start. */
  counted(open: ReadonlyMap<string, number>): void {
    this.#open = new Map(open);
    for (const [name, lane] of this.#awake) {
      lane.open = open.get(name) ?? 0;
      this.#open.delete(name);
    }
  }

  /** So many of what a destination was owed ended without its lane: cancelled, cleared, held for too long. */
  ended(name: string, count: number): void {
    const lane = this.#awake.get(name);
    const asleep = this.#open.get(name);
    if (lane !== undefined) lane.open = Math.max(0, lane.open - count);
    else if (asleep !== undefined) this.#open.set(name, Math.max(0, asleep - count));
  }

  /** A destination of the directory came, changed or went. */
  changed(name: string): void {
    const { directory } = this.#options;
    const lane = this.#awake.get(name);
    if (lane === undefined || this.#fixed.has(name)) return;
    const destination = directory.find(name);
    if (destination === null) {
      lane.close();
      lane.disable(true);
      if (lane.idle) this.#forget(name);
      return;
    }
    lane.update(destination);
    lane.disable(this.disabledSince(name) !== null);
  }

  /** What the other processes do has changed what each may. */
  reconsider(): void {
    for (const lane of this.#endpoints()) {
      lane.pace.update(lane.destination);
      lane.reconsider();
    }
  }

  /** Whether no endpoint's runs more than it may now. */
  get settled(): boolean {
    return this.#endpoints().every((lane) => lane.running <= lane.concurrency);
  }

  #endpoints(): Lane[] {
    return [...this.#awake.values()].filter(({ destination }) => destination.runner.isolation === 'endpoint');
  }

  /** Lets go the lanes of endpoints that have had nothing to do for a while. */
  rest(): void {
    const now = this.#options.clock.monotonic();
    for (const [name, lane] of this.#awake) {
      if (this.#fixed.has(name)) continue;
      const gone = this.#options.directory.find(name) === null;
      if (!lane.idle || lane.pace.circuit.state === 'open') this.#idleSince.delete(name);
      else if (gone || now - (this.#idleSince.get(name) ?? now) >= SLEEP_MS) this.#forget(name);
      else if (!this.#idleSince.has(name)) this.#idleSince.set(name, now);
    }
  }

  #wake(name: string): Lane | undefined {
    const { directory, make, paused } = this.#options;
    const destination = directory.find(name);
    if (destination === null) return undefined;
    const lane = make(destination);
    lane.open = this.#open.get(name) ?? 0;
    this.#open.delete(name);
    if (paused(name)) lane.pause();
    lane.disable(this.disabledSince(name) !== null);
    this.#awake.set(name, lane);
    return lane;
  }

  #forget(name: string): void {
    const lane = this.#awake.get(name);
    lane?.close();
    // What it is owed falls due later, and wakes it.
    if (lane !== undefined && lane.open > 0 && this.#options.directory.find(name) !== null)
      this.#open.set(name, lane.open);
    this.#awake.delete(name);
    this.#idleSince.delete(name);
    this.#options.rested(name);
  }
}
