/** The admin API: every route behind one guard, validated and documented by its own schemas. */
import { OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Clock } from '../core/clock.ts';
import { type ErrorCode, errorCodes, HoldfastError } from '../errors.ts';
import { auditRoutes } from './audit.ts';
import { deliveryRoutes } from './deliveries.ts';
import { docRoutes, openApiDocument, type OpenApiDocument } from './docs.ts';
import { endpointDeliveryRoutes } from './endpoint-deliveries.ts';
import { endpointRoutes } from './endpoints.ts';
import { eventTypeRoutes } from './event-types.ts';
import { eventRoutes } from './events.ts';
import { ADMIN, admit, ANONYMOUS, type Caller, mayCall, neededScopes } from './caller.ts';
import { bearerToken, type Came, guard, type Identify } from './guard.ts';
import { healthRoutes } from './health.ts';
import { IdempotencyKeys } from './idempotency.ts';
import { readInput } from './input.ts';
import type { AdminPort } from './port.ts';
import { asHoldfastError, problemResponse } from './problem.ts';
import { Recorder } from './recorder.ts';
import { processRoutes } from './processes.ts';
import { queueRoutes } from './queues.ts';
import { rejectionRoutes } from './rejections.ts';
import { replayRoutes } from './replays.ts';
import type { Access, Route } from './route.ts';
import { sourceRoutes } from './sources.ts';
import { spoolRoutes } from './spool.ts';
import { Stream, streamRoutes } from './stream.ts';
import { tenantPort } from './tenant.ts';
import { tokenRoutes } from './tokens.ts';

export interface AdminApiOptions {
  readonly clock: Clock;
  /** Of Holdfast, as shown. */
  readonly version: string;
  /** What is switched on, as `/health` shows it. Default: nothing. */
  readonly features?: Readonly<Record<string, boolean | string>>;
  /** Answers `/metrics` without the token. Default `false`. */
  readonly openMetrics?: boolean;
  /** Origins besides its own from which a browser may change something. Default: none. */
  readonly origins?: readonly string[];
  /** The sender's address, where trusted proxies stand in between. Default: the peer's. */
  readonly sender?: (peer: string, headers: Headers) => string;
  /** Told of errors that are not the caller's: they are answered as `internal` without their text. */
  readonly failed?: (error: Error) => void;
}

export interface AdminApi {
  /**
   * Answers a request, in whatever server. `GET /api/stream` needs {@link AdminApi.stream}. `peer`: the address the
   * request came from, for the audit log; '' when it came over no network. `identify`: whoever has no token.
   */
  fetch(request: Request, peer?: string, identify?: Identify): Promise<Response>;
  /**
   * Whose API token this is, to guard routes of your own by it: the token, or the `Authorization` header that it came in.
   * `null`: it is none, was revoked, or has expired.
   */
  callerOf(token: string | null | undefined): Caller | null;
  /** Whether a path belongs to this API, so that a shared port knows whom to ask. */
  handles(path: string): boolean;
  /** Every route as the router has it; `{param}` is `:param` there. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
  /** Takes over connections of the live stream, and ends them on `close`. */
  readonly stream: Pick<Stream, 'upgrade' | 'close' | 'watching'>;
  document(): OpenApiDocument;
}

type Env = { Bindings: Came; Variables: { caller: Caller | null } };

/** Makes the admin API over a port. It holds nothing open until somebody watches the stream. */
export function createAdminApi(port: AdminPort, options: AdminApiOptions): AdminApi {
  const app = new OpenAPIHono<Env>({ strict: true });
  let document: OpenApiDocument | null = null;
  const documentOnce = (): OpenApiDocument =>
    (document ??= openApiDocument(app as unknown as OpenAPIHono, options.version));
  const routes = allRoutes(documentOnce);
  const origins = options.origins ?? [];
  const idempotency = new IdempotencyKeys(options.clock);
  const access = accessOf(routes, options.openMetrics === true);
  app.use('*', guard({ identify: (token) => port.identify(token), access, origins }));
  for (const route of routes)
    register(app, { route, port, options, idempotency, isOpen: access.get(route.path) === 'open' });
  app.notFound((context) => problemResponse(notFound(context, routes), allowHeader(context, routes)));
  app.onError((error) => {
    if (asHoldfastError(error).code === 'internal') options.failed?.(error);
    return problemResponse(error);
  });
  const prefixes = [...new Set(routes.map(({ path }) => path.split('/').slice(0, 3).join('/')))];
  return {
    fetch: async (request, peer = '', identify) => app.fetch(request, { peer, identify } satisfies Came),
    callerOf: (token) => port.identify(bearerToken(token) ?? token ?? '').caller,
    handles: (path) => prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}/`)),
    routes: app.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => ({ method, path })),
    stream: new Stream({ port, clock: options.clock, origins }),
    document: documentOnce,
  };
}

/** Every route there is; those of the docs ask for the document when they are called. */
export function allRoutes(document: () => OpenApiDocument): readonly Route[] {
  return [
    ...healthRoutes,
    ...queueRoutes,
    ...processRoutes,
    ...eventRoutes,
    ...eventTypeRoutes,
    ...deliveryRoutes,
    ...replayRoutes,
    ...sourceRoutes,
    ...spoolRoutes,
    ...rejectionRoutes,
    ...endpointRoutes,
    ...endpointDeliveryRoutes,
    ...streamRoutes,
    ...tokenRoutes,
    ...auditRoutes,
    ...docRoutes(document),
  ];
}

/** Paths that are not for the token's bearer only. All routes of a path would have to agree; paths with parameters never. */
function accessOf(routes: readonly Route[], openMetrics: boolean): ReadonlyMap<string, Access> {
  const access = new Map<string, Access>(
    routes.filter((route) => route.access !== 'token').map((route) => [route.path, route.access]),
  );
  if (openMetrics) access.set('/metrics', 'open');
  return access;
}

interface Registration {
  readonly route: Route;
  readonly port: AdminPort;
  readonly options: AdminApiOptions;
  /** Whether it answers without a token. */
  readonly isOpen: boolean;
  readonly idempotency: IdempotencyKeys;
}

/** What `/health` tells only those who may read everything. */
const READING = { scope: 'read' } as const;

function register(app: OpenAPIHono<Env>, { route, port, options, isOpen, idempotency }: Registration): void {
  const path = route.path.replaceAll(/\{(\w+)\}/g, ':$1');
  app.on(route.method.toUpperCase(), path, async (context) => {
    const caller = context.get('caller') ?? ANONYMOUS;
    if (!isOpen) admit(caller, route);
    const input = await readInput(route, { request: context.req.raw, params: context.req.param() });
    const ip = options.sender?.(context.env.peer, context.req.raw.headers) ?? context.env.peer;
    const by = actor(context.req.header('x-holdfast-by'), caller);
    const recorder = new Recorder({
      audit: port.audit,
      action: route.audit ?? null,
      params: input.params,
      caller,
      by,
      ip,
    });
    return recorder.run(() =>
      route.run(input, {
        port: caller.tenant === null ? port : tenantPort(port, caller.tenant),
        caller,
        version: options.version,
        now: () => options.clock.now(),
        features: options.features ?? {},
        authorized: mayCall(caller, READING),
        by,
        idempotency,
        changed: (change) => recorder.changed(change),
      }),
    );
  });
  app.openAPIRegistry.registerPath(documented(route));
}

const ACTOR = /^[\u0020-\u007e]{1,64}$/;

/** Who acts, as it is shown: what the caller says, else the name of its token. */
function actor(given: string | undefined, caller: Caller): string {
  if (given !== undefined && ACTOR.test(given)) return given;
  return caller.id === ADMIN.id ? 'api' : caller.name;
}

const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.string().openapi({ description: 'From the error table; it never changes its meaning.' }),
    detail: z.string().optional(),
    action: z.string().openapi({ description: 'What to do about it.' }),
    retryable: z.boolean().openapi({ description: 'Whether the same request can succeed later.' }),
    issues: z.array(z.object({ in: z.string(), name: z.string(), message: z.string() })).optional(),
  })
  .openapi('Problem');

function documented(route: Route): Parameters<OpenAPIHono['openAPIRegistry']['registerPath']>[0] {
  const { success, params, query, body, headers } = route;
  const { content } = success;
  const answered = {
    description: content === null ? 'Done.' : 'What was asked for.',
    ...(content === null ? {} : { content: mapValues(content, (schema) => ({ schema })) }),
  };
  return {
    method: route.method,
    path: route.path,
    operationId: operationId(route),
    tags: [route.group],
    summary: route.summary,
    ...(route.about === undefined ? {} : { description: route.about }),
    security: route.access === 'open' ? [] : neededScopes(route.scope).map((scope) => ({ bearer: [scope] })),
    request: {
      ...(params === undefined ? {} : { params: params as z.ZodObject }),
      ...(query === undefined ? {} : { query }),
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined
        ? {}
        : { body: { required: route.bodyOptional !== true, content: { 'application/json': { schema: body } } } }),
    },
    responses: {
      ...Object.fromEntries(success.statuses.map((status) => [status, answered])),
      ...problemsOf(route),
    },
  };
}

/** Problems by status, each saying its codes. */
function problemsOf(
  route: Route,
): Record<string, { description: string; content: Record<string, { schema: z.ZodType }> }> {
  const always: readonly ErrorCode[] =
    route.access === 'open' ? ['invalid_input'] : ['unauthorized', 'token_expired', 'forbidden', 'invalid_input'];
  const codes = [...always, ...(route.errors ?? [])];
  const byStatus = Object.groupBy(codes, (code) => String(errorCodes[code].status));
  return mapValues(byStatus as Record<string, ErrorCode[]>, (of) => ({
    description: of.map((code) => `${code}: ${errorCodes[code].message}`).join(' '),
    content: { 'application/problem+json': { schema: problem } },
  }));
}

function mapValues<From, To>(values: Readonly<Record<string, From>>, map: (value: From) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value)]));
}

function operationId({ method, path }: Route): string {
  return `${method}${path.replaceAll(/[^a-z]+([a-z]?)/gi, (_match, letter: string) => letter.toUpperCase())}`;
}

function notFound(context: Context, routes: readonly Route[]): HoldfastError {
  const { method, path } = context.req;
  if (methodsOf(path, routes).length > 0)
    return new HoldfastError('method_not_allowed', { detail: `${method} ${path}` });
  return new HoldfastError('not_found', { detail: 'There is no such path.' });
}

function allowHeader(context: Context, routes: readonly Route[]): Record<string, string> {
  const methods = methodsOf(context.req.path, routes);
  return methods.length === 0 ? {} : { allow: methods.join(', ') };
}

/** Methods of the routes that have this path. */
function methodsOf(path: string, routes: readonly Route[]): string[] {
  const parts = path.split('/');
  const fits = (route: Route): boolean => {
    const wanted = route.path.split('/');
    return (
      wanted.length === parts.length && wanted.every((part, index) => part.startsWith('{') || part === parts[index])
    );
  };
  return routes.filter(fits).map(({ method }) => method.toUpperCase());
}
