/**
 * The store in memory: the executable specification of the ports, and what `store: 'memory:'` and `testGateway` use.
 * The simplest code that is right; every other driver is compared with it. Nothing survives the process.
 *
 * Where to read what: `memory/rows.ts` what is kept, `memory/lanes.ts` what is ready, `memory/append.ts`, `settle.ts`
 * and `actions.ts` the rows of a commit, `memory/claims.ts` claims and crashes, `memory/purge.ts` retention.
 */
import { randomFillSync } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import { IdMaker } from '../core/id.ts';
import { act, putDocument, replay } from './memory/actions.ts';
import { append } from './memory/append.ts';
import { claim, endClaims, renew, wakeUps } from './memory/claims.ts';
import { memoryHistory } from './memory/history.ts';
import { purge } from './memory/purge.ts';
import { release, settle, start } from './memory/settle.ts';
import { Tables } from './memory/tables.ts';
import {
  type CommitAnswers,
  type CommitBatch,
  type DocumentAnswer,
  type DocumentWrite,
  type HistoryStore,
  type RegistryStore,
  type Store,
  StoreError,
  type StoreReport,
  type WorkStore,
} from './store.ts';

/** Commits whose answers are remembered for a repeat of their token. */
const TOKENS_KEPT = 2;

/** Options of {@link memoryStore}. */
export interface MemoryStoreOptions {
  /** Time for leases (monotonic) and for what no caller gives a time for. */
  readonly clock: Clock;
  /** Makes the ids of deliveries. Default: one with the system's randomness. */
  readonly ids?: IdMaker;
  /** Events with a larger body are refused `too_large`. Default: no limit. */
  readonly rowBytesMax?: number;
  /**
   * For tests: does what a store does that several processes share. `crash` and `open` are those of one process of many:
   * leases go on. Default: one process owns it.
   */
  readonly shared?: boolean;
}

/** A {@link Store} in memory. What it holds lives as long as the object, through `close` and `open` again. */
export interface MemoryStore extends Store {
  /** For tests: what SIGKILL does. Nothing is closed; the next `open` recovers and reports `unclean`. */
  crash(): void;
}

/** Makes an empty store in memory. */
export function memoryStore(options: MemoryStoreOptions): MemoryStore {
  return new Memory(options);
}

class Memory implements MemoryStore {
  readonly work: WorkStore;
  readonly history: HistoryStore;
  readonly registry: RegistryStore;
  readonly #tables: Tables;
  /** The newest commits, oldest first. */
  readonly #answers = new Map<string, CommitAnswers>();
  readonly #watchers = new Set<{ readonly kind: string; readonly changed: () => void }>();
  #state: 'closed' | 'open' | 'crashed' = 'closed';
  #report: StoreReport;

  constructor({ clock, ids, rowBytesMax = Number.POSITIVE_INFINITY, shared = false }: MemoryStoreOptions) {
    const maker = ids ?? new IdMaker({ now: () => clock.now(), fill: (bytes) => void randomFillSync(bytes) });
    this.#tables = new Tables({ clock, ids: maker, rowBytesMax, isShared: shared });
    this.#report = report(false, shared);
    this.history = memoryHistory(() => this.#use());
    this.work = {
      open: async () => this.#open(),
      commit: async (batch) => this.#commit(batch),
      claim: async (request) => this.#change((tables) => claim(tables, request)),
      renew: async (claims, leaseMs) => this.#change((tables) => renew(tables, claims, leaseMs)),
      wakeUps: async (destinations, now) => wakeUps(this.#use(), destinations, now),
      purge: async (request) => this.#change((tables) => purge(tables, request)),
      close: async () => this.#close(),
    };
    this.registry = this.#makeRegistry();
  }

  crash(): void {
    if (this.#state !== 'open') return;
    this.#watchers.clear();
    this.#state = 'crashed';
  }

  #open(): StoreReport {
    if (this.#state === 'open') return this.#report;
    const hasCrashed = this.#state === 'crashed';
    const { isShared } = this.#tables;
    const unclean = hasCrashed && !isShared;
    this.#state = 'open';
    if (unclean || !hasCrashed) this.#change((tables) => endClaims(tables, unclean));
    this.#report = report(unclean, isShared);
    return this.#report;
  }

  #close(): void {
    if (this.#state !== 'open') return;
    this.#watchers.clear();
    this.#state = 'closed';
  }

  /** The tables as of now: leases that ended have ended. */
  #use(): Tables {
    if (this.#state !== 'open') throw new StoreError('unavailable', `The store is ${this.#state}: open it first.`);
    this.#tables.lanes.expire(this.#tables.clock.monotonic());
    return this.#tables;
  }

  /** All of `work`, or nothing of it. */
  #change<Result>(work: (tables: Tables) => Result): Result {
    const tables = this.#use();
    return tables.journal.atomically(() => work(tables));
  }

  #commit(batch: CommitBatch): CommitAnswers {
    this.#use();
    const known = this.#answers.get(batch.token);
    if (known !== undefined) return known;
    const answers = this.#change((tables) => apply(tables, batch));
    this.#remember(batch.token, answers);
    this.#tell(new Set(batch.documents.map((write) => write.kind)));
    return answers;
  }

  #remember(token: string, answers: CommitAnswers): void {
    this.#answers.set(token, answers);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > TOKENS_KEPT && oldest !== undefined) this.#answers.delete(oldest);
  }

  /** A watcher runs on its own: what it throws is not the commit's. */
  #tell(kinds: ReadonlySet<string>): void {
    for (const { kind, changed } of this.#watchers) {
      if (kinds.has(kind)) queueMicrotask(changed);
    }
  }

  #makeRegistry(): RegistryStore {
    const beat = async (write: DocumentWrite): Promise<DocumentAnswer> =>
      this.#change((tables) => putDocument(tables, write));
    return {
      ...(this.#tables.isShared && { beat }),
      get: async (kind, key) => {
        const { value, version } = this.#use().document(kind, key);
        return value === null ? null : { kind, key, value, version };
      },
      put: async (write: DocumentWrite) => {
        const answer = this.#change((tables) => putDocument(tables, write));
        this.#tell(new Set([write.kind]));
        return answer;
      },
      list: async (kind) =>
        [...this.#use().documents.values()]
          .flatMap(({ value, ...row }) => (row.kind === kind && value !== null ? [{ ...row, value }] : []))
          .toSorted((a, b) => (a.key < b.key ? -1 : 1)),
      watch: (kind, changed) => {
        const watcher = { kind, changed };
        this.#watchers.add(watcher);
        return () => void this.#watchers.delete(watcher);
      },
    };
  }
}

/** Applies the rows of a batch in the order that {@link CommitBatch} says. */
function apply(tables: Tables, batch: CommitBatch): CommitAnswers {
  tables.lanes.forgetOffers();
  const starts = batch.starts.map((ref) => start(tables, ref));
  const settlements = batch.settlements.map((item) => settle(tables, batch, item));
  const releases = batch.releases.map((item) => release(tables, batch, item));
  const replays = batch.replays.map((row) => replay(tables, batch, row));
  const actions = batch.actions.map((action) => act(tables, batch, action));
  const appends = batch.appends.map((item) => append(tables, batch, item));
  const documents = batch.documents.map((write) => putDocument(tables, write));
  const ready = tables.lanes.offered(batch.now);
  return { appends, starts, settlements, releases, replays, actions, documents, ready };
}

function report(unclean: boolean, shared: boolean): StoreReport {
  return {
    driver: 'memory',
    ackMeaning: 'The event is in the memory of this process: a restart or a crash loses it.',
    durability: 'none',
    copies: 1,
    version: null,
    settings: {},
    shared,
    weaker: [],
    lacking: [],
    clockAheadMs: null,
    unclean,
    format: 1,
  };
}
