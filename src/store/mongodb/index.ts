/** The store on MongoDB, shared by any number of processes. See `log.ts` for what makes a commit one transaction. */
import { randomUUID } from 'node:crypto';
import type { MongoClient } from 'mongodb';
import type { Clock } from '../../core/clock.ts';
import type { IdMaker } from '../../core/id.ts';
import { HoldfastError } from '../../errors.ts';
import { refuseUnfit } from '../fitness.ts';
import {
  type CommitAnswers,
  type CommitBatch,
  type Document,
  type HistoryStore,
  type PurgeAnswer,
  type PurgeRequest,
  type RegistryStore,
  type Store,
  StoreError,
  type StoreReport,
  type WorkStore,
} from '../store.ts';
import { documentId, documentValue, putDocument } from './actions.ts';
import { beatDocument } from './beat.ts';
import { claim, giveBack, renew, wakeUps } from './claims.ts';
import { commitBatch } from './commit.ts';
import { readCounts } from './counts.ts';
import type { RegistryDocument } from './documents.ts';
import { Engine } from './engine.ts';
import { asking } from './failure.ts';
import { listDeliveries, listEvents, readAttempts, readDelivery, readEvent } from './history.ts';
import { connect, prepare, readReport } from './open.ts';
import { purge, type PurgeCursor, purgeKeys } from './purge.ts';
import { databaseTime, type StoreTime } from './time.ts';
import { Watchers } from './watchers.ts';

export interface MongoOptions {
  /** `mongodb://…` or `mongodb+srv://…`; without a database in it, the database is `holdfast`. */
  readonly url: string;
  readonly clock: Clock;
  readonly ids: IdMaker;
  /**
   * Opens although an acknowledged commit may be lost (`w` or `journal` weaker in the URL, no journal, FerretDB).
   * Default: false, and `open` throws store_not_durable.
   */
  readonly allowWeakerDurability?: boolean;
  /** Names this process among those that claim. Default: random. */
  readonly owner?: string;
  /** Where leases and due times get their time from. Default: the database's clock. */
  readonly time?: StoreTime;
}

/** A {@link Store} on MongoDB. */
export interface MongoStore extends Store {
  /** For tests: what SIGKILL does. Nothing is given back; what was in flight may or may not arrive. */
  crash(): Promise<void>;
  /** For tests: resolves when documents of others are not being looked for. */
  quiet(): Promise<void>;
}

/**
 * A store in one MongoDB database.
 * @throws HoldfastError on `open`: store_unavailable, store_not_durable, store_format
 */
export function mongoStore(options: MongoOptions): MongoStore {
  const opened = new Opened(options);
  return {
    work: workOf(opened),
    history: historyOf(opened),
    registry: registryOf(opened),
    appendIn: withoutTransactions,
    begin: withoutTransactions,
    crash: () => opened.crash(),
    quiet: () => opened.watchers.quiet(),
  };
}

/** A commit takes the next position of the one log: in a transaction it would keep everybody else from it until that ends. */
function withoutTransactions(): Promise<never> {
  const detail =
    'The store on MongoDB commits to one log, which a transaction of yours would hold up for all gateways.';
  return Promise.reject(new HoldfastError('transaction_unsupported', { detail }));
}

interface Connected {
  readonly client: MongoClient;
  readonly engine: Engine;
  readonly report: StoreReport;
}

class Opened {
  readonly watchers: Watchers;
  cursor: PurgeCursor = new Map();
  readonly #options: MongoOptions;
  readonly #owner: string;
  #opening: Promise<Connected> | null = null;
  #connected: Connected | null = null;

  constructor(options: MongoOptions) {
    this.#options = options;
    this.#owner = options.owner ?? randomUUID();
    this.watchers = new Watchers({
      owner: this.#owner,
      clock: options.clock,
      read: (ask) => this.engine().read(() => ask(this.engine().collections)),
    });
  }

  async open(): Promise<StoreReport> {
    this.#opening ??= this.#connect().then(
      (connected) => (this.#connected = connected),
      (error: unknown) => {
        this.#opening = null;
        throw error;
      },
    );
    return (await this.#opening).report;
  }

  /** @throws StoreError while the store is not open */
  engine(): Engine {
    if (this.#connected === null) throw new StoreError('unavailable', 'The store is not open.');
    return this.#connected.engine;
  }

  async inspect(): Promise<StoreReport> {
    const { client, db } = connect(this.#options.url);
    try {
      await reach(client);
      return await readReport(db, this.#options.clock);
    } finally {
      await client.close();
    }
  }

  async close(): Promise<void> {
    const connected = this.#letGo();
    if (connected === null) return;
    try {
      await connected.engine.write(giveBack);
    } catch (error) {
      // The server is away: the claims end with their leases.
      if (!(error instanceof StoreError)) throw error;
    } finally {
      await connected.engine.settled();
      await connected.client.close();
    }
  }

  async crash(): Promise<void> {
    // What is in flight is never answered: it is not waited for.
    await this.#letGo()?.client.close(true);
  }

  #letGo(): Connected | null {
    const connected = this.#connected;
    this.#connected = null;
    this.#opening = null;
    this.watchers.stop();
    return connected;
  }

  async #connect(): Promise<Connected> {
    const { url, clock, ids, allowWeakerDurability = false, time = databaseTime(clock) } = this.#options;
    const { client, db } = connect(url);
    try {
      await reach(client);
      const found = await readReport(db, clock);
      refuseUnfit(found, allowWeakerDurability);
      const report = { ...found, format: await prepare(db) };
      const engine = new Engine({ db, clock, ids, time, owner: this.#owner });
      await asking(() => time.refresh(db));
      // What another process committed and did not live to apply: nobody is waited for.
      await engine.log.head(0);
      return { client, engine, report };
    } catch (error) {
      await client.close();
      throw error;
    }
  }
}

/** @throws HoldfastError store_unavailable */
async function reach(client: MongoClient): Promise<void> {
  try {
    await client.connect();
  } catch (cause) {
    const detail = `MongoDB cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new HoldfastError('store_unavailable', { detail, cause });
  }
}

function workOf(opened: Opened): WorkStore {
  return {
    open: () => opened.open(),
    inspect: () => opened.inspect(),
    commit: async (batch) => commit(opened, batch),
    claim: async (request) => opened.engine().write((set) => claim(set, request)),
    renew: async (claims, leaseMs) => opened.engine().write((set) => renew(set, claims, leaseMs)),
    wakeUps: async (destinations, now) => {
      const engine = opened.engine();
      return engine.read(() => wakeUps(engine.collections, destinations, { database: engine.now(), caller: now }));
    },
    purge: async (request) => purgeStep(opened, request),
    close: () => opened.close(),
  };
}

async function commit(opened: Opened, batch: CommitBatch): Promise<CommitAnswers> {
  const answers = await opened.engine().commit(batch.token, (set) => commitBatch(set, batch));
  opened.watchers.tell(batch.documents.map((write) => write.kind));
  return answers;
}

async function purgeStep(opened: Opened, request: PurgeRequest): Promise<PurgeAnswer> {
  const engine = opened.engine();
  const { answer, cursor, left } = await engine.write((set) => purge(set, request, opened.cursor));
  opened.cursor = answer.more ? cursor : new Map();
  if (answer.more) return answer;
  const dedupeKeys = await engine.read(() => purgeKeys(engine.collections, engine.now(), left));
  return { ...answer, dedupeKeys, more: dedupeKeys >= left };
}

function historyOf(opened: Opened): HistoryStore {
  return {
    event: async (id) => {
      const engine = opened.engine();
      return engine.read(() => readEvent(engine.collections, id));
    },
    events: async (filter, page) => {
      const engine = opened.engine();
      return engine.read(({ seq }) => listEvents(engine.collections, { filter, page, seq }));
    },
    delivery: async (id) => {
      const engine = opened.engine();
      return engine.read(() => readDelivery(engine.collections, id, engine.now()));
    },
    deliveries: async (filter, page) => {
      const engine = opened.engine();
      return engine.read(({ seq }) => listDeliveries(engine.collections, { filter, page, seq, now: engine.now() }));
    },
    attempts: async (deliveryId) => {
      const engine = opened.engine();
      return engine.read(() => readAttempts(engine.collections, deliveryId));
    },
    counts: async () => {
      const engine = opened.engine();
      return engine.read(({ events }) => readCounts(engine.db, engine.collections, { now: engine.now(), events }));
    },
  };
}

function registryOf(opened: Opened): RegistryStore {
  return {
    get: async (kind, key) => {
      const engine = opened.engine();
      const row = await engine.read(() => engine.collections.documents.findOne({ _id: documentId(kind, key) }));
      return row === null ? null : (documentsOf([row])[0] ?? null);
    },
    put: async (write) => {
      const answer = await opened.engine().write((set) => putDocument(set, write));
      if (answer.status === 'committed') opened.watchers.tell([write.kind]);
      return answer;
    },
    beat: async (write) => {
      const engine = opened.engine();
      return asking(() => beatDocument(engine.collections, write, engine.owner), true);
    },
    list: async (kind) => {
      const engine = opened.engine();
      const rows = await engine.read(() => engine.collections.documents.find({ kind }).toArray());
      return documentsOf(rows).toSorted((a, b) => (a.key < b.key ? -1 : 1));
    },
    watch: (kind, changed) => opened.watchers.watch(kind, changed),
  };
}

/** Those that are not deleted. */
function documentsOf(rows: readonly RegistryDocument[]): Document[] {
  return rows.flatMap(({ kind, key, value, version }) =>
    value === null ? [] : [{ kind, key, value: documentValue(value), version }],
  );
}
