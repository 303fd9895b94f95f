/**
 * Connections, and transactions in one round trip: begin, settings, call and commit are sent at once. Nothing is left in a
 * session (no prepared statement, no lock, no setting), so that a pooler in transaction mode may stand between. Every call
 * has limits here and at the server, and a connection that fails or is late is thrown away; the next call makes a new one.
 */
import { Pool, type PoolClient } from 'pg';
import { StoreError } from '../store.ts';
import { isRolledBack, takesNoWrites, toStoreError } from './failure.ts';

/** What a transaction may do to the log: `on` waits for the flush (and for synchronous standbys), `off` for nothing. */
export type SynchronousCommit = 'on' | 'remote_apply' | 'remote_write' | 'local' | 'off';

/** One statement with its values. */
export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
}

/** A row as `pg` gives it. */
export type Row = Readonly<Record<string, unknown>>;

export interface ConnectionOptions {
  readonly url: string;
  /** Connections to use instead of making a pool; they are not closed. */
  readonly pool?: Pool | undefined;
  /** Most connections at once. */
  readonly connectionsMax: number;
  /** Most calls at once; who comes then waits in line. Default: as many as there are connections. */
  readonly callsMax?: number;
  /** After this the server ends a statement; the driver gives up a little later. */
  readonly statementMs: number;
  /** `null`: as the server, the role and the URL have it. */
  readonly synchronousCommit: SynchronousCommit | null;
}

const CONNECT_MS = 5_000;
/** A connection that idles longer is asked whether it is still there: what stands between may have forgotten it. */
export const KEEP_ALIVE_MS = 30_000;
const LOCK_MS = 4_000;
/** The server says that it ended a statement; only when it does not is the connection given up. */
const GRACE_MS = 2_000;

/** How one transaction differs from the usual one. */
export interface Limits {
  readonly statementMs?: number;
  readonly readOnly?: boolean;
  /** A commit: with its reply lost it is unknown what became of it. Default: such a call has failed. */
  readonly commits?: boolean;
}

/** A pool as {@link Connections} needs it. */
export function makePool(url: string, connectionsMax: number): Pool {
  const pool = new Pool({
    connectionString: url,
    max: connectionsMax,
    connectionTimeoutMillis: CONNECT_MS,
    idleTimeoutMillis: 60_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    pipeline: true,
    application_name: 'holdfast',
    allowExitOnIdle: true,
  });
  // An idle connection that the server ended is no news: the next call makes another.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

export class Connections {
  readonly #options: ConnectionOptions;
  readonly #pool: Pool;
  readonly #line: Line | null;
  #inFlight = 0;
  #quiet: (() => void)[] = [];

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#pool = options.pool ?? makePool(options.url, options.connectionsMax);
    this.#line = options.callsMax === undefined ? null : new Line(options.callsMax);
  }

  /** The same connections, of which no more than so many are used at once. */
  few(callsMax: number): Connections {
    return new Connections({ ...this.#options, pool: this.#pool, callsMax });
  }

  /**
   * Runs statements as one transaction and answers the rows of the last.
   * @throws StoreError `unavailable`; `unknown` for one that `commits` and may have
   */
  async run(statements: readonly Statement[], limits: Limits = {}): Promise<readonly Row[]> {
    this.#inFlight++;
    try {
      await this.#line?.enter();
      return await this.#run(statements, limits).finally(() => this.#line?.leave());
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) for (const resolve of this.#quiet.splice(0)) resolve();
    }
  }

  /** One statement that changes nothing. @throws StoreError unavailable */
  read(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    return this.run([{ text, values }], { readOnly: true });
  }

  /** Resolves when no call is under way. */
  quiet(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#quiet.push(resolve));
  }

  /** Lets every connection of its own go. */
  async close(): Promise<void> {
    if (this.#options.pool === undefined) await this.#pool.end();
  }

  async #run(statements: readonly Statement[], limits: Limits): Promise<readonly Row[]> {
    const client = await this.#pool.connect().catch((error: unknown) => {
      throw toStoreError(error, false);
    });
    const statementMs = limits.statementMs ?? this.#options.statementMs;
    try {
      const rows = await within(this.#transaction(client, statements, limits), statementMs + GRACE_MS);
      client.release();
      return rows;
    } catch (error) {
      client.release(!isRolledBack(error) || takesNoWrites(error));
      throw toStoreError(error, limits.commits === true);
    }
  }

  async #transaction(client: PoolClient, statements: readonly Statement[], limits: Limits): Promise<readonly Row[]> {
    const begun = client.query(this.#begin(limits));
    const done = statements.map(({ text, values }) => client.query<Row>(text, [...(values ?? [])]));
    const ended = client.query('COMMIT');
    const settled = await Promise.allSettled([begun, ...done, ended]);
    // The first failure is the cause; those after it only say that the transaction is lost. But where the connection broke
    // after a statement failed, the transaction is lost all the same.
    const failed = settled.find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason as Error;
    if ((await ended).command !== 'COMMIT')
      throw new StoreError('unavailable', 'PostgreSQL rolled the transaction back.');
    return (await done.at(-1))?.rows ?? [];
  }

  #begin({ statementMs, readOnly }: Limits): string {
    const lockMs = Math.min(LOCK_MS, statementMs ?? LOCK_MS);
    const settings = [
      `BEGIN ISOLATION LEVEL READ COMMITTED ${readOnly === true ? 'READ ONLY' : 'READ WRITE'}`,
      `SET LOCAL statement_timeout = ${Math.ceil(statementMs ?? this.#options.statementMs)}`,
      `SET LOCAL lock_timeout = ${Math.ceil(lockMs)}`,
      'SET LOCAL idle_in_transaction_session_timeout = 10000',
    ];
    const { synchronousCommit } = this.#options;
    if (readOnly !== true && synchronousCommit !== null)
      settings.push(`SET LOCAL synchronous_commit = ${synchronousCommit}`);
    return settings.join('; ');
  }
}

/** Lets a few in at once, and the others in the order in which they came. */
class Line {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** @throws StoreError unavailable for who has waited as long as one waits for a connection */
  async enter(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const late = (): void => {
      this.#waiting.delete(resolve);
      reject(new StoreError('unavailable', 'Too many look at the store at once.'));
    };
    const timer = setTimeout(late, CONNECT_MS);
    this.#waiting.add(resolve);
    await promise.finally(() => clearTimeout(timer));
  }

  leave(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free++;
    else {
      this.#waiting.delete(next);
      next();
    }
  }
}

/** The same, or an error when it takes longer. */
export async function within<Answer>(work: Promise<Answer>, limitMs: number): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
