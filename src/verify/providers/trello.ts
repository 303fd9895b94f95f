/** Trello. */
import { hmacKeys } from '../keys.ts';
import { providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider, PublicUrlOptions, SecretOptions } from '../provider.ts';
import type { TypedBody, Verifier } from '../verifier.ts';
import { openUrlScheme } from '../url-scheme.ts';

/** Options of {@link trello}. */
export interface TrelloOptions extends SecretOptions, PublicUrlOptions {}

/**
 * Trello: `X-Trello-Webhook`, an HMAC-SHA1, in base64, of the raw body and the callback URL. The secret is that of the
 * app, from `TRELLO_APP_SECRET`. Answers the HEAD at creation.
 * Rule: https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/
 *
 * @throws HoldfastError `secret_missing` without a secret, `config_invalid` without a public URL
 */
export function trello<Body = unknown>(options: TrelloOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(trelloProvider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets, baseUrl }) => ({
      ...openUrlScheme(
        {
          name: 'trello',
          header: 'X-Trello-Webhook',
          options,
          base: baseUrl[0],
          signed: (url, request) => [request.body, url],
        },
        hmacKeys({ algorithm: 'sha1', encoding: 'base64', secretEncoding: 'utf8' }, secrets),
      ),
      handshake: { unsigned: true, answer: ({ method }) => (method === 'HEAD' ? { status: 200 } : null) },
    }),
  });
}

export const trelloProvider: Provider = {
  key: 'trello',
  title: 'Trello',
  factory: 'trello',
  variables: { secrets: 'TRELLO_APP_SECRET' },
  signsUrl: true,
  defaults: {
    type: 'body.action.type',
    dedupeKey: 'body.action.id',
    orderKey: 'body.model.id',
    methods: ['HEAD'],
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'The headers and the time: a captured request can be sent again; its action id is signed, so it is recognised.',
  page: {
    source: 'https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/',
    setUp:
      'Create the webhook by the API with `callbackURL`; `publicUrl` must be that URL, letter by letter. The secret is shown at trello.com/power-ups/admin under API key.',
    verified:
      '`X-Trello-Webhook`: HMAC-SHA1, in base64, of the raw body and the callback URL; Trello offers nothing newer.',
    retries: '3 times: after 30, 60 and 120 s; 410 deletes the webhook.',
    handshake: 'A HEAD is answered 200: Trello creates no webhook otherwise.',
  },
  make: (settings) => trello(settings),
};
