/**
 * Breakers that opened are documents, so that what one process found out holds in all: a breaker that opens here opens in
 * the others for as long, and closes in all when a probe of one of them succeeds. The time it stays open is told, not
 * when that ends: no two clocks need agree, and who found out is the first to probe.
 */
import type { Committer } from '../commit/committer.ts';
import type { Clock } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import type { Document, RegistryStore } from '../store/store.ts';
import type { Lanes } from './lanes.ts';

export interface SharedBreakersOptions {
  readonly registry: RegistryStore;
  readonly clock: Clock;
  readonly lanes: () => Lanes;
  readonly committer: () => Pick<Committer, 'write'>;
}

/** A document: it stays open for so long from when it was written (ms since 1970, by the clock of who wrote it). */
interface Stored {
  readonly openMs: number;
  readonly at: number;
}

interface Known {
  readonly version: number;
  /** Monotonic. */
  readonly until: number;
}

const KIND = 'breaker';

export class SharedBreakers {
  readonly #options: SharedBreakersOptions;
  readonly #known = new Map<string, Known>();
  /** What this process tells goes out in the order it found out. */
  #telling: Promise<void> = Promise.resolve();
  #reading: Promise<void> | null = null;
  #readAgain = false;
  #unwatch: (() => void) | null = null;

  constructor(options: SharedBreakersOptions) {
    this.#options = options;
  }

  /** Reads those that are open. Does nothing where no other process could be. */
  async start(): Promise<void> {
    if (!this.#isShared) return;
    const { registry, clock } = this.#options;
    // How long ago it opened can only be told by the clocks here, at worst it stays open for its whole time again.
    await this.#read(({ openMs, at }) => Math.max(0, Math.min(openMs, at + openMs - clock.now())));
    this.#unwatch = registry.watch(KIND, () => this.#heard());
  }

  /** Safe twice and unstarted. */
  async stop(): Promise<void> {
    this.#unwatch?.();
    this.#unwatch = null;
    await this.#reading;
    await this.#telling;
  }

  /** Milliseconds for which a destination's breaker stays open yet. */
  openMs(destination: string): number {
    return Math.max(0, (this.#known.get(destination)?.until ?? 0) - this.#options.clock.monotonic());
  }

  /** Told by the breakers of this process. */
  readonly observer: Pick<Observer, 'breaker'> = {
    breaker: (...[destination, state, , heard]) => {
      if (!this.#isShared || heard === true || state === 'half-open') return;
      const openMs = this.#options.lanes().awake(destination)?.pace.circuit.waitMs ?? 0;
      this.#telling = this.#telling.then(() => this.#tell(destination, state === 'open' ? openMs : 0));
    },
  };

  get #isShared(): boolean {
    return this.#options.registry.beat !== undefined;
  }

  async #tell(destination: string, openMs: number): Promise<void> {
    const { clock, committer } = this.#options;
    const known = this.#known.get(destination);
    if (openMs === 0 && known === undefined) return;
    const until = clock.monotonic() + openMs;
    const value = openMs === 0 ? null : { openMs, at: clock.now() };
    // What another process found out since is newer than that it closed here.
    const ifVersion = openMs === 0 ? (known?.version ?? 0) : null;
    try {
      const answer = await committer().write({ kind: KIND, key: destination, value, ifVersion });
      if (answer.status !== 'committed') return;
      if (value === null) this.#known.delete(destination);
      else this.#known.set(destination, { version: answer.version, until });
    } catch {
      // The store is not there, and nothing is attempted while it is not. The others find out by themselves.
    }
  }

  #heard(): void {
    this.#readAgain = true;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null;
      // Heard between the end of the last read and this.
      if (this.#readAgain && this.#unwatch !== null) this.#heard();
    });
  }

  async #readAll(): Promise<void> {
    while (this.#readAgain) {
      this.#readAgain = false;
      try {
        await this.#read(({ openMs }) => openMs);
      } catch {
        // The store is not there: the breakers of this process do without.
      }
    }
  }

  async #read(leftMs: (stored: Stored) => number): Promise<void> {
    // What this process tells at this moment is not news to it.
    await this.#telling;
    const documents = await this.#options.registry.list(KIND);
    const open = new Set(documents.map(({ key }) => key));
    for (const document of documents) this.#opened(document, leftMs);
    for (const name of this.#known.keys()) if (!open.has(name)) this.#closed(name);
  }

  #opened({ key, value, version }: Document, leftMs: (stored: Stored) => number): void {
    if (this.#known.get(key)?.version === version) return;
    const openMs = leftMs(value as unknown as Stored);
    this.#known.set(key, { version, until: this.#options.clock.monotonic() + openMs });
    if (openMs > 0) this.#apply(key, openMs);
  }

  #closed(name: string): void {
    this.#known.delete(name);
    this.#apply(name, 0);
  }

  #apply(name: string, openMs: number): void {
    const lane = this.#options.lanes().awake(name);
    if (lane === undefined) return;
    lane.pace.heard(openMs);
    lane.reconsider();
  }
}
