/**
 * Streams of deliveries, each in the order of positions, that a list merges. A stream costs what it gives: its SQL goes
 * along an index in this very order, and what it looks at in vain is counted.
 */
import type { DeliveryFilter } from '../store.ts';
import type { Placed } from './records.ts';
import type { State } from './state.ts';

/** What is listed, and from where on. */
export interface Listing {
  readonly state: State;
  readonly filter: DeliveryFilter;
  readonly now: number;
  readonly oldestFirst: boolean;
  /** How many positions a stream asks for at a time. */
  readonly ahead: number;
  /** What was looked at and did not fit. */
  misses: number;
}

export interface Stream {
  /** Where the next one is, or, before the stream has looked, the first place where it can be; `null`: there is none. */
  peek(): number | null;
  /** Whether {@link peek} says where the next one is. If not, {@link take} only looks further. */
  readonly isExact: boolean;
  /** Takes the next one; `null`: it is not what is asked for. */
  take(): Placed | null;
}

/** Positions that may be listed: `low` included, `high` not. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** Whether a record is what is asked for. */
export function fits({ record }: Placed, filter: DeliveryFilter): boolean {
  const { state, resolved } = record;
  if (filter.states?.includes(state) === false) return false;
  if (filter.resolved !== undefined && (state !== 'dead' || (resolved !== null) !== filter.resolved)) return false;
  return (
    is(filter.destination, record.destination) &&
    is(filter.source, record.source) &&
    is(filter.type, record.type) &&
    is(filter.tenant, record.tenant) &&
    is(filter.reason, record.reason) &&
    is(filter.replayId, record.replayId) &&
    (filter.since === undefined || record.receivedAt >= filter.since) &&
    (filter.until === undefined || record.receivedAt < filter.until)
  );
}

function is(wanted: string | undefined, found: string | null): boolean {
  return wanted === undefined || wanted === found;
}
