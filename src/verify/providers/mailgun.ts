/** Mailgun. */
import { Buffer } from 'node:buffer';
import type { HeaderList } from '../../core/event.ts';
import { asObject, digestOf, parseJson, textOf } from '../json.ts';
import { hmacKeys } from '../keys.ts';
import type { Keys } from '../keys.ts';
import { makeSignature } from '../mac.ts';
import { isForm, mediaType } from '../media.ts';
import { HOUR_MS, providerVerifier, toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions, ToleranceOptions } from '../provider.ts';
import type { Opened } from '../secret.ts';
import { checkTimestamp, formatTimestamp } from '../timestamp.ts';
import { refuse } from '../verdict.ts';
import type { ReadInput, TypedBody, UnsignedRequest, Verdict, Verifier, VerifyRequest, Witness } from '../verifier.ts';

/** Options of {@link mailgun}. */
export interface MailgunOptions extends SecretOptions, ToleranceOptions {}

/**
 * Mailgun: an HMAC-SHA256 of `timestamp` and `token` in the body itself, JSON (`signature`) or form. The key is the
 * webhook signing key, from `MAILGUN_WEBHOOK_SIGNING_KEY`. Mailgun names no window and retries for 8 hours: 43,200,000
 * ms (12 hours) both ways. Rule: https://documentation.mailgun.com/docs/mailgun/user-manual/events/webhooks
 *
 * @throws HoldfastError `secret_missing` when there is no key
 */
export function mailgun<Body = unknown>(options: MailgunOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(mailgunProvider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets }) =>
      open(
        hmacKeys({ algorithm: 'sha256', encoding: 'hex', secretEncoding: 'utf8' }, secrets),
        toleranceOf(mailgunProvider, options),
      ),
  });
}

function open(keys: Keys, toleranceMs: number): Opened {
  function verify(request: VerifyRequest, now: number, witness?: Witness): Verdict {
    const fields = signatureFields(request);
    const timestamp = textOf(fields, 'timestamp');
    const token = textOf(fields, 'token');
    const signature = textOf(fields, 'signature');
    if (timestamp === null || token === null || signature === null) {
      return refuse('body_malformed', 'the body has no signature with timestamp, token and signature as text');
    }
    if (!keys.prove([signature], [timestamp, token], witness))
      return refuse('signature_mismatch', 'signature in the body');
    return checkTimestamp(timestamp, 's', { now, toleranceMs });
  }

  function embed(request: UnsignedRequest, now: number): UnsignedRequest {
    const timestamp = formatTimestamp(now, 's');
    const token = digestOf(Buffer.concat([Buffer.from(String(now)), request.body])).slice(0, 50);
    const signature = makeSignature(keys, [timestamp, token]);
    if (isJson(request.headers)) {
      const body = { ...asObject(parseJson(request.body)), signature: { timestamp, token, signature } };
      return { ...request, body: Buffer.from(JSON.stringify(body)) };
    }
    const form = new URLSearchParams(Buffer.from(request.body).toString('utf8'));
    for (const [name, value] of Object.entries({ timestamp, token, signature })) form.set(name, value);
    return { ...request, body: Buffer.from(form.toString()) };
  }

  return { verify, embed, sign: () => [] };
}

/** The fields that are signed. One that a form has twice is none: the key would be read of the other. */
function signatureFields(request: UnsignedRequest): Readonly<Record<string, unknown>> {
  if (isJson(request.headers)) return asObject(asObject(parseJson(request.body))['signature']);
  if (!isForm(request.headers)) return {};
  const form = new URLSearchParams(Buffer.from(request.body).toString('utf8'));
  const once = SIGNED.filter((name) => form.getAll(name).length === 1);
  return Object.fromEntries(once.map((name) => [name, form.get(name)]));
}

const SIGNED = ['timestamp', 'token', 'signature'] as const;

function isJson(headers: HeaderList): boolean {
  return mediaType(headers) === 'application/json';
}

/** The event's own id cannot be trusted further than the token, which is signed. */
function readToken({ json, form }: ReadInput): string | null {
  return form?.get('token') ?? textOf(asObject(asObject(json)['signature']), 'token');
}

export const mailgunProvider: Provider = {
  key: 'mailgun',
  title: 'Mailgun',
  factory: 'mailgun',
  variables: { secrets: 'MAILGUN_WEBHOOK_SIGNING_KEY' },
  toleranceMs: 12 * HOUR_MS,
  defaults: {
    type: 'body.event-data.event',
    dedupeKey: readToken,
    orderKey: 'body.event-data.message.headers.message-id',
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'The event itself: only a time and a random token are signed, so whoever has one pair can send any event with it. Deduplication by that token takes it once only; where it matters, read the event back from Mailgun’s API.',
  page: {
    source: 'https://documentation.mailgun.com/docs/mailgun/user-manual/events/webhooks',
    setUp: 'Sending → Webhooks: add the URL. The key is the “HTTP webhook signing key” under API security.',
    verified: '`signature.signature` in the body (or the form field): HMAC-SHA256, in hex, of `timestamp` and `token`.',
    retries: 'For about 8 hours with growing gaps; 406 ends it.',
    keys: { dedupeKey: 'the signed `token`' },
    differs:
      'Mailgun fixes no window. Here it is 12 hours, longer than it retries; a token is taken once within the dedupe window.',
    note: 'Routes that post a form are verified too when it is `application/x-www-form-urlencoded`.',
  },
  make: (settings) => mailgun(settings),
};
