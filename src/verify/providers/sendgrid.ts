/** SendGrid: Event Webhook and Inbound Parse. */
import { Buffer } from 'node:buffer';
import { ecdsaKeys } from '../ecdsa.ts';
import { digestOf } from '../json.ts';
import { openHeaderScheme } from '../mac.ts';
import { HOUR_MS, providerVerifier, toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, PublicKeyOptions, ToleranceOptions } from '../provider.ts';
import type { ReadInput, TypedBody, Verifier } from '../verifier.ts';

/** Options of {@link sendgrid} and {@link sendgridInboundParse}. */
export interface SendgridOptions extends PublicKeyOptions, ToleranceOptions {}

/**
 * SendGrid's signed Event Webhook: `X-Twilio-Email-Event-Webhook-Signature`, an ECDSA P-256 signature (SHA-256, DER, in
 * base64) of the time and the raw body. The public key is base64 of its SPKI DER, from `SENDGRID_PUBLIC_KEY`. SendGrid
 * names no window and retries for 24 hours, perhaps without signing anew: 90,000,000 ms (25 hours) both ways.
 * Rule: https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
 *
 * @throws HoldfastError `secret_missing` when there is no public key, or it is not one
 */
export function sendgrid<Body = unknown>(options: SendgridOptions = {}): Verifier & TypedBody<Body> {
  return signed(sendgridProvider, options);
}

/**
 * SendGrid's Inbound Parse with a signing security policy: the same two headers over the raw multipart body. The public
 * key from `SENDGRID_INBOUND_PARSE_PUBLIC_KEY`. What it retries, it retries for 72 hours: 262,800,000 ms (73 hours) both
 * ways. Without a policy, put `basic` or `queryToken` into the URL instead.
 * Rule: https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/securing-your-parse-webhooks
 *
 * @throws HoldfastError `secret_missing` when there is no public key, or it is not one
 */
export function sendgridInboundParse<Body = unknown>(options: SendgridOptions = {}): Verifier & TypedBody<Body> {
  return signed(sendgridInboundParseProvider, options);
}

function signed(provider: Provider, options: SendgridOptions): Verifier {
  return providerVerifier(provider, {
    settings: ['publicKeys', 'privateKeys'],
    given: { publicKeys: options.publicKeys, privateKeys: options.privateKeys },
    open: ({ publicKeys, privateKeys }) =>
      openHeaderScheme(
        {
          header: 'X-Twilio-Email-Event-Webhook-Signature',
          timestamp: {
            header: 'X-Twilio-Email-Event-Webhook-Timestamp',
            unit: 's',
            toleranceMs: toleranceOf(provider, options),
          },
          signed: (request, at) => [at, request.body],
        },
        ecdsaKeys(publicKeys, privateKeys),
      ),
  });
}

/** More of a mail's headers than this is not searched. */
const MAIL_HEADERS_MAX = 65_536;

/** `Message-ID` among the mail's headers, a part of the multipart body; else the bytes are the identity. */
function readMessageId({ body }: ReadInput): string {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const start = bytes.indexOf('name="headers"');
  if (start < 0) return digestOf(body);
  const [part = ''] = bytes.toString('latin1', start, start + MAIL_HEADERS_MAX).split('\r\n--', 1);
  return /^message-id:\s*(\S{1,998})\s*$/im.exec(part)?.[1] ?? digestOf(body);
}

export const sendgridProvider: Provider = {
  key: 'sendgrid',
  title: 'SendGrid Event Webhook',
  factory: 'sendgrid',
  variables: { publicKeys: 'SENDGRID_PUBLIC_KEY' },
  toleranceMs: 25 * HOUR_MS,
  defaults: {
    split: 'body',
    type: 'body.event',
    dedupeKey: 'body.sg_event_id',
    orderKey: 'body.sg_message_id',
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: 'The URL and every header but the signature’s and the timestamp’s; body and time are covered.',
  page: {
    source:
      'https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features',
    setUp:
      'Settings → Mail Settings → Event Webhooks: enter the URL, switch on “Signed Event Webhook”, copy the verification key.',
    verified:
      '`X-Twilio-Email-Event-Webhook-Signature`: an ECDSA P-256 signature with SHA-256 (DER, in base64) of the timestamp header and the raw body, its line breaks between and after events included.',
    retries: 'For up to 24 hours with growing gaps where the answer was no 2xx.',
    differs:
      'SendGrid fixes no window and its library checks none. Here it is 25 hours, longer than it retries, since it is not known whether a retry is signed anew; deduplication recognises what is sent again within it.',
  },
  make: (settings) => sendgrid(settings),
};

export const sendgridInboundParseProvider: Provider = {
  key: 'sendgrid-inbound-parse',
  title: 'SendGrid Inbound Parse',
  factory: 'sendgridInboundParse',
  variables: { publicKeys: 'SENDGRID_INBOUND_PARSE_PUBLIC_KEY' },
  toleranceMs: 73 * HOUR_MS,
  defaults: {
    type: '=inbound.mail',
    dedupeKey: readMessageId,
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
    retryLaterStatus: 503,
  },
  notProtected: 'The URL and every header but the signature’s and the timestamp’s; body and time are covered.',
  page: {
    source: 'https://www.twilio.com/docs/sendgrid/for-developers/parsing-email/securing-your-parse-webhooks',
    setUp:
      'Settings → Inbound Parse: enter host and URL. Create a security policy with a signature by `POST /v3/user/webhooks/security/policies`, attach it, and copy its public key. Mails are up to 30 MB: raise `bodyBytesMax`.',
    verified:
      '`X-Twilio-Email-Event-Webhook-Signature`: an ECDSA P-256 signature with SHA-256 (DER, in base64) of the timestamp header and the raw multipart body.',
    retries:
      'At 5xx for up to 72 hours. At any 4xx or 3xx the mail is dropped for good, so refusals that may pass (rate, overload) are answered 503 here.',
    keys: { dedupeKey: '`Message-ID` of the mail; without one the SHA-256 of the body' },
    differs:
      'SendGrid fixes no window. Here it is 73 hours, longer than it retries. The body is hashed as bytes: attachments need not be UTF-8.',
  },
  make: (settings) => sendgridInboundParse(settings),
};
