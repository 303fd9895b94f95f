/**
 * A request to simulate, with the places that change from one to the next: dedupe keys, found where the source reads
 * them. What does not change is laid out once, so that making a request is joining bytes.
 */
import type { HeaderList } from '../../core/event.ts';
import type { Reader, UnsignedRequest } from '../../verify/verifier.ts';

/** What is sent before type and key are set and it is signed. */
export interface Draft {
  readonly contentType: string;
  /** Without the content type. */
  readonly headers: HeaderList;
  readonly query: string;
  readonly body: Buffer;
}

/** Makes the request that has this key. */
export type Template = (key: string) => Draft;

/** Where a source reads a value. */
type Place =
  | { readonly in: 'header' | 'query' | 'form'; readonly name: string }
  | { readonly in: 'body'; readonly path: readonly (string | number)[] };

/** What stands for the key while a template is laid out: no payload has it. */
const MARK = '\u2063holdfast-key\u2063';

/**
 * Lays out a draft whose value at `reader` changes. Where the source does not say where (a function, a fixed text), a
 * JSON body's `id` changes, if it has one.
 * @param split path of the array whose elements are events; each gets a key of its own
 */
export function templateOf(draft: Draft, reader: Reader | null, split: string | null = null): Template {
  const place = placeOf(reader) ?? (jsonOf(draft) === null ? null : ({ in: 'body', path: ['id'] } as const));
  if (place === null) return () => draft;
  const marked = put(draft, place, { value: MARK, split, onlyExisting: placeOf(reader) === null });
  return marked === null ? () => draft : (key) => fill(marked, key);
}

/** The draft with its type where the source reads it; unchanged where that cannot be told. */
export function withType(
  draft: Draft,
  reader: Reader | null,
  type: { readonly name: string; readonly split: string | null },
): Draft {
  const place = placeOf(reader);
  if (place === null) return draft;
  return put(draft, place, { value: type.name, split: type.split, onlyExisting: false }) ?? draft;
}

/** The request without its signature. */
export function unsigned(draft: Draft, method: string, path: string): UnsignedRequest {
  const { contentType, headers, query, body } = draft;
  return {
    method,
    url: query === '' ? path : `${path}?${query}`,
    headers: ['content-type', contentType, ...headers],
    body,
  };
}

/** The first place a reader names; of several joined by `+`, the first that is no fixed text. */
function placeOf(reader: Reader | null): Place | null {
  if (typeof reader !== 'string') return null;
  for (const part of reader.split('+').map((text) => text.trim())) {
    const dot = part.indexOf('.');
    const [where, name] = [part.slice(0, dot), part.slice(dot + 1)];
    if (where === 'header' || where === 'query' || where === 'form') return { in: where, name };
    if (where === 'body') return { in: 'body', path: pathOf(name) };
  }
  return null;
}

/** `data.items[0].id` as steps. */
function pathOf(path: string): (string | number)[] {
  return path.split('.').flatMap((step) => {
    const [name = '', ...indexes] = step.split('[');
    const numbers = indexes.map((index) => Number(index.replace(']', '')));
    return name === '' ? numbers : [name, ...numbers];
  });
}

interface Putting {
  readonly value: string;
  readonly split: string | null;
  /** Whether a place that is not there is left alone. */
  readonly onlyExisting: boolean;
}

function put(draft: Draft, place: Place, putting: Putting): Draft | null {
  switch (place.in) {
    case 'header':
      return { ...draft, headers: withHeader(draft.headers, place.name, putting.value) };
    case 'query':
      return { ...draft, query: withField(draft.query, place.name, putting.value) };
    case 'form':
      return { ...draft, body: Buffer.from(withField(draft.body.toString('utf8'), place.name, putting.value)) };
    default:
      return putInJson(draft, place.path, putting);
  }
}

function withHeader(headers: HeaderList, name: string, value: string): HeaderList {
  const kept = headers.filter((_, index) => headers[index - (index % 2)]?.toLowerCase() !== name.toLowerCase());
  return [...kept, name, value];
}

function withField(form: string, name: string, value: string): string {
  const fields = new URLSearchParams(form);
  fields.set(name, value);
  return fields.toString();
}

function putInJson(draft: Draft, path: readonly (string | number)[], putting: Putting): Draft | null {
  const json = jsonOf(draft);
  if (json === null) return null;
  const roots = putting.split === null ? [json] : elementsAt(json, putting.split);
  const changed = roots.map((root) => setAt(root, path, putting));
  return changed.includes(true) ? { ...draft, body: Buffer.from(JSON.stringify(json)) } : null;
}

function elementsAt(json: unknown, split: string): readonly unknown[] {
  const found = split === '' ? json : pathOf(split).reduce<unknown>((at, step) => member(at, step), json);
  return Array.isArray(found) ? found : [];
}

function member(value: unknown, step: string | number): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string | number, unknown>)[step] : undefined;
}

/** Sets the value, with the objects on the way to it. Whether it could. */
function setAt(root: unknown, path: readonly (string | number)[], { value, onlyExisting }: Putting): boolean {
  const last = path.at(-1);
  let at = root;
  for (const step of path.slice(0, -1)) {
    if (typeof at !== 'object' || at === null) return false;
    const next = member(at, step);
    if (next === undefined && onlyExisting) return false;
    if (next === undefined) (at as Record<string | number, unknown>)[step] = {};
    at = member(at, step);
  }
  if (last === undefined || typeof at !== 'object' || at === null) return false;
  const existing = member(at, last);
  if (existing === undefined && onlyExisting) return false;
  (at as Record<string | number, unknown>)[last] = typeof existing === 'number' && value === MARK ? NUMBER_MARK : value;
  return true;
}

/** What stands for a key that is a number. */
const NUMBER_MARK = `${MARK}number`;

/** JSON of the body with long numbers as they were written; `null` when it is none. */
function jsonOf(draft: Draft): object | null {
  try {
    const json: unknown = JSON.parse(draft.body.toString('utf8'), keepLongNumbers);
    return typeof json === 'object' && json !== null ? json : null;
  } catch {
    return null;
  }
}

/** https://tc39.es/proposal-json-parse-with-source/: in Node since 21, not yet in TypeScript's library. */
const { rawJSON: rawJson } = JSON as typeof JSON & { readonly rawJSON: (text: string) => unknown };

/** A reviver under which numbers that JavaScript would change stay as they were written. */
function keepLongNumbers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  return typeof value !== 'number' || source === undefined || String(value) === source ? value : rawJson(source);
}

/** Puts the key where the marks are; several in one body get `-1`, `-2`… behind it, so that each is its own. */
function fill(draft: Draft, key: string): Draft {
  const text = (from: string): string => from.replaceAll(encodeURIComponent(MARK), key).replaceAll(MARK, key);
  return {
    contentType: draft.contentType,
    headers: draft.headers.map((value) => (value === MARK ? key : value)),
    query: text(draft.query),
    body: fillBody(draft.body, key),
  };
}

const JSON_NUMBER = JSON.stringify(NUMBER_MARK);
const MARKS = new RegExp(`${JSON_NUMBER}|${encodeURIComponent(MARK)}|${MARK}`);
const laidOut = new WeakMap<Buffer, readonly string[]>();

function fillBody(body: Buffer, key: string): Buffer {
  let parts = laidOut.get(body);
  if (parts === undefined) {
    parts = body.toString('utf8').split(new RegExp(`(${MARKS.source})`));
    laidOut.set(body, parts);
  }
  if (parts.length === 1) return body;
  let filled = '';
  for (const [index, part] of parts.entries()) {
    if (index % 2 === 0) filled += part;
    else filled += part === JSON_NUMBER ? numberOf(key, index >> 1) : index === 1 ? key : `${key}-${index >> 1}`;
  }
  return Buffer.from(filled);
}

/** A whole number made of the digits of a key: exact in JavaScript, and another one for every key of a run. */
function numberOf(key: string, offset: number): string {
  const digits = key.replaceAll(/\D/g, '').slice(-12);
  return String(1_000_000_000_000_000 + Number(digits) * 100 + offset);
}
