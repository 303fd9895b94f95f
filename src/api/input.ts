/** Reads and validates what a request brings: path, query and a bounded JSON body. */
import { z } from '@hono/zod-openapi';
import { didYouMean } from '../core/suggest.ts';
import { HoldfastError } from '../errors.ts';
import { type InputIssue, InputError, inputError } from './problem.ts';
import type { Route } from './route.ts';

/** Largest body of a request. */
const BODY_BYTES_MAX = 1_048_576;

/** A request as the router found it. */
export interface Found {
  readonly request: Request;
  readonly params: Readonly<Record<string, string>>;
}

/** What the route's schemas make of the request. @throws InputError, HoldfastError body_too_large, encoding_not_supported */
export async function readInput(
  route: Route,
  { request, params }: Found,
): Promise<{ params: unknown; query: unknown; body: unknown; headers: Readonly<Record<string, string | undefined>> }> {
  return {
    params: parse(route.params, params, 'path'),
    query: readQuery(route, new URL(request.url).searchParams),
    headers: readHeaders(route, request),
    body: await readBody(route, request),
  };
}

/** What a caller within the process hands a route: values instead of text. */
export interface Handed {
  readonly params?: Readonly<Record<string, string>>;
  /** Texts, numbers, booleans, dates, and lists of texts; what is undefined is left out. */
  readonly query?: object;
  readonly body?: unknown;
}

/** What the route's schemas make of values: nothing passes that a request could not bring. @throws InputError */
export function checkInput(
  route: Route,
  { params = {}, query = {}, body = {} }: Handed,
): { params: unknown; query: unknown; body: unknown; headers: Readonly<Record<string, string>> } {
  const search = new URLSearchParams();
  const values: readonly [name: string, value: unknown][] = Object.entries(query);
  for (const [name, value] of values) {
    if (value !== undefined) search.set(name, queryText(name, value));
  }
  return {
    params: parse(route.params, params, 'path'),
    query: readQuery(route, search),
    headers: {},
    body: parse(route.body, body, 'body'),
  };
}

/** A value as the query of a URL has it. @throws InputError for one that no query has */
export function queryText(name: string, value: unknown): string {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
  if (Array.isArray(value)) return value.map((item) => queryText(name, item)).join(',');
  throw inputError('query', name, 'expected text, a number, a boolean, a valid Date, or a list of these');
}

/** The query by the route's schema; parameters it does not have are errors, for one that is misspelt filters nothing. */
export function readQuery(route: Pick<Route, 'query'>, search: URLSearchParams): unknown {
  const known = Object.keys(route.query?.shape ?? {});
  const issues: InputIssue[] = [];
  const query: Record<string, string> = {};
  for (const [name, value] of search) {
    if (!known.includes(name)) {
      issues.push({ in: 'query', name, message: `There is no such parameter.${didYouMean(name, known)}` });
    } else if (Object.hasOwn(query, name)) {
      issues.push({ in: 'query', name, message: 'It is given more than once.' });
    } else {
      query[name] = value;
    }
  }
  if (issues.length > 0) throw new InputError(issues);
  return parse(route.query, query, 'query');
}

function readHeaders({ headers }: Route, request: Request): Readonly<Record<string, string | undefined>> {
  const names = Object.keys(headers?.shape ?? {});
  const given = names.flatMap((name) => {
    const value = request.headers.get(name);
    return value === null ? [] : [[name, value]];
  });
  // The schema of headers has texts only.
  return parse(headers, Object.fromEntries(given), 'header') as Readonly<Record<string, string>>;
}

async function readBody(route: Route, request: Request): Promise<unknown> {
  if (route.body === undefined) return {};
  const encoding = request.headers.get('content-encoding');
  if (encoding !== null && encoding !== 'identity') throw new HoldfastError('encoding_not_supported');
  const bytes = await readBytes(request);
  if (bytes.length === 0 && route.bodyOptional === true) return parse(route.body, {}, 'body');
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type))
    throw inputError('header', 'content-type', 'expected application/json');
  return parse(route.body, parseJson(bytes), 'body');
}

async function readBytes(request: Request): Promise<Uint8Array> {
  if (Number(request.headers.get('content-length') ?? 0) > BODY_BYTES_MAX) throw new HoldfastError('body_too_large');
  const chunks: Uint8Array[] = [];
  let size = 0;
  const body: AsyncIterable<Uint8Array> | null = request.body;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > BODY_BYTES_MAX) throw new HoldfastError('body_too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes), keepLongNumbers);
  } catch (error) {
    throw inputError('body', '', `It is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Numbers of up to this many characters are exact in JavaScript, or are written as they were when stringified. */
const EXACT_LENGTH = 15;

/** A reviver: numbers that JavaScript would change stay the text they are, so that they can be emitted unchanged. */
function keepLongNumbers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const source = context?.source;
  if (typeof value !== 'number' || source === undefined || source.length <= EXACT_LENGTH) return value;
  return String(value) === source ? value : rawJson(source);
}

/** https://tc39.es/proposal-json-parse-with-source/: in Node since 21, not yet in TypeScript's library. */
const { rawJSON: rawJson } = JSON as typeof JSON & { readonly rawJSON: (text: string) => unknown };

/** What the schema makes of a value. @throws InputError */
function parse(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return {};
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new InputError(
    parsed.error.issues
      .flatMap(ofBestOption)
      .slice(0, 20)
      .map((issue) => shownIssue(issue, schema, where)),
  );
}

/** Where one of several shapes was asked for, what is wrong with the one that comes nearest says more than that none fits. */
function ofBestOption(issue: z.core.$ZodIssue): z.core.$ZodIssue[] {
  if (issue.code !== 'invalid_union') return [issue];
  const depth = (issues: readonly z.core.$ZodIssue[]): number => Math.min(...issues.map(({ path }) => path.length));
  const nearest = issue.errors
    .filter((issues) => !issues.some((one) => one.code === 'invalid_type' && one.path.length === 0))
    .toSorted((a, b) => depth(b) - depth(a) || a.length - b.length)[0];
  if (nearest === undefined) return [issue];
  return nearest.flatMap((one) => ofBestOption({ ...one, path: [...issue.path, ...one.path] }));
}

function shownIssue(issue: z.core.$ZodIssue, schema: z.ZodType, where: string): InputIssue {
  const name = issue.path.map(String).join('.');
  if (issue.code !== 'unrecognized_keys') return { in: where, name, message: messageOf(issue) };
  const [first = ''] = issue.keys;
  const message = `There is no such field.${didYouMean(first, fieldsAt(schema, issue.path))}`;
  return { in: where, name: name === '' ? first : `${name}.${first}`, message };
}

/** What is not there is called missing: "received undefined" is of the language, not of the request. */
function messageOf({ message }: z.core.$ZodIssue): string {
  const [, expected] = /^Invalid input: expected (\w+), received undefined$/.exec(message) ?? [];
  if (expected === undefined) return message;
  return expected === 'nonoptional' ? 'It is missing' : `It is missing (expected ${expected})`;
}

/** The fields of the object that stands at a path in a schema. */
function fieldsAt(schema: unknown, path: readonly PropertyKey[]): string[] {
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => fieldsAt(option, path));
  if (schema instanceof z.ZodArray) return fieldsAt(schema.element, path.slice(1));
  if (!(schema instanceof z.ZodObject)) return [];
  const [first, ...rest] = path;
  return first === undefined ? Object.keys(schema.shape) : fieldsAt(schema.shape[String(first)], rest);
}
