/** What a spool says of itself, to `/ready`, metrics and people. */
import type { SpoolCounts } from '../../store/spool.ts';

/** `idle`: commits go to the store; `spooling`: the store takes none; `draining`: it does again, and the spool is not empty. */
export type SpoolMode = 'idle' | 'spooling' | 'draining';

export interface SpoolState extends SpoolCounts {
  readonly mode: SpoolMode;
  /** Since when it is not `idle` (ms since 1970). */
  readonly since: number | null;
  readonly bytesMax: number;
  /** Whether it takes nothing more for now: full, its disk below the reserve, or lost. */
  readonly refuses: SpoolRefusal | null;
  /** What a 2xx means while it is not idle. */
  readonly ackMeaning: string;
  /** Since the process started, in events. */
  readonly totals: SpoolTotals;
}

export type SpoolRefusal = 'spool_full' | 'disk_reserve' | 'store_unavailable';

export interface SpoolTotals {
  readonly spooled: number;
  /** Moved into the store; `aliases` of them repeat an event that was there, and `differing` with another body. */
  readonly drained: number;
  readonly aliases: number;
  readonly differing: number;
}

/** What a 2xx means while a gateway spools. */
export const SPOOLED_MEANING =
  'The event is on the disk of this gateway alone (committed to its spool, which survives a power cut) and gets into the store when that is back; until then no other gateway knows of it.';
