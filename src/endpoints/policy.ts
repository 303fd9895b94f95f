/**
 * What all endpoints that are managed through the API have in common: what they can take, and how they are paced where
 * they do not say. It is the code's, and read at every attempt: a change of it is a change of all of them.
 */
import { type RetryPolicy, standardSchedule } from '../core/retry.ts';
import { type BreakerPolicy, type Priority, takesType } from '../dispatch/destination.ts';
import type { StoredEndpoint } from './definition.ts';

/** Down, to an endpoint, is ten failures in a row; then it is asked again after half a minute, later each time. */
export const ENDPOINT_BREAKER: BreakerPolicy = { failures: 10, openMs: 30_000, probes: 1 };

export interface EndpointPolicy {
  /** The name they have together, to whoever operates the gateway; `null`: each is its own. */
  readonly queue: string | null;
  /** Sources they can take from; `null`: all. */
  readonly from: ReadonlySet<string> | null;
  /** Types they can take, `*` at the end as a wildcard; `null`: all. */
  readonly types: readonly string[] | null;
  readonly priority: Priority;
  /** `null`: no breaker. */
  readonly breaker: BreakerPolicy | null;
  /** Of each that does not say. */
  readonly concurrency: number;
  readonly timeoutMs: number;
  readonly retry: RetryPolicy;
}

/** Where the code says nothing of them. */
export const OPEN_POLICY: EndpointPolicy = {
  queue: null,
  from: null,
  types: null,
  priority: 'normal',
  breaker: ENDPOINT_BREAKER,
  concurrency: 10,
  timeoutMs: 30_000,
  retry: standardSchedule({ jitter: 'full' }),
};

/** How an endpoint is paced: as it says itself, else as all are. */
export function pacedBy(
  { concurrency, timeoutMs, retry }: Pick<StoredEndpoint, 'concurrency' | 'timeoutMs' | 'retry'>,
  policy: EndpointPolicy,
): Pick<EndpointPolicy, 'concurrency' | 'timeoutMs' | 'retry'> {
  return {
    concurrency: concurrency ?? policy.concurrency,
    timeoutMs: timeoutMs ?? policy.timeoutMs,
    retry: retry ?? policy.retry,
  };
}

/** Whether endpoints can take such an event at all. */
export function offers({ from, types }: EndpointPolicy, source: string, type: string): boolean {
  if (from !== null && !from.has(source)) return false;
  return takesType(types, type);
}

/** Whether a type, or a pattern, can match anything that is offered. */
export function canMatch({ types }: EndpointPolicy, pattern: string): boolean {
  if (types === null) return true;
  return types.some((offered) => takesType([offered], pattern) || takesType([pattern], offered));
}
