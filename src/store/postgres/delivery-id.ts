/**
 * Ids of deliveries carry what finds them: the time of their commit and their position, in the layout of every id. So no
 * index on ids is needed, and a claim's id is all that its settlement needs.
 */
import { formatId, idBytes, idTime } from '../../core/id.ts';
import { BUCKET_MS } from './tables.ts';

const VERSION = 0x70;
const VARIANT = 0x8000_0000;
const WORD = 0x1_0000_0000;
const HIGH_BITS = 0x3fff_ffff;

/** Where a delivery is. */
export interface DeliveryPlace {
  readonly seq: number;
  readonly committedAt: number;
}

export function deliveryId({ seq, committedAt }: DeliveryPlace): string {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Math.floor(committedAt / 0x10000));
  view.setUint16(4, committedAt % 0x10000);
  bytes[6] = VERSION;
  view.setUint32(8, (VARIANT | Math.floor(seq / WORD)) >>> 0);
  view.setUint32(12, seq % WORD);
  return formatId('dlv', bytes);
}

/** `null` when it is no id of a delivery of this kind of store. */
export function deliveryPlace(id: string): DeliveryPlace | null {
  const bytes = id.startsWith('dlv_') ? idBytes(id) : null;
  if (bytes === null) return null;
  const view = new DataView(bytes.buffer);
  const seq = (view.getUint32(8) & HIGH_BITS) * WORD + view.getUint32(12);
  if (bytes[6] !== VERSION || bytes[7] !== 0 || !Number.isSafeInteger(seq)) return null;
  return { seq, committedAt: idTime(bytes) };
}

/** The bucket of an event, by the time in its id; 0 for what is not an id. */
export function bucketOf(eventId: string): number {
  const bytes = idBytes(eventId);
  return bytes === null ? 0 : Math.max(1, Math.floor(idTime(bytes) / BUCKET_MS));
}
