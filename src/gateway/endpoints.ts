/** Endpoints as the config's code registers them, and the destinations they become. */
import { type Duration, durationMs } from '../core/duration.ts';
import { compileFilter, type Filter, filterBody, FilterError } from '../core/filter.ts';
import { EMITTED, OPERATIONAL, type StoredEvent } from '../core/event.ts';
import { anything, duration, oneOf, type Rule } from '../core/options.ts';
import { standardSchedule } from '../core/retry.ts';
import type { Clock } from '../core/clock.ts';
import type { Egress, TlsIdentity } from '../deliver/egress/egress.ts';
import { checkTarget } from '../deliver/endpoint/check.ts';
import { endpointRunner, type GoneAnswer } from '../deliver/endpoint/runner.ts';
import type { Auth, EndpointTarget, HmacSigning, Signing, StatusRules, Transform } from '../deliver/endpoint/target.ts';
import type { Destination } from '../dispatch/destination.ts';
import { ENDPOINT_BREAKER } from '../endpoints/policy.ts';
import { HoldfastError } from '../errors.ts';
import type { Environment } from '../ingest/source.ts';
import { resolveSecrets } from '../verify/secret.ts';
import type { SecretSource } from '../verify/verifier.ts';
import { type HandlerOptions, type Known, pacing } from './destinations.ts';
import { RELEASE } from './release.ts';

/** Where an endpoint is, what it gets, and how it is paced. Everything but `from` and `url` has a default. */
export interface EndpointOptions<From extends string = string, Type extends string = string> extends Omit<
  HandlerOptions<From, Type>,
  'run' | 'module'
> {
  /** Where events are sent. What lies in a special-purpose network must be allowed by the setting `egressAllow`. */
  readonly url: string;
  /** Looks into the payload: only events that it takes are sent. Default: all. */
  readonly filter?: Filter;
  /** Added to every request; their values count as secret. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * What is signed with: `secret('CRM_SECRET')`, or the secrets themselves, the newest first. Without any nothing is
   * signed, and the receiver can tell nobody apart from Holdfast.
   */
  readonly secrets?: SecretSource;
  /** `standard` (default): Standard Webhooks; or a header with an HMAC, as many providers do it. */
  readonly signing?: 'standard' | Omit<HmacSigning, 'secrets'>;
  /** How Holdfast shows who it is. */
  readonly auth?: Auth;
  /** Client certificate, and authorities that are trusted for this endpoint. */
  readonly tls?: TlsIdentity;
  /** `original`: webhooks are forwarded with the method they came with. Default `POST`. */
  readonly method?: 'POST' | 'original';
  /** What statuses mean. Default: 2xx success, 410 gone (the endpoint is paused), anything else another attempt. */
  readonly statusRules?: StatusRules;
  /** Longest delay that a `Retry-After` can ask for. Default 24 h. */
  readonly retryAfterMax?: Duration;
  /** Makes another body of an event, or leaves it out with `null`. Default: the event as it came, byte for byte. */
  readonly transform?: Transform;
}

/** What it has besides the options of a handler. What may be secret is never shown. */
const RULES: Readonly<Record<Exclude<keyof EndpointOptions, keyof HandlerOptions>, Rule>> = {
  url: { expected: 'a URL like https://example.com/hooks', fits: (value) => typeof value === 'string' },
  filter: anything,
  headers: anything,
  secrets: anything,
  signing: anything,
  auth: anything,
  tls: anything,
  method: oneOf('POST', 'original'),
  statusRules: anything,
  retryAfterMax: duration,
  transform: { expected: 'a function', fits: (value) => typeof value === 'function' },
};

export interface EndpointRegistration {
  readonly name: string;
  readonly endpoint: EndpointOptions;
}

/** What endpoints of the config are made with. */
export interface EndpointKnown extends Known {
  readonly egress: Egress;
  readonly clock: Clock;
  readonly environment: Environment;
  /** It answered that it wants no more. */
  readonly gone: (destination: string, answer: GoneAnswer) => void;
}

/** @throws HoldfastError config_invalid, secret_missing */
export function endpointDestination({ name, endpoint }: EndpointRegistration, known: EndpointKnown): Destination {
  const { filter } = endpoint;
  const invalid = (detail: string): HoldfastError => {
    return new HoldfastError('config_invalid', { detail: `Endpoint '${name}': ${detail}` });
  };
  const paced = pacing({ name, options: withDefaults(endpoint) }, known.sources, RULES);
  if (endpoint.url === undefined) throw invalid('url: expected a URL like https://example.com/hooks.');
  const target = targetOf(name, endpoint, known.environment);
  const problem = checkTarget(target, known.egress);
  if (problem !== null) throw invalid(`${problem.field}: ${problem.detail} (${problem.code})`);
  const bare = { ...target, forward: false };
  const { egress, clock, gone } = known;
  return {
    ...paced,
    accepts: filter === undefined ? null : acceptsOf(filter, invalid),
    batch: null,
    runner: endpointRunner({
      egress,
      clock,
      gone,
      transforms: endpoint.transform !== undefined,
      release: RELEASE,
      target: ({ event }) => (event.source === EMITTED || event.source === OPERATIONAL ? bare : target),
    }),
  };
}

/** What differs from handlers where nothing is said. */
function withDefaults(endpoint: EndpointOptions): HandlerOptions {
  const { breaker } = endpoint;
  return {
    ...endpoint,
    retry: endpoint.retry ?? standardSchedule({ jitter: 'full' }),
    ordered: endpoint.ordered ?? false,
    breaker: breaker === false ? false : { ...ENDPOINT_BREAKER, ...breaker },
  };
}

function targetOf(name: string, endpoint: EndpointOptions, environment: Environment): EndpointTarget {
  const { url, headers = {}, auth = null, tls = null, method, statusRules, retryAfterMax, transform } = endpoint;
  return {
    id: name,
    url,
    method,
    forward: true,
    headers: Object.entries(headers).flat(),
    signing: signingOf(name, endpoint, environment),
    auth,
    tls,
    statusRules,
    retryAfterMaxMs: retryAfterMax === undefined ? undefined : durationMs(retryAfterMax, 'retryAfterMax'),
    transform,
  };
}

function signingOf(
  name: string,
  { secrets, signing = 'standard' }: EndpointOptions,
  environment: Environment,
): Signing {
  if (secrets === undefined) return { kind: 'none' };
  const resolved = resolveSecrets(secrets, `secrets of endpoint '${name}'`, environment);
  return signing === 'standard' ? { kind: 'standard', secrets: resolved } : { ...signing, secrets: resolved };
}

function acceptsOf(filter: Filter, invalid: (detail: string) => HoldfastError): (event: StoredEvent) => boolean {
  try {
    const takes = compileFilter(filter);
    return ({ body, headers, type, source, tenant }) =>
      takes({ body: filterBody(body), headers, type, source, tenant });
  } catch (error) {
    throw error instanceof FilterError ? invalid(error.message) : error;
  }
}
