/**
 * The one anatomy of a route: method, path, sentence, schemas of what it takes and answers, and a function. Router,
 * validation, OpenAPI and docs page are all made from it.
 */
import { z } from '@hono/zod-openapi';
import type { ErrorCode } from '../errors.ts';
import type { Caller, Needed } from './caller.ts';
import type { IdempotencyKeys } from './idempotency.ts';
import type { AdminPort } from './port.ts';

export type Group =
  | 'health'
  | 'queues'
  | 'processes'
  | 'events'
  | 'deliveries'
  | 'dead letters'
  | 'replays'
  | 'sources'
  | 'rejections'
  | 'endpoints'
  | 'live'
  | 'tokens'
  | 'audit'
  | 'docs';

/** What a route works with besides its input. */
export interface Tools {
  /** The gateway, as far as the caller may see it: for a token that is bound to a tenant, that tenant's part only. */
  readonly port: AdminPort;
  /** Who calls. A route with a tenant's token works for `caller.tenant` only. */
  readonly caller: Caller;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly features: Readonly<Record<string, boolean | string>>;
  /** Whether an open route may tell more than states: the caller may read, and is not bound to a tenant. */
  readonly authorized: boolean;
  /** Who acts, for the record: the `x-holdfast-by` header, else the name of the token, `api` for the admin token. */
  readonly by: string;
  /**
   * Says more of the change than the route's `audit` does; what is said twice counts as said last. `null`: nothing was
   * changed after all. A route that does several things says so before the first: if a later one fails, the audit log
   * has it all the same.
   */
  readonly changed: (change: Change | null) => void;
  readonly idempotency: IdempotencyKeys;
}

/** What the audit log has of a change beside who made it. */
export interface Change {
  /** Name or id of what was changed. Default: the parameter in the path. */
  readonly target?: string;
  readonly note?: string;
  /** What it was before and after, as the API shows it; kept as hashes. */
  readonly before?: unknown;
  readonly after?: unknown;
}

/** Who may call: everybody, a token's bearer, or its bearer through a browser's password prompt too. */
export type Access = 'open' | 'token' | 'browser';

interface Given<Params, Query, Body> {
  readonly params: z.output<Params>;
  readonly query: z.output<Query>;
  readonly body: z.output<Body>;
  /** Those of `headers` that came. */
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** Readonly all the way down: what is answered is not changed by answering it. */
export type Shown<Value> = Value extends readonly (infer Item)[]
  ? readonly Shown<Item>[]
  : Value extends object
    ? { readonly [Name in keyof Value]: Shown<Value[Name]> }
    : Value;

interface Head<Params, Query, Body> {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  /** With parameters in braces: `/api/events/{id}`. */
  readonly path: string;
  readonly group: Group;
  /** One sentence. */
  readonly summary: string;
  /** More about it, for the docs. */
  readonly about?: string;
  /** Default `token`. */
  readonly access?: Access;
  /** What the token must be good for. */
  readonly scope: Needed;
  /**
   * Whether a token that is bound to a tenant may call it. Default `false`. Such a call sees the port of its tenant
   * only (tenant.ts): what is another's is not there.
   */
  readonly tenants?: boolean;
  /** What the audit log calls it: `queue.pause`. Every route that changes something has one. */
  readonly audit?: string;
  readonly params?: Params;
  /** Query parameters by name; any other is an error. */
  readonly query?: Query;
  readonly body?: Body;
  /** Headers that it looks at, by their lower-case names; others are none of its business. */
  readonly headers?: z.ZodObject;
  /** Whether an empty body stands for `{}`. */
  readonly bodyOptional?: boolean;
  /** Codes it answers besides those that every route may. */
  readonly errors?: readonly ErrorCode[];
}

/** What a route without parameters, query or body takes. */
type Empty = z.ZodObject;

export interface JsonRoute<Params, Query, Body, Answer> extends Head<Params, Query, Body> {
  /** What is answered, as JSON; `null`: 204 and nothing. */
  readonly answer: Answer;
  /** Every status with which `handle` gives it. Default: 200. */
  readonly statuses?: readonly number[];
  handle(given: Given<Params, Query, Body>, tools: Tools): Promise<Handled<Answer>> | Handled<Answer>;
}

type Handled<Answer> = Answer extends z.ZodType ? Shown<z.output<Answer>> | Status<Shown<z.output<Answer>>> : null;

/** A JSON answer with another status than 200. */
export class Status<Value> {
  readonly status: number;
  readonly value: Value;

  constructor(status: number, value: Value) {
    this.status = status;
    this.value = value;
  }
}

export interface RawRoute<Params, Query, Body> extends Head<Params, Query, Body> {
  /** Media types of the answer, and the status of success. */
  readonly media: readonly string[];
  readonly status?: number;
  handle(given: Given<Params, Query, Body>, tools: Tools): Promise<Response> | Response;
}

/** A route with its types forgotten: what the router registers. `run` takes what its schemas gave. */
export interface Route extends Head<z.ZodType, z.ZodObject, z.ZodType> {
  readonly access: Access;
  readonly success: {
    readonly statuses: readonly number[];
    readonly content: Readonly<Record<string, z.ZodType>> | null;
  };
  run(given: Given<z.ZodType, z.ZodType, z.ZodType>, tools: Tools): Promise<Response>;
}

/** A route whose answer is a value, so that it can be asked within the process too. */
export interface ValueRoute<Value> extends Route {
  /** The value that `run` answers as JSON. */
  ask(given: Given<z.ZodType, z.ZodType, z.ZodType>, tools: Tools): Promise<Value>;
}

/** What a route answers. */
export type AnswerOf<Asked> = Asked extends ValueRoute<infer Value> ? Value : never;

/** A route that answers JSON. */
export function jsonRoute<
  Answer extends z.ZodType | null,
  Params extends z.ZodType = Empty,
  Query extends z.ZodObject = Empty,
  Body extends z.ZodType = Empty,
>(
  route: JsonRoute<Params, Query, Body, Answer>,
): ValueRoute<Answer extends z.ZodType ? Shown<z.output<Answer>> : null> {
  const { answer } = route;
  return {
    ...route,
    access: route.access ?? 'token',
    success:
      answer === null
        ? { statuses: [204], content: null }
        : { statuses: route.statuses ?? [200], content: { 'application/json': answer } },
    async run(given, tools) {
      // The router validated the input with this very route's schemas.
      const handled: unknown = await route.handle(given, tools);
      if (answer === null) return new Response(null, { status: 204 });
      return handled instanceof Status
        ? Response.json(handled.value, { status: handled.status })
        : Response.json(handled);
    },
    async ask(given, tools) {
      const handled: unknown = await route.handle(given, tools);
      // What `handle` answers is of this type, in a Status or not: the compiler cannot see through the condition.
      return (handled instanceof Status ? handled.value : handled) as never;
    },
  };
}

/** A route that answers bytes, text or a page. */
export function rawRoute<
  Params extends z.ZodType = Empty,
  Query extends z.ZodObject = Empty,
  Body extends z.ZodType = Empty,
>(route: RawRoute<Params, Query, Body>): Route {
  const shape = (media: string): z.ZodType => (media === 'application/json' ? z.looseObject({}) : z.string());
  const content = Object.fromEntries(route.media.map((media) => [media, shape(media)]));
  return {
    ...route,
    access: route.access ?? 'token',
    success: { statuses: [route.status ?? 200], content: route.status === 101 ? null : content },
    run: async (given, tools) => route.handle(given, tools),
  };
}
