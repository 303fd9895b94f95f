/** A delivery in memory while an entry of the log is worked out, and what follows from its fields. */
import { createHash } from 'node:crypto';
import type { DeliveryState } from '../../core/delivery.ts';
import type { DeliveryFields, DeliveryMarks, Lane } from './documents.ts';

/** A delivery as it is now; {@link DeliveryRow.before} is as it was read. */
export interface DeliveryRow {
  readonly id: string;
  /** `null`: it is new. */
  readonly before: (DeliveryFields & DeliveryMarks) | null;
  now: DeliveryFields;
}

/** The part of an order key's name that is not its destination; `null`: without an order key. */
export function lineOf(tenant: string | null, orderKey: string | null): string | null {
  if (orderKey === null) return null;
  return createHash('sha256')
    .update(JSON.stringify([tenant, orderKey]))
    .digest('base64url');
}

/** Whether it keeps its order key blocked although it has ended. */
export function holds(row: DeliveryFields): boolean {
  return row.ended === 'dead' && row.holdKey && row.resolved === null;
}

/** Whether it is a dead letter that nobody has resolved. */
export function isUnresolved(row: Pick<DeliveryFields, 'ended' | 'resolved'>): boolean {
  return row.ended === 'dead' && row.resolved === null;
}

export function isClaimed(row: Pick<DeliveryFields, 'leaseUntil'>, now: number): boolean {
  return row.leaseUntil !== null && row.leaseUntil > now;
}

/** Whether it has a place in the queue of its order key. */
export function isQueued(row: DeliveryFields): boolean {
  return row.line !== null && (row.ended === null || holds(row));
}

export function stateOf(
  row: Pick<DeliveryFields, 'ended' | 'leaseUntil' | 'free' | 'dueAt'>,
  now: number,
): DeliveryState {
  if (row.ended !== null) return row.ended;
  if (isClaimed(row, now)) return 'claimed';
  if (!row.free) return 'blocked';
  return row.dueAt !== null && row.dueAt > now ? 'due' : 'ready';
}

/** What the indexes are about. Time passing changes none of it: `claimed` and `due` have a time from which they are not. */
export function marksOf(row: DeliveryFields): DeliveryMarks {
  const queued = isQueued(row);
  return {
    slot: row.ended === null ? row.destination : null,
    ...laneOf(row),
    queue: queued ? row.line : null,
    front: queued && (row.ended !== null || row.free),
  };
}

function laneOf(row: DeliveryFields): { readonly lane: Lane; readonly at: number } {
  if (row.ended !== null) {
    const lane = isUnresolved(row) ? 'dead' : row.emptied ? 'emptied' : 'kept';
    return { lane, at: Math.max(row.receivedAt, row.resolved?.at ?? row.endedAt ?? 0) };
  }
  if (row.leaseUntil !== null) return { lane: 'claimed', at: row.leaseUntil };
  if (!row.free) return { lane: 'blocked', at: 0 };
  return row.dueAt === null ? { lane: 'ready', at: 0 } : { lane: 'due', at: row.dueAt };
}

/** By place and then by commit. */
export function inTurn(a: DeliveryRow, b: DeliveryRow): number {
  return a.now.place - b.now.place || a.now.seq - b.now.seq;
}

/** The id of the document of an attempt. */
export function attemptId(deliveryId: string, number: number): string {
  return `${deliveryId}:${number}`;
}
