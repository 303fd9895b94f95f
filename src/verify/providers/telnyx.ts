/** Telnyx. */
import { ed25519Keys } from '../ed25519.ts';
import { openHeaderScheme } from '../mac.ts';
import { providerVerifier, toleranceOf, WEEK_MS } from '../provider.ts';
import type { Provider, PublicKeyOptions, ToleranceOptions } from '../provider.ts';
import { TOLERANCE_MS } from '../timestamp.ts';
import type { TypedBody, Verifier } from '../verifier.ts';

/** Options of {@link telnyx}. */
export interface TelnyxOptions extends PublicKeyOptions, ToleranceOptions {}

/**
 * Telnyx: `telnyx-signature-ed25519`, an Ed25519 signature, in base64, of the time, a pipe and the raw body. The public
 * key is base64 of 32 bytes, from `TELNYX_PUBLIC_KEY`; tolerance 300,000 ms both ways.
 * Rule: https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks
 *
 * @throws HoldfastError `secret_missing` when there is no public key, or it is not 32 bytes
 */
export function telnyx<Body = unknown>(options: TelnyxOptions = {}): Verifier & TypedBody<Body> {
  const form = { keyEncoding: 'base64', signatureEncoding: 'base64' } as const;
  return providerVerifier(telnyxProvider, {
    settings: ['publicKeys', 'privateKeys'],
    given: { publicKeys: options.publicKeys, privateKeys: options.privateKeys },
    open: ({ publicKeys, privateKeys }) =>
      openHeaderScheme(
        {
          header: 'telnyx-signature-ed25519',
          timestamp: { header: 'telnyx-timestamp', unit: 's', toleranceMs: toleranceOf(telnyxProvider, options) },
          signed: (request, at) => [`${at}|`, request.body],
        },
        ed25519Keys(form, publicKeys, privateKeys),
      ),
  });
}

export const telnyxProvider: Provider = {
  key: 'telnyx',
  title: 'Telnyx',
  factory: 'telnyx',
  variables: { publicKeys: 'TELNYX_PUBLIC_KEY' },
  toleranceMs: TOLERANCE_MS,
  defaults: {
    type: 'body.data.event_type',
    dedupeKey: 'body.data.id',
    orderKey: 'body.data.payload.id',
    deadlineMs: 2000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: 'The URL and every header but the signature’s and the timestamp’s; body and time are covered.',
  page: {
    source: 'https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks',
    setUp:
      'Mission Control Portal → Keys & Credentials → Public Key: copy it (base64). Enter the URL in the messaging profile or application.',
    verified:
      '`telnyx-signature-ed25519`: an Ed25519 signature, in base64, of `telnyx-timestamp`, `|` and the raw body.',
    retries: 'Up to 3 attempts for each URL, then the failover URL. Telnyx waits 2 s.',
  },
  make: (settings) => telnyx(settings),
};
