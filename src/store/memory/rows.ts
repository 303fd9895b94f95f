/** The rows that the memory store keeps. Rows change only through {@link Journal}, so that a commit can be taken back. */
import type { AttemptRecord, DeadReason } from '../../core/delivery.ts';
import type { StoredEvent } from '../../core/event.ts';
import type { DuplicateSummary, JsonValue, StoredAnswer } from '../store.ts';

/** An event with what came of it. */
export interface EventRow {
  /** Its turn in the order of commits. */
  readonly seq: number;
  event: StoredEvent;
  readonly bodyBytes: number;
  readonly owed: number;
  duplicates: DuplicateSummary;
  answer: StoredAnswer | null;
  /** In the order of their commits; replays come after what it owed at first. */
  readonly deliveries: DeliveryRow[];
}

/** A delivery: what is stored of it. Its state is derived, see `Lanes.stateOf`. */
export interface DeliveryRow {
  readonly id: string;
  /** Its turn in the order of commits. */
  readonly seq: number;
  readonly event: EventRow;
  destination: string;
  readonly orderKey: string | null;
  /** Its place in its order key: its own `seq`, or the place of the dead letter it takes over from. */
  readonly place: number;
  readonly replayOf: string | null;
  readonly replayId: string | null;
  readonly committedAt: number;

  dueAt: number | null;
  /** The number of its newest claim; 0 before the first. */
  claim: number;
  /** Monotonic end of the current claim; `null`: nobody has claimed it. */
  leaseUntil: number | null;
  /** Marked started, and no outcome, release or proper close since. */
  started: boolean;
  attempts: number;
  crashes: number;
  records: readonly AttemptRecord[];
  lastError: string | null;

  /** `null` while it is open. */
  ended: 'succeeded' | 'skipped' | 'dead' | 'cancelled' | null;
  endedAt: number | null;
  reason: DeadReason | null;
  note: string | null;
  /** A dead letter that keeps its order key blocked until it is resolved. */
  holdKey: boolean;
  resolved: { readonly at: number; readonly by: string; readonly note: string } | null;

  /** The queue of its order key, while it is in it. */
  queue: KeyQueue | null;
}

/** What waits for its turn in one order key, by place and then by commit: open deliveries and dead letters that hold. */
export interface KeyQueue {
  readonly name: string;
  readonly rows: DeliveryRow[];
}

/** What is remembered of a dedupe key. It outlives its event. */
export interface DedupeRow {
  readonly eventId: string;
  /** SHA-256 of the first event's body. */
  readonly digest: string;
  /** Wall-clock time from which the key is new again. */
  readonly until: number;
}

/** A document; one that was deleted keeps its version. */
export interface DocumentRow {
  readonly kind: string;
  readonly key: string;
  readonly value: JsonValue | null;
  readonly version: number;
}

/** Whether it keeps its order key blocked although it has ended. */
export function holds(row: DeliveryRow): boolean {
  return row.ended === 'dead' && row.holdKey && row.resolved === null;
}

/** Whether it is a dead letter that nobody has resolved. */
export function isUnresolved(row: DeliveryRow): boolean {
  return row.ended === 'dead' && row.resolved === null;
}
