/** The strings of a chunk, each written once. Reading gives exactly the strings written, lone surrogates included. */
import type { ByteReader, ByteWriter } from './bytes.ts';
import { damaged } from './failure.ts';

const LATIN1 = 0;
const UTF16 = 1;
// oxlint-disable-next-line no-control-regex -- every character of latin-1, control characters too
const NOT_LATIN1 = /[^\u0000-\u00ff]/;

/** A slot whose strings were new so often in a row holds ids and the like: looking them up is in vain. */
const FRESH_AFTER = 8;

/**
 * Collects strings and gives each a number. What stands in the same slot (a field, the n-th header) is mostly the same
 * from event to event, or new every time; both are told without a look-up.
 */
export class StringTable {
  readonly #numbers = new Map<string, number>();
  readonly #strings: string[] = [];
  readonly #lastTexts: string[] = [];
  readonly #lastNumbers: number[] = [];
  readonly #newInARow: number[] = [];

  /** The number of a string in a slot. */
  number(slot: number, text: string): number {
    if (this.#lastTexts[slot] === text) return this.#lastNumbers[slot] ?? 0;
    const inARow = this.#newInARow[slot] ?? 0;
    let number = inARow >= FRESH_AFTER ? undefined : this.#numbers.get(text);
    if (number === undefined) {
      number = this.#strings.push(text) - 1;
      if (inARow < FRESH_AFTER) this.#numbers.set(text, number);
      this.#newInARow[slot] = inARow + 1;
    } else {
      this.#newInARow[slot] = 0;
    }
    this.#lastTexts[slot] = text;
    this.#lastNumbers[slot] = number;
    return number;
  }

  /** All in one piece: one call into the encoder instead of one per string, at memcpy speed for latin-1. */
  write(out: ByteWriter): void {
    const joined = this.#strings.join('');
    const wide = NOT_LATIN1.test(joined);
    out.varint(this.#strings.length);
    for (const text of this.#strings) out.varint(text.length);
    const bytes = Buffer.from(joined, wide ? 'utf16le' : 'latin1');
    out.varint(wide ? UTF16 : LATIN1);
    out.varint(bytes.length);
    out.raw(bytes);
  }
}

/** Reads what {@link StringTable.write} wrote. */
export function readStrings(from: ByteReader, place: string): string[] {
  const count = from.varint();
  if (count > from.rest) throw damaged(place);
  const lengths = new Uint32Array(count);
  for (let index = 0; index < count; index++) lengths[index] = from.varint();
  const encoding = from.varint();
  const { buffer, byteOffset, length } = from.raw(from.varint());
  const joined = Buffer.from(buffer, byteOffset, length).toString(encoding === UTF16 ? 'utf16le' : 'latin1');
  const strings: string[] = [];
  let at = 0;
  for (const characters of lengths) strings.push(joined.slice(at, (at += characters)));
  if (at !== joined.length || encoding > UTF16) throw damaged(place);
  return strings;
}
