/** GitHub, github.com and Enterprise Server. */
import { WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/**
 * GitHub: `X-Hub-Signature-256: sha256=…`, an HMAC-SHA256 of the raw body, JSON or form. The SHA-1 header is never
 * taken. Secrets from `GITHUB_WEBHOOK_SECRET`.
 * Rule: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function github<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(githubProvider, { header: 'X-Hub-Signature-256', prefix: 'sha256=' }, options);
}

export const githubProvider: Provider = {
  key: 'github',
  title: 'GitHub',
  factory: 'github',
  variables: { secrets: 'GITHUB_WEBHOOK_SECRET' },
  defaults: {
    type: 'header.x-github-event',
    dedupeKey: 'header.x-github-delivery',
    orderKey: 'body.repository.full_name',
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'The headers, event name and delivery id among them, the URL and the time: a captured request can be sent again under another delivery id.',
  page: {
    source: 'https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries',
    setUp: 'Settings → Webhooks → Add webhook: enter the URL and a random secret; content type `application/json`.',
    verified:
      '`X-Hub-Signature-256`: `sha256=` and the HMAC-SHA256 of the raw body in hex. The SHA-1 header `X-Hub-Signature` is ignored.',
    retries:
      'None by itself. A delivery can be sent again by hand for 3 days and keeps its id, so Holdfast knows it as a duplicate: replay it here instead.',
    note: 'The event name is in a header; `action` is in the body.',
  },
  make: (settings) => github(settings),
};
