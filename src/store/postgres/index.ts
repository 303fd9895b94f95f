/**
 * The store on PostgreSQL: shared by any number of gateways. What happens in one transaction happens in one call of a
 * function at the server, so that a commit is one round trip and one flush.
 *
 * Where to read what: `tables.ts` what is kept and why so; `commit-function.ts` a commit, with `dedupe-`, `append-`,
 * `settle-`, `replay-`, `action-` and `document-function.ts` its parts; `order-function.ts` order keys;
 * `claim-function.ts` claims and wake-ups; `purge-function.ts` retention. The other files are this side of the line.
 */
import type { Clock } from '../../core/clock.ts';
import { HoldfastError } from '../../errors.ts';
import { refuseUnfit } from '../fitness.ts';
import {
  type Append,
  type AppendAnswer,
  type CommitAnswers,
  type CommitBatch,
  type DocumentWrite,
  type HistoryStore,
  type OpenTransaction,
  type RegistryStore,
  type SettleAnswer,
  type Settlement,
  type Store,
  StoreError,
  type StoreReport,
  type WorkStore,
} from '../store.ts';
import { claim, renew, wakeUps } from './claims.ts';
import { commit, type Committing } from './commit.ts';
import { Connections, type makePool, type SynchronousCommit } from './connection.ts';
import { inspect } from './inspect.ts';
import { postgresHistory } from './history.ts';
import { migrate, quoted } from './migrate.ts';
import { Purge, SWEPT_BYTES_MAX } from './purge.ts';
import { beatDocument, getDocument, listDocuments, putDocument, Watchers } from './registry.ts';
import { storedText } from './text.ts';
import { Transactions } from './open-transaction.ts';
import type { StoreTransfer } from '../transfer.ts';
import { CallersRows, callersTransaction } from './transaction.ts';
import { type Heard, Listener } from './listener.ts';

export { postgresAddress } from './address.ts';

/** Options of {@link postgresStore}. */
export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database`, with what `pg` understands behind `?`. */
  readonly url: string;
  /** Timers: how often is looked for what other processes wrote. */
  readonly clock: Clock;
  /** The schema that everything is in. Default `holdfast`. Letters, digits and `_`; at most 40. */
  readonly schema?: string;
  /**
   * Where to listen for what other gateways commit: a session of its own, so not through a pooler in transaction mode.
   * `null`: nowhere; then what they make ready is found by looking. Default: `url`.
   */
  readonly listenUrl?: string | null;
  /** Name of this process, different from that of every other: whose claims are whose. */
  readonly process: string;
  /** For tests: connections that outlive the store, so that each of many stores need not warm up its own. */
  readonly pool?: ReturnType<typeof makePool>;
  /** Most connections of this process. Default 8. */
  readonly connectionsMax?: number;
  /** Most transactions of handlers at once, each on a connection besides those. Default 10. */
  readonly transactionsMax?: number;
  /**
   * What a commit waits for. Default `on`: the flush, and synchronous standbys where the server has some. `null`: for what
   * the server's own setting says.
   */
  readonly synchronousCommit?: SynchronousCommit | null;
  /** Takes a server that a power cut can make forget. Default: it is refused with `store_not_durable`. */
  readonly allowWeakerDurability?: boolean;
  /** After this the server ends a statement. Default 10 s. */
  readonly statementMs?: number;
  /** Bytes of a day above which it goes whole and is not swept row by row. Default 64 MiB. */
  readonly sweptBytesMax?: number;
}

/** A {@link Store} on PostgreSQL. */
const STATEMENT_MS = 10_000;

export interface PostgresStore extends Store {
  /** For tests: resolves when nothing is under way. */
  quiet(): Promise<void>;
}

/** @throws HoldfastError config_invalid when an option does not fit */
export function postgresStore(options: PostgresOptions): PostgresStore {
  return new Postgres(options);
}

interface Opened {
  readonly to: Committing;
  /** For what people look at: half of the connections at once, or a few slow searches would keep commits waiting for one. */
  readonly looks: Committing;
  readonly purge: Purge;
  readonly callers: CallersRows;
  readonly transactions: Transactions;
  readonly listener: Listener | null;
  readonly report: StoreReport;
  /** The number of the newest commit. */
  number: number;
}

class Postgres implements PostgresStore {
  readonly work: WorkStore;
  readonly history: HistoryStore;
  readonly registry: RegistryStore;
  readonly #options: PostgresOptions;
  readonly #name: string;
  readonly #watchers: Watchers;
  readonly #hearing = new Set<(destinations: readonly string[] | null, callers: boolean) => void>();
  #opened: Opened | null = null;
  #opening: Promise<StoreReport> | null = null;

  constructor(options: PostgresOptions) {
    this.#options = options;
    this.#name = options.schema ?? 'holdfast';
    if (!/^[a-z_][a-z0-9_]{0,39}$/.test(this.#name)) {
      throw new HoldfastError('config_invalid', {
        detail: `schema: expected up to 40 lower-case letters, digits and _, got '${this.#name}'.`,
      });
    }
    this.#watchers = new Watchers(options.clock, () => this.#use().to);
    this.history = postgresHistory(() => this.#use().looks);
    this.work = {
      open: () => this.#open(),
      commit: (batch) => this.#commit(batch),
      claim: async (request) => claim(this.#use().to, request),
      renew: async (claims, leaseMs) => renew(this.#use().to, claims, leaseMs),
      wakeUps: async (destinations, now) => wakeUps(this.#use().to, destinations, now),
      purge: async (request) => this.#use().purge.step(request),
      inspect: () => this.#inspect(),
      close: () => this.#close(),
      onReady: (told) => {
        this.#hearing.add(told);
        return () => void this.#hearing.delete(told);
      },
    };
    this.registry = this.#makeRegistry();
  }

  async appendIn(tx: unknown, append: Append): Promise<AppendAnswer> {
    return this.#use().callers.append(callersTransaction(tx), append);
  }

  async settleIn(tx: unknown, settlements: readonly Settlement[]): Promise<readonly SettleAnswer[]> {
    return this.#use().callers.settle(callersTransaction(tx), settlements);
  }

  async begin(idleMs: number): Promise<OpenTransaction> {
    return this.#use().transactions.begin(idleMs);
  }

  async transfer(): Promise<StoreTransfer> {
    const { postgresTransfer } = await import('./transfer.ts');
    return postgresTransfer(this.#use().to);
  }

  async quiet(): Promise<void> {
    await this.#watchers.quiet();
    await this.#opened?.to.connections.quiet();
    await this.#opened?.looks.connections.quiet();
  }

  #open(): Promise<StoreReport> {
    if (this.#opened !== null) return Promise.resolve(this.#opened.report);
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  #connections(connectionsMax: number): Connections {
    const { url, statementMs = STATEMENT_MS, synchronousCommit = 'on', pool } = this.#options;
    return new Connections({ url, connectionsMax, statementMs, synchronousCommit, pool });
  }

  #transactions(connections: Connections): Transactions {
    const { url, clock, transactionsMax = 10, synchronousCommit = 'on', statementMs = STATEMENT_MS } = this.#options;
    const answerMs = 1.5 * statementMs;
    return new Transactions({ url, transactionsMax, answerMs, synchronousCommit, connections, clock });
  }

  async #inspect(): Promise<StoreReport> {
    const connections = this.#connections(1);
    try {
      return await inspect(connections, this.#name, this.#options.clock);
    } catch (error) {
      throw unavailable(error);
    } finally {
      await connections.close();
    }
  }

  async #connect(): Promise<StoreReport> {
    const { connectionsMax = 8, allowWeakerDurability = false, sweptBytesMax = SWEPT_BYTES_MAX } = this.#options;
    const connections = this.#connections(connectionsMax);
    try {
      const found = await inspect(connections, this.#name, this.#options.clock);
      refuseUnfit(found, allowWeakerDurability);
      const report = { ...found, format: await migrate(connections, this.#name) };
      const schema = quoted(this.#name);
      const { owner, number } = await enrol(connections, schema, this.#options.process);
      const to: Committing = { connections, schema, name: this.#name, owner, leftOut: new Map() };
      const looks = { ...to, connections: connections.few(Math.max(1, Math.floor(connectionsMax / 2))) };
      const listener = await this.#listen(owner);
      const purge = new Purge(to, { sweptBytesMax });
      const transactions = this.#transactions(connections);
      this.#opened = { to, looks, purge, callers: new CallersRows(to), transactions, listener, report, number };
      return report;
    } catch (error) {
      await connections.close();
      throw unavailable(error);
    }
  }

  async #listen(owner: number): Promise<Listener | null> {
    const { url, listenUrl = url, clock } = this.#options;
    if (listenUrl === null) return null;
    const heard = ({ ready, written, callers }: Heard): void => {
      if (written) this.#watchers.look();
      if (ready === null || ready.length > 0) for (const told of this.#hearing) told(ready, callers);
    };
    const listener = new Listener({ url: listenUrl, channel: `holdfast_${this.#name}`, owner, clock, heard });
    await listener.start();
    return listener;
  }

  async #commit(batch: CommitBatch): Promise<CommitAnswers> {
    const opened = this.#use();
    const answers = await commit(opened.to, batch, ++opened.number);
    if (batch.documents.length > 0) this.#watchers.tell(new Set(batch.documents.map(({ kind }) => kind)));
    return answers;
  }

  async #close(): Promise<void> {
    const opened = this.#opened;
    if (opened === null) return;
    this.#opened = null;
    this.#hearing.clear();
    await this.#watchers.stop();
    const { connections, schema, owner } = opened.to;
    try {
      await connections.run([{ text: `SELECT ${schema}.end_claims_1($1)`, values: [owner] }]);
    } catch {
      // The server is not there: its leases end the claims.
    }
    await opened.listener?.stop();
    await opened.transactions.close();
    await connections.close();
  }

  #use(): Opened {
    if (this.#opened === null) throw new StoreError('unavailable', 'The store is not open: open it first.');
    return this.#opened;
  }

  #makeRegistry(): RegistryStore {
    return {
      get: async (kind, key) => getDocument(this.#use().to, kind, key),
      list: async (kind) => listDocuments(this.#use().to, kind),
      put: async (write: DocumentWrite) => {
        const answer = await putDocument(this.#use().to, write);
        this.#watchers.tell(new Set([write.kind]));
        return answer;
      },
      beat: async (write) => beatDocument(this.#use().to, write),
      watch: (kind, changed) => this.#watchers.watch(kind, changed),
    };
  }
}

/** While a store is opened or looked at, a server that does not answer is a mistake in the setup as likely as a failure. */
function unavailable(error: unknown): unknown {
  if (!(error instanceof StoreError)) return error;
  return new HoldfastError('store_unavailable', { detail: error.message, retryAfterS: 5, cause: error });
}

/** The number of this process, and that of the newest commit that is remembered for it. */
async function enrol(
  connections: Connections,
  schema: string,
  process: string,
): Promise<{ readonly owner: number; readonly number: number }> {
  const text = `WITH known AS (
      INSERT INTO ${schema}.process AS p (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = p.name RETURNING id)
    SELECT id, coalesce((SELECT max(number) FROM ${schema}.token WHERE owner = known.id), 0) AS number FROM known`;
  const [row] = await connections.run([{ text, values: [storedText(process)] }]);
  return { owner: Number(row?.['id']), number: Number(row?.['number']) };
}
