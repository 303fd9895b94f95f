/** Razorpay. */
import { WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/**
 * Razorpay: `X-Razorpay-Signature`, an HMAC-SHA256 of the raw body. The secret is the webhook's own, not that of the API,
 * from `RAZORPAY_WEBHOOK_SECRET`.
 * Rule: https://razorpay.com/docs/webhooks/validate-test/
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function razorpay<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(razorpayProvider, { header: 'X-Razorpay-Signature' }, options);
}

export const razorpayProvider: Provider = {
  key: 'razorpay',
  title: 'Razorpay',
  factory: 'razorpay',
  variables: { secrets: 'RAZORPAY_WEBHOOK_SECRET' },
  defaults: {
    type: 'body.event',
    dedupeKey: 'header.x-razorpay-event-id',
    deadlineMs: 5000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'The headers, the event id among them, the URL and the time: a captured request can be sent again under another event id.',
  page: {
    source: 'https://razorpay.com/docs/webhooks/validate-test/',
    setUp: 'Account & Settings → Webhooks → Add new webhook: enter the URL and a secret of its own.',
    verified: '`X-Razorpay-Signature`: HMAC-SHA256 of the raw body in hex.',
    retries: 'For 24 hours with growing gaps; then the webhook is disabled. Razorpay waits 5 s.',
  },
  make: (settings) => razorpay(settings),
};
