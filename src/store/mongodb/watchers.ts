/** Who wants to hear of documents: at once of those that this process wrote, within seconds of those of others. */
import type { Clock, Timer } from '../../core/clock.ts';
import type { Collections } from './collections.ts';

/** How often documents of other processes are looked for. They must be heard of within 5 s. */
const LOOK_MS = 1_000;

export interface WatchersParts {
  /** This process: of what it writes it tells at once. */
  readonly owner: string;
  readonly clock: Clock;
  /** Reads with all that was committed in sight; throws while the store is not open. */
  readonly read: <Answer>(ask: (collections: Collections) => Promise<Answer>) => Promise<Answer>;
}

export class Watchers {
  readonly #parts: WatchersParts;
  readonly #watching = new Map<() => void, string>();
  #timer: Timer | null = null;
  #looking: Promise<void> = Promise.resolve();
  /** Documents up to this position of the log have been told. */
  #told: number | null = null;

  constructor(parts: WatchersParts) {
    this.#parts = parts;
  }

  watch(kind: string, changed: () => void): () => void {
    const run = (): void => changed();
    this.#watching.set(run, kind);
    this.#timer ??= this.#next();
    return () => {
      this.#watching.delete(run);
      if (this.#watching.size === 0) this.stop();
    };
  }

  /** A watcher runs on its own: what it throws is not the commit's. */
  tell(kinds: Iterable<string>): void {
    const named = new Set(kinds);
    for (const [run, kind] of this.#watching) if (named.has(kind)) queueMicrotask(run);
  }

  stop(): void {
    this.#watching.clear();
    this.#timer?.cancel();
    this.#timer = null;
    this.#told = null;
  }

  /** Resolves when nobody looks. */
  async quiet(): Promise<void> {
    await this.#looking;
  }

  #next(): Timer {
    return this.#parts.clock.schedule(LOOK_MS, () => {
      this.#looking = this.#look();
    });
  }

  async #look(): Promise<void> {
    try {
      this.tell(await this.#changedKinds());
    } catch {
      // The store is down or closed: the next look finds what this one would have.
    }
    if (this.#timer !== null) this.#timer = this.#next();
  }

  /**
   * Kinds of the documents that were written since the last look. At the first there is nothing to compare with: all,
   * since whoever watches may have read before somebody wrote.
   */
  async #changedKinds(): Promise<readonly string[]> {
    const told = this.#told;
    const found = await this.#parts.read(({ documents }) =>
      documents
        .find(told === null ? {} : { rev: { $gt: told } }, { projection: { kind: 1, rev: 1, by: 1 } })
        .sort({ rev: -1 })
        .limit(told === null ? 1 : 0)
        .toArray(),
    );
    this.#told = Math.max(told ?? 0, found[0]?.rev ?? 0);
    if (told === null) return [...this.#watching.values()];
    return found.filter(({ by }) => by !== this.#parts.owner).map(({ kind }) => kind);
  }
}
