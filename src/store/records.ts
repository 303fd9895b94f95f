/** What a store tells about the past: filters, pages, and the records they give. Part of the store's port. */
import type { DeadReason, DeliveryState } from '../core/delivery.ts';
import type { StoredEvent } from '../core/event.ts';
import type { StoredAnswer } from './batch.ts';

export interface EventFilter {
  readonly source?: string;
  readonly type?: string;
  readonly tenant?: string;
  readonly correlationId?: string;
  readonly dedupeKey?: string;
  /** Received at or after (ms since 1970). */
  readonly since?: number;
  /** Received before. */
  readonly until?: number;
  /** `true`: only events that owed no delivery and repeat none; `false`: only the others. */
  readonly unmatched?: boolean;
}

export interface DeliveryFilter {
  readonly eventId?: string;
  readonly destination?: string;
  readonly source?: string;
  readonly type?: string;
  readonly tenant?: string;
  readonly states?: readonly DeliveryState[];
  readonly reason?: DeadReason;
  /** Of dead letters: resolved or not. */
  readonly resolved?: boolean;
  readonly replayId?: string;
  /** By the received time of the event. */
  readonly since?: number;
  readonly until?: number;
}

/** Lists are in the order of commits (of events, of deliveries); rows committed while paging are never given twice. */
export interface Page {
  /** Opaque; from the answer before. */
  readonly cursor?: string;
  readonly limit: number;
  /** Default: newest first. */
  readonly oldestFirst?: boolean;
}

export interface Listed<Row> {
  readonly rows: readonly Row[];
  /** `null` when nothing follows. A page may have fewer rows than its limit, even none, though more follows. */
  readonly cursor: string | null;
}

/** An event as it is listed: without headers and body. */
export interface EventSummary {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly tenant: string | null;
  readonly dedupeKey: string | null;
  readonly orderKey: string | null;
  readonly receivedAt: number;
  readonly correlationId: string;
  readonly bodyBytes: number;
  readonly unfit: string | null;
  readonly duplicateOf: string | null;
  /** Deliveries it owed when it was committed. */
  readonly owed: number;
}

export interface DuplicateSummary {
  /** Repeats, with the same body or another. */
  readonly count: number;
  /** The newest, at most ten, the latest first. */
  readonly newest: readonly {
    readonly receivedAt: number;
    readonly differs: boolean;
    readonly correlationId: string;
  }[];
}

export interface EventRecord {
  readonly event: StoredEvent;
  readonly bodyBytes: number;
  readonly owed: number;
  readonly duplicates: DuplicateSummary;
  readonly answer: StoredAnswer | null;
}

export interface DeliveryRecord {
  readonly id: string;
  readonly eventId: string;
  readonly destination: string;
  readonly source: string;
  readonly type: string;
  readonly tenant: string | null;
  readonly orderKey: string | null;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly crashes: number;
  readonly receivedAt: number;
  readonly committedAt: number;
  /** When the next attempt may start, while it is open, unclaimed and that is still to come; else `null`. */
  readonly dueAt: number | null;
  /** When it ended. */
  readonly endedAt: number | null;
  readonly reason: DeadReason | null;
  /** Text of the reason, or the note of a skip. */
  readonly note: string | null;
  readonly resolved: { readonly at: number; readonly by: string; readonly note: string } | null;
  readonly replayOf: string | null;
  readonly replayId: string | null;
  /** The error of the newest attempt that did not end well and has one, cut to a limit. */
  readonly lastError: string | null;
}

/** Deliveries of a destination by state, with the totals since the store was made. */
export interface DestinationCounts {
  readonly destination: string;
  readonly blocked: number;
  readonly due: number;
  readonly ready: number;
  readonly claimed: number;
  /** Dead letters not resolved. */
  readonly dead: number;
  /** Received time of the oldest ready delivery. */
  readonly oldestReadyAt: number | null;
  /** Totals survive restarts and purges. */
  readonly totals: DestinationTotals;
}

export interface DestinationTotals {
  /** Deliveries committed, replays included. */
  readonly received: number;
  readonly succeeded: number;
  readonly skipped: number;
  /** Attempts that failed and were spent, retried or not. */
  readonly failed: number;
  readonly dead: number;
}

/** Totals of a source; like those of destinations they survive restarts and purges. */
export interface SourceTotals {
  readonly source: string;
  /** Events accepted, duplicates not among them. */
  readonly accepted: number;
  /** Repeats of an accepted event, whatever their body. */
  readonly duplicates: number;
  /** Those of the duplicates that had another body. */
  readonly differing: number;
}

export interface StoreCounts {
  /** Every destination that was ever owed a delivery, by name. */
  readonly destinations: readonly DestinationCounts[];
  /** Every source that an event came from, by name. */
  readonly sources: readonly SourceTotals[];
  /** Events kept now, differing duplicates among them. */
  readonly events: number;
  readonly bytesOnDisk: number;
}
