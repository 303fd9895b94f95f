/** Typeform. */
import { BODY_ONLY, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/**
 * Typeform: `Typeform-Signature: sha256=…`, an HMAC-SHA256 of the raw body in base64. Secrets from
 * `TYPEFORM_WEBHOOK_SECRET`.
 * Rule: https://www.typeform.com/developers/webhooks/secure-your-webhooks
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function typeform<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(typeformProvider, { header: 'Typeform-Signature', prefix: 'sha256=', encoding: 'base64' }, options);
}

export const typeformProvider: Provider = {
  key: 'typeform',
  title: 'Typeform',
  factory: 'typeform',
  variables: { secrets: 'TYPEFORM_WEBHOOK_SECRET' },
  defaults: {
    type: 'body.event_type',
    dedupeKey: 'body.event_id',
    orderKey: 'body.form_response.token',
    deadlineMs: 30_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: BODY_ONLY,
  page: {
    source: 'https://www.typeform.com/developers/webhooks/secure-your-webhooks',
    setUp: 'Connect → Webhooks → Add a webhook: enter the URL, then Edit → Secret.',
    verified: '`Typeform-Signature`: `sha256=` and the HMAC-SHA256 of the raw body, in base64 (not hex).',
    retries: 'For up to 10 hours with growing gaps; 404 and 410 disable the webhook. Typeform waits 30 s.',
  },
  make: (settings) => typeform(settings),
};
