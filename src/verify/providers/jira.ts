/** Jira Cloud. */
import { WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/**
 * Jira Cloud: `X-Hub-Signature: sha256=…`, an HMAC-SHA256 of the raw body, sent only where the webhook has a secret.
 * Secrets from `JIRA_WEBHOOK_SECRET`.
 * Rule: https://developer.atlassian.com/cloud/jira/platform/webhooks/
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function jira<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(jiraProvider, { header: 'X-Hub-Signature', prefix: 'sha256=' }, options);
}

export const jiraProvider: Provider = {
  key: 'jira',
  title: 'Jira Cloud',
  factory: 'jira',
  variables: { secrets: 'JIRA_WEBHOOK_SECRET' },
  defaults: {
    type: 'body.webhookEvent',
    dedupeKey: 'header.x-atlassian-webhook-identifier',
    orderKey: 'body.issue.id',
    deadlineMs: 20_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'The headers, the webhook identifier among them, the URL and the time: a captured request can be sent again under another identifier.',
  page: {
    source: 'https://developer.atlassian.com/cloud/jira/platform/webhooks/',
    setUp:
      'System → WebHooks → Create: enter the URL and a secret. Without a secret Jira signs nothing and every request is refused here.',
    verified: '`X-Hub-Signature`: `sha256=` and the HMAC-SHA256 of the raw body in hex.',
    retries: 'Up to 5 times, with the same identifier.',
  },
  make: (settings) => jira(settings),
};
