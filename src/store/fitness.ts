/** Whether a shared store may be used as it was found. Part of the store's port. */
import { HoldfastError } from '../errors.ts';
import type { StoreReport } from './store.ts';

/**
 * Refuses a store that cannot work, and one that is set weaker than an acknowledgement promises.
 * @throws HoldfastError store_forbidden, store_not_durable
 */
export function refuseUnfit(
  { driver, weaker, lacking }: Pick<StoreReport, 'driver' | 'weaker' | 'lacking'>,
  allowWeakerDurability: boolean,
): void {
  if (lacking.length > 0) {
    throw new HoldfastError('store_forbidden', { detail: `${driver}: ${lacking.join('; ')}.` });
  }
  if (weaker.length > 0 && !allowWeakerDurability) {
    throw new HoldfastError('store_not_durable', { detail: `${driver}: ${weaker.join(', ')}.` });
  }
}

/** Clocks that are read in whole milliseconds differ by up to this without being apart. */
const RESOLUTION_MS = 1;

/** How far a server's clock is ahead, to the millisecond; within half of the round trip it cannot be told from none. */
export function clockAhead(asked: {
  readonly before: number;
  readonly after: number;
  readonly server: number;
}): number {
  const { before, after, server } = asked;
  const ahead = server - (before + after) / 2;
  return Math.abs(ahead) <= (after - before) / 2 + RESOLUTION_MS ? 0 : Math.round(ahead);
}
