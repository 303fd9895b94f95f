/** Coinbase: Commerce, and the Developer Platform (CDP), which sends through Hook0. */
import type { HeaderList } from '../../core/event.ts';
import { fieldValues, parseFields } from '../fields.ts';
import { soleHeader } from '../headers.ts';
import { hmacKeys } from '../keys.ts';
import type { Keys } from '../keys.ts';
import { makeSignature } from '../mac.ts';
import { BODY_ONLY, providerVerifier, toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions, ToleranceOptions } from '../provider.ts';
import type { Opened } from '../secret.ts';
import { checkTimestamp, formatTimestamp, TOLERANCE_MS } from '../timestamp.ts';
import { refuse } from '../verdict.ts';
import type { Part, Refusal } from '../verdict.ts';
import type { TypedBody, UnsignedRequest, Verdict, Verifier, VerifyRequest, Witness } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/**
 * Coinbase Commerce: `X-CC-Webhook-Signature`, an HMAC-SHA256 of the raw body. Secrets from
 * `COINBASE_COMMERCE_WEBHOOK_SECRET`. Rule: https://docs.cdp.coinbase.com/commerce/webhooks
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function coinbaseCommerce<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(coinbaseCommerceProvider, { header: 'X-CC-Webhook-Signature' }, options);
}

/** Options of {@link coinbaseCdp}. */
export interface CoinbaseCdpOptions extends SecretOptions, ToleranceOptions {}

/**
 * Coinbase Developer Platform: `X-Hook0-Signature: t=…,h=…,v1=…`, an HMAC-SHA256 of the time, the named headers and the
 * raw body; a request with only `v0` (time and body) is taken too, but where there is a `v1` only that counts. Secrets
 * from `COINBASE_CDP_WEBHOOK_SECRET`; tolerance 300,000 ms both ways.
 * Rule: https://docs.cdp.coinbase.com/webhooks/verify-signatures
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function coinbaseCdp<Body = unknown>(options: CoinbaseCdpOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(coinbaseCdpProvider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets }) =>
      open(
        hmacKeys({ algorithm: 'sha256', encoding: 'hex', secretEncoding: 'utf8' }, secrets),
        toleranceOf(coinbaseCdpProvider, options),
      ),
  });
}

const HEADER = 'X-Hook0-Signature';
/** Names in `h=` beyond this are refused: each is looked up among all headers. */
const COVERED_MAX = 32;

function open(keys: Keys, toleranceMs: number): Opened {
  const header = HEADER.toLowerCase();

  function verify(request: VerifyRequest, now: number, witness?: Witness): Verdict {
    const value = soleHeader(request.headers, header);
    if (typeof value !== 'string') return value;
    const fields = parseFields(value, ',');
    if ('ok' in fields) return fields;
    const [at] = fieldValues(fields, 't');
    const newer = fieldValues(fields, 'v1');
    const signatures = newer.length > 0 ? newer : fieldValues(fields, 'v0');
    if (at === undefined || signatures.length === 0)
      return refuse('header_malformed', `${header} needs t= and v1= or v0=`);
    const [list = ''] = fieldValues(fields, 'h');
    const parts = newer.length > 0 ? coveredParts(at, list, request) : [`${at}.`, request.body];
    if ('ok' in parts) return parts;
    if (!keys.prove(signatures, parts, witness)) return refuse('signature_mismatch', header);
    return checkTimestamp(at, 's', { now, toleranceMs });
  }

  function sign(request: UnsignedRequest, now: number): HeaderList {
    const at = formatTimestamp(now, 's');
    const covered = ['x-event-id', 'x-event-type'].filter(
      (name) => typeof soleHeader(request.headers, name) === 'string',
    );
    const parts = coveredParts(at, covered.join(' '), request);
    return 'ok' in parts ? [] : [HEADER, `t=${at},h=${covered.join(' ')},v1=${makeSignature(keys, parts)}`];
  }

  return { verify, sign };
}

/** What `v1` signs: the time, the list of names, their values in that order, and the body, with dots between. */
function coveredParts(at: string, list: string, request: UnsignedRequest): readonly Part[] | Refusal {
  const names = list === '' ? [] : list.split(' ');
  if (names.length > COVERED_MAX) return refuse('header_malformed', `${HEADER} names too many headers`);
  let covered = `${at}.${list}.`;
  for (const [index, name] of names.entries()) {
    const value = soleHeader(request.headers, name.toLowerCase());
    if (typeof value !== 'string') return value;
    covered += index === 0 ? value : `.${value}`;
  }
  return [`${covered}.`, request.body];
}

export const coinbaseCommerceProvider: Provider = {
  key: 'coinbase-commerce',
  title: 'Coinbase Commerce',
  factory: 'coinbaseCommerce',
  variables: { secrets: 'COINBASE_COMMERCE_WEBHOOK_SECRET' },
  defaults: {
    type: 'body.event.type',
    dedupeKey: 'body.event.id',
    orderKey: 'body.event.data.id',
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: BODY_ONLY,
  page: {
    source: 'https://docs.cdp.coinbase.com/commerce/webhooks',
    setUp: 'Settings → Notifications → Add an endpoint; the shared secret is shown beside it.',
    verified: '`X-CC-Webhook-Signature`: HMAC-SHA256 of the raw body in hex.',
    retries: 'Not documented; reported as up to 3 days with growing gaps.',
  },
  make: (settings) => coinbaseCommerce(settings),
};

export const coinbaseCdpProvider: Provider = {
  key: 'coinbase-cdp',
  title: 'Coinbase Developer Platform',
  factory: 'coinbaseCdp',
  variables: { secrets: 'COINBASE_CDP_WEBHOOK_SECRET' },
  toleranceMs: TOLERANCE_MS,
  defaults: {
    type: 'body.eventType',
    dedupeKey: 'body.eventId',
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: 'The URL and the headers that `h=` does not name; a request with `v0` alone covers time and body only.',
  page: {
    source: 'https://docs.cdp.coinbase.com/webhooks/verify-signatures',
    setUp: 'Create the subscription by the CDP API; `metadata.secret` of the answer is the secret.',
    verified:
      '`X-Hook0-Signature`: HMAC-SHA256, in hex, of `t`, the list `h`, the values of those headers and the raw body, joined by dots (`v1`); without a `v1`, of `t` and the body (`v0`). A right `v0` never rescues a wrong `v1`.',
    retries: 'Not documented.',
    differs: 'Requests with `v0` alone, the older scheme, are accepted, as Hook0’s own library does.',
  },
  make: (settings) => coinbaseCdp(settings),
};
