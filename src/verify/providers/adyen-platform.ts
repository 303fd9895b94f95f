/** Adyen platform and management webhooks. */
import { BODY_ONLY, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/**
 * Adyen's platform, banking and management webhooks: `HmacSignature`, an HMAC-SHA256 of the raw body in base64. The key
 * is hex, from `ADYEN_PLATFORM_HMAC_KEY`. Payment webhooks are `adyen`.
 * Rule: https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function adyenPlatform<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(
    adyenPlatformProvider,
    { header: 'HmacSignature', encoding: 'base64', secretEncoding: 'hex' },
    options,
  );
}

export const adyenPlatformProvider: Provider = {
  key: 'adyen-platform',
  title: 'Adyen platform and management webhooks',
  factory: 'adyenPlatform',
  variables: { secrets: 'ADYEN_PLATFORM_HMAC_KEY' },
  defaults: {
    type: 'body.type',
    dedupeKey: 'body.type+=:+body.data.id+=:+body.timestamp',
    orderKey: 'body.data.id',
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: BODY_ONLY,
  page: {
    source: 'https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures',
    setUp: 'Customer Area → Developers → Webhooks: create the webhook and generate its HMAC key (hex).',
    verified: '`HmacSignature`: HMAC-SHA256 of the raw body in base64, with the hex-decoded key.',
    retries: 'For up to a week with growing gaps. Adyen waits 10 s.',
    differs:
      'Adyen’s library decodes base64 leniently and accepts characters after the signature; here only its one spelling is taken.',
    note: 'A webhook without `timestamp` has no dedupe key by default: set `dedupeKey` where you know a better one.',
  },
  make: (settings) => adyenPlatform(settings),
};
