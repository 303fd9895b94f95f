/** The strings of a chunk, each written once. Reading gives exactly the strings written, lone surrogates included. */
import type { ByteReader, ByteWriter } from './bytes.ts';
import { damaged } from './failure.ts';

const LATIN1 = 0;
const UTF16 = 1;
const NOT_LATIN1 = /[^\u0000-\u00ff]/;

/** Collects strings and gives each a number. */
export class StringTable {
  readonly #numbers = new Map<string, number>();
  readonly #strings: string[] = [];

  /** The number of a string; a new one when it was not seen before. */
  number(text: string): number {
    const known = this.#numbers.get(text);
    if (known !== undefined) return known;
    const number = this.#strings.length;
    this.#numbers.set(text, number);
    this.#strings.push(text);
    return number;
  }

  /** All in one piece: one call into the encoder instead of one per string, at memcpy speed for latin-1. */
  write(out: ByteWriter): void {
    const joined = this.#strings.join('');
    const wide = NOT_LATIN1.test(joined);
    out.varint(this.#strings.length);
    for (const text of this.#strings) out.varint(text.length);
    out.varint(wide ? UTF16 : LATIN1);
    out.raw(Buffer.from(joined, wide ? 'utf16le' : 'latin1'));
  }
}

/** Reads what {@link StringTable.write} wrote. */
export function readStrings(from: ByteReader, place: string): string[] {
  const count = from.varint();
  if (count > from.rest) throw damaged(place);
  const lengths = Array.from({ length: count }, () => from.varint());
  const encoding = from.varint();
  const joined = Buffer.from(from.raw(from.rest)).toString(encoding === UTF16 ? 'utf16le' : 'latin1');
  let at = 0;
  const strings = lengths.map((length) => joined.slice(at, (at += length)));
  if (at !== joined.length || encoding > UTF16) throw damaged(place);
  return strings;
}
