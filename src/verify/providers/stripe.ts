/** Stripe. */
import { toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions, ToleranceOptions } from '../provider.ts';
import { TOLERANCE_MS } from '../timestamp.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { fieldHmac } from './hmac-provider.ts';

/** Options of {@link stripe}. */
export interface StripeOptions extends SecretOptions, ToleranceOptions {}

/**
 * Stripe: `Stripe-Signature: t=…,v1=…`, an HMAC-SHA256 of the time and the raw body. `v0` is never taken.
 * Secrets from `STRIPE_WEBHOOK_SECRET`; tolerance 300,000 ms both ways. Rule: https://docs.stripe.com/webhooks
 *
 * @example sources: { stripe: stripe<Stripe.Event>() }
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function stripe<Body = unknown>(options: StripeOptions = {}): Verifier & TypedBody<Body> {
  const toleranceMs = toleranceOf(stripeProvider, options);
  return fieldHmac(
    stripeProvider,
    { header: 'Stripe-Signature', separator: ',', timestampField: 't', signatureField: 'v1', joiner: '.', toleranceMs },
    options,
  );
}

export const stripeProvider: Provider = {
  key: 'stripe',
  title: 'Stripe',
  factory: 'stripe',
  variables: { secrets: 'STRIPE_WEBHOOK_SECRET' },
  toleranceMs: TOLERANCE_MS,
  defaults: {
    type: 'body.type',
    dedupeKey: 'body.id',
    orderKey: 'body.data.object.id',
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: 'The URL and every header but the signature’s own; body and time are covered.',
  page: {
    source: 'https://docs.stripe.com/webhooks',
    setUp:
      'Developers → Webhooks → Add destination: enter the URL, choose events, and copy the signing secret (`whsec_…`). It is used as text, not decoded.',
    verified:
      '`Stripe-Signature`: HMAC-SHA256, in hex, of `t`, a dot and the raw body; any `v1` may match, `v0` is ignored.',
    retries:
      'Live mode: up to 3 days with growing gaps; test mode: a few times over some hours. Stripe does not say how long it waits for an answer.',
    differs: 'Stripe’s library accepts timestamps from the future; here they must lie within the tolerance too.',
  },
  make: (settings) => stripe(settings),
};
