/**
 * The runner for endpoints: one attempt is one signed request, and its answer says what becomes of the delivery.
 */
import type { Clock } from '../../core/clock.ts';
import { type HeaderList, headerValue } from '../../core/event.ts';
import type { Exchange } from '../../core/exchange.ts';
import { HoldfastError } from '../../errors.ts';
import type { Claim } from '../../store/store.ts';
import { EgressError } from '../egress/codes.ts';
import { type Answer, type Egress, notSent } from '../egress/egress.ts';
import { EventView } from '../handler-event.ts';
import { describeError, TIMEOUT } from '../outcomes.ts';
import type { Attempt, Attempted, Emitted, Result, Runner } from '../runner.ts';
import { credentialsIn, withoutEchoes } from './echoes.ts';
import { AccessTokens, type TokenSource } from './oauth2.ts';
import { type ReadyTarget, ReadyTargets } from './prepare.ts';
import { type BothHeaders, requestHeaders } from './request-headers.ts';
import { retryAfterMs } from './retry-after.ts';
import type { EndpointTarget } from './target.ts';
import { sendableOf } from './transformed.ts';

/** Options of {@link endpointRunner}. */
export interface EndpointRunnerOptions {
  /** The endpoint a claim is for, as it is now. */
  readonly target: (claim: Claim) => EndpointTarget | Promise<EndpointTarget>;
  /** Why an event may not go there, whatever it is tried; `null`: it may. Default: each may. */
  readonly refused?: (claim: Claim) => string | null;
  readonly egress: Egress;
  readonly clock: Clock;
  /** Told that an endpoint wants no more; must not throw. The delivery itself becomes a dead letter. */
  readonly gone: (destination: string, answer: GoneAnswer) => void;
  /** Whether its targets may have a `transform`: code of the application's. Default `false`. */
  readonly transforms?: boolean;
  /** Of this Holdfast, for `User-Agent`: `1.2.3`. */
  readonly release: string;
}

/** An answer 410. */
export interface GoneAnswer {
  readonly why: string;
  /** Where it came from: the endpoint may be somewhere else by now. */
  readonly url: string;
}

/** Sends deliveries to endpoints. Takes one claim an attempt. */
export function endpointRunner(options: EndpointRunnerOptions): Runner {
  return new EndpointRunner(options);
}

const RESPONSE_BYTES_KEPT = 16 * 1024;
const NO_EMITS: readonly (readonly Emitted[])[] = [[]];
const SUCCEEDED: Result = { kind: 'succeeded', value: undefined };

/** One delivery on its way. */
interface Sending {
  readonly ready: ReadyTarget;
  readonly claim: Claim;
  readonly attempt: Attempt;
  readonly body: Uint8Array;
  readonly changed: HeaderList;
  /** By the monotonic clock. */
  readonly until: number;
}

/** What was sent last, and what came back. */
interface Sent {
  readonly headers: BothHeaders;
  readonly answer: Answer;
}

class EndpointRunner implements Runner {
  readonly isolation = 'endpoint';
  readonly trusted: boolean;
  readonly #options: EndpointRunnerOptions;
  readonly #clock: Clock;
  readonly #targets: ReadyTargets;

  constructor(options: EndpointRunnerOptions) {
    const { egress, clock, release, transforms = false } = options;
    this.#options = options;
    this.trusted = !transforms;
    this.#clock = clock;
    const tokens = new AccessTokens(egress, clock);
    this.#targets = new ReadyTargets({ egress, userAgent: `Holdfast/${release}`, tokens });
  }

  async run(attempt: Attempt): Promise<Attempted> {
    const [claim] = attempt.claims;
    if (claim === undefined) return { results: [], emitted: [] };
    try {
      return await this.#attempt(claim, attempt);
    } catch (error) {
      return attempted(resultOfError(error), null);
    }
  }

  /** Connections are the egress's, and outlive the runner. */
  close(): Promise<void> {
    return Promise.resolve();
  }

  async #attempt(claim: Claim, attempt: Attempt): Promise<Attempted> {
    const until = this.#clock.monotonic() + attempt.timeoutMs;
    const { event } = claim;
    const refused = this.#options.refused?.(claim) ?? null;
    if (refused !== null) return attempted({ kind: 'rejected', reason: refused }, null);
    const given = this.#options.target(claim);
    const target = given instanceof Promise ? await given : given;
    if (event.body === null)
      return attempted({ kind: 'rejected', reason: 'the body of the event has been purged' }, null);
    let ready: ReadyTarget;
    try {
      ready = this.#targets.get(target);
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      return attempted(resultOfError(error), exchangeNotSent(target, error));
    }
    let body: Uint8Array = event.body;
    let changed: HeaderList = [];
    if (target.transform !== undefined) {
      const transformed = await target.transform(new EventView(event));
      if (transformed === null) return attempted({ kind: 'skipped', note: 'left out by the transform' }, null);
      ({ body, changed } = sendableOf(transformed, ready.made));
    }
    const sending = { ready, claim, attempt, body, changed, until };
    const { authorization, tokens } = ready;
    const sent = await (tokens === null ? this.#send(sending, authorization) : this.#sendWithToken(sending, tokens));
    return attempted(this.#resultOf(sending, sent.answer), exchangeOf(sending, sent));
  }

  /** With a token that is refused, once more with a new one. */
  async #sendWithToken(sending: Sending, tokens: TokenSource): Promise<Sent> {
    const token = await this.#tokenOf(sending, tokens.get());
    if (token instanceof EgressError) return this.#notSent(sending, token);
    const first = await this.#send(sending, `Bearer ${token}`);
    if (first.answer.status !== 401) return first;
    tokens.drop(token);
    const next = await this.#tokenOf(sending, tokens.get());
    return next instanceof EgressError || next === token ? first : this.#send(sending, `Bearer ${next}`);
  }

  /** A token, or why there is none; not waited for longer than the attempt may take. */
  async #tokenOf({ attempt, until }: Sending, token: Promise<string>): Promise<string | EgressError> {
    const { promise: ended, reject } = Promise.withResolvers<never>();
    const end = (): void => reject(new EgressError('timeout'));
    const timer = this.#clock.schedule(Math.max(0, until - this.#clock.monotonic()), end);
    attempt.signal.addEventListener('abort', end, { once: true });
    try {
      return await Promise.race([token, ended]);
    } catch (error) {
      return error instanceof EgressError ? error : new EgressError('auth_failed', undefined, error);
    } finally {
      timer.cancel();
      attempt.signal.removeEventListener('abort', end);
    }
  }

  async #send(sending: Sending, authorization: string | null): Promise<Sent> {
    const { ready, claim, attempt, body } = sending;
    const { event } = claim;
    const { target } = ready;
    const headers = this.#headers(sending, authorization);
    const answer = await this.#options.egress.send(ready.to, {
      method: methodOf(target, event.method),
      path: ready.to.path,
      headers: headers.sent,
      body,
      timeoutMs: Math.max(0, sending.until - this.#clock.monotonic()),
      signal: attempt.abortable ?? attempt.signal,
      responseBytesMax: ready.responseBytesMax,
      responseBytesKept: RESPONSE_BYTES_KEPT,
    });
    const secrets = ready.tokens === null ? ready.secrets : [...ready.secrets, ...credentialsIn(authorization)];
    return { headers, answer: withoutEchoes(answer, secrets) };
  }

  #notSent(sending: Sending, error: EgressError): Sent {
    return { headers: this.#headers(sending, null), answer: notSent(error) };
  }

  #headers({ ready, claim, body, changed }: Sending, authorization: string | null): BothHeaders {
    const { target, own, signers } = ready;
    const now = this.#clock.now();
    return requestHeaders({
      event: claim.event,
      body,
      forward: target.forward,
      own,
      changed,
      signers,
      authorization,
      now,
    });
  }

  #resultOf({ ready, claim }: Sending, answer: Answer): Result {
    const { status } = answer;
    if (status === null)
      return resultOfError(new EgressError(answer.code ?? 'response_invalid', answer.detail ?? undefined));
    switch (ready.readStatus(status)) {
      case 'success':
        return SUCCEEDED;
      case 'gone': {
        const why = `${ready.host} answered 410 Gone`;
        this.#options.gone(claim.destination, { why, url: ready.target.url });
        return { kind: 'rejected', reason: `status: ${why}` };
      }
      case 'fail':
        return { kind: 'rejected', reason: `status: the endpoint answered ${status}, which its rules call final` };
      default: {
        const asked = status === 429 || status === 503 ? headerValue(answer.headers, 'retry-after') : undefined;
        const delayMs = retryAfterMs(asked, { now: this.#clock.now(), maxMs: ready.retryAfterMaxMs });
        return { kind: 'failed', error: `status: the endpoint answered ${status}`, delayMs, status };
      }
    }
  }
}

function methodOf({ method }: EndpointTarget, original: string): string {
  return method === 'original' && original !== '' && original !== 'CONNECT' ? original : 'POST';
}

function attempted(result: Result, exchange: Exchange | null): Attempted {
  return { results: [result], emitted: NO_EMITS, exchanges: [exchange] };
}

function resultOfError(error: unknown): Result {
  if (error instanceof EgressError) {
    if (error.code === 'timeout' || error.code === 'aborted') return TIMEOUT;
    return { kind: 'failed', error: `${error.code}: ${error.message}`, delayMs: null, status: null };
  }
  // Nothing can be sent without its key: what is owed waits for it, instead of spending its attempts.
  if (error instanceof HoldfastError && error.code === 'secret_sealed')
    return { kind: 'unavailable', reason: `${error.code}: ${error.message}` };
  // A key or a rule of the endpoint: it can be corrected, and then the next attempt succeeds.
  const text = error instanceof HoldfastError ? `request_invalid: ${error.message}` : describeError(error);
  return { kind: 'failed', error: text, delayMs: null, status: null };
}

function exchangeOf({ ready, claim, body }: Sending, { headers, answer }: Sent): Exchange {
  const { target, host, to } = ready;
  const { status } = answer;
  const ofTheConnection = ['host', host, ...headers.shown, 'content-length', String(body.length)];
  const isFailure = status !== null && ready.readStatus(status) !== 'success';
  return {
    request: { method: methodOf(target, claim.event.method), url: to.origin.place.url.href, headers: ofTheConnection },
    response:
      status === null
        ? null
        : { status, headers: answer.headers, body: answer.body.toString('base64'), bodyBytes: answer.bodyBytes },
    times: rounded(answer.times),
    remoteAddress: answer.remoteAddress,
    code: isFailure ? 'status' : answer.code,
  };
}

/** To hundredths: the rest is noise, and each attempt keeps it. */
function rounded({ dnsMs, connectMs, tlsMs, firstByteMs }: Exchange['times']): Exchange['times'] {
  return { dnsMs: round(dnsMs), connectMs: round(connectMs), tlsMs: round(tlsMs), firstByteMs: round(firstByteMs) };
}

function round(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 100) / 100;
}

function exchangeNotSent(target: EndpointTarget, { code }: EgressError): Exchange {
  return {
    request: { method: 'POST', url: withoutUser(target.url), headers: [] },
    response: null,
    times: { dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: null },
    remoteAddress: null,
    code,
  };
}

/** A URL that was refused may be one with credentials, or none at all. */
function withoutUser(text: string): string {
  if (!URL.canParse(text)) return '';
  const url = new URL(text);
  url.username = '';
  url.password = '';
  return url.href;
}
