/** What is said of a bulk replay, and the document it is kept as. */
import type { DeliveryFilter, Document, JsonValue } from '../store/store.ts';

/** Which past deliveries or events a bulk replay takes. */
export interface ReplayFilter extends Omit<DeliveryFilter, 'eventId' | 'states' | 'resolved' | 'replayId'> {
  /** `dead` (default): unresolved dead letters; `all`: every ended delivery; `unmatched`: events owed to nobody. */
  readonly what?: 'dead' | 'all' | 'unmatched';
  /** Where to, when not where it went before. Needed for `unmatched`, unless a destination takes such events now. */
  readonly to?: string;
}

export interface ReplayRequest {
  readonly filter: ReplayFilter;
  /** Deliveries made per second; default 100. */
  readonly ratePerS?: number;
  readonly by: string;
}

export interface ReplayStatus {
  /** `rpl_…` */
  readonly id: string;
  readonly state: 'running' | 'done' | 'cancelled';
  readonly filter: ReplayFilter;
  readonly ratePerS: number;
  readonly by: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Everything received up to this time is in it, nothing later. */
  readonly until: number;
  readonly planned: number;
  readonly made: number;
  /** Left out: body purged, already being replayed. */
  readonly refused: number;
}

export interface ReplayPlan {
  readonly count: number;
  /** Whether counting stopped at its limit: at least `count`. */
  readonly atLeast: boolean;
  readonly byDestination: Readonly<Record<string, number>>;
  readonly oldestAt: number | null;
  readonly newestAt: number | null;
}

/** The kind of its document. */
export const REPLAY = 'replay';

/** The document of a replay is its status, with the cursor beside it. */
export function documentOf(status: ReplayStatus, cursor: string | null): JsonValue {
  return { ...status, filter: { ...status.filter }, cursor };
}

export function statusOf(document: Document): ReplayStatus {
  const { cursor: _, ...status } = document.value as unknown as ReplayStatus & { cursor: string | null };
  return status;
}

export function cursorOf(document: Document): string | null {
  return (document.value as { readonly cursor?: string | null }).cursor ?? null;
}
