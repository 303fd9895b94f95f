/** Zendesk. */
import { HOUR_MS, toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions, ToleranceOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/** Options of {@link zendesk}. */
export interface ZendeskOptions extends SecretOptions, ToleranceOptions {}

/**
 * Zendesk: `X-Zendesk-Webhook-Signature`, an HMAC-SHA256, in base64, of the timestamp header and the raw body. The
 * secret is taken as text, though it looks like base64; from `ZENDESK_WEBHOOK_SECRET`. Zendesk names no window and does
 * not say whether a retry is signed anew: 86,400,000 ms both ways.
 * Rule: https://developer.zendesk.com/documentation/webhooks/verifying/
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function zendesk<Body = unknown>(options: ZendeskOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(
    zendeskProvider,
    {
      header: 'X-Zendesk-Webhook-Signature',
      encoding: 'base64',
      timestamp: {
        header: 'X-Zendesk-Webhook-Signature-Timestamp',
        unit: 'rfc3339',
        toleranceMs: toleranceOf(zendeskProvider, options),
      },
      signed: (request, at) => [at, request.body],
    },
    options,
  );
}

export const zendeskProvider: Provider = {
  key: 'zendesk',
  title: 'Zendesk',
  factory: 'zendesk',
  variables: { secrets: 'ZENDESK_WEBHOOK_SECRET' },
  toleranceMs: 24 * HOUR_MS,
  defaults: {
    type: 'body.type',
    dedupeKey: 'body.id',
    orderKey: 'body.subject',
    deadlineMs: 12_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: 'The URL and every header but the signature’s and the timestamp’s; body and time are covered.',
  page: {
    source: 'https://developer.zendesk.com/documentation/webhooks/verifying/',
    setUp:
      'Admin Center → Apps and integrations → Webhooks: create it, then “Reveal secret”. It is used as text, although it looks like base64.',
    verified:
      '`X-Zendesk-Webhook-Signature`: HMAC-SHA256, in base64, of the timestamp header (RFC 3339) and the raw body.',
    retries:
      'A few times where the connection failed or the answer was 409, 429 or 503 with `Retry-After`. Zendesk waits 12 s.',
    differs: 'Zendesk fixes no window. Here it is 24 hours; deduplication recognises what is sent again within it.',
    note: 'Bodies of trigger webhooks are your own: set `type` and `dedupeKey` to what you put into them (`header.x-zendesk-webhook-invocation-id` is not signed).',
  },
  make: (settings) => zendesk(settings),
};
