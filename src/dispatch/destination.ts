/**
 * What a destination is to the dispatcher: a name, what it takes, how it is paced, and the runner that attempts it.
 * Handlers and endpoints differ in their runner only.
 */
import type { StoredEvent } from '../core/event.ts';
import type { RetryPolicy } from '../core/retry.ts';
import type { Runner } from '../deliver/runner.ts';

/** Which destinations get free slots first when the process has more work than slots. */
export type Priority = 'critical' | 'high' | 'normal' | 'low';

/** Attempts at once: a fixed number, or a range that follows the lag. */
export interface Concurrency {
  readonly min: number;
  readonly max: number;
}

export interface Batching {
  /** Most events in a batch. */
  readonly size: number;
  /** How long a part-filled batch waits, in milliseconds. */
  readonly withinMs: number;
}

export interface BreakerPolicy {
  /** Opens after this many failures in a row. */
  readonly failures: number;
  /** Stays open this long before it lets probes through; doubles with each failed probe up to ten times. */
  readonly openMs: number;
  /** Successful probes in a row that close it. */
  readonly probes: number;
}

export interface Destination {
  /** Its identity; `formerly` renames it. */
  readonly name: string;
  readonly formerly: readonly string[];
  /** Sources it takes from; `EMITTED` for the application's own events. */
  readonly from: ReadonlySet<string>;
  /** Event types it takes, `*` at the end as a wildcard; `null`: all. */
  readonly types: readonly string[] | null;
  /** Looks further into an event of a source and type it takes; `null`: takes them all. */
  readonly accepts: ((event: StoredEvent) => boolean) | null;
  readonly priority: Priority;
  readonly concurrency: Concurrency;
  /** `null`: one event an attempt. */
  readonly batch: Batching | null;
  readonly ratePerS: number | null;
  /** An attempt is aborted, and counts as failed, after this. */
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
  /** `null`: no breaker. */
  readonly breaker: BreakerPolicy | null;
  /** Whether deliveries with an order key run one after the other. */
  readonly ordered: boolean;
  /** What a dead letter does to its order key. */
  readonly onDead: 'continue' | 'hold';
  readonly backlogMax: number | null;
  readonly overflow: 'dead' | 'refuse';
  readonly runner: Runner;
}

/** Whether events of this source and type are for the destination. */
export function takes(destination: Destination, source: string, type: string): boolean {
  if (!destination.from.has(source)) return false;
  return takesType(destination.types, type);
}

/** Whether a type is among these, `*` at the end as a wildcard; `null`: all are. */
export function takesType(types: readonly string[] | null, type: string): boolean {
  if (types === null) return true;
  return types.some((pattern) => (pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern));
}
