/**
 * Ids: 16 bytes in UUIDv7 layout, written as a prefix and 26 characters of Crockford's base32 (lower case).
 * They rise within a process, so an index on them grows at its right end only. They are never an order across processes.
 */

/** What an id names. The prefix tells it. */
export type IdKind = 'evt' | 'dlv' | 'rpl' | 'rej' | 'ep' | 'prc' | 'tok' | 'cmt';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TEXT_LENGTH = 26;
const COUNTER_MAX = 0xfff;

const VALUES = new Int8Array(128).fill(-1);
for (let value = 0; value < ALPHABET.length; value++) VALUES[ALPHABET.charCodeAt(value)] = value;

const PAIRS: string[] = [];
for (let high = 0; high < 32; high++) {
  for (let low = 0; low < 32; low++) PAIRS.push(ALPHABET.charAt(high) + ALPHABET.charAt(low));
}

/** The text of 16 bytes: 26 characters, the first of which carries three bits. Sorts like the bytes. */
function idText(bytes: Uint8Array): string {
  let text = '';
  let bits = 2; // 130 bits hold 128: two leading zero bits.
  let rest = 0;
  for (let index = 0; index < 16; index++) {
    rest = (rest << 8) | (bytes[index] ?? 0);
    bits += 8;
    while (bits >= 10) {
      bits -= 10;
      text += PAIRS[(rest >>> bits) & 0x3ff] ?? '';
      rest &= (1 << bits) - 1;
    }
  }
  return text;
}

/** The 16 bytes of an id's text, with or without its prefix; `null` when it is not an id. */
export function idBytes(id: string): Uint8Array | null {
  const start = id.length - TEXT_LENGTH;
  if (start < 0 || (start > 0 && id[start - 1] !== '_')) return null;
  const bytes = new Uint8Array(16);
  let bits = -2;
  let rest = 0;
  let at = 0;
  for (let index = start; index < id.length; index++) {
    const value = VALUES[id.charCodeAt(index)] ?? -1;
    if (value < 0 || (index === start && value > 7)) return null;
    rest = (rest << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = (rest >>> bits) & 0xff;
      rest &= (1 << bits) - 1;
    }
  }
  return bytes;
}

/** The id as it is written and sent: `evt_01k…`. */
export function formatId(kind: IdKind, bytes: Uint8Array): string {
  return `${kind}_${idText(bytes)}`;
}

/** Whether `id` is an id of this kind. */
export function isId(kind: IdKind, id: string): boolean {
  return id.startsWith(`${kind}_`) && id.length === kind.length + 1 + TEXT_LENGTH && idBytes(id) !== null;
}

/** Milliseconds since 1970 at which an id was made. */
export function idTime(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, 16);
  return view.getUint32(0) * 0x10000 + view.getUint16(4);
}

/** Where ids take their time and randomness from. */
export interface IdSource {
  now(): number;
  /** Fills the array with random bytes. */
  fill(bytes: Uint8Array): void;
}

/**
 * Makes ids that rise strictly within the process, also when the clock stands still or goes back:
 * 48 bits of time, a 12-bit counter that takes over within a millisecond, 62 random bits.
 */
export class IdMaker {
  readonly #source: IdSource;
  readonly #pool = new Uint8Array(4096);
  #poolAt = 4096;
  #lastMs = 0;
  #counter = 0;

  constructor(source: IdSource) {
    this.#source = source;
  }

  /** No id made from now on is lower than one made at `ms`. Stores call it with their newest id on opening. */
  startAfter(ms: number): void {
    if (ms < this.#lastMs) return;
    this.#lastMs = ms;
    this.#counter = COUNTER_MAX;
  }

  bytes(): Uint8Array {
    this.#advance();
    if (this.#poolAt + 8 > this.#pool.length) this.#refill();
    const id = new Uint8Array(16);
    const ms = this.#lastMs;
    const high = Math.floor(ms / 0x10000);
    id[0] = high >>> 24;
    id[1] = high >>> 16;
    id[2] = high >>> 8;
    id[3] = high;
    id[4] = ms >>> 8;
    id[5] = ms;
    id[6] = 0x70 | (this.#counter >>> 8);
    id[7] = this.#counter;
    for (let index = 8; index < 16; index++) id[index] = this.#pool[this.#poolAt++] ?? 0;
    id[8] = 0x80 | ((id[8] ?? 0) & 0x3f);
    return id;
  }

  make(kind: IdKind): string {
    return formatId(kind, this.bytes());
  }

  #advance(): void {
    const now = this.#source.now();
    if (now > this.#lastMs) {
      this.#lastMs = now;
      this.#counter = 0;
    } else if (this.#counter < COUNTER_MAX) {
      this.#counter++;
    } else {
      this.#lastMs++;
      this.#counter = 0;
    }
  }

  #refill(): void {
    this.#source.fill(this.#pool);
    this.#poolAt = 0;
  }
}
