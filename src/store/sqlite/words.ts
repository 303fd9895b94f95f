/** Sixteen bytes as four numbers: an array for each id of each event is a good part of what a commit would cost. */

export interface Words {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

const TEXT_LENGTH = 26;
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const VALUES = new Int8Array(128).fill(-1);
for (let value = 0; value < ALPHABET.length; value++) VALUES[ALPHABET.charCodeAt(value)] = value;

const BYTES = new Uint8Array(16);
const VIEW = new DataView(BYTES.buffer);

/** The words of an id's text (core/id.ts), prefix or not; `null` when it is not an id. */
export function idWords(id: string): Words | null {
  const start = id.length - TEXT_LENGTH;
  if (start < 0 || (start > 0 && id.charCodeAt(start - 1) !== 0x5f)) return null;
  let bits = -2;
  let rest = 0;
  let at = 0;
  for (let index = start; index < id.length; index++) {
    const value = VALUES[id.charCodeAt(index)] ?? -1;
    if (value < 0 || (index === start && value > 7)) return null;
    rest = (rest << 5) | value;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    BYTES[at++] = rest >>> bits;
    rest &= (1 << bits) - 1;
  }
  return readWords(VIEW, 0);
}

export function readWords(view: DataView, at: number): Words {
  const a = view.getUint32(at);
  return { a, b: view.getUint32(at + 4), c: view.getUint32(at + 8), d: view.getUint32(at + 12) };
}

export function writeWords(view: DataView, at: number, { a, b, c, d }: Words): void {
  view.setUint32(at, a);
  view.setUint32(at + 4, b);
  view.setUint32(at + 8, c);
  view.setUint32(at + 12, d);
}

export function hasWords(view: DataView, at: number, { a, b, c, d }: Words): boolean {
  return (
    view.getUint32(at) === a &&
    view.getUint32(at + 4) === b &&
    view.getUint32(at + 8) === c &&
    view.getUint32(at + 12) === d
  );
}

/** The bytes, in an array of their own. */
export function wordsBytes(words: Words): Uint8Array {
  const bytes = new Uint8Array(16);
  writeWords(new DataView(bytes.buffer), 0, words);
  return bytes;
}

export function bytesWords(bytes: Uint8Array): Words {
  return readWords(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
}
