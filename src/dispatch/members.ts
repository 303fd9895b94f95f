/**
 * The processes of one store, as they know each other by a document each: written again every two seconds, removed at a
 * graceful stop, and by anybody who has not seen it change for a while. What an endpoint may have in all is divided among
 * those that attempt.
 *
 * That no two parts overlap, without a clock that all agree on:
 * - Whoever joins takes no part until every other says in its own document that it counts the new one: then it has given up
 *   what is too much, and what ran beyond it has ended, for {@link SETTLE_MS} at most. (A document is written before the
 *   others are read, so of two that join at once each sees the other.)
 * - Who has not been seen for {@link GONE_MS} is dropped by removing its document at the version seen. Who could not write
 *   its document for {@link LAPSE_MS}, which is less, takes no part until it could again. If it finds that it was dropped, it
 *   joins anew.
 */
import type { Clock, Timer } from '../core/clock.ts';
import { placeOf } from '../core/rendezvous.ts';
import type { Document, JsonValue, RegistryStore } from '../store/store.ts';
import type { Destination } from './destination.ts';
import { type Paced, partOf, type Shared } from './shared.ts';

/** What a process says of itself. */
export interface Self {
  readonly host: string;
  readonly pid: number;
  /** `all`, `gateway` or `worker`. */
  readonly role: string;
  /** Version of Holdfast. */
  readonly release: string;
  /** Milliseconds since 1970, by its own clock. */
  readonly startedAt: number;
  /** Whether it attempts deliveries to endpoints, and so takes part of their limits. */
  readonly attempts: boolean;
  /** Destinations of its own code and config. */
  readonly runs: readonly string[];
}

/** A process as the others see it. */
export interface Member extends Self {
  /** `prc_…`: another one after it was dropped and came back. */
  readonly id: string;
  /** Whether it is the process that was asked. */
  readonly self: boolean;
  /** Milliseconds since it was last seen to live. */
  readonly seenMsAgo: number;
}

export interface MembersOptions {
  readonly registry: RegistryStore;
  readonly clock: Clock;
  readonly makeId: () => string;
  readonly self: Self;
  /** The parts of this process are others now. */
  readonly changed: () => void;
  /** Whether nothing runs any more beyond the parts. */
  readonly settled: () => boolean;
}

/** A document. */
interface Said extends Self {
  readonly id: string;
  /** Whether it takes its part. */
  readonly joined: boolean;
  /** Those that have not joined and that it counts. */
  readonly counts: readonly string[];
}

interface Seen extends Said {
  readonly key: string;
  readonly version: number;
  /** When its version was first seen: monotonic. */
  since: number;
}

const KIND = 'process';
const BEAT_MS = 2000;
/** While somebody joins. */
const JOIN_MS = 250;
const LAPSE_MS = 6000;
const GONE_MS = 8000;
/** Who has not looked for this long cannot tell who has been gone meanwhile. */
const BLIND_MS = 3 * BEAT_MS;
/** Attempts that were under way when somebody joined are waited for so long: what takes longer runs beyond the whole. */
const SETTLE_MS = 10_000;

export class Members implements Omit<Shared, 'openMs'> {
  readonly #options: MembersOptions;
  #id: string;
  /** Its document. The keys are small numbers, used again and again: what is deleted leaves a version behind. */
  #key: string | null = null;
  #version = 0;
  #joined = false;
  #seen: ReadonlyMap<string, Seen> = new Map();
  /** Those among whom is divided, itself among them. */
  #workers: readonly Said[] = [];
  /** Since when its parts are as they are: monotonic. */
  #since = Number.NEGATIVE_INFINITY;
  #beatAt = Number.NEGATIVE_INFINITY;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #timer: Timer | null = null;
  #lapse: Timer | null = null;
  #beating: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#id = options.makeId();
  }

  /** Resolves when the others can know of it. Fails never: what did not work is tried again. */
  start(): Promise<void> {
    this.#beating = this.#beat();
    return this.#beating;
  }

  /** Says that it goes. Safe twice and unstarted. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#lapse?.cancel();
    await this.#beating;
    const key = this.#key;
    this.#key = null;
    if (key === null) return;
    try {
      await this.#write(key, null, this.#version);
    } catch {
      // The store is not there: the others find out by themselves.
    }
  }

  /** All that live, the oldest first. */
  list(): readonly Member[] {
    const { self, clock } = this.#options;
    const now = clock.monotonic();
    const others = [...this.#seen.values()].filter(({ id }) => id !== this.#id);
    const members = others.map((one) => shown(one, { id: one.id, self: false, seenMsAgo: now - one.since }));
    const own = shown(self, { id: this.#id, self: true, seenMsAgo: 0 });
    return [own, ...members].toSorted((a, b) => a.startedAt - b.startedAt || (a.id < b.id ? -1 : 1));
  }

  /** Others may have dropped it. */
  get lapsed(): boolean {
    return !this.alone && this.#options.clock.monotonic() - this.#beatAt > LAPSE_MS;
  }

  /** Since when its parts are as they are (monotonic): what a rate allows is counted from then. */
  get since(): number {
    return this.#since;
  }

  /** This process's part of a destination's limits; `null`: none. Handlers are limited in each process by itself. */
  part(destination: Destination): Paced | null {
    if (this.alone || destination.runner.isolation !== 'endpoint') return destination;
    if (!this.#joined) return null;
    const { name } = destination;
    // What is managed through the API is everywhere; what stands in the code is where that code runs.
    const isOwn = this.#options.self.runs.includes(name);
    const among = this.#workers.filter(({ runs }) => !isOwn || runs.includes(name)).map(({ id }) => id);
    return partOf(destination, placeOf(name, this.#id, among), among.length);
  }

  get alone(): boolean {
    return this.#options.registry.beat === undefined;
  }

  /** Whether others attempt. */
  get company(): boolean {
    return this.#workers.some(({ id }) => id !== this.#id);
  }

  // ------------------------------------------------------------------------------------------------- the beat

  async #beat(): Promise<void> {
    if (this.alone) return;
    const { clock } = this.#options;
    const begun = clock.monotonic();
    try {
      await this.#say();
      this.#alive(begun);
      await this.#look();
    } catch {
      // The store is not there: nothing starts while it is not, and the next beat finds out.
    }
    if (this.#stopped) return;
    const joining = this.#workers.some(({ joined }) => !joined);
    // From when it began: where calls take long the next follows at once.
    const restMs = Math.max(0, (joining ? JOIN_MS : BEAT_MS) - (clock.monotonic() - begun));
    this.#timer = clock.schedule(restMs, () => {
      this.#beating = this.#beat();
    });
  }

  #alive(begun: number): void {
    const { clock } = this.#options;
    const lapsed = this.lapsed;
    this.#beatAt = begun;
    this.#lapse?.cancel();
    this.#lapse = clock.schedule(LAPSE_MS + 1 - (clock.monotonic() - begun), () => this.#changed());
    if (lapsed) this.#changed();
  }

  #changed(): void {
    this.#since = this.#options.clock.monotonic();
    this.#options.changed();
  }

  /** Writes its document. */
  async #say(): Promise<void> {
    if (this.#key === null) return this.#enter();
    const version = await this.#write(this.#key, this.#said(), this.#version);
    const found = version === null ? await this.#options.registry.get(KIND, this.#key) : null;
    if (version !== null) this.#version = version;
    // Its own write, whose answer was lost.
    else if (found !== null && saidIn(found).id === this.#id) this.#version = found.version;
    else await this.#comeBack();
  }

  #said(): Record<string, unknown> {
    return { ...this.#options.self, id: this.#id, joined: this.#joined, counts: this.#counted() } satisfies Said;
  }

  /** It was dropped: it comes back as another. */
  async #comeBack(): Promise<void> {
    this.#key = null;
    this.#id = this.#options.makeId();
    this.#joined = false;
    this.#changed();
    await this.#enter();
  }

  /** Takes the first free key. */
  async #enter(): Promise<void> {
    const taken = new Set((await this.#options.registry.list(KIND)).map(({ key }) => key));
    for (let number = 1; this.#key === null; number++) {
      const key = String(number);
      const version = taken.has(key) ? null : await this.#write(key, this.#said(), 0);
      if (version === null) continue;
      this.#key = key;
      this.#version = version;
    }
  }

  async #write(key: string, value: Record<string, unknown> | null, ifVersion: number): Promise<number | null> {
    const write = { kind: KIND, key, value: value as JsonValue, ifVersion };
    const answer = await this.#options.registry.beat?.(write);
    return answer?.status === 'committed' ? answer.version : null;
  }

  /** Those that have not joined and that may: nothing runs here any more that is part of theirs. */
  #counted(): readonly string[] {
    const { clock, settled } = this.#options;
    if (!settled() && clock.monotonic() - this.#since < SETTLE_MS) return [];
    return this.#workers.filter(({ joined, id }) => !joined && id !== this.#id).map(({ id }) => id);
  }

  // ------------------------------------------------------------------------------------------------- the others

  async #look(): Promise<void> {
    const { clock, registry } = this.#options;
    const documents = await registry.list(KIND);
    const now = clock.monotonic();
    const isBlind = now - this.#lookedAt > BLIND_MS;
    this.#lookedAt = now;
    const seen = new Map<string, Seen>();
    for (const document of documents) {
      const one = this.#see(document, isBlind, now);
      const isGone = one.id !== this.#id && now - one.since > GONE_MS;
      // Where it cannot be removed it lives, or somebody else removed it: the next look shows.
      if (!isGone || (await this.#write(one.key, null, one.version)) === null) seen.set(one.key, one);
    }
    this.#seen = seen;
    this.#count([...seen.values()]);
  }

  #see({ key, value, version }: Document, isBlind: boolean, now: number): Seen {
    const before = this.#seen.get(key);
    const since = before?.version === version && !isBlind ? before.since : now;
    return { ...saidIn({ value }), key, version, since };
  }

  #count(seen: readonly Seen[]): void {
    const workers = seen.filter(({ attempts }) => attempts).toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const others = workers.filter(({ id }) => id !== this.#id);
    const isHere = workers.length > others.length;
    const joined = isHere && (this.#joined || others.every(({ counts }) => counts.includes(this.#id)));
    const same = joined === this.#joined && membersText(workers) === membersText(this.#workers);
    this.#workers = workers;
    this.#joined = joined;
    if (!same) this.#changed();
  }
}

function saidIn({ value }: Pick<Document, 'value'>): Said {
  return value as unknown as Said;
}

function shown(self: Self, more: Pick<Member, 'id' | 'self' | 'seenMsAgo'>): Member {
  const { host, pid, role, release, startedAt, attempts, runs } = self;
  return { host, pid, role, release, startedAt, attempts, runs, ...more };
}

/** What parts depend on. */
function membersText(workers: readonly Said[]): string {
  return JSON.stringify(workers.map(({ id, runs }) => [id, runs]));
}
