/** Providers that sign as Standard Webhooks says: any of them, Svix, Resend. */
import { openStandard, standardDefaults } from '../standard-webhooks.ts';
import type { Provider, ProviderSettings, SecretOptions, ToleranceOptions } from '../provider.ts';
import { providerVerifier, toleranceOf } from '../provider.ts';
import { TOLERANCE_MS } from '../timestamp.ts';
import type { TypedBody, Verifier } from '../verifier.ts';

/** Options of {@link svix} and {@link resend}. */
export interface SvixOptions extends SecretOptions, ToleranceOptions {}

/**
 * Whoever sends through Svix: `svix-id`, `svix-timestamp`, `svix-signature`, else as Standard Webhooks. Secrets
 * (`whsec_…`) from `SVIX_WEBHOOK_SECRET`; tolerance 300,000 ms both ways.
 * Rule: https://docs.svix.com/receiving/verifying-payloads/how-manual
 *
 * @throws HoldfastError `secret_missing` when there is no secret, or it does not decode
 */
export function svix<Body = unknown>(options: SvixOptions = {}): Verifier & TypedBody<Body> {
  return standardProvider(svixProvider, options, 'svix-');
}

/**
 * Resend, which sends through Svix. Secrets (`whsec_…`) from `RESEND_WEBHOOK_SECRET`; tolerance 300,000 ms both ways.
 * Rule: https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests
 *
 * @throws HoldfastError `secret_missing` when there is no secret, or it does not decode
 */
export function resend<Body = unknown>(options: SvixOptions = {}): Verifier & TypedBody<Body> {
  return standardProvider(resendProvider, options, 'svix-');
}

/** The verifier of a provider that signs as Standard Webhooks says, under its own name and variable. */
export function standardProvider(provider: Provider, options: ProviderSettings, headerPrefix: string): Verifier {
  return providerVerifier(provider, {
    settings: ['secrets', 'publicKeys', 'privateKeys'],
    given: { secrets: options.secrets, publicKeys: options.publicKeys, privateKeys: options.privateKeys },
    open: (keys) => openStandard(provider.key, { toleranceMs: toleranceOf(provider, options), headerPrefix }, keys),
  });
}

const COVERED = 'The URL and every header but the three of the signature; id, body and time are covered.';

export const standardWebhooksProvider: Provider = {
  key: 'standard-webhooks',
  title: 'Standard Webhooks',
  factory: 'standardWebhooks',
  variables: { secrets: 'STANDARD_WEBHOOKS_SECRET', publicKeys: 'STANDARD_WEBHOOKS_PUBLIC_KEY' },
  optional: ['secrets', 'publicKeys'],
  toleranceMs: TOLERANCE_MS,
  defaults: standardDefaults(),
  notProtected: COVERED,
  page: {
    source: 'https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md',
    setUp:
      'For any sender that follows the specification. Ask it for its secret (`whsec_…`) or its public key (`whpk_…`).',
    verified:
      '`webhook-signature`: of `webhook-id`, `webhook-timestamp` and the raw body, joined by dots; `v1` is HMAC-SHA256 in base64, `v1a` Ed25519 in base64. Any secret, key and signature may match.',
    retries:
      'Up to the sender; the specification suggests a schedule over days and to wait 15 to 30 s. 410 disables the endpoint.',
    differs:
      'Secrets of 16 to 64 bytes are taken, where the specification says 24 to 64: Svix’s own documentation shows one of 18.',
    note: "Several senders need a variable each: `standardWebhooks({ secrets: secret('PARTNER_SECRET') })`.",
  },
  make: (settings) => standardProvider(standardWebhooksProvider, settings, 'webhook-'),
};

export const svixProvider: Provider = {
  key: 'svix',
  title: 'Svix',
  factory: 'svix',
  variables: { secrets: 'SVIX_WEBHOOK_SECRET' },
  toleranceMs: TOLERANCE_MS,
  defaults: standardDefaults('svix-'),
  notProtected: COVERED,
  page: {
    source: 'https://docs.svix.com/receiving/verifying-payloads/how-manual',
    setUp: 'For any sender that uses Svix: add the endpoint in its portal and copy the signing secret (`whsec_…`).',
    verified:
      '`svix-signature`: HMAC-SHA256, in base64, of `svix-id`, `svix-timestamp` and the raw body, joined by dots; any `v1` may match.',
    retries:
      'At once, after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h; disabled after 5 days of failure. Svix waits 15 s.',
    note: 'Where the event’s type stands is up to the sender; `body.type` is the default.',
  },
  make: (settings) => svix(settings),
};

export const resendProvider: Provider = {
  key: 'resend',
  title: 'Resend',
  factory: 'resend',
  variables: { secrets: 'RESEND_WEBHOOK_SECRET' },
  toleranceMs: TOLERANCE_MS,
  defaults: { ...standardDefaults('svix-'), orderKey: 'body.data.email_id' },
  notProtected: COVERED,
  page: {
    source: 'https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests',
    setUp: 'Webhooks → Add webhook: enter the URL, choose events, copy the signing secret (`whsec_…`).',
    verified:
      '`svix-signature`: HMAC-SHA256, in base64, of `svix-id`, `svix-timestamp` and the raw body, joined by dots; any `v1` may match.',
    retries: 'At once, after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h. Resend waits 15 s.',
  },
  make: (settings) => resend(settings),
};
