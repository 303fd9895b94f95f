/** Microsoft Graph change notifications. */
import { Buffer } from 'node:buffer';
import { TokenSet } from '../compare.ts';
import { asArray, asObject, parseJson, textOf } from '../json.ts';
import { providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import { parametersOf } from '../query.ts';
import type { Opened } from '../secret.ts';
import { NOTHING_SIGNED } from '../tokens.ts';
import { HELD, refuse } from '../verdict.ts';
import type { HandshakeAnswer, ReadInput, TypedBody, Verifier, VerifyRequest } from '../verifier.ts';
import { echo } from './echo.ts';

/**
 * Microsoft Graph: `clientState` of every notification in the body is the secret given when subscribing; nothing is
 * signed. Answers the validation of the URL. Secrets from `MS_GRAPH_CLIENT_STATE`.
 * Rule: https://learn.microsoft.com/graph/change-notifications-delivery-webhooks
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function msGraph<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(msGraphProvider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets }) => open(secrets),
  });
}

/** Graph sends far fewer in one request. */
const NOTIFICATIONS_MAX = 1000;

function open(secrets: readonly string[]): Opened {
  const known = new TokenSet(secrets);
  return {
    verify(request) {
      const notifications = asArray(asObject(parseJson(request.body))['value']);
      if (notifications.length === 0 || notifications.length > NOTIFICATIONS_MAX) {
        return refuse('body_malformed', 'value is no list of notifications, is empty, or is too long');
      }
      for (const notification of notifications) {
        const state = textOf(asObject(notification), 'clientState');
        if (state === null || !known.has(Buffer.from(state, 'utf8'))) {
          return refuse('token_mismatch', 'clientState of a notification');
        }
      }
      return HELD;
    },
    sign: () => [],
    embed(request) {
      const body = asObject(parseJson(request.body));
      const value = asArray(body['value']).map((item) => ({ ...asObject(item), clientState: secrets[0] }));
      return { ...request, body: Buffer.from(JSON.stringify({ ...body, value })) };
    },
    handshake: { unsigned: true, answer },
  };
}

function answer(request: VerifyRequest): HandshakeAnswer | null {
  const token = request.method === 'POST' ? parametersOf(request.url).get('validationToken') : null;
  return token === null ? null : echo(token);
}

function readType({ json }: ReadInput): string | null {
  const notification = asObject(json);
  return textOf(notification, 'changeType') ?? textOf(notification, 'lifecycleEvent');
}

export const msGraphProvider: Provider = {
  key: 'ms-graph',
  title: 'Microsoft Graph',
  factory: 'msGraph',
  variables: { secrets: 'MS_GRAPH_CLIENT_STATE' },
  defaults: {
    split: 'body.value',
    type: readType,
    dedupeKey: 'body.subscriptionId+=:+body.id+=:+body.resource+=:+body.changeType',
    orderKey: 'body.resource',
    tenant: 'body.tenantId',
    answer: { status: 202 },
    deadlineMs: 3000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: `${NOTHING_SIGNED} The secret is in the body, so it is stored with the event.`,
  page: {
    source: 'https://learn.microsoft.com/graph/change-notifications-delivery-webhooks',
    setUp:
      'Create the subscription by the API with `notificationUrl` and a random `clientState` of up to 128 characters.',
    verified: '`clientState` of every notification in `value` is the secret; nothing is signed.',
    retries:
      'For up to 4 hours with growing gaps. Graph waits 3 s (an endpoint that is often slower loses notifications).',
    handshake: 'A POST with `validationToken` in the query is answered with the decoded token as `text/plain`.',
    keys: { type: '`changeType`, else `lifecycleEvent`' },
    note: 'A notification without an `id` has no dedupe key: two changes of one resource look alike.',
  },
  make: (settings) => msGraph(settings),
};
