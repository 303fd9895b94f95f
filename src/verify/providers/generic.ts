/** Senders without a file of their own, as providers: what `hmac` and `timestampedHmac` verify. */
import { hmac, NO_TIME, timestampedHmac } from '../hmac.ts';
import { secret } from '../secret.ts';
import { TOLERANCE_MS } from '../timestamp.ts';
import type { Provider } from '../provider.ts';

export const genericHmacProvider: Provider = {
  key: 'generic-hmac',
  title: 'Any sender with an HMAC',
  factory: 'hmac',
  variables: { secrets: 'HMAC_WEBHOOK_SECRET' },
  defaults: {},
  notProtected: NO_TIME,
  page: {
    source: 'https://www.rfc-editor.org/rfc/rfc2104',
    setUp:
      "Agree with the sender on header, algorithm and encoding: `hmac({ header: 'x-signature', secrets: secret('ORDERS_SECRET') })`.",
    verified:
      'The header: an HMAC (SHA-256 by default, SHA-1, SHA-384 or SHA-512) of the raw body, in hex or base64, after a `prefix` where there is one; with `timestamp`, of time and body together.',
    retries: 'Up to the sender.',
    differs: 'An empty secret is refused when the gateway starts, so no request ever verifies with it.',
    note: 'Set `type`, `dedupeKey` and `orderKey` of the source to what the sender writes. The variable is your choice; the one named here is what `holdfast simulate generic-hmac` reads.',
  },
  make: (settings) =>
    hmac({ header: settings.header ?? 'X-Signature', secrets: settings.secrets ?? secret('HMAC_WEBHOOK_SECRET') }),
};

export const genericTimestampedProvider: Provider = {
  key: 'generic-timestamped',
  title: 'Any sender with a timestamped HMAC',
  factory: 'timestampedHmac',
  variables: { secrets: 'HMAC_WEBHOOK_SECRET' },
  toleranceMs: TOLERANCE_MS,
  defaults: {},
  notProtected: 'The URL and every header but the signature’s own; body and time are covered.',
  page: {
    source: 'https://docs.stripe.com/webhooks#verify-manually',
    setUp:
      "Agree with the sender on header and joiner: `timestampedHmac({ header: 'mux-signature', secrets: secret('MUX_WEBHOOK_SECRET') })`.",
    verified:
      'The header `t=…,v1=…`: an HMAC (SHA-256 in hex by default) of `t`, the joiner (a dot by default) and the raw body; any `v1` may match. Convoy’s advanced signatures join with a comma.',
    retries: 'Up to the sender.',
    note: 'Set `type`, `dedupeKey` and `orderKey` of the source to what the sender writes. The variable is your choice; the one named here is what `holdfast simulate generic-timestamped` reads.',
  },
  make: (settings) =>
    timestampedHmac({
      header: settings.header ?? 'X-Signature',
      secrets: settings.secrets ?? secret('HMAC_WEBHOOK_SECRET'),
      ...(settings.toleranceMs !== undefined && { toleranceMs: settings.toleranceMs }),
    }),
};
