/** Okta event hooks. */
import { headerValue } from '../../core/event.ts';
import { providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import { NOTHING_SIGNED, openHeaderToken } from '../tokens.ts';
import type { HandshakeAnswer, TypedBody, Verifier, VerifyRequest } from '../verifier.ts';

/** Options of {@link okta}. */
export interface OktaOptions extends SecretOptions {
  /** The header entered as authentication field. Default `Authorization`. */
  readonly header?: string;
}

/**
 * Okta event hooks: a header with a value of your own; nothing is signed. Answers the one-time verification. Values from
 * `OKTA_EVENT_HOOK_SECRET`. Rule: https://developer.okta.com/docs/concepts/event-hooks/
 *
 * @throws HoldfastError `secret_missing` when there is no value
 */
export function okta<Body = unknown>(options: OktaOptions = {}): Verifier & TypedBody<Body> {
  const header = options.header ?? 'Authorization';
  return providerVerifier(
    { ...oktaProvider, credentialHeaders: [header.toLowerCase()] },
    {
      settings: ['secrets'],
      given: { secrets: options.secrets },
      open: ({ secrets }) => ({ ...openHeaderToken(header, secrets), handshake: { unsigned: true, answer } }),
    },
  );
}

function answer(request: VerifyRequest): HandshakeAnswer | null {
  const challenge =
    request.method === 'GET' ? headerValue(request.headers, 'x-okta-verification-challenge') : undefined;
  if (challenge === undefined) return null;
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ verification: challenge }),
  };
}

export const oktaProvider: Provider = {
  key: 'okta',
  title: 'Okta event hooks',
  factory: 'okta',
  variables: { secrets: 'OKTA_EVENT_HOOK_SECRET' },
  credentialHeaders: ['authorization'],
  defaults: {
    split: 'body.data.events',
    type: 'body.eventType',
    dedupeKey: 'body.uuid',
    orderKey: 'body.actor.id',
    methods: ['GET'],
    deadlineMs: 3000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: NOTHING_SIGNED,
  page: {
    source: 'https://developer.okta.com/docs/concepts/event-hooks/',
    setUp:
      'Workflow → Event Hooks → Create: enter the URL, authentication field `Authorization` and a random secret, then “Verify”.',
    verified: 'The header is the secret; nothing is signed.',
    retries: 'Once. Okta waits 3 s.',
    handshake: 'A GET with `X-Okta-Verification-Challenge` is answered `{"verification": …}` with its value.',
    note: 'A request carries several events, which become one event each.',
  },
  make: (settings) => okta(settings),
};
