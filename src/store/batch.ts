/** What one transaction of a store takes and answers: rows in, answers per row out. Part of the store's port. */
import type { AttemptRecord, DeadReason } from '../core/delivery.ts';
import type { StoredEvent } from '../core/event.ts';

/** One delivery that a new event owes. */
export interface NewDelivery {
  readonly destination: string;
  /** Deliveries of one destination, tenant and order key run one after the other; `null` runs freely. */
  readonly orderKey: string | null;
  /** Not attempted before this time (ms since 1970); `null`: at once. */
  readonly dueAt: number | null;
  /** Committed as a dead letter with this reason at once (a full backlog); `null`: open. */
  readonly dead: DeadReason | null;
  /**
   * `start`: claim it for this process in the same commit and mark it started; `claim`: claim it only; `no`: leave it.
   * A driver may decline (a blocked delivery, or a store that does not claim at birth): the answer has no claim then.
   */
  readonly handOff: 'no' | 'claim' | 'start';
}

/** An event to append, with what it owes. `duplicateOf` is for the store to find. */
export interface NewEvent {
  readonly event: StoredEvent;
  /**
   * How long its dedupe key is remembered, from `receivedAt`; 0 or no key: neither looked up nor remembered.
   * An event of the same source, tenant, type and key with a `receivedAt` below the first one's `receivedAt` + window
   * is a duplicate, whatever window it brings itself and also when the first has been purged. At that time or later
   * it is a new first.
   */
  readonly dedupeWindowMs: number;
  readonly deliveries: readonly NewDelivery[];
}

/** What one request or one emit call brought: all of its events are committed, or none. */
export interface Append {
  readonly events: readonly NewEvent[];
}

/**
 * The identity of a claim: what a settlement must show. The fence is `claim`: it rises with every claim. In shared stores
 * it counts the claims of the delivery, from 1.
 */
export interface ClaimRef {
  readonly deliveryId: string;
  readonly claim: number;
  /** The driver's own; give it back as it came. */
  readonly ref: unknown;
}

/** The right of this process to attempt one delivery until its lease ends. */
export interface Claim extends ClaimRef {
  readonly destination: string;
  readonly event: StoredEvent;
  readonly orderKey: string | null;
  /** Attempts spent so far. */
  readonly attempts: number;
  /**
   * Processes that ended while this was marked started. Above 0: a suspect, to be run alone, start committed first; from
   * CRASHES_MAX on: not to be run any more.
   */
  readonly crashes: number;
  /** When it was committed (ms since 1970), for lag. */
  readonly committedAt: number;
  /** The delivery it repeats; `null` unless it was made by a replay. */
  readonly replayOf: string | null;
  /** Present when a settled sync answer is already stored for the event. */
  readonly answered: boolean;
}

/** The answer of a `sync` source, stored so that a duplicate gets the same. */
export interface StoredAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  /** At most 64 KiB. */
  readonly body: Uint8Array;
}

/**
 * What became of an attempt. Every one carries the record of the try that led to it.
 * `attempts` rises by one, except with `spends: false` and with a dead letter that has no record.
 * A replay that succeeded or was skipped resolves the dead letter it repeats (by `replay`, note `replayed`), and the
 * ones that one repeats in turn.
 */
export type Outcome =
  | { readonly kind: 'succeeded'; readonly attempt: AttemptRecord }
  | { readonly kind: 'skipped'; readonly note: string; readonly attempt: AttemptRecord }
  /** `spends` false: the world was down (`Unavailable`); the record is kept, `attempts` does not rise. */
  | { readonly kind: 'retry'; readonly delayMs: number; readonly spends: boolean; readonly attempt: AttemptRecord }
  | {
      readonly kind: 'dead';
      readonly reason: DeadReason;
      readonly note: string | null;
      /** Its order key stays blocked until the dead letter is resolved (or purged). Without an order key: no effect. */
      readonly holdKey: boolean;
      readonly attempt: AttemptRecord | null;
    };

/** An outcome under a claim. Refused (with its emits) when the claim is not the current one. */
export interface Settlement {
  readonly claim: ClaimRef;
  readonly outcome: Outcome;
  /** Events the handler emitted: committed with the outcome, or not at all. */
  readonly emits: readonly NewEvent[];
  /** The first answer stored for an event stays; a later one is ignored. */
  readonly answer: StoredAnswer | null;
}

/** A claim given back without an attempt. Its mark as started goes with it. */
export interface Release {
  readonly claim: ClaimRef;
  /** Not ready again before this many milliseconds; 0: at once. */
  readonly delayMs: number;
}

/**
 * New deliveries made from past ones or for past events. At most one open replay per original; where `of` is `null`,
 * the original is the pair of event and destination. Refused, in this order:
 * `not_found`: no such event, or `of` is no delivery of this event to this destination; `body_purged`;
 * `conflict`: `of` has not ended; `replay_open`: a replay of the same original has not ended, or it was this very replay
 * that made it, which makes one of each original however often it is asked.
 */
export interface ReplayRow {
  /** `rpl_…` of the replay they belong to. */
  readonly replayId: string;
  readonly eventId: string;
  readonly destination: string;
  /** The delivery repeated; `null` when the event never owed one to this destination. */
  readonly of: string | null;
  /**
   * Whether the destination orders by key: the new delivery has the order key of `of`, else of the event, and joins
   * the tail of that key. A replay of a dead letter that holds its key takes that one's place instead, so that the key
   * can go on in order. `false`: the replay has no order key.
   */
  readonly ordered: boolean;
}

/** What a person or the gateway itself does to deliveries. */
export type Action =
  /** Dead letters become resolved, with a note. Resolved ones and anything else are passed over, not counted. */
  | { readonly kind: 'resolve'; readonly deliveryIds: readonly string[]; readonly note: string; readonly by: string }
  /**
   * Up to `limit` open, unclaimed deliveries of a destination become dead letters, the oldest commits first; repeat
   * until `affected` is 0. Claimed ones are left to their claim.
   */
  | { readonly kind: 'bury'; readonly destination: string; readonly reason: DeadReason; readonly limit: number }
  /**
   * All open deliveries of an event are cancelled, if none of its deliveries has been begun: is claimed, was marked
   * started, has an attempt, or succeeded. Otherwise nothing changes and `affected` is 0: it is too late.
   */
  | { readonly kind: 'cancel'; readonly eventId: string }
  /**
   * All that belongs to destination `from` belongs to `to` from now on: deliveries of every state, totals (added to
   * those of `to`), claims (which stay good). `affected` is 1 when anything did, else 0. Repeating it is harmless.
   */
  | { readonly kind: 'rename'; readonly from: string; readonly to: string };

/** A document written in the same transaction. See {@link RegistryStore.put}. */
export interface DocumentWrite {
  readonly kind: string;
  readonly key: string;
  /** `null` deletes it. */
  readonly value: JsonValue | null;
  /** The version it must have now: 0 for new; `null` writes over any. */
  readonly ifVersion: number | null;
}

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/**
 * One transaction. All of it is durable when `commit` resolves; rows that were refused say so and have changed nothing.
 * Rows apply in this order: starts, settlements, releases, replays, actions, appends, documents. So what is new is
 * judged by what has just ended: it is unblocked, not buried, and a duplicate gets an answer of the same batch.
 */
export interface CommitBatch {
  /**
   * `cmt_…`. A repeat of a token that was committed changes nothing and gives the first answers again. The caller has
   * one commit in flight, so that of the newest commit is remembered at least, while the store is open; a batch that
   * threw is forgotten.
   */
  readonly token: string;
  /** Wall clock of the committing process; shared stores use their own. */
  readonly now: number;
  /** How long the claims of this commit hold. */
  readonly leaseMs: number;
  readonly appends: readonly Append[];
  /** Attempts begun: after an unclean stop these are the suspects. */
  readonly starts: readonly ClaimRef[];
  readonly settlements: readonly Settlement[];
  readonly releases: readonly Release[];
  readonly replays: readonly ReplayRow[];
  readonly actions: readonly Action[];
  readonly documents: readonly DocumentWrite[];
}

export type RefusedReason =
  /**
   * The claim is not the current one: its lease ended (at that very millisecond), it was
   * given back, or the delivery ended.
   */
  | 'stale_claim'
  | 'not_found'
  | 'body_purged'
  | 'replay_open'
  /** The document has another version; the delivery to replay has not ended. */
  | 'conflict'
  /** One row is larger than the store takes. */
  | 'too_large';

export interface Refused {
  readonly status: 'refused';
  readonly reason: RefusedReason;
}

export interface CommittedEvent {
  readonly status: 'committed';
  readonly eventId: string;
  /** In the order of `deliveries`; `null` where nothing was handed off. */
  readonly claims: readonly (Claim | null)[];
  /**
   * Shared stores: the ids of its deliveries, in the order of `deliveries`, that others may claim now, for hints; `null`:
   * handed off, dead, or due later. One that waits for an earlier one of its order key may be among them.
   */
  readonly offers?: readonly (string | null)[];
}

export interface DuplicateEvent {
  readonly status: 'duplicate';
  /** The first event with this key. */
  readonly eventId: string;
  /** Whether the body differs from the first one's; the repeat is then kept as an event with `duplicateOf`. */
  readonly differs: boolean;
  /** The first event's stored sync answer. */
  readonly answer: StoredAnswer | null;
}

export type EventAnswer = CommittedEvent | DuplicateEvent;
export type AppendAnswer = { readonly status: 'committed'; readonly events: readonly EventAnswer[] } | Refused;
export type SettleAnswer = { readonly status: 'committed'; readonly emits: readonly EventAnswer[] } | Refused;
export type RowAnswer = { readonly status: 'committed' } | Refused;
export type ReplayAnswer = { readonly status: 'committed'; readonly deliveryId: string } | Refused;
export type ActionAnswer = { readonly status: 'committed'; readonly affected: number } | Refused;
export type DocumentAnswer = { readonly status: 'committed'; readonly version: number } | Refused;

/** Answers per row, in the order of the batch. */
export interface CommitAnswers {
  readonly appends: readonly AppendAnswer[];
  readonly starts: readonly RowAnswer[];
  readonly settlements: readonly SettleAnswer[];
  readonly releases: readonly RowAnswer[];
  readonly replays: readonly ReplayAnswer[];
  readonly actions: readonly ActionAnswer[];
  readonly documents: readonly DocumentAnswer[];
  /** Destinations that have work now which this commit made ready without handing it off (ended key, release…). */
  readonly ready: readonly string[];
}
