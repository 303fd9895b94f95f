/** The embedded store: one SQLite file, owned by one process. */
import type {
  CommitAnswers,
  CommitBatch,
  Document,
  HistoryStore,
  RegistryStore,
  Store,
  StoreReport,
  WorkStore,
} from '../store.ts';
import { StoreError } from '../store.ts';
import { commitBatch, isWide } from './batch.ts';
import { Answers } from './tokens.ts';
import { claim, renew, wakeUps } from './claims.ts';
import { writeDocument } from './documents.ts';
import { Engine, type SqliteOptions } from './engine.ts';
import { history } from './history.ts';
import { purge } from './purge.ts';

export type { SqliteOptions } from './engine.ts';

/**
 * A store in one SQLite file.
 * @throws HoldfastError on `open`: store_owned, store_corrupt, store_format, store_not_durable, sqlite_too_old
 */
export function sqliteStore(options: SqliteOptions): Store {
  const opened = new Opened(options);
  return {
    work: workOf(opened),
    history: historyOf(opened),
    registry: registryOf(opened),
    transfer: async () => {
      const { transferSource } = await import('./transfer.ts');
      return { source: transferSource(opened.engine().state), target: null };
    },
  };
}

/** The engine while the store is open, and who watches documents. */
class Opened {
  readonly options: SqliteOptions;
  readonly watchers = new Map<string, Set<() => void>>();
  readonly answers = new Answers();
  #opening: Promise<Engine> | null = null;
  #engine: Engine | null = null;

  constructor(options: SqliteOptions) {
    this.options = options;
  }

  async open(): Promise<StoreReport> {
    this.#opening ??= Engine.open(this.options).then(
      (engine) => (this.#engine = engine),
      (error: unknown) => {
        this.#opening = null;
        throw error;
      },
    );
    return (await this.#opening).report;
  }

  /** @throws StoreError while the store is not open */
  engine(): Engine {
    if (this.#engine === null) throw new StoreError('unavailable', 'The store is not open.');
    return this.#engine;
  }

  async close(): Promise<void> {
    const engine = this.#engine;
    this.#engine = null;
    this.#opening = null;
    this.answers.clear();
    this.watchers.clear();
    await engine?.close();
  }

  changed(kinds: Iterable<string>): void {
    // A watcher runs on its own: what it throws is not the commit's.
    for (const kind of new Set(kinds)) for (const run of this.watchers.get(kind) ?? []) queueMicrotask(run);
  }
}

function workOf(opened: Opened): WorkStore {
  return {
    open: () => opened.open(),
    commit: (batch) => commit(opened, batch),
    claim: async (request) => {
      await opened.engine().settled();
      return claim(opened.engine().state, request);
    },
    renew: async (claims, leaseMs) => renew(opened.engine().state, claims, leaseMs),
    wakeUps: async (destinations, now) => wakeUps(opened.engine().state, destinations, now),
    purge: async (request) => {
      const at = { now: request.now, leaseMs: 0, wide: true };
      return opened.engine().write(at, (txn) => purge(txn, request));
    },
    close: () => opened.close(),
  };
}

async function commit(opened: Opened, batch: CommitBatch): Promise<CommitAnswers> {
  const known = opened.answers.get(batch.token);
  if (known !== undefined) return known;
  const at = { now: batch.now, leaseMs: batch.leaseMs, wide: isWide(batch) };
  const answers = await opened.engine().write(at, (txn) => commitBatch(txn, batch));
  opened.answers.keep(batch.token, answers);
  opened.changed(
    batch.documents.filter((_, index) => answers.documents[index]?.status === 'committed').map(({ kind }) => kind),
  );
  return answers;
}

function historyOf(opened: Opened): HistoryStore {
  const use = (): HistoryStore => history(opened.engine());
  return {
    event: async (id) => use().event(id),
    events: async (filter, page) => use().events(filter, page),
    delivery: async (id) => use().delivery(id),
    deliveries: async (filter, page) => use().deliveries(filter, page),
    attempts: async (deliveryId) => use().attempts(deliveryId),
    counts: async () => use().counts(),
  };
}

function registryOf(opened: Opened): RegistryStore {
  const sql = 'SELECT kind, key, version, value FROM document WHERE kind = ? AND value IS NOT NULL';
  const documentsOf = (rest: string, ...params: string[]): Document[] =>
    opened
      .engine()
      .state.reader.all({ sql: sql + rest }, ...params)
      .map((row) => ({
        kind: String(row['kind']),
        key: String(row['key']),
        version: Number(row['version']),
        value: JSON.parse(String(row['value'])) as Document['value'],
      }));
  return {
    get: async (kind, key) => documentsOf(' AND key = ?', kind, key)[0] ?? null,
    list: async (kind) => documentsOf(' ORDER BY key', kind),
    put: async (write) => {
      const at = { now: opened.options.clock.now(), leaseMs: 0, wide: false };
      const answer = await opened.engine().write(at, async (txn) => {
        const written = await writeDocument(txn, write);
        await txn.commit();
        return written;
      });
      if (answer.status === 'committed') opened.changed([write.kind]);
      return answer;
    },
    watch: (kind, changed) => {
      let watchers = opened.watchers.get(kind);
      if (watchers === undefined) opened.watchers.set(kind, (watchers = new Set()));
      const run = (): void => changed();
      watchers.add(run);
      return () => void watchers.delete(run);
    },
  };
}
