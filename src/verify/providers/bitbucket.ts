/** Bitbucket Cloud. */
import { WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/**
 * Bitbucket Cloud: `X-Hub-Signature: sha256=…`, an HMAC-SHA256 of the raw body. Secrets from
 * `BITBUCKET_WEBHOOK_SECRET`.
 * Rule: https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function bitbucket<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(bitbucketProvider, { header: 'X-Hub-Signature', prefix: 'sha256=' }, options);
}

export const bitbucketProvider: Provider = {
  key: 'bitbucket',
  title: 'Bitbucket Cloud',
  factory: 'bitbucket',
  variables: { secrets: 'BITBUCKET_WEBHOOK_SECRET' },
  defaults: {
    type: 'header.x-event-key',
    dedupeKey: 'header.x-request-uuid',
    orderKey: 'body.repository.full_name',
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'The headers, event key and request id among them, the URL and the time: a captured request can be sent again under another id.',
  page: {
    source: 'https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/',
    setUp: 'Repository settings → Webhooks → Add webhook: enter the URL and a secret.',
    verified: '`X-Hub-Signature`: `sha256=` and the HMAC-SHA256 of the raw body in hex.',
    retries: 'At most twice. Bitbucket waits 10 s; payloads above 256 KB are not sent.',
  },
  make: (settings) => bitbucket(settings),
};
