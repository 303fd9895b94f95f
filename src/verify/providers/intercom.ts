/** Intercom. */
import { BODY_ONLY, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/**
 * Intercom: `X-Hub-Signature: sha1=…`, an HMAC-SHA1 of the raw body. The secret is the app's client secret, from
 * `INTERCOM_CLIENT_SECRET`.
 * Rule: https://developers.intercom.com/docs/webhooks
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function intercom<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(intercomProvider, { header: 'X-Hub-Signature', prefix: 'sha1=', algorithm: 'sha1' }, options);
}

export const intercomProvider: Provider = {
  key: 'intercom',
  title: 'Intercom',
  factory: 'intercom',
  variables: { secrets: 'INTERCOM_CLIENT_SECRET' },
  defaults: {
    type: 'body.topic',
    dedupeKey: 'body.id',
    orderKey: 'body.data.item.id',
    deadlineMs: 5000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: BODY_ONLY,
  page: {
    source: 'https://developers.intercom.com/docs/webhooks',
    setUp:
      'Developer Hub → your app → Webhooks: enter the URL and choose topics. The secret is the client secret under Basic Information.',
    verified: '`X-Hub-Signature`: `sha1=` and the HMAC-SHA1 of the raw body in hex; Intercom offers nothing newer.',
    retries: 'Once after a minute where the answer was no 2xx; 410 ends the subscription. Intercom waits 5 s.',
  },
  make: (settings) => intercom(settings),
};
