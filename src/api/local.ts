/** Asks routes within the process: what a request passes, without one. No token, since whoever can call has the code. */
import type { Clock } from '../core/clock.ts';
import { admit, type Caller, TENANT_SCOPES } from './caller.ts';
import { IdempotencyKeys } from './idempotency.ts';
import { checkInput, type Handed } from './input.ts';
import type { AdminPort } from './port.ts';
import { asHoldfastError } from './problem.ts';
import { Recorder } from './recorder.ts';
import type { ValueRoute } from './route.ts';
import { tenantPort } from './tenant.ts';

export interface LocalOptions {
  readonly clock: Clock;
  readonly version: string;
  readonly features: Readonly<Record<string, boolean | string>>;
}

/** For whom a route is asked. */
export interface LocalCaller {
  /** Who acts, as the audit log has it. */
  readonly by: string;
  /** The one tenant whose part is seen and changed; `null`: all. */
  readonly tenant: string | null;
}

/** Answers a route's value. @throws HoldfastError as the route, and invalid_input */
export type Ask = <Value>(route: ValueRoute<Value>, handed: Handed, on: LocalCaller) => Promise<Value>;

/** A caller for every route of a port. */
export function localAsk(port: AdminPort, { clock, version, features }: LocalOptions): Ask {
  const idempotency = new IdempotencyKeys(clock);
  return async (route, handed, { by, tenant }) => {
    const caller: Caller = { id: 'local', name: 'local', scopes: tenant === null ? ['admin'] : TENANT_SCOPES, tenant };
    admit(caller, route);
    const input = checkInput(route, handed);
    const { params } = input;
    const recorder = new Recorder({ audit: port.audit, action: route.audit ?? null, params, caller, by, ip: '' });
    const tools = {
      port: tenant === null ? port : tenantPort(port, tenant),
      caller,
      version,
      now: () => clock.now(),
      features,
      authorized: tenant === null,
      by,
      idempotency,
      changed: recorder.changed.bind(recorder),
    };
    try {
      return await recorder.run(() => route.ask(input, tools));
    } catch (error) {
      throw asHoldfastError(error);
    }
  };
}
