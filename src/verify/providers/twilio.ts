/** Twilio: form requests (messages, calls, status) and JSON requests. */
import { Buffer } from 'node:buffer';
import { sameDigestText } from '../compare.ts';
import { soleHeader } from '../headers.ts';
import { hmacKeys } from '../keys.ts';
import type { Keys } from '../keys.ts';
import { makeSignature } from '../mac.ts';
import { isForm } from '../media.ts';
import { providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider, PublicUrlOptions, SecretOptions } from '../provider.ts';
import { publicUrl } from '../public-url.ts';
import type { PublicUrl } from '../public-url.ts';
import { formPairs, legacyQuery, parameterOf, withParameter } from '../query.ts';
import { hashOnce } from '../one-shot.ts';
import type { Opened } from '../secret.ts';
import { HELD, refuse } from '../verdict.ts';
import type { Refusal } from '../verdict.ts';
import type { ReadInput, TypedBody, UnsignedRequest, Verdict, Verifier, VerifyRequest, Witness } from '../verifier.ts';
import { headerValue } from '../../core/event.ts';

/** Options of {@link twilio} and {@link twilioJson}. */
export interface TwilioOptions extends SecretOptions, PublicUrlOptions {}

/**
 * Twilio: `X-Twilio-Signature`, an HMAC-SHA1, in base64, of the full URL and the sorted form parameters; a body that is
 * no form must be covered by `bodySHA256` in the URL. Auth tokens from `TWILIO_AUTH_TOKEN`. Answers with an empty TwiML
 * document. Rule: https://www.twilio.com/docs/usage/security
 *
 * @throws HoldfastError `secret_missing` without a token, `config_invalid` without a public URL
 */
export function twilio<Body = unknown>(options: TwilioOptions = {}): Verifier & TypedBody<Body> {
  return make(twilioProvider, options);
}

/**
 * Twilio's JSON requests: the signature covers the URL, whose `bodySHA256` is the SHA-256 of the raw body. Auth tokens
 * from `TWILIO_AUTH_TOKEN`. Rule: https://www.twilio.com/docs/usage/security
 *
 * @throws HoldfastError `secret_missing` without a token, `config_invalid` without a public URL
 */
export function twilioJson<Body = unknown>(options: TwilioOptions = {}): Verifier & TypedBody<Body> {
  return make(twilioJsonProvider, options);
}

function make(provider: Provider, options: TwilioOptions): Verifier {
  return providerVerifier(provider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets, baseUrl }) =>
      open(
        publicUrl(provider.key, options, baseUrl[0]),
        hmacKeys({ algorithm: 'sha1', encoding: 'base64', secretEncoding: 'utf8' }, secrets),
      ),
  });
}

const HEADER = 'X-Twilio-Signature';
const BODY_HASH = 'bodySHA256';

function open(urlOf: PublicUrl, keys: Keys): Opened {
  const header = HEADER.toLowerCase();

  function verify(request: VerifyRequest, _now: number, witness?: Witness): Verdict {
    const signature = soleHeader(request.headers, header);
    if (typeof signature !== 'string') return signature;
    const url = urlOf(request);
    if (typeof url !== 'string') return url;
    const parameters = coveredParameters(url, request);
    if (typeof parameters !== 'string') return parameters;
    if (keys.prove([signature], [url, parameters], witness)) return HELD;
    for (const candidate of otherForms(url)) if (keys.prove([signature], [candidate, parameters], witness)) return HELD;
    return refuse('signature_mismatch', header);
  }

  return {
    verify,
    sign(request) {
      const url = urlOf(request);
      const parameters = typeof url === 'string' ? coveredParameters(url, request) : url;
      if (typeof url !== 'string' || typeof parameters !== 'string') return [];
      return [HEADER, makeSignature(keys, [url, parameters])];
    },
    embed(request) {
      const bare = request.body.length === 0 || isForm(request.headers);
      return bare ? request : { ...request, url: withParameter(request.url, BODY_HASH, sha256(request.body)) };
    },
  };
}

/**
 * The form parameters as they are signed after the URL; '' where the URL itself covers the body. A body that nothing
 * covers is refused: the signature would hold whatever it says.
 */
function coveredParameters(url: string, request: UnsignedRequest): string | Refusal {
  const hash = parameterOf(url, BODY_HASH);
  if (hash !== null) {
    return sameDigestText(sha256(request.body), hash) ? '' : refuse('body_hash_mismatch', `${BODY_HASH} of the URL`);
  }
  if (request.body.length === 0) return '';
  if (!isForm(request.headers))
    return refuse('body_hash_mismatch', `the URL of a body that is no form has no ${BODY_HASH}`);
  return signedForm(Buffer.from(request.body.buffer, request.body.byteOffset, request.body.length).toString('utf8'));
}

/** Each key with its values, keys in order of code units; of a repeated key each value once, in order. */
function signedForm(text: string): string {
  const pairs = formPairs(text).toSorted(inOrder);
  let signed = '';
  let before: readonly string[] = [];
  for (const pair of pairs) {
    const [name, value] = pair;
    if (name !== before[0] || value !== before[1]) signed += name + value;
    before = pair;
  }
  return signed;
}

/** By name, then by value, in code units. */
function inOrder(left: readonly [string, string], right: readonly [string, string]): number {
  if (left[0] !== right[0]) return left[0] < right[0] ? -1 : 1;
  if (left[1] === right[1]) return 0;
  return left[1] < right[1] ? -1 : 1;
}

/**
 * The other spellings of a URL that Twilio has signed over the years, as its library tries them: without and with a
 * port, and with the query escaped in an older way. Made one by one: mostly none is needed.
 */
function* otherForms(url: string): Generator<string> {
  yield withoutPort(url);
  yield withPort(url);
  const normal = URL.canParse(url) ? new URL(url).toString() : url;
  for (const form of [withoutPort(normal), withPort(normal)]) {
    yield form;
    yield withLegacyQuery(form);
  }
}

const AUTHORITY = /^(https?:\/\/)((?:[^/?#]*@)?)(\[[^\]]*\]|[^/?#:]*)((?::\d*)?)(.*)$/is;

function withoutPort(url: string): string {
  return url.replace(AUTHORITY, '$1$2$3$5');
}

function withPort(url: string): string {
  const [, scheme = '', user = '', host = '', port = '', rest = ''] = AUTHORITY.exec(url) ?? [];
  if (host === '' || port !== '') return url;
  return `${scheme}${user}${host}${scheme.toLowerCase() === 'https://' ? ':443' : ':80'}${rest}`;
}

function withLegacyQuery(url: string): string {
  const mark = url.indexOf('?');
  return mark < 0 || mark === url.length - 1 ? url : `${url.slice(0, mark)}?${legacyQuery(url.slice(mark + 1))}`;
}

function sha256(body: Uint8Array): string {
  return hashOnce('sha256', body, 'hex');
}

/** What happened: the status of the message or of the call. */
function readType({ form }: ReadInput): string | null {
  return form?.get('MessageStatus') ?? form?.get('SmsStatus') ?? form?.get('CallStatus') ?? null;
}

/**
 * A message in a status is one event. A call asks several times in one status (each Gather does), so there only what
 * has a sequence number, or Twilio's own token for a retry, is known again.
 */
function readDedupeKey({ form, headers }: ReadInput): string | null {
  const message = form?.get('MessageSid') ?? form?.get('SmsSid');
  const status = form?.get('MessageStatus') ?? form?.get('SmsStatus');
  if (typeof message === 'string' && typeof status === 'string') return `${message}:${status}`;
  const call = form?.get('CallSid');
  const sequence = form?.get('SequenceNumber');
  if (typeof call === 'string' && typeof sequence === 'string') {
    return `${call}:${form?.get('CallStatus') ?? ''}:${sequence}`;
  }
  return headerValue(headers, 'i-twilio-idempotency-token') ?? null;
}

function readOrderKey({ form }: ReadInput): string | null {
  return form?.get('MessageSid') ?? form?.get('CallSid') ?? null;
}

const SOURCE = 'https://www.twilio.com/docs/usage/security';
const RETRIES =
  'Only where the URL asks for it (`#rc=2&rp=all`); else the fallback URL is called. Twilio waits 15 s in all.';
const SET_UP =
  'The secret is the account’s auth token; while rotating, primary and secondary with a comma between. `publicUrl` must be the URL entered at Twilio; with an origin alone, path and query of the request are added.';

export const twilioProvider: Provider = {
  key: 'twilio',
  title: 'Twilio',
  factory: 'twilio',
  variables: { secrets: 'TWILIO_AUTH_TOKEN' },
  signsUrl: true,
  defaults: {
    type: readType,
    dedupeKey: readDedupeKey,
    orderKey: readOrderKey,
    methods: ['GET'],
    answer: { status: 200, headers: { 'content-type': 'text/xml' }, body: '<Response/>' },
    deadlineMs: 15_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'The headers and the time: a captured request can be sent again. Parameters are signed without separators and in sorted order, so where one ends and the next begins is not covered.',
  page: {
    source: SOURCE,
    setUp: SET_UP,
    verified:
      '`X-Twilio-Signature`: HMAC-SHA1, in base64, of the full URL and every form parameter, name and value, in sorted order. A body that is no form is accepted only with `bodySHA256` in the URL.',
    retries: RETRIES,
    keys: {
      type: '`MessageStatus`, else `SmsStatus`, else `CallStatus`',
      dedupeKey:
        '`MessageSid` and its status; for calls `CallSid`, `CallStatus` and `SequenceNumber`; else the header `I-Twilio-Idempotency-Token`',
      orderKey: '`MessageSid`, else `CallSid`',
    },
    differs:
      'URLs are tried with and without port and with the query escaped in Twilio’s older way, as its library does.',
    note: 'The answer is TwiML: text or JSON would be sent to whoever texted. To answer with TwiML of your own, use `sync`.',
  },
  make: (settings) => twilio(settings),
};

export const twilioJsonProvider: Provider = {
  key: 'twilio-json',
  title: 'Twilio (JSON)',
  factory: 'twilioJson',
  variables: { secrets: 'TWILIO_AUTH_TOKEN' },
  signsUrl: true,
  defaults: {
    type: 'body.type',
    dedupeKey: 'header.i-twilio-idempotency-token',
    deadlineMs: 15_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'The headers and the time: a captured request can be sent again. The body is covered by its SHA-256 in the signed URL.',
  page: {
    source: SOURCE,
    setUp: SET_UP,
    verified:
      '`X-Twilio-Signature`: HMAC-SHA1, in base64, of the full URL, whose `bodySHA256` is the SHA-256 of the raw body.',
    retries: RETRIES,
    differs: 'A JSON body without `bodySHA256` in the URL is refused: its signature would hold for any body.',
    note: 'Which field is the type or the id differs by product: set `type` and `dedupeKey` to those of yours.',
  },
  make: (settings) => twilioJson(settings),
};
