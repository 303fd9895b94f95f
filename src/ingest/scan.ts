/**
 * Values of a JSON text, found in its bytes without building the rest: keys are read this way from every webhook, and
 * the elements of an array keep their exact bytes. Nothing recurses deeper than the paths asked for, so depth of the
 * text costs no stack. Of a name that comes twice the last one counts, as with `JSON.parse`.
 *
 * What is skipped is not checked: a text that is broken only inside of what nobody asked for may still give values.
 */

/** Steps into a JSON value: names of objects, indexes of arrays. */
export type JsonPath = readonly (string | number)[];

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
/** Strings longer than this are searched by the platform, which has a fixed cost but is faster per byte. */
const SHORT = 32;

/** What is looked for at one place of the text. */
interface Place {
  /** Index of the path that ends here; -1: none. */
  path: number;
  readonly members: { readonly name: Uint8Array; readonly text: string; readonly place: Place }[];
  readonly elements: Map<number, Place>;
}

/** Finds the values at a set of paths in one pass. */
export class Finder {
  readonly #root = newPlace();
  readonly #count: number;

  constructor(paths: readonly JsonPath[]) {
    this.#count = paths.length;
    for (const [index, path] of paths.entries()) {
      let place = this.#root;
      for (const step of path) place = childOf(place, step);
      place.path = index;
    }
  }

  /** Start and end of each path's value, in the order of the paths; -1 where there is none. */
  find(json: Uint8Array): number[] {
    const spans = new Array<number>(this.#count * 2).fill(-1);
    const scan = new Scan(json, spans);
    scan.value(this.#root);
    return scan.endsWell() ? spans : spans.fill(-1);
  }
}

function newPlace(): Place {
  return { path: -1, members: [], elements: new Map() };
}

function childOf(place: Place, step: string | number): Place {
  const known =
    typeof step === 'number' ? place.elements.get(step) : place.members.find(({ text }) => text === step)?.place;
  if (known !== undefined) return known;
  const made = newPlace();
  if (typeof step === 'number') place.elements.set(step, made);
  else place.members.push({ name: Buffer.from(step, 'utf8'), text: step, place: made });
  return made;
}

/** Start and end of each element of the array that is the text; none where it is no array. */
export function elementSpans(json: Uint8Array): number[] {
  const spans: number[] = [];
  new Scan(json, spans).array((scan) => {
    spans.push(scan.at);
    scan.skip();
    spans.push(scan.at);
  });
  return spans;
}

/** The value in the span as text: of a string its characters, a number as it is written; `null` for all else. */
export function scalarText(json: Buffer, start: number, end: number): string | null {
  const first = json[start];
  if (first === QUOTE) {
    const text = json.toString('utf8', start + 1, end - 1);
    return text.includes('\\') ? unescaped(json.toString('utf8', start, end)) : text;
  }
  if (first === OPEN_ARRAY || first === OPEN_OBJECT) return null;
  const text = json.toString('latin1', start, end);
  return text === 'true' || text === 'false' || NUMBER.test(text) ? text : null;
}

const NUMBER = /^-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function unescaped(quoted: string): string | null {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return null;
  }
}

/** A byte order mark, which some senders put before their JSON. */
export function hasMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

/** A position that moves through a text. */
class Scan {
  at: number;
  readonly #json: Uint8Array;
  readonly #spans: number[];
  #broken = false;

  constructor(json: Uint8Array, spans: number[]) {
    this.#json = json;
    this.#spans = spans;
    this.at = hasMark(json) ? 3 : 0;
    this.#blanks();
  }

  /** Whether the text was one value and nothing after it, as far as was looked. */
  endsWell(): boolean {
    this.#blanks();
    return !this.#broken && this.at === this.#json.length;
  }

  /** Moves past the value here, and notes what is looked for in it. */
  value(place: Place): void {
    const start = this.at;
    const first = this.#json[start];
    if (first === OPEN_OBJECT && place.members.length > 0) this.#object(place);
    else if (first === OPEN_ARRAY && place.elements.size > 0) this.#elements(place);
    else this.skip();
    if (place.path >= 0) {
      this.#spans[place.path * 2] = start;
      this.#spans[place.path * 2 + 1] = this.at;
    }
  }

  /** Moves past the array here, calling `each` where an element starts; it moves past that. */
  array(each: (scan: Scan, index: number) => void): void {
    if (this.#json[this.at] !== OPEN_ARRAY) return;
    this.at++;
    this.#blanks();
    for (let index = 0; this.at < this.#json.length && this.#json[this.at] !== CLOSE_ARRAY; index++) {
      const start = this.at;
      each(this, index);
      if (this.at === start) break;
      this.#comma();
    }
    this.#close(CLOSE_ARRAY);
  }

  /** Moves past the value here. */
  skip(): void {
    this.at = valueEnd(this.#json, this.at);
  }

  #object(place: Place): void {
    const json = this.#json;
    this.at++;
    this.#blanks();
    while (json[this.at] === QUOTE) {
      const start = this.at + 1;
      this.at = textEnd(json, start);
      const child = this.#member(place, start, this.at - 1);
      this.#blanks();
      if (json[this.at] !== COLON) break;
      this.at++;
      this.#blanks();
      if (child === null) this.skip();
      else this.#again(child);
      this.#comma();
    }
    this.#close(CLOSE_OBJECT);
  }

  #elements(place: Place): void {
    this.array((scan, index) => {
      const child = place.elements.get(index);
      if (child === undefined) scan.skip();
      else scan.value(child);
    });
  }

  /** A name that came before counts no more, nor does what was in it. */
  #again(place: Place): void {
    this.#forget(place);
    this.value(place);
  }

  #forget(place: Place): void {
    if (place.path >= 0) this.#spans.fill(-1, place.path * 2, place.path * 2 + 2);
    for (const member of place.members) this.#forget(member.place);
    for (const element of place.elements.values()) this.#forget(element);
  }

  #member({ members }: Place, start: number, end: number): Place | null {
    for (const { name, text, place } of members) if (this.#isName(name, text, start, end)) return place;
    return null;
  }

  // oxlint-disable-next-line max-params -- called for every name of every body: no object is made for it
  #isName(name: Uint8Array, text: string, start: number, end: number): boolean {
    const json = this.#json;
    const length = end - start;
    if (length === name.length) {
      let same = 0;
      while (same < length && json[start + same] === name[same]) same++;
      if (same === length) return true;
    }
    // Written with escapes, it is longer than the name.
    if (length <= name.length || !hasEscape(json, start, end)) return false;
    return unescaped(`"${Buffer.from(json.subarray(start, end)).toString('utf8')}"`) === text;
  }

  #comma(): void {
    this.#blanks();
    if (this.#json[this.at] !== COMMA) return;
    this.at++;
    this.#blanks();
  }

  #close(byte: number): void {
    if (this.#json[this.at] === byte) this.at++;
    else this.#broken = true;
  }

  #blanks(): void {
    const json = this.#json;
    for (;;) {
      const byte = json[this.at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return;
      this.at++;
    }
  }
}

/** Looks no further than `end`: a search of the rest for every name would cost the square of the text's length. */
function hasEscape(json: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (json[at] === BACKSLASH) return true;
  return false;
}

/** The position after the value at `from`. */
function valueEnd(json: Uint8Array, from: number): number {
  const first = json[from];
  if (first === QUOTE) return textEnd(json, from + 1);
  if (first === OPEN_ARRAY || first === OPEN_OBJECT) return nestEnd(json, from);
  let at = from;
  for (; at < json.length; at++) {
    const byte = json[at] ?? 0;
    if (byte <= 0x20 || byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) break;
  }
  return at;
}

function nestEnd(json: Uint8Array, from: number): number {
  const { length } = json;
  let depth = 0;
  let at = from;
  while (at < length) {
    const byte = json[at++] ?? 0;
    // Most bytes are letters and digits outside of these ranges.
    if (byte === QUOTE) at = textEnd(json, at);
    else if (byte < OPEN_ARRAY) continue;
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
    else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && --depth === 0) return at;
  }
  return at;
}

/** The position after the quote that ends the text whose first character is at `from`. */
function textEnd(json: Uint8Array, from: number): number {
  const soon = Math.min(json.length, from + SHORT);
  let at = from;
  while (at < soon) {
    const byte = json[at++] ?? 0;
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return longTextEnd(json, at);
}

/** The same, where `from` is no escaped character. */
function longTextEnd(json: Uint8Array, from: number): number {
  let quote = json.indexOf(QUOTE, from);
  while (quote >= 0) {
    let escapes = 0;
    while (quote - escapes > from && json[quote - escapes - 1] === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return quote + 1;
    quote = json.indexOf(QUOTE, quote + 1);
  }
  return json.length;
}
