/**
 * Reading type, keys and tenant from a request that has been verified. A {@link Reader} is compiled once; what it needs
 * (the parsed JSON, the form, the query) is made when it is first asked for and then shared by all of a source's readers.
 */
import { type HeaderList, headerValue } from '../core/event.ts';
import { bounded } from '../core/key.ts';
import { HoldfastError } from '../errors.ts';
import type { Reader, ReadInput } from '../verify/verifier.ts';
import { type Finder, hasMark, type JsonPath, scalarText } from './scan.ts';

/** Finds a value, or `null` where there is none. */
export type Read = (input: RequestInput) => string | null;

const UNREAD = Symbol('unread');

/** What is read: a request, or one element of a split body. */
export interface Readable {
  readonly headers: HeaderList;
  readonly query: string;
  readonly body: Uint8Array;
  /** Finds the values that the source's readers name. */
  readonly finder: Finder;
}

/** What readers see. */
export class RequestInput implements ReadInput {
  readonly headers: HeaderList;
  readonly query: string;
  readonly body: Buffer;
  readonly #finder: Finder;
  #spans: readonly number[] | null = null;
  #json: unknown = UNREAD;
  #form: URLSearchParams | undefined | null = null;
  #parameters: URLSearchParams | null = null;

  constructor({ headers, query, body, finder }: Readable) {
    this.headers = headers;
    this.query = query;
    this.body = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.length);
    this.#finder = finder;
  }

  /** The text of a JSON value, by the index its path has in the finder. */
  value(index: number): string | null {
    this.#spans ??= this.#finder.find(this.body);
    const start = this.#spans[index * 2] ?? -1;
    return start < 0 ? null : scalarText(this.body, start, this.#spans[index * 2 + 1] ?? start);
  }

  get json(): unknown {
    if (this.#json === UNREAD) this.#json = parseJson(this.body);
    return this.#json;
  }

  get form(): URLSearchParams | undefined {
    if (this.#form === null)
      this.#form = isForm(this.headers) ? new URLSearchParams(this.body.toString('utf8')) : undefined;
    return this.#form;
  }

  get parameters(): URLSearchParams {
    this.#parameters ??= new URLSearchParams(this.query);
    return this.#parameters;
  }
}

/** The parsed body; `undefined` when it is not JSON in UTF-8. Deeper than the stack goes is no JSON either. */
function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString('utf8', hasMark(body) ? 3 : 0));
  } catch {
    return undefined;
  }
}

function isForm(headers: HeaderList): boolean {
  return /^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(headerValue(headers, 'content-type') ?? '');
}

/** Where a reader is written, and the JSON paths that the readers of its source name: compiling adds to them. */
export interface ReaderContext {
  readonly setting: string;
  readonly paths: JsonPath[];
}

/** @throws HoldfastError config_invalid */
export function compileReader(reader: Reader, context: ReaderContext): Read {
  if (typeof reader === 'function') return (input) => tidy(reader(input) ?? null);
  const parts = reader.split('+').map((part) => compilePart(part.trim(), context));
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return (input) => tidy(only(input));
  return (input) => tidy(joined(parts, input));
}

/** The index of a path; several readers may name the same one. */
function indexOf(paths: JsonPath[], path: JsonPath): number {
  const known = paths.findIndex(
    (other) => other.length === path.length && other.every((step, at) => step === path[at]),
  );
  return known < 0 ? paths.push(path) - 1 : known;
}

/** Where any of several is missing there is no value: a key made of half its parts would name too much. */
function joined(parts: readonly Read[], input: RequestInput): string | null {
  let text = '';
  for (const part of parts) {
    const value = part(input);
    if (value === null) return null;
    text += value;
  }
  return text;
}

function compilePart(part: string, { setting, paths }: ReaderContext): Read {
  if (part.startsWith('=')) return () => part.slice(1);
  const [kind = ''] = part.split(/[.[]/, 1);
  const rest = part.slice(kind.length + 1);
  if (kind === 'body' && part !== kind) {
    const index = indexOf(paths, parsePath(part.slice(kind.length), setting));
    return (input) => input.value(index);
  }
  if (rest !== '' && part[kind.length] === '.') {
    if (kind === 'header') return readHeader(rest.toLowerCase());
    if (kind === 'form') return (input) => input.form?.get(rest) ?? null;
    if (kind === 'query') return (input) => input.parameters.get(rest);
  }
  throw new HoldfastError('config_invalid', {
    detail: `${setting}: expected header.NAME, body.PATH, form.NAME, query.NAME, =TEXT or several joined by +, got '${part}'.`,
  });
}

function readHeader(lowerName: string): Read {
  return ({ headers }) => headerValue(headers, lowerName) ?? null;
}

const STEP = /\.([^.[\]]+)|\[(\d+)\]|\["([^"\]]+)"\]/y;

/** The steps of `.data.items[0].id`; a name with a dot is written `["a.b"]`. @throws HoldfastError config_invalid */
export function parsePath(text: string, setting: string): JsonPath {
  const path: (string | number)[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < text.length) {
    const step = STEP.exec(text);
    if (step === null) {
      throw new HoldfastError('config_invalid', {
        detail: `${setting}: expected a path like body.data[0].id, got 'body${text}'.`,
      });
    }
    path.push(step[2] === undefined ? (step[1] ?? step[3] ?? '') : Number(step[2]));
  }
  return path;
}

/** No value where it is empty; its digest where it is too long, or holds what some databases do not take. */
function tidy(value: string | null): string | null {
  if (value === null || value === '') return null;
  if (typeof value !== 'string') throw new TypeError(`expected text or null, got ${typeof value}`);
  return bounded(value);
}
