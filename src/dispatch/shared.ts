/**
 * What the processes of one store share, as a lane sees it: its part of an endpoint's limits, and whether another
 * process found that a destination is down.
 */
import type { Concurrency, Destination } from './destination.ts';

/** How fast a destination may be attempted. */
export interface Paced {
  readonly concurrency: Concurrency;
  readonly ratePerS: number | null;
}

export interface Shared {
  /** No other process can have the store open. */
  readonly alone: boolean;
  /** Whether other processes attempt now: what one keeps waiting, another could do. */
  readonly company: boolean;
  /** How fast this process may go; `null`: not at all, others do it. */
  part(destination: Destination): Paced | null;
  /** The others may have taken over the parts of this process: until it has heard otherwise it has none. */
  readonly lapsed: boolean;
  /** Since when the parts are as they are (monotonic): what a rate allows is counted from then. */
  readonly since: number;
  /** Milliseconds for which the breaker of a destination stays open because another process opened it; 0: it does not. */
  openMs(destination: string): number;
}

/** A process that has its store to itself. */
export const ALONE: Shared = {
  alone: true,
  company: false,
  part: (destination) => destination,
  lapsed: false,
  since: Number.NEGATIVE_INFINITY,
  openMs: () => 0,
};

/**
 * The part of the process at `place` among `members`. Where there is less than one attempt at once, or one a second, for
 * each of them, the first so many have one each, and the others none.
 *
 * A part never grows when members are added, and all parts together are the whole: so whoever goes by more members than
 * there are takes less than its part, and nobody else has to know.
 */
export function partOf(whole: Paced, place: number, members: number): Paced | null {
  const { concurrency, ratePerS } = whole;
  const most = ratePerS === null ? concurrency.max : Math.min(concurrency.max, Math.floor(ratePerS));
  const owners = Math.max(1, Math.min(members, most));
  if (place >= owners) return null;
  const max = slice(concurrency.max, place, owners);
  const min = Math.max(1, Math.min(max, slice(concurrency.min, place, owners)));
  return { concurrency: { min, max }, ratePerS: ratePerS === null ? null : ratePerS / owners };
}

function slice(total: number, place: number, owners: number): number {
  return Math.floor(total / owners) + (place < total % owners ? 1 : 0);
}
