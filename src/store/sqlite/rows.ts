/** Deliveries that have a row of their own: everything but an unordered first try that succeeds. */
import { hash } from 'node:crypto';
import type { DeadReason } from '../../core/delivery.ts';
import type { Row } from './script.ts';

/** The column `state`. */
export const rowStates = { open: 0, succeeded: 1, skipped: 2, dead: 3, cancelled: 4 } as const;

/** A row of `delivery`. */
export interface DeliveryRow {
  readonly position: number;
  /** The seq of its event. */
  readonly event: number;
  readonly event_id: Uint8Array;
  readonly destination: number;
  readonly state: number;
  readonly blocked: number;
  readonly due: number;
  readonly queue: Uint8Array | null;
  readonly place: number;
  readonly order_key: string | null;
  readonly source: string;
  readonly type: string;
  readonly tenant: string | null;
  readonly received_at: number;
  readonly committed_at: number;
  readonly attempts: number;
  readonly crashes: number;
  readonly started: number;
  readonly ended_at: number | null;
  readonly reason: DeadReason | null;
  readonly note: string | null;
  readonly last_error: string | null;
  readonly resolved_at: number | null;
  readonly resolved_by: string | null;
  readonly resolved_note: string | null;
  readonly replay_of: number | null;
  readonly replay_id: Uint8Array | null;
}

/** The columns that are given when a row is made, in the order of the statement. */
export const rowColumns = [
  'position',
  'event',
  'event_id',
  'destination',
  'state',
  'due',
  'queue',
  'place',
  'order_key',
  'source',
  'type',
  'tenant',
  'received_at',
  'committed_at',
  'attempts',
  'crashes',
  'ended_at',
  'reason',
  'note',
  'last_error',
  'replay_of',
  'replay_id',
] as const satisfies readonly (keyof DeliveryRow)[];

export function toDeliveryRow(row: Row): DeliveryRow {
  return row as unknown as DeliveryRow;
}

/** What a delivery with an order key waits in: 16 bytes, however long the key is. */
export function queueOf(destination: number, tenant: string | null, orderKey: string): Uint8Array {
  const scope = tenant === null ? '-' : `${tenant.length}:${tenant}`;
  return hash('sha256', `${destination}/${scope}${orderKey}`, 'buffer').subarray(0, 16);
}
