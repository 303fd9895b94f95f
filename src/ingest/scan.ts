/**
 * Where values lie in the bytes of a JSON text, without building them: for the exact bytes of an array's elements, and
 * for numbers that JavaScript cannot hold. The text must be valid JSON (it has been parsed before); nothing recurses,
 * so depth costs no stack.
 */

/** Steps into a JSON value: names of objects, indexes of arrays. */
export type JsonPath = readonly (string | number)[];

/** First byte, and the one after the last. */
export type Span = readonly [start: number, end: number];

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/** Where the value at the path lies; `null` where there is none. Of a name that comes twice the last one counts. */
export function findValue(json: Uint8Array, path: JsonPath): Span | null {
  let start = afterBlanks(json, hasMark(json) ? 3 : 0);
  for (const step of path) {
    const found = typeof step === 'number' ? element(json, start, step) : member(json, start, step);
    if (found === null) return null;
    start = found;
  }
  return start < json.length ? [start, valueEnd(json, start)] : null;
}

/** Where the elements of the array at `start` lie, in order. */
export function elements(json: Uint8Array, start: number): Span[] {
  const spans: Span[] = [];
  if (json[start] !== OPEN_ARRAY) return spans;
  let at = afterBlanks(json, start + 1);
  while (at < json.length && json[at] !== CLOSE_ARRAY) {
    const end = valueEnd(json, at);
    spans.push([at, end]);
    at = afterBlanks(json, end);
    if (json[at] === COMMA) at = afterBlanks(json, at + 1);
  }
  return spans;
}

/** A byte order mark, which some senders put before their JSON. */
export function hasMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

function element(json: Uint8Array, start: number, index: number): number | null {
  return elements(json, start)[index]?.[0] ?? null;
}

function member(json: Uint8Array, start: number, name: string): number | null {
  if (json[start] !== OPEN_OBJECT) return null;
  let found: number | null = null;
  let at = afterBlanks(json, start + 1);
  while (json[at] === QUOTE) {
    const end = textEnd(json, at);
    const value = afterBlanks(json, afterBlanks(json, end) + 1);
    if (textOf(json, at, end) === name) found = value;
    at = afterBlanks(json, valueEnd(json, value));
    if (json[at] === COMMA) at = afterBlanks(json, at + 1);
  }
  return found;
}

function textOf(json: Uint8Array, start: number, end: number): unknown {
  return JSON.parse(Buffer.from(json.buffer, json.byteOffset + start, end - start).toString('utf8'));
}

function valueEnd(json: Uint8Array, start: number): number {
  const first = json[start];
  if (first === QUOTE) return textEnd(json, start);
  if (first === OPEN_ARRAY || first === OPEN_OBJECT) return nestEnd(json, start);
  let at = start;
  while (at < json.length && !endsScalar(json[at])) at++;
  return at;
}

function nestEnd(json: Uint8Array, start: number): number {
  let depth = 0;
  let at = start;
  while (at < json.length) {
    const byte = json[at];
    if (byte === QUOTE) {
      at = textEnd(json, at);
      continue;
    }
    if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth++;
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--;
    at++;
    if (depth === 0) return at;
  }
  return at;
}

function textEnd(json: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < json.length && json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

function afterBlanks(json: Uint8Array, from: number): number {
  let at = from;
  while (isBlank(json[at])) at++;
  return at;
}

function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function endsScalar(byte: number | undefined): boolean {
  return byte === COMMA || byte === CLOSE_ARRAY || byte === CLOSE_OBJECT || isBlank(byte);
}
