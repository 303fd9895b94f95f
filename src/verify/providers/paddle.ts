/** Paddle Billing. */
import { toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions, ToleranceOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { fieldHmac } from './hmac-provider.ts';

/** Options of {@link paddle}. */
export interface PaddleOptions extends SecretOptions, ToleranceOptions {}

/**
 * Paddle Billing: `Paddle-Signature: ts=…;h1=…`, an HMAC-SHA256 of the time and the raw body. Secrets from
 * `PADDLE_WEBHOOK_SECRET`; tolerance 60,000 ms both ways.
 * Rule: https://developer.paddle.com/webhooks/signature-verification
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function paddle<Body = unknown>(options: PaddleOptions = {}): Verifier & TypedBody<Body> {
  return fieldHmac(
    paddleProvider,
    {
      header: 'Paddle-Signature',
      separator: ';',
      timestampField: 'ts',
      signatureField: 'h1',
      joiner: ':',
      toleranceMs: toleranceOf(paddleProvider, options),
    },
    options,
  );
}

export const paddleProvider: Provider = {
  key: 'paddle',
  title: 'Paddle',
  factory: 'paddle',
  variables: { secrets: 'PADDLE_WEBHOOK_SECRET' },
  // Paddle's library allows 5 s. A clock that is 6 s off would then refuse everything, and what a window adds to
  // deduplication by the signed event id is little.
  toleranceMs: 60_000,
  defaults: {
    type: 'body.event_type',
    dedupeKey: 'body.event_id',
    orderKey: 'body.data.id',
    deadlineMs: 5000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: 'The URL and every header but the signature’s own; body and time are covered.',
  page: {
    source: 'https://developer.paddle.com/webhooks/signature-verification',
    setUp: 'Developer tools → Notifications → New destination; the secret key is `pdl_ntfset_…`.',
    verified: '`Paddle-Signature`: HMAC-SHA256, in hex, of `ts`, a colon and the raw body; any `h1` may match.',
    retries: 'Sandbox: 3 times in 15 minutes; live: 60 times in 3 days. Paddle waits 5 s.',
    differs:
      'Paddle’s library allows an age of 5 s, accepts timestamps from the future, and of several `h1` keeps only the last. Here the tolerance is 60 s both ways (`toleranceMs` changes it) and any `h1` may match, as the rotation is documented.',
  },
  make: (settings) => paddle(settings),
};
