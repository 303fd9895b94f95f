/** Growing output and checked input of small numbers and strings: the encoding inside chunks, pages and bodies. */
import { damaged } from './failure.ts';
import type { Words } from './words.ts';

const FLOATS = new Float64Array(1);
const FLOAT_BYTES = new Uint8Array(FLOATS.buffer);
/** Numbers with an odd tag are floats that follow in eight bytes; even ones are whole numbers, zigzag coded. */
const FLOAT_TAG = 1;
const WHOLE_MAX = 2 ** 50;

/** A writer that is used again keeps at most so much. */
const KEPT_BYTES_MAX = 4 * 1024 * 1024;

/** Bytes being written. The array doubles as needed; `take` gives a copy that fits. */
export class ByteWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(size = 1024) {
    this.#bytes = new Uint8Array(size);
  }

  get length(): number {
    return this.#length;
  }

  /** A whole number from 0 to 2^53, seven bits a byte, low bits first. */
  varint(value: number): void {
    if (this.#length + 8 > this.#bytes.length) this.#room(8);
    if (value < 0x80) {
      this.#bytes[this.#length++] = value;
      return;
    }
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 0x80) | 0x80;
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    this.#bytes[this.#length++] = rest;
  }

  /** Any number. Whole ones near 0 are short. */
  number(value: number): void {
    if (Number.isInteger(value) && Math.abs(value) < WHOLE_MAX && !Object.is(value, -0)) {
      this.varint((value < 0 ? -2 * value - 1 : 2 * value) * 2);
      return;
    }
    this.varint(FLOAT_TAG);
    FLOATS[0] = value;
    this.raw(FLOAT_BYTES);
  }

  /** Sixteen bytes. */
  words({ a, b, c, d }: Words): void {
    this.#room(16);
    for (const word of [a, b, c, d]) {
      this.#bytes[this.#length++] = word >>> 24;
      this.#bytes[this.#length++] = word >>> 16;
      this.#bytes[this.#length++] = word >>> 8;
      this.#bytes[this.#length++] = word;
    }
  }

  raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Starts anew in the same memory, unless that has grown out of proportion. */
  clear(): void {
    this.#length = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = new Uint8Array(KEPT_BYTES_MAX);
  }

  /** What was written, until the next `clear`. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** What was written, in an array of its own. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** Bytes being read. Reading past the end is damage, never `undefined`. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #place: string;
  #at = 0;

  constructor(bytes: Uint8Array, place: string) {
    this.#bytes = bytes;
    this.#place = place;
  }

  get rest(): number {
    return this.#bytes.length - this.#at;
  }

  varint(): number {
    const first = this.#bytes[this.#at] ?? 0x80;
    if (first < 0x80) {
      this.#at++;
      return first;
    }
    let value = 0;
    let unit = 1;
    for (;;) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || unit > 2 ** 53) throw damaged(this.#place);
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) return value;
      unit *= 0x80;
    }
  }

  number(): number {
    const tagged = this.varint();
    if (tagged === FLOAT_TAG) {
      FLOAT_BYTES.set(this.raw(8));
      return FLOATS[0] ?? 0;
    }
    const zigzag = tagged / 2;
    return zigzag % 2 === 1 ? -(zigzag + 1) / 2 : zigzag / 2;
  }

  /** A view of the next bytes. */
  raw(length: number): Uint8Array {
    if (length > this.rest) throw damaged(this.#place);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
