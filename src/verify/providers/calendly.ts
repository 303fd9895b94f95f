/** Calendly. */
import { toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions, ToleranceOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { fieldHmac } from './hmac-provider.ts';

/** Options of {@link calendly}. */
export interface CalendlyOptions extends SecretOptions, ToleranceOptions {}

/**
 * Calendly: `Calendly-Webhook-Signature: t=…,v1=…`, an HMAC-SHA256 of the time and the raw body. Secrets from
 * `CALENDLY_WEBHOOK_SIGNING_KEY`; tolerance 180,000 ms both ways, as in Calendly's sample.
 * Rule: https://developer.calendly.com/api-docs/overview/webhooks/webhook-signatures
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function calendly<Body = unknown>(options: CalendlyOptions = {}): Verifier & TypedBody<Body> {
  return fieldHmac(
    calendlyProvider,
    {
      header: 'Calendly-Webhook-Signature',
      separator: ',',
      timestampField: 't',
      signatureField: 'v1',
      joiner: '.',
      toleranceMs: toleranceOf(calendlyProvider, options),
    },
    options,
  );
}

export const calendlyProvider: Provider = {
  key: 'calendly',
  title: 'Calendly',
  factory: 'calendly',
  variables: { secrets: 'CALENDLY_WEBHOOK_SIGNING_KEY' },
  toleranceMs: 180_000,
  defaults: {
    type: 'body.event',
    dedupeKey: 'body.event+=:+body.payload.uri+=:+body.created_at',
    orderKey: 'body.payload.uri',
    deadlineMs: 15_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: 'The URL and every header but the signature’s own; body and time are covered.',
  page: {
    source: 'https://developer.calendly.com/api-docs/overview/webhooks/webhook-signatures',
    setUp: 'Create the subscription by the API with a `signing_key` of your own.',
    verified: '`Calendly-Webhook-Signature`: HMAC-SHA256, in hex, of `t`, a dot and the raw body.',
    retries:
      'For 24 hours with growing gaps, then the subscription is disabled. Calendly connects within 10 s and waits 15 s.',
    differs:
      'Calendly’s sample checks the age only; here timestamps from the future must lie within the tolerance too.',
    note: 'Calendly sends no event id; the dedupe key is made of the event, what it is about and when it was made.',
  },
  make: (settings) => calendly(settings),
};
