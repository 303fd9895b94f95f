/**
 * Transactions for handlers: on connections of their own, so that slow code does not keep commits waiting. A handler gets
 * the client of `pg` itself, guarded: used after its end it would be in the transaction of another.
 */
import { Pool, type PoolClient } from 'pg';
import { HoldfastError } from '../../errors.ts';
import type { Clock } from '../../core/clock.ts';
import { type OpenTransaction, StoreError } from '../store.ts';
import { type Connections, KEEP_ALIVE_MS, type SynchronousCommit, within } from './connection.ts';
import { isRolledBack, toStoreError } from './failure.ts';

export interface TransactionsOptions {
  readonly url: string;
  /** Most at once; whoever comes then waits. */
  readonly transactionsMax: number;
  /** How long the server may take to begin or to commit: no code of the handler's runs then. */
  readonly answerMs: number;
  /** `null`: what the server's own setting says. */
  readonly synchronousCommit: SynchronousCommit | null;
  /** Asked what became of a commit whose reply was lost. */
  readonly connections: Connections;
  readonly clock: Clock;
}

/** For a connection, or for one of the transactions to end: that of a handler's default timeout. */
const CONNECT_MS = 30_000;
/** How long a rollback may wait for what is under way: before that is cancelled, and after. */
const PATIENCE_MS = 100;
const ROLLBACK_MS = 2_000;
/** How long to ask what became of a commit, and how often. */
const FATE_MS = 30_000;
const FATE_PAUSE_MS = 50;

export class Transactions {
  readonly #options: TransactionsOptions;
  #pool: Pool | null = null;

  constructor(options: TransactionsOptions) {
    this.#options = options;
  }

  /** @throws StoreError unavailable */
  async begin(idleMs: number): Promise<OpenTransaction> {
    const { synchronousCommit, answerMs } = this.#options;
    this.#pool ??= this.#makePool();
    let client: PoolClient | null = null;
    try {
      client = await this.#pool.connect();
      const settings = [
        'BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE',
        `SET LOCAL idle_in_transaction_session_timeout = ${Math.ceil(idleMs)}`,
        ...(synchronousCommit === null ? [] : [`SET LOCAL synchronous_commit = ${synchronousCommit}`]),
      ];
      const begun = client.query(settings.join('; '));
      const asked = client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      const [, { rows }] = await within(Promise.all([begun, asked]), answerMs);
      return new HandlerTransaction(client, Number(rows[0]?.pid), this.#options);
    } catch (error) {
      client?.release(true);
      throw toStoreError(error, false);
    }
  }

  async close(): Promise<void> {
    await this.#pool?.end();
    this.#pool = null;
  }

  #makePool(): Pool {
    const pool = new Pool({
      connectionString: this.#options.url,
      max: this.#options.transactionsMax,
      connectionTimeoutMillis: CONNECT_MS,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
      application_name: 'holdfast handler',
      allowExitOnIdle: true,
    });
    // A connection that the server ended shows in the next call on it.
    pool.on('error', () => undefined);
    pool.on('connect', (client) => client.on('error', () => undefined));
    return pool;
  }
}

class HandlerTransaction implements OpenTransaction {
  readonly tx: unknown;
  readonly #client: PoolClient;
  readonly #options: TransactionsOptions;
  /** Of the server process: the one that a pooler shows is its own. */
  readonly #pid: number;
  #ended = false;

  constructor(client: PoolClient, pid: number, options: TransactionsOptions) {
    this.#pid = pid;
    this.#client = client;
    this.#options = options;
    this.tx = guarded(client, () => this.#ended);
  }

  async commit(): Promise<void> {
    const client = this.#client;
    const { answerMs } = this.#options;
    this.#ended = true;
    let id: string | null = null;
    try {
      const asked = client.query<{ id: string }>('SELECT pg_current_xact_id()::text AS id');
      id = (await within(asked, answerMs)).rows[0]?.id ?? null;
      const { command } = await within(client.query('COMMIT'), answerMs);
      client.release();
      if (command !== 'COMMIT') throw new StoreError('unavailable', 'PostgreSQL rolled the transaction back.');
    } catch (error) {
      if (error instanceof StoreError) throw error;
      client.release(true);
      // Before it had its number nothing asked for a commit; and what the server refuses is rolled back.
      if (id === null || isRolledBack(error)) throw error;
      await this.#fateOf(id, error);
    }
  }

  async rollback(): Promise<boolean> {
    if (this.#ended) return true;
    this.#ended = true;
    const undone = this.#client.query('ROLLBACK').then(
      () => true,
      () => false,
    );
    let ok = await Promise.race([undone, this.#pause(PATIENCE_MS)]);
    if (!ok) {
      // Closing the connection would not end the statement, which would keep its locks until it ends by itself.
      await this.#options.connections
        .run([{ text: 'SELECT pg_cancel_backend($1)', values: [this.#pid] }])
        .catch(() => null);
      ok = await Promise.race([undone, this.#pause(ROLLBACK_MS)]);
    }
    this.#client.release(!ok);
    return ok;
  }

  /** The server keeps what became of each transaction; one whose connection broke is in progress until it notices. */
  async #fateOf(id: string, cause: unknown): Promise<void> {
    const { clock, connections } = this.#options;
    const until = clock.monotonic() + FATE_MS;
    while (clock.monotonic() < until) {
      const fate = await connections.read('SELECT pg_xact_status($1::text::xid8) AS fate', [id]).then(
        ([row]) => row?.['fate'],
        () => undefined, // The server is not there; it is asked again.
      );
      if (fate === 'committed') return;
      if (fate === 'aborted')
        throw new StoreError('unavailable', 'The connection broke and the transaction was rolled back.', cause);
      await this.#pause(FATE_PAUSE_MS);
    }
    throw new StoreError(
      'unknown',
      'The connection broke, and nobody says whether the transaction was committed.',
      cause,
    );
  }

  #pause(ms: number): Promise<false> {
    return new Promise((resolve) => this.#options.clock.schedule(ms, () => resolve(false)));
  }
}

const REFUSED = 'The connection of ctx.transaction is not yours to release, nor to use after its end.';

/** The client, as long as its transaction goes on. */
function guarded(client: PoolClient, ended: () => boolean): PoolClient {
  return new Proxy(client, {
    get(target, name): unknown {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]): unknown => {
        if (name === 'release' || (ended() && name === 'query'))
          throw new HoldfastError('attempt_ended', { detail: REFUSED });
        return Reflect.apply(value, target, given);
      };
    },
  });
}
