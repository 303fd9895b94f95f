/**
 * Payload filters: which events an endpoint wants, by what is in them. A filter is data (JSON), so that it can be stored,
 * shown and changed through the API; {@link compileFilter} checks it once and gives a function.
 *
 * ```json
 * { "all": [ { "path": "body.amount", "greater": 100 },
 *            { "not": { "path": "body.status", "in": ["draft", "void"] } } ] }
 * ```
 */
import { type HeaderList, headerValue } from './event.ts';

/** What a comparison can be made with. */
export type FilterValue = string | number | boolean | null;

/**
 * A condition on the value at `path`, or several joined. A path starts with `body`, `headers`, `type`, `source` or
 * `tenant`, and goes on by names and places: `body.items.0.sku`; a name with a dot in it is written `body["a.b"]`.
 * A path that leads nowhere meets only `exists: false` (and what `not` makes of it).
 */
export type Filter =
  | { readonly all: readonly Filter[] }
  | { readonly any: readonly Filter[] }
  | { readonly not: Filter }
  | ({ readonly path: string } & FilterTest);

/** Exactly one of these; numbers compare with numbers, texts with texts (by code units), anything else does not. */
export type FilterTest =
  | { readonly equals: FilterValue }
  | { readonly in: readonly FilterValue[] }
  | { readonly exists: boolean }
  | { readonly greater: number | string }
  | { readonly atLeast: number | string }
  | { readonly less: number | string }
  | { readonly atMost: number | string }
  | { readonly startsWith: string }
  | { readonly endsWith: string }
  /** A text holds this text, an array holds this value. */
  | { readonly contains: FilterValue };

/** What a filter looks at. `body` is the parsed JSON, `undefined` where the body is none. */
export interface FilterInput {
  readonly body: unknown;
  readonly headers: HeaderList;
  readonly type: string;
  readonly source: string;
  readonly tenant: string | null;
}

export type FilterFunction = (input: FilterInput) => boolean;

const CONDITIONS_MAX = 100;
const DEPTH_MAX = 8;
const PATH_CHARS_MAX = 256;
const TEXT_CHARS_MAX = 1024;
const VALUES_MAX = 1000;

/** What is wrong with a filter, and where in it. */
export class FilterError extends Error {
  override readonly name = 'FilterError';
}

/**
 * Checks a filter, as it came from outside, and makes a function of it.
 * @throws FilterError that names the place and what was expected
 */
export function compileFilter(given: unknown): FilterFunction {
  return compile(given, { place: 'filter', depth: 0, budget: { conditions: CONDITIONS_MAX } });
}

/**
 * A body as filters see it: its JSON, or `undefined`. Whole numbers beyond 2^53 become bigints, so that they compare
 * exactly.
 */
export function filterBody(body: Uint8Array | null): unknown {
  if (body === null || body.length === 0) return undefined;
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
  try {
    return /\d{16}/.test(text) ? JSON.parse(text, exactNumber) : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function exactNumber(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value) || !/^-?\d+$/.test(context?.source ?? '')) return value;
  return BigInt(context?.source ?? '0');
}

interface At {
  readonly place: string;
  readonly depth: number;
  readonly budget: { conditions: number };
}

function compile(given: unknown, at: At): FilterFunction {
  const { place, depth, budget } = at;
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw expected(place, 'an object', given);
  if (depth > DEPTH_MAX) throw new FilterError(`${place}: deeper than ${DEPTH_MAX} levels.`);
  if (--budget.conditions < 0) throw new FilterError(`${place}: more than ${CONDITIONS_MAX} conditions.`);
  const filter = given as Record<string, unknown>;
  if ('all' in filter) return compileList(filter, 'all', at);
  if ('any' in filter) return compileList(filter, 'any', at);
  if ('not' in filter) {
    only(filter, ['not'], place);
    const inner = compile(filter['not'], { ...at, place: `${place}.not`, depth: depth + 1 });
    return (input) => !inner(input);
  }
  return compileTest(filter, place);
}

function compileList(filter: Record<string, unknown>, name: 'all' | 'any', at: At): FilterFunction {
  const place = `${at.place}.${name}`;
  only(filter, [name], at.place);
  const list = filter[name];
  if (!Array.isArray(list) || list.length === 0) throw expected(place, 'at least one filter in an array', list);
  const inner = list.map((one, index) => compile(one, { ...at, place: `${place}[${index}]`, depth: at.depth + 1 }));
  return name === 'all'
    ? (input) => inner.every((matches) => matches(input))
    : (input) => inner.some((matches) => matches(input));
}

type Check = (value: unknown) => boolean;

/** Each test: what its operand must be, and what it makes of it. */
const TESTS: Readonly<Record<string, (operand: unknown, place: string) => Check>> = {
  equals: (operand, place) => {
    const wanted = scalar(operand, place);
    return (value) => same(value, wanted);
  },
  in: (operand, place) => {
    if (!Array.isArray(operand) || operand.length === 0 || operand.length > VALUES_MAX) {
      throw expected(place, `1 to ${VALUES_MAX} values in an array`, operand);
    }
    const wanted = operand.map((one, index) => scalar(one, `${place}[${index}]`));
    return (value) => wanted.some((one) => same(value, one));
  },
  exists: (operand, place) => {
    if (typeof operand !== 'boolean') throw expected(place, 'true or false', operand);
    return (value) => (value !== undefined) === operand;
  },
  greater: (operand, place) => compareWith(operand, place, (order) => order > 0),
  atLeast: (operand, place) => compareWith(operand, place, (order) => order >= 0),
  less: (operand, place) => compareWith(operand, place, (order) => order < 0),
  atMost: (operand, place) => compareWith(operand, place, (order) => order <= 0),
  startsWith: (operand, place) => {
    const wanted = text(operand, place);
    return (value) => typeof value === 'string' && value.startsWith(wanted);
  },
  endsWith: (operand, place) => {
    const wanted = text(operand, place);
    return (value) => typeof value === 'string' && value.endsWith(wanted);
  },
  contains: (operand, place) => {
    const wanted = scalar(operand, place);
    return (value) =>
      Array.isArray(value)
        ? value.some((one) => same(one, wanted))
        : typeof value === 'string' && typeof wanted === 'string' && value.includes(wanted);
  },
};

function compileTest(filter: Record<string, unknown>, place: string): FilterFunction {
  const name = Object.keys(filter).find((key) => key !== 'path');
  const make = name !== undefined && Object.hasOwn(TESTS, name) ? TESTS[name] : undefined;
  if (typeof filter['path'] !== 'string' || name === undefined || make === undefined) {
    const known = Object.keys(TESTS).join(', ');
    throw new FilterError(`${place}: expected all, any, not, or a path with one of ${known}.`);
  }
  only(filter, ['path', name], place);
  const find = compilePath(filter['path'], `${place}.path`);
  const check = make(filter[name], `${place}.${name}`);
  return (input) => check(find(input));
}

const ROOTS = ['body', 'headers', 'type', 'source', 'tenant'] as const;
const STEP = /\.([^.[\]"]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]/y;

function compilePath(path: string, place: string): (input: FilterInput) => unknown {
  const root = ROOTS.find((one) => path === one || path.startsWith(`${one}.`) || path.startsWith(`${one}[`));
  if (root === undefined || path.length > PATH_CHARS_MAX) {
    throw expected(place, `a path from ${ROOTS.join(', ')}, at most ${PATH_CHARS_MAX} characters`, path);
  }
  const steps = stepsOf(path, root.length, place);
  if (root === 'headers') {
    const name = steps[0]?.toLowerCase();
    if (name === undefined || steps.length > 1) throw expected(place, 'headers.NAME', path);
    return (input) => headerValue(input.headers, name);
  }
  if (root === 'body') return (input) => steps.reduce(stepInto, input.body);
  if (steps.length > 0) throw expected(place, `${root} alone: it has no parts`, path);
  return (input) => input[root] ?? undefined;
}

function stepsOf(path: string, from: number, place: string): string[] {
  const steps: string[] = [];
  STEP.lastIndex = from;
  while (STEP.lastIndex < path.length) {
    const found = STEP.exec(path);
    if (found === null) throw expected(place, 'names after dots, places and quoted names in brackets', path);
    steps.push(found[1] ?? found[2] ?? (found[3] ?? '').replaceAll(/\\(.)/g, '$1'));
  }
  return steps;
}

/** Own properties only: what every object inherits is not in the payload. */
function stepInto(value: unknown, step: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
  return (value as Record<string, unknown>)[step];
}

function same(value: unknown, wanted: FilterValue): boolean {
  return typeof value === 'bigint' && typeof wanted === 'number' ? compare(value, wanted) === 0 : value === wanted;
}

function compareWith(operand: unknown, place: string, holds: (order: number) => boolean): Check {
  const isNumber = typeof operand === 'number' && Number.isFinite(operand);
  if (!isNumber && typeof operand !== 'string') throw expected(place, 'a number or a text', operand);
  const wanted = isNumber ? operand : text(operand, place);
  return (value) => {
    const comparable = typeof wanted === 'string' ? typeof value === 'string' : isNumeric(value);
    return comparable && holds(compare(value, wanted));
  };
}

function isNumeric(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function compare(value: unknown, wanted: number | string): number {
  const left = value as number | bigint | string;
  if (left < wanted) return -1;
  return left > wanted ? 1 : 0;
}

function scalar(operand: unknown, place: string): FilterValue {
  if (operand === null || typeof operand === 'boolean' || typeof operand === 'number') return operand;
  return text(operand, place);
}

function text(operand: unknown, place: string): string {
  if (typeof operand === 'string' && operand.length <= TEXT_CHARS_MAX) return operand;
  throw expected(
    place,
    `a text of at most ${TEXT_CHARS_MAX} characters, or where it fits a number, boolean or null`,
    operand,
  );
}

function only(filter: Record<string, unknown>, names: readonly string[], place: string): void {
  const extra = Object.keys(filter).find((key) => !names.includes(key));
  if (extra !== undefined) throw new FilterError(`${place}: '${extra}' does not go with '${names.join("' and '")}'.`);
}

function expected(place: string, what: string, got: unknown): FilterError {
  const shown = JSON.stringify(got)?.slice(0, 100) ?? typeof got;
  return new FilterError(`${place}: expected ${what}, got ${shown}.`);
}
