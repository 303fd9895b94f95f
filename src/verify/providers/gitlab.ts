/** GitLab: the signing token of 19.0 and later, and the older secret token. */
import { providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions, ToleranceOptions } from '../provider.ts';
import { TOLERANCE_MS } from '../timestamp.ts';
import { NOTHING_SIGNED, openHeaderToken } from '../tokens.ts';
import type { SourceDefaults, TypedBody, Verifier } from '../verifier.ts';
import { standardProvider } from './standard.ts';

/** Options of {@link gitlabSigningToken}. */
export interface GitlabSigningTokenOptions extends SecretOptions, ToleranceOptions {}

/**
 * GitLab with a signing token (19.0 and later): as Standard Webhooks. Secrets (`whsec_…`) from `GITLAB_SIGNING_TOKEN`;
 * tolerance 300,000 ms both ways. Rule: https://docs.gitlab.com/user/project/integrations/webhooks/
 *
 * @throws HoldfastError `secret_missing` when there is no secret, or it does not decode
 */
export function gitlabSigningToken<Body = unknown>(
  options: GitlabSigningTokenOptions = {},
): Verifier & TypedBody<Body> {
  return standardProvider(gitlabSigningTokenProvider, options, 'webhook-');
}

/**
 * GitLab with a secret token: `X-Gitlab-Token` is the token itself and nothing is signed. Tokens from
 * `GITLAB_WEBHOOK_TOKEN`. Rule: https://docs.gitlab.com/user/project/integrations/webhooks/
 *
 * @throws HoldfastError `secret_missing` when there is no token
 */
export function gitlabToken<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(gitlabTokenProvider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets }) => openHeaderToken('X-Gitlab-Token', secrets),
  });
}

const defaults: SourceDefaults = {
  type: 'header.x-gitlab-event',
  orderKey: 'body.project_id',
  deadlineMs: 10_000,
  dedupeWindowMs: WEEK_MS,
};

export const gitlabSigningTokenProvider: Provider = {
  key: 'gitlab-signing-token',
  title: 'GitLab (signing token)',
  factory: 'gitlabSigningToken',
  variables: { secrets: 'GITLAB_SIGNING_TOKEN' },
  toleranceMs: TOLERANCE_MS,
  defaults: { ...defaults, dedupeKey: 'header.webhook-id' },
  notProtected:
    'The URL and every header but the three of the signature, the event’s name among them; id, body and time are covered.',
  page: {
    source: 'https://docs.gitlab.com/user/project/integrations/webhooks/',
    setUp:
      'GitLab 19.0 and later: Settings → Webhooks → Add new webhook: enter the URL and generate a signing token (`whsec_…`).',
    verified:
      '`webhook-signature`: HMAC-SHA256, in base64, of `webhook-id`, `webhook-timestamp` and the raw body, joined by dots.',
    retries: 'None documented; a webhook that keeps failing is disabled. GitLab waits 10 s.',
  },
  make: (settings) => gitlabSigningToken(settings),
};

export const gitlabTokenProvider: Provider = {
  key: 'gitlab-token',
  title: 'GitLab (secret token)',
  factory: 'gitlabToken',
  variables: { secrets: 'GITLAB_WEBHOOK_TOKEN' },
  credentialHeaders: ['x-gitlab-token'],
  defaults: { ...defaults, dedupeKey: 'header.idempotency-key' },
  notProtected: NOTHING_SIGNED,
  page: {
    source: 'https://docs.gitlab.com/user/project/integrations/webhooks/',
    setUp:
      'Settings → Webhooks → Add new webhook: enter the URL and a secret token. From GitLab 19.0 on, prefer the signing token.',
    verified: '`X-Gitlab-Token` is the token; nothing is signed.',
    retries: 'None documented; a webhook that keeps failing is disabled. GitLab waits 10 s.',
    note: '`Idempotency-Key` is sent from GitLab 17.4 on; before it, set `dedupeKey` to `header.x-gitlab-event-uuid`. To move to the signing token, use `anyOf(gitlabSigningToken(), gitlabToken())`.',
  },
  make: (settings) => gitlabToken(settings),
};
