/**
 * The ports of a store: Work (commit, claim, settle), History (what happened) and Registry (versioned documents).
 * The store is the truth. `memory.ts` is the executable specification; `holdfast/testing` has the conformance suite.
 *
 * Failure of a whole call is a {@link StoreError}; failure of one row is that row's answer. A driver never waits
 * without a limit and never answers before what it answers for is durable in the sense of its {@link StoreReport}.
 */
import type { AttemptRecord } from '../core/delivery.ts';
import type {
  Append,
  AppendAnswer,
  Claim,
  ClaimRef,
  CommitAnswers,
  CommitBatch,
  DocumentAnswer,
  DocumentWrite,
  JsonValue,
  SettleAnswer,
  Settlement,
} from './batch.ts';
import type {
  DeliveryFilter,
  DeliveryRecord,
  EventFilter,
  EventRecord,
  EventSummary,
  Listed,
  Page,
  StoreCounts,
} from './records.ts';
import type { StoreTransfer } from './transfer.ts';

export type * from './batch.ts';
export type * from './records.ts';

/** How a call to the store failed, and with that what the caller may do. */
export type StoreFailure =
  /** Nothing was written. Try later: store down, disk full, busy. */
  | 'unavailable'
  /** The reply was lost: it may or may not have been written. Commit again with the same token to find out. */
  | 'unknown'
  /** I/O or fsync error of the embedded store: whether it was written shows after a restart. Stop; never retry. */
  | 'fatal';

export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly failure: StoreFailure;

  constructor(failure: StoreFailure, message: string, cause?: unknown) {
    super(message, { cause });
    this.failure = failure;
  }
}

/** What a commit of this store survives, read back from the store itself when it opened. */
export interface StoreReport {
  /** `memory`, `sqlite`, … */
  readonly driver: string;
  /** One sentence for people: what a 2xx from this gateway means. */
  readonly ackMeaning: string;
  /** What an acknowledged commit survives. */
  readonly durability: 'none' | 'process-crash' | 'power-cut';
  /** Copies on separate machines that hold a commit before it is acknowledged. */
  readonly copies: number;
  /** Of the server, or of the library that keeps the file; `null`: nothing but Holdfast's own. */
  readonly version: string | null;
  /** Settings as read back, for `/ready` and `doctor`: `{ synchronous: 'FULL', … }`. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** Whether several processes work on it at once. */
  readonly shared: boolean;
  /** What is set weaker than an acknowledgement promises, each as it was found; empty: nothing is. */
  readonly weaker: readonly string[];
  /** Rights that the store's user needs and lacks, by name. A store that opened lacks none. */
  readonly lacking: readonly string[];
  /** How far the clock of the server is ahead of this machine's, in ms, when asked; `null`: it is the same clock. */
  readonly clockAheadMs: number | null;
  /** Whether the last process that owned this store ended without closing it. `false` for shared stores. */
  readonly unclean: boolean;
  /** Format the store has now, and the oldest Holdfast that reads it. */
  readonly format: number;
}

// ----------------------------------------------------------------------------------------------- Work: claim, wake

/** How much of one destination's ready work to claim. */
export interface ClaimWant {
  readonly destination: string;
  readonly slots: number;
  /** Only those with no attempt spent, which retries (mostly older commits) stand before otherwise. Default: any. */
  readonly firsts?: boolean;
  /** Stops after the delivery whose event brings the sum of body bytes above this. */
  readonly bytesMax: number;
}

export interface ClaimRequest {
  readonly now: number;
  readonly leaseMs: number;
  readonly wants: readonly ClaimWant[];
  /**
   * Claim just these, where they are ready (hints from a broker); then `wants` only says which destinations, and its
   * slots and bytes do not count.
   */
  readonly ids?: readonly string[];
}

export interface ClaimAnswer {
  /** By destination in the order of `wants`, each in the order of their commits, as far as they were ready. */
  readonly claims: readonly Claim[];
  /** Destinations of `wants` that have more ready work than was claimed. */
  readonly more: readonly string[];
}

export interface WakeUps {
  /** Destinations with at least one ready, unclaimed delivery. */
  readonly ready: readonly string[];
  /** The next time (ms since 1970) at which a delivery of one of them falls due or a lease ends; `null`: none. */
  readonly nextAt: number | null;
}

/**
 * The four clocks of retention, in milliseconds; `null` keeps for ever. An event goes with all of its deliveries, and
 * never while one of them is open. Its age counts from when it was received, or the last of its deliveries ended or
 * was resolved, whichever is latest; it goes when its age reaches the clock that is its own:
 * `deadLettersMs` while it has an unresolved dead letter, `unmatchedMs` if it owed nothing, was never replayed and
 * repeats none, else `eventsMs`.
 * (The fourth clock, of dedupe keys, is `dedupeWindowMs`.)
 */
export interface Retention {
  /** Bodies of events that `eventsMs` is the clock of: the others keep theirs as long as they are kept. */
  readonly bodiesMs: number | null;
  readonly eventsMs: number | null;
  readonly unmatchedMs: number | null;
  /** Resolved dead letters go with `eventsMs`; unresolved ones, and the hold on their order key, after this. */
  readonly deadLettersMs: number | null;
}

export interface PurgeRequest {
  readonly now: number;
  readonly retention: Retention;
  /** Open, unclaimed deliveries of these destinations committed before the time become dead letters `held_too_long`. */
  readonly heldBefore: readonly { readonly destination: string; readonly before: number }[];
  /** About how many rows one call may touch: a small step that does not disturb commits. */
  readonly limit: number;
}

export interface PurgeAnswer {
  /** Bodies purged from events that stay. */
  readonly bodies: number;
  readonly events: number;
  /** Unresolved dead letters that went with their events. */
  readonly deadLetters: number;
  /** Keys forgotten. A driver may forget them later than their window ends: they do not count after it either way. */
  readonly dedupeKeys: number;
  readonly held: number;
  /** Whether another call would find more to do. */
  readonly more: boolean;
}

/** Commits, claims and purges. One instance per process. */
export interface WorkStore {
  /**
   * Takes ownership or connects, migrates, checks and reports durability. Repeat: the same report.
   * After a crash: recovers first; deliveries marked started count one crash more (embedded stores).
   * @throws HoldfastError store_owned, store_corrupt, store_format, store_not_durable, sqlite_too_old; of shared stores
   *   store_unavailable, when they cannot be reached, and store_forbidden
   */
  open(): Promise<StoreReport>;
  /**
   * Shared stores: the report of a store that need not be open, also of one that `open` would refuse. Changes nothing: no
   * schema is made (the format is 0 then), no claim, no process. Repeat: asks again.
   * @throws HoldfastError store_unavailable, config_invalid
   */
  inspect?(): Promise<StoreReport>;
  /**
   * Makes the batch durable as one transaction and answers per row. Empty batch: a durable no-op.
   * Crash before it resolves: all of it or nothing. Repeat with the same token: the first answers.
   * The caller has at most one commit in flight.
   * @throws StoreError
   */
  commit(batch: CommitBatch): Promise<CommitAnswers>;
  /**
   * Claims ready deliveries, per destination in the order of their commits. Empty when nothing is ready.
   * A claim is good until `leaseMs` from now; a crash ends it (embedded: at once; shared: with its lease).
   * Shared stores: a claim of what was marked started, and whose lease ended since, counts one crash more: it takes over
   * from a process that died, or stood still. From CRASHES_MAX on it is to be settled as dead letter `crashed`, untried: only
   * whoever claims knows whether that holds its order key, and who is to be told.
   * @throws StoreError
   */
  claim(request: ClaimRequest): Promise<ClaimAnswer>;
  /**
   * Extends leases to `leaseMs` from now (also when that is sooner). Answers those that are no longer current, in the
   * order given; for these the attempt is to be abandoned.
   */
  renew(claims: readonly ClaimRef[], leaseMs: number): Promise<readonly ClaimRef[]>;
  /** What has work and when to look again, for these destinations only. Changes nothing. */
  wakeUps(destinations: readonly string[], now: number): Promise<WakeUps>;
  /** One small step of retention. Repeat until `more` is false. Crash: what was done stays done. */
  purge(request: PurgeRequest): Promise<PurgeAnswer>;
  /** Checkpoints and lets go. Claims end. Safe twice and unopened. */
  close(): Promise<void>;
  /**
   * Shared stores that can: calls `told` when another process made something ready without handing it off; `null`: any
   * destination. `callers`: it was a transaction of a caller's own, of which no process knows when it commits. A hint that
   * may come late, twice or never: whoever waits for work looks now and then all the same. Returns the way to stop.
   */
  onReady?(told: (destinations: readonly string[] | null, callers: boolean) => void): () => void;
}

/** What happened. Reads only; never blocks commits; sees every commit that was answered before the call. */
export interface HistoryStore {
  event(id: string): Promise<EventRecord | null>;
  events(filter: EventFilter, page: Page): Promise<Listed<EventSummary>>;
  delivery(id: string): Promise<DeliveryRecord | null>;
  deliveries(filter: DeliveryFilter, page: Page): Promise<Listed<DeliveryRecord>>;
  /** The kept attempts of a delivery, oldest first; at most the newest 100. */
  attempts(deliveryId: string): Promise<readonly AttemptRecord[]>;
  counts(): Promise<StoreCounts>;
}

// -------------------------------------------------------------------------------------------------------- Registry

export interface Document {
  readonly kind: string;
  readonly key: string;
  readonly value: JsonValue;
  /** Rises with every write of this kind and key, from 1; deleting it and writing it again does not start over. */
  readonly version: number;
}

/** Versioned documents: endpoints, pauses, tokens, replays, processes, audit. Few and small. */
export interface RegistryStore {
  get(kind: string, key: string): Promise<Document | null>;
  /**
   * Writes one document durably. `conflict` when it does not have the version asked for (a deleted one has 0).
   * A deletion answers the version it was given; where nothing was there it changes nothing and answers the last one.
   */
  put(write: DocumentWrite): Promise<DocumentAnswer>;
  /**
   * Shared stores: like `put`, for what is written again and again (that a process lives): it costs less, nobody is told,
   * and only the newest is kept. A document that is written so is never written otherwise. Embedded stores have none:
   * no other process is there to read it.
   */
  beat?(write: DocumentWrite): Promise<DocumentAnswer>;
  /** All of a kind, by key. */
  list(kind: string): Promise<readonly Document[]>;
  /** Calls `changed` after documents of this kind were written, by any process, within 5 s. Returns the way to stop. */
  watch(kind: string, changed: () => void): () => void;
}

/** A transaction that a store began for code of the application, on a connection that nothing else uses meanwhile. */
export interface OpenTransaction {
  /** What the code writes through, and what `appendIn` and `settleIn` take. Not to be used after the end. */
  readonly tx: unknown;
  /**
   * Makes it durable. Where the reply is lost it finds out what became of it before it answers.
   * @throws StoreError `unavailable`: nothing of it is there; `unknown`: that could not be found out. The database's own
   *   errors: it refused, and nothing of it is there
   */
  commit(): Promise<void>;
  /**
   * Gives it up, also while something is under way in it. Never fails. Safe twice, and nothing after a commit.
   * @returns whether the server took it; `false`: the connection broke, or nobody answered
   */
  rollback(): Promise<boolean>;
}

/** What a driver gives. */
export interface Store {
  readonly work: WorkStore;
  readonly history: HistoryStore;
  readonly registry: RegistryStore;
  /**
   * Databases that an application has its own tables in: appends in a transaction of the caller's own, `tx` being what the
   * driver says it takes. It is there when the caller commits, and nothing is handed off. Crash or rollback: nothing.
   * Until the transaction ends, commits with the same dedupe or order keys wait for it.
   * @throws HoldfastError invalid_input when `tx` is not what the driver takes; the database's own errors
   */
  appendIn?(tx: unknown, append: Append): Promise<AppendAnswer>;
  /**
   * Like `appendIn`: outcomes of different claims, with what their handler itself wrote, in the handler's transaction.
   * One that is refused leaves the others and the transaction as they are: it is for the caller to roll back.
   */
  settleIn?(tx: unknown, settlements: readonly Settlement[]): Promise<readonly SettleAnswer[]>;
  /**
   * Begins a transaction for code of the application; stores that have `settleIn` have it too. The database ends it when
   * nothing happened in it for `idleMs`. Crash: nothing of it is there.
   * @throws StoreError unavailable; HoldfastError transaction_unsupported where the server has none
   */
  begin?(idleMs: number): Promise<OpenTransaction>;
  /** Stores that can move into another, or be moved into: of the open store, while no gateway works on it. */
  transfer?(): Promise<StoreTransfer>;
}
