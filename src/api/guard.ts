/**
 * What every request passes: the token, the origin of changes, and the headers of every answer. It denies by default:
 * a route is open only when its path is in the list that was made from the routes themselves. Whether the caller has the
 * scope is asked where the route is known: see `admit` in caller.ts.
 */
import type { MiddlewareHandler } from 'hono';
import { HoldfastError } from '../errors.ts';
import { type Caller, callerOf, type Identified, type Identity } from './caller.ts';
import { problemResponse } from './problem.ts';
import type { Access } from './route.ts';

export interface GuardOptions {
  /** Whose token this is. Constant-time. */
  readonly identify: (token: string) => Identified;
  /** Access of paths that are not for a token's bearer only. */
  readonly access: ReadonlyMap<string, Access>;
  /** Origins besides its own from which a browser may change something: `https://ops.example.com`. */
  readonly origins: readonly string[];
}

/** On every answer; a route may set its own policy. No CORS header is ever sent. */
const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** Asks the application who sent a request that has no token of Holdfast; `null`: nobody it knows. */
export type Identify = (request: Request) => Identity | null | Promise<Identity | null>;

/** What comes with a request besides itself. */
export interface Came {
  /** The address it came from; '' when it came over no network. */
  readonly peer: string;
  readonly identify: Identify | undefined;
}

const UNKNOWN: Identified = { caller: null, why: 'unknown' };

/** The middleware in front of all routes. Sets the variable `caller`; `null` only on open routes. */
export function guard(
  options: GuardOptions,
): MiddlewareHandler<{ Bindings: Came; Variables: { caller: Caller | null } }> {
  return async (context, next) => {
    const request = context.req.raw;
    const access = options.access.get(context.req.path) ?? 'token';
    const byToken = identify(options, request.headers, access);
    const isAsked = byToken.caller === null && access !== 'open';
    const known = isAsked ? await context.env.identify?.(request) : null;
    const identified = known ? { caller: callerOf(known) } : byToken;
    const refused = refuse(access, identified) ?? refuseOrigin(request, options.origins);
    context.set('caller', identified.caller);
    if (refused === null) await next();
    else context.res = refused;
    for (const [name, value] of Object.entries(HEADERS)) {
      if (!context.res.headers.has(name)) context.res.headers.set(name, value);
    }
  };
}

function identify(options: GuardOptions, headers: Headers, access: Access): Identified {
  const token = bearerToken(headers.get('authorization')) ?? (access === 'browser' ? basicPassword(headers) : null);
  return token === null ? UNKNOWN : options.identify(token);
}

/** The token of `Authorization: Bearer …`; `null` when there is none. */
export function bearerToken(authorization: string | null | undefined): string | null {
  return /^bearer +([\u0021-\u007e]{1,1024})$/i.exec(authorization ?? '')?.[1] ?? null;
}

/** A browser cannot send a bearer token by itself, but it asks for a password. Only pages that show and never change. */
function basicPassword(headers: Headers): string | null {
  const encoded = /^basic +([A-Za-z0-9+/=]{1,2048})$/i.exec(headers.get('authorization') ?? '')?.[1];
  if (encoded === undefined) return null;
  const pair = Buffer.from(encoded, 'base64').toString();
  return pair.includes(':') ? pair.slice(pair.indexOf(':') + 1) : null;
}

function refuse(access: Access, identified: Identified): Response | null {
  if (identified.caller !== null || access === 'open') return null;
  const challenge = access === 'browser' ? { 'www-authenticate': 'Basic realm="holdfast", charset="UTF-8"' } : {};
  return problemResponse(notIdentified(identified.why), challenge);
}

/** The answer to a token that is none, or is one no more. */
export function notIdentified(why: 'unknown' | 'expired'): HoldfastError {
  return new HoldfastError(why === 'expired' ? 'token_expired' : 'unauthorized');
}

function refuseOrigin(request: Request, origins: readonly string[]): Response | null {
  if (request.method === 'GET' || request.method === 'HEAD') return null;
  const { host } = new URL(request.url);
  const reason = foreignOrigin({ headers: request.headers, host, origins });
  return reason === null ? null : problemResponse(new HoldfastError('forbidden', { detail: reason }));
}

/**
 * Why a request is from a page of another site, as its browser says; `null` when it is not, or is from no browser.
 * https://www.w3.org/TR/fetch-metadata/
 */
export function foreignOrigin(request: {
  readonly headers: Pick<Headers, 'get'>;
  readonly host: string;
  readonly origins: readonly string[];
}): string | null {
  const { headers, host, origins } = request;
  const origin = headers.get('origin');
  if (origin !== null && origins.includes(origin)) return null;
  const site = headers.get('sec-fetch-site');
  if (site !== null && site !== 'same-origin' && site !== 'none') return `A page of another origin asked (${site}).`;
  if (origin === null) return null;
  return URL.canParse(origin) && new URL(origin).host === host ? null : 'The Origin header names another origin.';
}
