/**
 * Keeps what a process has in memory abreast of documents that others write too: read whole at the start, and again
 * whenever one of them changed. Reads go one after the other, so that no older answer comes in behind a newer one. What
 * this process itself wrote while a read was on its way is newer than that read, and stays as it is.
 */
import type { Clock, Timer } from './clock.ts';

export interface FollowerOptions<Row extends { readonly key: string }> {
  readonly registry: {
    readonly list: (kind: string) => Promise<readonly Row[]>;
    readonly watch: (kind: string, changed: () => void) => () => void;
  };
  readonly kind: string;
  readonly clock: Clock;
  /** How long a change waits for others, to be read with them. Default 0: none waits. */
  readonly gatherMs?: number;
  /** The keys that are in memory. */
  readonly known: () => Iterable<string>;
  /** A document as it was read; `null`: it is gone. Also called for what is the same as before. */
  readonly apply: (key: string, row: Row | null) => void;
  /** It could not be read: what is known stays in force, and it is tried again soon. */
  readonly failed: (error: unknown) => void;
}

const RETRY_MS = 1000;

export class Follower<Row extends { readonly key: string }> {
  readonly #options: FollowerOptions<Row>;
  /** Keys that this process has written since the newest read began. */
  readonly #written = new Set<string>();
  #unwatch: (() => void) | null = null;
  #later: Timer | null = null;
  /** Settles when the last read that was asked for has ended. */
  #ended: Promise<void> = Promise.resolve();
  /** The read that has not begun. */
  #next: Promise<void> | null = null;

  constructor(options: FollowerOptions<Row>) {
    this.#options = options;
  }

  /** @throws as `list` */
  async start(): Promise<void> {
    const { registry, kind } = this.#options;
    // Before it reads: what is written from then on is in what it reads, or is told.
    this.#unwatch = registry.watch(kind, () => this.#heard());
    try {
      await this.refresh();
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** Safe twice and unstarted. */
  stop(): void {
    this.#unwatch?.();
    this.#unwatch = null;
    this.#later?.cancel();
    this.#later = null;
  }

  /** Resolves when all has been read that was there at the call. @throws as `list` */
  refresh(): Promise<void> {
    if (this.#next !== null) return this.#next;
    const next = this.#ended.then(() => {
      this.#next = null;
      return this.#read();
    });
    this.#next = next;
    this.#ended = next.catch(() => undefined);
    return next;
  }

  /** This process wrote this one, and has it in memory as it wrote it. */
  wrote(key: string): void {
    this.#written.add(key);
  }

  async #read(): Promise<void> {
    const { registry, kind, known, apply } = this.#options;
    this.#written.clear();
    const rows = await registry.list(kind);
    const there = new Set(rows.map(({ key }) => key));
    for (const row of rows) if (!this.#written.has(row.key)) apply(row.key, row);
    for (const key of known()) if (!there.has(key) && !this.#written.has(key)) apply(key, null);
    // Others may have changed those too, and nobody tells it again.
    if (this.#written.size > 0) this.#heard();
  }

  #heard(): void {
    const { gatherMs = 0 } = this.#options;
    if (this.#unwatch === null) return;
    if (gatherMs === 0) void this.#readAgain();
    else this.#readIn(gatherMs);
  }

  async #readAgain(): Promise<void> {
    try {
      await this.refresh();
    } catch (error) {
      // Several may have waited for the read that failed: one of them says so.
      if (this.#unwatch === null || this.#later !== null) return;
      this.#options.failed(error);
      this.#readIn(RETRY_MS);
    }
  }

  #readIn(ms: number): void {
    this.#later ??= this.#options.clock.schedule(ms, () => {
      this.#later = null;
      void this.#readAgain();
    });
  }
}
