/**
 * Moving the log into the database, off the event loop and off the commits. A thread with a connection of its own does
 * the bulk while commits go on; the writer does the small rest between two of them, because the log starts anew only
 * when all of it has been moved.
 */
import type { Timer } from '../../core/clock.ts';
import type { SqliteOptions } from './engine.ts';
import type { Turn } from './turn.ts';
import { ThreadLine, type ThreadReply, type Writer } from './writer.ts';

/** Log written since the last checkpoint that asks for one. */
const LOG_BYTES = 32 * 1024 * 1024;
/** What may be left for the writer to move: some milliseconds of work. */
const REST_BYTES = 4 * 1024 * 1024;
const PASSES_MAX = 4;
/** A quiet store moves its log after this long, so that it starts quickly. */
const IDLE_MS = 2000;
const IDLE_BYTES = 1024 * 1024;

export class Checkpoints {
  readonly #options: SqliteOptions;
  readonly #writer: Writer;
  readonly #turn: Turn;
  #thread: ThreadLine;
  #bytes = 0;
  #running: Promise<void> | null = null;
  #idle: Timer | null = null;
  #closed = false;

  constructor(options: SqliteOptions, writer: Writer, turn: Turn) {
    this.#options = options;
    this.#writer = writer;
    this.#turn = turn;
    this.#thread = this.#makeThread();
  }

  /** A transaction wrote about so much. */
  wrote(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes >= LOG_BYTES) this.#start();
    else if (this.#idle === null && this.#bytes >= IDLE_BYTES) this.#wait();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#idle?.cancel();
    await this.#running;
    await this.#thread.close();
  }

  #wait(): void {
    const before = this.#bytes;
    this.#idle = this.#options.clock.schedule(IDLE_MS, () => {
      this.#idle = null;
      if (this.#bytes === before) this.#start();
      else if (this.#bytes >= IDLE_BYTES) this.#wait();
    });
  }

  #start(): void {
    if (this.#running !== null || this.#closed) return;
    this.#running = this.#run().then(
      () => void (this.#running = null),
      () => void (this.#running = null),
    );
  }

  #makeThread(): ThreadLine {
    const { path, synchronous = 'FULL' } = this.#options;
    return new ThreadLine({ path, synchronous, arena: null });
  }

  /** A thread that ended (no file could be opened, no memory was left) answers no more: the next try has another. */
  async #ask(): Promise<ThreadReply> {
    try {
      return await this.#thread.ask({ kind: 'checkpoint' });
    } catch (error) {
      this.#thread = this.#makeThread();
      this.#bytes = Math.max(0, this.#bytes - LOG_BYTES);
      throw error;
    }
  }

  async #run(): Promise<void> {
    let before = 0;
    // Each pass moves what was there when it began, while commits go on; the next has that much less to do.
    for (let pass = 0; pass < PASSES_MAX && !this.#closed; pass++) {
      before = this.#bytes;
      const reply = await this.#ask();
      if ('failure' in reply) return;
      if (this.#bytes - before <= REST_BYTES) break;
    }
    if (!this.#closed) await this.#finish();
  }

  /** Between two commits nothing is added: the rest is moved, and the log starts anew with the next commit. */
  async #finish(): Promise<void> {
    const step = { statement: { sql: 'PRAGMA wal_checkpoint(PASSIVE)' }, params: [] };
    const before = this.#bytes;
    const script = { begin: false, steps: [step], commit: false };
    // In its turn: a transaction may take several scripts, and a checkpoint in the midst of one would break it.
    const { rows } = await this.#turn.take(() => this.#writer.run(script));
    const [row] = rows[0] ?? [];
    // Not whole when somebody reads from the log for long, a backup for example: then again after as much.
    if (row !== undefined && row['log'] === row['checkpointed']) this.#bytes -= before;
    else this.#bytes = Math.max(0, this.#bytes - LOG_BYTES);
  }
}
