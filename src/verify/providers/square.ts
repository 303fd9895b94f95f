/** Square. */
import { hmacKeys } from '../keys.ts';
import { providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider, PublicUrlOptions, SecretOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { openUrlScheme } from '../url-scheme.ts';

/** Options of {@link square}. */
export interface SquareOptions extends SecretOptions, PublicUrlOptions {}

/**
 * Square: `x-square-hmacsha256-signature`, an HMAC-SHA256, in base64, of the notification URL and the raw body. Secrets
 * from `SQUARE_WEBHOOK_SIGNATURE_KEY`. Rule: https://developer.squareup.com/docs/webhooks/step3validate
 *
 * @throws HoldfastError `secret_missing` without a secret, `config_invalid` without a public URL
 */
export function square<Body = unknown>(options: SquareOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(squareProvider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets, baseUrl }) =>
      openUrlScheme(
        {
          name: 'square',
          header: 'x-square-hmacsha256-signature',
          options,
          base: baseUrl[0],
          signed: (url, request) => [url, request.body],
        },
        hmacKeys({ algorithm: 'sha256', encoding: 'base64', secretEncoding: 'utf8' }, secrets),
      ),
  });
}

export const squareProvider: Provider = {
  key: 'square',
  title: 'Square',
  factory: 'square',
  variables: { secrets: 'SQUARE_WEBHOOK_SIGNATURE_KEY' },
  signsUrl: true,
  defaults: {
    type: 'body.type',
    dedupeKey: 'body.event_id',
    orderKey: 'body.data.id',
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'The headers and the time: a captured request can be sent again; its event id is signed, so it is recognised.',
  page: {
    source: 'https://developer.squareup.com/docs/webhooks/step3validate',
    setUp:
      'Developer Console → your app → Webhooks → Subscriptions: enter the URL and copy the signature key. `publicUrl` must be that URL, letter by letter.',
    verified: '`x-square-hmacsha256-signature`: HMAC-SHA256, in base64, of the notification URL and the raw body.',
    retries: 'For 24 hours with growing gaps (an older page says 72).',
  },
  make: (settings) => square(settings),
};
