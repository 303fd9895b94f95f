/**
 * What the code tells about itself. Logs, metrics, spans and the live stream are made from these calls, in `observe/`;
 * no other code formats a log line or names a metric. Calls are cheap and never throw.
 */
import type { AttemptRecord, DeadReason } from './delivery.ts';
import type { StoredEvent } from './event.ts';

export interface Observer {
  /** A request reached a source's path. */
  received(source: string): void;
  /** A request was answered; `status` as sent. */
  answered(source: string, status: number, durationMs: number): void;
  /** A request was refused at a step before acceptance (`limits`, `verify`, …). */
  rejected(source: string, step: string, reason: string): void;
  /** An event was committed with this many deliveries. */
  accepted(event: StoredEvent, owed: number): void;
  /** A delivery was committed for a destination. */
  queued(destination: string): void;
  duplicate(source: string, eventId: string, differs: boolean): void;
  /** Rows and milliseconds of a commit. */
  committed(rows: number, durationMs: number): void;
  commitFailed(failure: string, message: string): void;
  attemptStarted(destination: string, size: number): void;
  /** An attempt's outcome was committed. `lagMs`: from the commit of the event to the end of the attempt. */
  attemptEnded(destination: string, event: StoredEvent, attempt: AttemptRecord, lagMs: number): void;
  /** A delivery became a dead letter. */
  died(destination: string, event: StoredEvent | null, reason: DeadReason, note: string | null): void;
  /** `heard`: not this process found out, but another, which has told it. */
  breaker(destination: string, state: 'closed' | 'open' | 'half-open', reason: string, heard?: boolean): void;
  /** The lane of an endpoint was let go, having had nothing to do for a while: figures of it may go too. */
  rested(destination: string): void;
  /** The event loop stood still; `destination`: whose code ran meanwhile, if that is known. */
  loopBlocked(ms: number, destination: string | null): void;
  /** Start, stop, pauses, replays, purges: what a person wants to read in the log. */
  note(level: 'info' | 'warn' | 'error', message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Tells nobody. */
export const silentObserver: Observer = {
  received: nothing,
  answered: nothing,
  rejected: nothing,
  accepted: nothing,
  queued: nothing,
  duplicate: nothing,
  committed: nothing,
  commitFailed: nothing,
  attemptStarted: nothing,
  attemptEnded: nothing,
  died: nothing,
  breaker: nothing,
  rested: nothing,
  loopBlocked: nothing,
  note: nothing,
};

function nothing(): void {
  // Silence is the whole behaviour.
}
