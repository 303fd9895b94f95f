/** Who calls the admin API, and what they may. The table of scopes is here and nowhere else. */
import { HoldfastError } from '../errors.ts';

/** What a token may, scope by scope. */
export const scopes = {
  admin: 'everything, tokens and the audit log among it',
  read: 'look at events, deliveries, queues, replays, rejections, metrics and the live stream; change nothing',
  emit: "emit the application's own events and cancel delayed ones",
  endpoints: 'look at endpoints, change them, and see and repeat what each was sent',
} as const;

export type Scope = keyof typeof scopes;

/** The scope a route needs, or those of which one is enough. `admin` is always enough. */
export type Needed = Scope | readonly Scope[];

/** Who calls. */
export interface Caller {
  /** `tok_…`; `admin` for the admin token; `anonymous` for whoever sent none to a route that is open. */
  readonly id: string;
  /** The name the token was given. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** The one tenant it may see and act for; `null`: all. */
  readonly tenant: string | null;
}

/** What a token turned out to be. */
export type Identified =
  | { readonly caller: Caller }
  /** There is no such token, it was revoked, or its time is over. */
  | { readonly caller: null; readonly why: 'unknown' | 'expired' };

/** Somebody whom the application knows by a login of its own: see `gateway.admin({ identify })`. */
export interface Identity {
  /** Who it is, as the audit log has it and as it is shown beside what they pause. */
  readonly name: string;
  /** The one tenant whose part they see and change; `null`: all of it. */
  readonly tenant: string | null;
  /** What they may. Default: of a tenant `read`, `emit` and `endpoints`; without a tenant nothing. */
  readonly scopes?: readonly Scope[] | undefined;
}

/** What a tenant may at most. */
export const TENANT_SCOPES = ['read', 'emit', 'endpoints'] as const;

/** Whom the application has identified. @throws HoldfastError internal for what is no identity: nobody gets in by mistake */
export function callerOf({ name, tenant, scopes: given }: Identity): Caller {
  const allowed = given ?? (tenant === null ? [] : TENANT_SCOPES);
  if (tenant !== null && (typeof tenant !== 'string' || tenant === ''))
    throw new HoldfastError('internal', { detail: 'identify: tenant: expected a name, or null for all.' });
  if (typeof name !== 'string' || !allowed.every((scope) => Object.hasOwn(scopes, scope)))
    throw new HoldfastError('internal', { detail: 'identify: expected a name, and scopes that there are.' });
  return { id: 'application', name, scopes: allowed, tenant };
}

/** The bearer of the admin token. */
export const ADMIN: Caller = { id: 'admin', name: 'admin token', scopes: ['admin'], tenant: null };

/** Whoever calls an open route without a token. */
export const ANONYMOUS: Caller = { id: 'anonymous', name: 'anonymous', scopes: [], tenant: null };

/** What a route says about who may call it. */
export interface Guarded {
  readonly scope: Needed;
  /** Whether a token bound to a tenant may call it too. */
  readonly tenants?: boolean;
}

/** The scopes of which a route needs one, `admin` not among them unless it is the only one. */
export function neededScopes(scope: Needed): readonly Scope[] {
  return typeof scope === 'string' ? [scope] : scope;
}

/** Whether the caller may call the route. Denies by default: a route says of itself that tenants may. */
export function mayCall(caller: Caller, { scope, tenants }: Guarded): boolean {
  if (caller.tenant !== null && tenants !== true) return false;
  return caller.scopes.includes('admin') || neededScopes(scope).some((one) => caller.scopes.includes(one));
}

/** @throws HoldfastError forbidden, saying which scope is needed */
export function admit(caller: Caller, route: Guarded): void {
  if (mayCall(caller, route)) return;
  const needed = neededScopes(route.scope).join(' or ');
  const has = caller.scopes.join(', ') || 'none';
  const detail =
    caller.tenant !== null && route.tenants !== true
      ? 'A token that is bound to a tenant cannot see or do this.'
      : `It needs the scope ${needed}; this token has ${has}.`;
  throw new HoldfastError('forbidden', { detail });
}
