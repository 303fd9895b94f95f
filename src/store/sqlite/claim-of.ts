/** A claim as the caller sees it. */
import { formatId } from '../../core/id.ts';
import type { Claim } from '../store.ts';
import { deliveryId } from './position.ts';
import type { Slot } from './slots.ts';

export function claimOf(slot: Slot, more: Pick<Claim, 'destination' | 'committedAt' | 'answered'>): Claim {
  const { event, row } = slot;
  const replayOf = row?.replay_of ?? null;
  return {
    deliveryId: deliveryId(event.id, slot.position),
    claim: slot.claim,
    ref: slot,
    destination: more.destination,
    event,
    orderKey: row?.order_key ?? null,
    attempts: row?.attempts ?? 0,
    crashes: row?.crashes ?? 0,
    committedAt: more.committedAt,
    replayOf: replayOf === null ? null : deliveryId(event.id, replayOf),
    answered: more.answered,
  };
}

/** The id of a delivery, from the bytes of its event's id. */
export function deliveryIdOf(eventId: Uint8Array, position: number): string {
  return deliveryId(formatId('evt', eventId), position);
}
