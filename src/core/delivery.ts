/**
 * The states of a delivery and the ways between them. Every store implements this table; the random histories
 * compare them. "Held" is not stored: a delivery is held while its destination is paused, disabled or absent.
 *
 * ```
 *  open:  blocked · due later · ready · claimed          (held: any of the first three, by its destination)
 *  ended: succeeded · skipped · dead (resolved or not)
 * ```
 */
import type { Exchange } from './exchange.ts';

export type DeliveryState = 'blocked' | 'due' | 'ready' | 'claimed' | 'succeeded' | 'skipped' | 'dead' | 'cancelled';

export const openStates: readonly DeliveryState[] = ['blocked', 'due', 'ready', 'claimed'];

/** Which states an operation may find a delivery in, and which it leaves it in. Anything else is refused. */
export const transitions = {
  claim: { from: ['ready'], to: ['claimed'] },
  /** A claim given back, or whose lease ended: no attempt is spent. */
  release: { from: ['claimed'], to: ['ready', 'due'] },
  succeed: { from: ['claimed'], to: ['succeeded'] },
  skip: { from: ['claimed'], to: ['skipped'] },
  retry: { from: ['claimed'], to: ['due', 'ready'] },
  bury: { from: ['blocked', 'due', 'ready', 'claimed'], to: ['dead'] },
  /** The earlier delivery of the same order key ended. */
  unblock: { from: ['blocked'], to: ['due', 'ready'] },
  /** Nobody has begun to attempt it. */
  cancel: { from: ['blocked', 'due', 'ready'], to: ['cancelled'] },
} as const satisfies Record<string, { from: readonly DeliveryState[]; to: readonly DeliveryState[] }>;

/** Why a delivery became a dead letter. A handler's own `Reject(reason)` is `rejected` with its text beside it. */
export const deadReasons = {
  exhausted: 'every attempt failed',
  rejected: 'the handler rejected it',
  crashed: 'the process died three times while it was running',
  backlog_full: 'the backlog of its destination was full',
  held_too_long: 'its destination was paused, disabled or absent for too long',
  cleared: 'a person cleared the destination',
  destination_deleted: 'its destination was deleted',
  body_purged: 'the body was purged before it could be attempted',
} as const;

export type DeadReason = keyof typeof deadReasons;

/** After this many unclean stops while it was marked started, a delivery is a dead letter `crashed`. */
export const CRASHES_MAX = 3;

/**
 * What links the deliveries that were made for an event after its commit, because it is for so many endpoints: they are
 * no replays, but are made as replays are.
 */
export function fanOutId(eventId: string): string {
  return `rpl_${eventId.slice(eventId.indexOf('_') + 1)}`;
}

/** One try at a delivery, as it is kept. */
export interface AttemptRecord {
  /** Counts from 1; rises only with attempts that were spent. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Whole milliseconds. */
  readonly durationMs: number;
  readonly outcome: AttemptOutcome;
  /** HTTP status for endpoints; `null` for handlers. */
  readonly status: number | null;
  /** What went wrong, or the note of a skip; cut to a limit. */
  readonly error: string | null;
  /** Process and release that made it: `host:pid/1.2.3`. */
  readonly worker: string;
  /** What an endpoint was sent and answered; `null` for handlers. */
  readonly exchange: Exchange | null;
}

export type AttemptOutcome = 'succeeded' | 'skipped' | 'failed' | 'timeout' | 'rejected' | 'unavailable' | 'crashed';
