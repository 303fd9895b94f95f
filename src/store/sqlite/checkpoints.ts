/**
 * Moving the log into the database, off the event loop and off the commits. A thread with a connection of its own does
 * the bulk while commits go on; only when they never pause does the writer do the small rest between two of them,
 * because the log starts anew only when all of it has been moved.
 */
import type { Timer } from '../../core/clock.ts';
import type { SqliteOptions } from './engine.ts';
import { ThreadLine, type ThreadReply, type Writer } from './writer.ts';

/** Log written since the last checkpoint that asks for one. */
const LOG_BYTES = 32 * 1024 * 1024;
/** A log of this many times as much is not left to chance. */
const FORCE_AT = 2;
/** A quiet store moves its log after this long, so that it starts quickly. */
const IDLE_MS = 2000;
const IDLE_BYTES = 1024 * 1024;

export class Checkpoints {
  readonly #options: SqliteOptions;
  readonly #writer: Writer;
  readonly #thread: ThreadLine;
  #bytes = 0;
  #running: Promise<void> | null = null;
  #idle: Timer | null = null;
  #closed = false;

  constructor(options: SqliteOptions, writer: Writer) {
    this.#options = options;
    this.#writer = writer;
    this.#thread = new ThreadLine({ path: options.path, synchronous: options.synchronous ?? 'FULL', arena: null });
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

  async #run(): Promise<void> {
    const force = this.#bytes >= FORCE_AT * LOG_BYTES;
    const before = this.#bytes;
    const whole = isWhole(await this.#thread.ask({ kind: 'checkpoint' }));
    if (whole) this.#bytes -= before;
    else if (force && !this.#closed) await this.#finish();
  }

  /** Between two commits nothing is added, so what is left is moved and the log starts anew. */
  async #finish(): Promise<void> {
    const step = { statement: { sql: 'PRAGMA wal_checkpoint(PASSIVE)' }, params: [] };
    await this.#writer.run({ begin: false, steps: [step], commit: false });
    this.#bytes = 0;
  }
}

/** Whether all of the log was moved. */
function isWhole(reply: ThreadReply): boolean {
  const row = 'result' in reply ? reply.result.rows[0]?.[0] : undefined;
  return row !== undefined && row['busy'] === 0 && row['log'] === row['checkpointed'];
}
