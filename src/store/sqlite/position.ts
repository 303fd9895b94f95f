/**
 * Where a delivery is, and its id. Every event and every replay takes the next `seq`; the deliveries of an event have
 * the ordinals 0, 1, … in it. `position = seq * ORDINALS + ordinal` names a delivery for ever and rises in the order
 * of commits. The id of a delivery *is* its position, dressed as a UUIDv7 with the time and some random bits of its
 * event's id: nothing needs to be stored or indexed to find a delivery by its id.
 */
import { idBytes } from '../../core/id.ts';

/** Deliveries an event may owe. */
export const ORDINALS = 4096;
/** 2^41 events: at 50,000 a second, more than a year of years. */
export const SEQ_MAX = 2 ** 41;

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const PAIRS: string[] = [];
for (let high = 0; high < 32; high++) {
  for (let low = 0; low < 32; low++) PAIRS.push(ALPHABET.charAt(high) + ALPHABET.charAt(low));
}

const TIME_CHARS = 10;
const CHECK_CHARS = 4;
const LOW = 2 ** 41;

export function positionOf(seq: number, ordinal: number): number {
  return seq * ORDINALS + ordinal;
}

export function seqOf(position: number): number {
  return Math.floor(position / ORDINALS);
}

export function ordinalOf(position: number): number {
  return position % ORDINALS;
}

/**
 * The 80 bits after the time: version 7 (4), position's high 12, variant (2), position's low 41, a zero, and 20 bits
 * of the event's own randomness as a check.
 */
export function deliveryId(eventId: string, position: number): string {
  const start = eventId.length - 26;
  const high = Math.floor(position / LOW);
  const low = position % LOW;
  // 60 bits as six pairs of characters: 0111 hhhhhh | hhhhhh 10 ll | then 39 low bits and a zero.
  const first = 0x1c0 | (high >>> 6);
  const second = ((high & 0x3f) << 4) | 0x8 | Math.floor(low / 2 ** 39);
  const rest = (low % 2 ** 39) * 2;
  const upper = Math.floor(rest / 2 ** 20);
  const lower = rest % 2 ** 20;
  return (
    'dlv_' +
    eventId.slice(start, start + TIME_CHARS) +
    (PAIRS[first] ?? '') +
    (PAIRS[second] ?? '') +
    (PAIRS[upper >>> 10] ?? '') +
    (PAIRS[upper & 0x3ff] ?? '') +
    (PAIRS[lower >>> 10] ?? '') +
    (PAIRS[lower & 0x3ff] ?? '') +
    eventId.slice(-CHECK_CHARS)
  );
}

/** The position in a delivery's id; `null` when it is not one of ours. Whether it exists is for the caller to see. */
export function positionIn(id: string): number | null {
  if (!id.startsWith('dlv_')) return null;
  const bytes = idBytes(id);
  if (bytes === null || id.length !== 30) return null;
  const view = new DataView(bytes.buffer);
  const head = view.getUint16(6);
  // Bytes 8 to 13: variant (2), low 41, a zero, then the check's first bits.
  const middle = view.getUint32(8) * 0x10000 + view.getUint16(12);
  if (head >>> 12 !== 7 || Math.floor(middle / 2 ** 46) !== 2) return null;
  const low = Math.floor((middle % 2 ** 46) / 2 ** 5);
  return (head & 0xfff) * LOW + low;
}

/** Whether a delivery's id was made for this event: its time and check are the event's. */
export function belongsTo(id: string, eventId: string): boolean {
  return id.slice(4, 4 + TIME_CHARS) === eventId.slice(4, 4 + TIME_CHARS) && id.slice(-4) === eventId.slice(-4);
}
