/** The endpoints that are managed through the API, as the code sets them all: one queue to the operator, a lane for each. */
import { type Duration, durationMs } from '../core/duration.ts';
import type { RetryPolicy } from '../core/retry.ts';
import type { BreakerPolicy, Priority } from '../dispatch/destination.ts';
import { ENDPOINT_BREAKER, type EndpointPolicy, OPEN_POLICY } from '../endpoints/policy.ts';
import { HoldfastError } from '../errors.ts';
import { pacing } from './destinations.ts';

/** What managed endpoints can take, and how each is paced where it does not say. Everything has a default. */
export interface EndpointsOptions<From extends string = string, Type extends string = string> {
  /** The sources they can take from. Default: `emitted`, the application's own events. */
  readonly from?: From | readonly From[];
  /**
   * The event types they can take; `*` at the end as a wildcard. No other is sent, whatever an endpoint asks for: what is
   * internal to the application stays inside. Default: all.
   */
  readonly types?: readonly Type[];
  /** Which destinations get free slots first. Default `normal`. */
  readonly priority?: Priority;
  /** Attempts at once of each endpoint: never of all together, or one that is slow would slow the others. Default 10. */
  readonly concurrency?: number;
  /** Of one attempt, in all. Default 30 s. */
  readonly timeout?: Duration;
  /** Default: ten attempts over about three days. */
  readonly retry?: RetryPolicy;
  /** Of each endpoint. `false`: none. Default: opens for 30 s after 10 failures in a row, one probe closes it. */
  readonly breaker?: false | Partial<BreakerPolicy>;
}

export interface EndpointsRegistration {
  readonly name: string;
  readonly options: EndpointsOptions;
}

/** @throws HoldfastError config_invalid */
export function policyOf(registration: EndpointsRegistration | null, sources: ReadonlySet<string>): EndpointPolicy {
  if (registration === null) return OPEN_POLICY;
  const { name, options } = registration;
  const { from = 'emitted', breaker, timeout } = options;
  if (options.types?.length === 0) {
    throw new HoldfastError('config_invalid', { detail: `Endpoints '${name}': types: expected at least one.` });
  }
  const paced = pacing({ name, options: { ...options, from } }, sources);
  return {
    queue: name,
    from: paced.from,
    types: paced.types,
    priority: paced.priority,
    breaker: breaker === false ? null : { ...ENDPOINT_BREAKER, ...breaker },
    concurrency: options.concurrency ?? OPEN_POLICY.concurrency,
    timeoutMs: timeout === undefined ? OPEN_POLICY.timeoutMs : durationMs(timeout, 'timeout'),
    retry: options.retry ?? OPEN_POLICY.retry,
  };
}
