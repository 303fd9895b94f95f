/** An open store: the connections, what is in memory, and the one line in which everything that writes stands. */
import { statSync } from 'node:fs';
import type { Clock } from '../../core/clock.ts';
import { idBytes, type IdMaker, idTime } from '../../core/id.ts';
import { StoreError, type StoreReport } from '../store.ts';
import { Checkpoints } from './checkpoints.ts';
import { assertVersion, connectReader, connectWriter, createFile, readBack, type Synchronous } from './connection.ts';
import { BUCKET_KEYS } from './dedupe.ts';
import { damagedFile, isDamage, toStoreError } from './failure.ts';
import { check, type Found, load, migrate } from './open.ts';
import { fileBehind, type Ownership, takeOwnership } from './ownership.ts';
import { Reader } from './reader.ts';
import { recover } from './recover.ts';
import { FORMAT } from './schema.ts';
import { State } from './state.ts';
import { StillThere } from './still-there.ts';
import { finishSwap } from './swap.ts';
import { Turn } from './turn.ts';
import { type Failpoint, Txn } from './txn.ts';
import { InlineWriter, ThreadWriter, type Writer } from './writer.ts';

export interface SqliteOptions {
  /** The database file; `-wal`, `-shm` and `.lock` lie beside it. Its directory is made when it is not there. */
  readonly path: string;
  readonly clock: Clock;
  readonly ids: IdMaker;
  /** FULL (default) survives a power cut. Weaker ones survive the end of the process only, and the report says so. */
  readonly synchronous?: Synchronous;
  /**
   * Where commits run: in a thread (default), or on the event loop. Measured with 64 senders beside 25 µs of other work
   * a request (bench/store.ts --load): the thread costs 2 to 5 µs of CPU an event more and serves as many or more; on
   * a quiet disk both keep the event-loop delay p99 at 5 ms, on a busy one the thread keeps it at 11 ms and the event
   * loop's own commits make it 40 to 70. A disk that hangs would stop an inline gateway whole, health checks included.
   */
  readonly writer?: 'thread' | 'inline';
  /** Dedupe keys that are held in memory before they become a run on disk. Default 131,072. */
  readonly bucketKeys?: number;
  /** Called at labelled points of a commit; for tests that end the process there. */
  readonly failpoint?: Failpoint;
}

export class Engine {
  readonly options: SqliteOptions;
  readonly report: StoreReport;
  readonly state: State;
  readonly #ownership: Ownership;
  readonly #reader: Reader;
  readonly #writer: Writer;
  readonly #checkpoints: Checkpoints;
  readonly #turn = new Turn();
  readonly #stillThere: StillThere;
  /** What decides about deliveries nobody claimed, while it runs: claims wait for it. */
  #wide: Promise<unknown> | null = null;
  #fatal: StoreError | null = null;

  private constructor(options: SqliteOptions, parts: Parts) {
    this.options = options;
    this.report = parts.report;
    this.state = parts.state;
    this.#ownership = parts.ownership;
    this.#reader = parts.reader;
    this.#writer = parts.writer;
    this.#checkpoints = new Checkpoints(options, this.#writer, this.#turn);
    this.#stillThere = new StillThere(options.path, options.clock);
  }

  /** @throws HoldfastError store_owned, store_corrupt, store_format, store_not_durable, sqlite_too_old */
  static async open(given: SqliteOptions): Promise<Engine> {
    const options = { ...given, path: fileBehind(given.path) };
    const ownership = takeOwnership(options.path);
    const opened: { close(): void | Promise<void> }[] = [];
    try {
      finishSwap(options.path);
      createFile(options.path);
      return await Engine.#open(options, ownership, opened);
    } catch (error) {
      for (const part of opened) await part.close();
      ownership.release();
      throw isDamage(error) ? damagedFile(options.path, error) : toStoreError(error, true);
    }
  }

  static async #open(options: SqliteOptions, ownership: Ownership, opened: Closable[]): Promise<Engine> {
    const synchronous = options.synchronous ?? 'FULL';
    const database = connectWriter(options.path, synchronous);
    opened.push({ close: () => void (database.isOpen && database.close()) });
    const version = assertVersion(database);
    const settings = { sqlite: version, ...readBack(database, synchronous) };
    check(database, options.path);
    const found = migrate(database);
    const reader = new Reader(connectReader(options.path));
    opened.push(reader);
    const { clock } = options;
    const state = new State({ clock, reader, boot: found.boot, bucketKeys: options.bucketKeys ?? BUCKET_KEYS });
    load(state);
    const highest = idBytes(state.highId);
    if (highest !== null) options.ids.startAfter(idTime(highest));
    const inline = new InlineWriter(database);
    const now = clock.now();
    await recover(new Txn({ state, writer: inline, now, leaseMs: 0, failpoint: undefined }), found);
    const writer = options.writer === 'inline' ? inline : new ThreadWriter({ path: options.path, synchronous });
    if (writer !== inline) await inline.close();
    opened.push(writer);
    return new Engine(options, { ownership, reader, writer, state, report: reportOf(synchronous, settings, found) });
  }

  /** Runs what writes, in its turn, as one transaction. `wide`: nothing is claimed meanwhile. */
  write<Result>(at: WriteOptions, work: (txn: Txn) => Promise<Result>): Promise<Result> {
    const running = this.#turn.take(() => this.#transact(at, work));
    if (at.wide) {
      const wide = running.catch(() => undefined).then(() => void (this.#wide === wide && (this.#wide = null)));
      this.#wide = wide;
    }
    return running;
  }

  /** Waits for what decides about deliveries nobody claimed. */
  async settled(): Promise<void> {
    while (this.#wide !== null) await this.#wide;
    this.assertSound();
  }

  /** @throws StoreError fatal, once something fatal happened */
  assertSound(): void {
    if (this.#fatal !== null) throw this.#fatal;
  }

  /** Bytes of the database with its log. */
  bytesOnDisk(): number {
    const sizes = [this.options.path, `${this.options.path}-wal`].map((path) => sizeOf(path));
    return sizes.reduce((sum, size) => sum + size, 0);
  }

  async close(): Promise<void> {
    // Before taking a turn: a checkpoint under way may be waiting for one.
    await this.#checkpoints.close();
    await this.#turn.take(async () => {
      if (this.#fatal === null) await this.#sayGoodbye();
      await this.#writer.close();
      this.#reader.close();
      this.#ownership.release();
    });
  }

  async #transact<Result>(at: WriteOptions, work: (txn: Txn) => Promise<Result>): Promise<Result> {
    this.assertSound();
    this.state.expire();
    const { failpoint } = this.options;
    const txn = new Txn({ state: this.state, writer: this.#writer, now: at.now, leaseMs: at.leaseMs, failpoint });
    try {
      this.#stillThere.look();
      const result = await work(txn);
      this.#checkpoints.wrote(txn.bytes);
      return result;
    } catch (error) {
      await this.#giveUp(txn, error);
      throw error;
    }
  }

  /** Takes a failed transaction back; what cannot be taken back, and every I/O error, is fatal for good. */
  async #giveUp(txn: Txn, error: unknown): Promise<void> {
    if (error instanceof StoreError && error.failure === 'fatal') this.#fatal = error;
    try {
      await txn.rollBack();
    } catch (cause) {
      this.#fatal ??= new StoreError('fatal', 'A transaction could not be taken back.', cause);
    }
    if (txn.isDone) this.#fatal ??= new StoreError('fatal', 'What was committed could not be applied.', error);
  }

  async #sayGoodbye(): Promise<void> {
    try {
      const steps = [{ statement: 'setMeta' as const, params: ['clean', 1] }];
      await this.#writer.run({ begin: true, steps, commit: true });
      const sql = 'PRAGMA wal_checkpoint(TRUNCATE)';
      await this.#writer.run({ begin: false, steps: [{ statement: { sql }, params: [] }], commit: false });
    } catch {
      // The file stays marked as in use: the next start recovers, which is safe.
    }
  }
}

type Closable = { close(): void | Promise<void> };

interface Parts {
  readonly ownership: Ownership;
  readonly reader: Reader;
  readonly writer: Writer;
  readonly state: State;
  readonly report: StoreReport;
}

export interface WriteOptions {
  readonly now: number;
  readonly leaseMs: number;
  readonly wide: boolean;
}

function reportOf(synchronous: Synchronous, settings: StoreReport['settings'], { unclean }: Found): StoreReport {
  const full = synchronous === 'FULL';
  return {
    driver: 'sqlite',
    ackMeaning: full
      ? 'Written and flushed to this disk: survives a crash of the process and a power cut.'
      : `Written, but flushing is set to ${synchronous}: survives a crash of the process, not a power cut.`,
    durability: full ? 'power-cut' : 'process-crash',
    copies: 1,
    version: process.versions['sqlite'] ?? null,
    settings,
    shared: false,
    weaker: full ? [] : [`synchronous = ${synchronous}`],
    lacking: [],
    clockAheadMs: null,
    unclean,
    format: FORMAT,
  };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
