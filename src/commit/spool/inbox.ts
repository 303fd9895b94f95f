/** Group commit into the spool: what waits while one write is in flight goes into the next. Nobody is answered before. */
import { HoldfastError } from '../../errors.ts';
import type { Spooled, SpooledAppend, SpooledEvent, SpoolFile } from '../../store/spool.ts';
import type { AppendAnswer } from '../../store/store.ts';

/** An append and who waits for its answer. */
export interface Waiting {
  readonly events: readonly SpooledEvent[];
  readonly resolve: (answer: AppendAnswer | Spooled) => void;
  readonly reject: (error: unknown) => void;
}

export interface Arrived extends Waiting, SpooledAppend {}

export interface InboxOptions {
  readonly file: SpoolFile;
  /** So many events are durable now. */
  readonly written: (events: number) => void;
  /** The file could not be written. */
  readonly broke: (error: unknown) => void;
  /** A write has ended, in one way or the other. */
  readonly ended: () => void;
}

/** Appends and bytes of one write. */
const ROWS_MAX = 512;
const BYTES_MAX = 4 * 1024 * 1024;
/** What an event counts for besides its body, until its row is written. */
const HEAD_BYTES = 1024;

export class Inbox {
  readonly #options: InboxOptions;
  #waiting: Arrived[] = [];
  #bytes = 0;
  #writing: Promise<void> | null = null;
  #held = false;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** About how many bytes are not in the file yet. */
  get bytes(): number {
    return this.#bytes;
  }

  add(arrived: Arrived): void {
    this.#waiting.push(arrived);
    this.#bytes += bytesOf(arrived);
    this.#start();
  }

  /** From when this resolves until `release` nothing is written: who comes waits. */
  async hold(): Promise<void> {
    this.#held = true;
    await this.#writing;
  }

  get isHeld(): boolean {
    return this.#held;
  }

  release(): void {
    this.#held = false;
    this.#start();
  }

  /** Everything that is not being written. */
  takeAll(): readonly Arrived[] {
    const all = this.#waiting.splice(0);
    for (const one of all) this.#bytes -= bytesOf(one);
    return all;
  }

  /** Resolves when nothing waits. */
  async empty(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  #start(): void {
    if (this.#writing !== null || this.#held || this.#waiting.length === 0) return;
    this.#writing = this.#write().finally(() => {
      this.#writing = null;
      this.#start();
      this.#options.ended();
    });
  }

  async #write(): Promise<void> {
    // After the sockets that are readable in this turn: what they bring is flushed with this.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#held) return;
    const batch = this.#cut();
    try {
      await this.#options.file.put(batch);
      this.#options.written(batch.reduce((sum, { events }) => sum + events.length, 0));
      for (const { resolve } of batch) resolve({ status: 'spooled' });
    } catch (error) {
      this.#options.broke(error);
      for (const { reject } of batch) reject(new HoldfastError('store_unavailable', { retryAfterS: 5, cause: error }));
    }
    for (const one of batch) this.#bytes -= bytesOf(one);
  }

  #cut(): Arrived[] {
    let bytes = 0;
    const end = this.#waiting.findIndex((one, index) => {
      bytes += bytesOf(one);
      return index >= ROWS_MAX || (index > 0 && bytes > BYTES_MAX);
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }
}

function bytesOf({ events }: Waiting): number {
  return events.reduce((sum, { event }) => sum + (event.body?.length ?? 0) + HEAD_BYTES, 0);
}
