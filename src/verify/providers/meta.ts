/** Meta: Facebook, Instagram, Messenger, WhatsApp. */
import { Buffer } from 'node:buffer';
import { TokenSet } from '../compare.ts';
import { hmacKeys } from '../keys.ts';
import { asArray, asObject, digestOf, textOf } from '../json.ts';
import { openHeaderScheme } from '../mac.ts';
import { BODY_ONLY, providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import { parametersOf } from '../query.ts';
import type { HandshakeAnswer, ReadInput, SecretSource, TypedBody, Verifier, VerifyRequest } from '../verifier.ts';
import { echo } from './echo.ts';

/** Options of {@link meta}. */
export interface MetaOptions extends SecretOptions {
  /** The token entered at Meta with the URL; needed only while subscribing. Default: `META_VERIFY_TOKEN`, if set. */
  readonly verifyToken?: SecretSource;
}

/**
 * Meta and WhatsApp: `X-Hub-Signature-256: sha256=…`, an HMAC-SHA256 of the raw body. The secret is the app secret,
 * from `META_APP_SECRET`. Answers the GET that subscribes, when its token is `verifyToken`.
 * Rule: https://developers.facebook.com/docs/graph-api/webhooks/getting-started
 *
 * @throws HoldfastError `secret_missing` when there is no app secret
 */
export function meta<Body = unknown>(options: MetaOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(metaProvider, {
    settings: ['secrets', 'verifyToken'],
    given: { secrets: options.secrets, verifyToken: options.verifyToken },
    open({ secrets, verifyToken }) {
      const keys = hmacKeys({ algorithm: 'sha256', encoding: 'hex', secretEncoding: 'utf8' }, secrets);
      const tokens = new TokenSet(verifyToken);
      return {
        ...openHeaderScheme({ header: 'X-Hub-Signature-256', prefix: 'sha256=' }, keys),
        handshake: { unsigned: true, answer: (request) => subscribe(request, tokens) },
      };
    },
  });
}

function subscribe(request: VerifyRequest, tokens: TokenSet): HandshakeAnswer | null {
  if (request.method !== 'GET') return null;
  const parameters = parametersOf(request.url);
  const given = Buffer.from(parameters.get('hub.verify_token') ?? '', 'utf8');
  const allowed = parameters.get('hub.mode') === 'subscribe' && tokens.has(given);
  return allowed ? echo(parameters.get('hub.challenge') ?? '') : { status: 403 };
}

/** The field of the first change, or what else the entry holds. */
function readType({ json }: ReadInput): string | null {
  const entry = asObject(json);
  const field = textOf(asObject(asArray(entry['changes'])[0]), 'field');
  return field ?? (Array.isArray(entry['messaging']) ? 'messaging' : null);
}

/**
 * The ids of all messages and statuses of the entry. All of them, since Meta groups anew when it tries again: of a
 * group that is known in part, the rest must not be lost.
 */
function readDedupeKey({ json }: ReadInput): string | null {
  const entry = asObject(json);
  const ids: string[] = [];
  for (const change of asArray(entry['changes'])) {
    const value = asObject(asObject(change)['value']);
    for (const message of asArray(value['messages'])) ids.push(textOf(asObject(message), 'id') ?? '');
    for (const status of asArray(value['statuses'])) {
      const { id, status: state } = asObject(status);
      ids.push(typeof id === 'string' ? `${id}:${String(state)}` : '');
    }
  }
  for (const item of asArray(entry['messaging'])) ids.push(textOf(asObject(asObject(item)['message']), 'mid') ?? '');
  if (ids.length === 0 || ids.includes('')) return null;
  return ids.length === 1 ? (ids[0] ?? null) : digestOf(ids.join('\n'));
}

export const metaProvider: Provider = {
  key: 'meta',
  title: 'Meta and WhatsApp',
  factory: 'meta',
  variables: { secrets: 'META_APP_SECRET', verifyToken: 'META_VERIFY_TOKEN' },
  optional: ['verifyToken'],
  defaults: {
    split: 'body.entry',
    type: readType,
    dedupeKey: readDedupeKey,
    methods: ['GET'],
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: BODY_ONLY,
  page: {
    source: 'https://developers.facebook.com/docs/graph-api/webhooks/getting-started',
    setUp:
      'App dashboard → Webhooks: enter the URL and a verify token of your own. The secret is the app secret under Settings → Basic.',
    verified:
      '`X-Hub-Signature-256`: `sha256=` and the HMAC-SHA256 of the raw body in hex (Meta escapes non-ASCII characters before it signs; the bytes are what counts).',
    retries: 'For up to 36 hours, several updates together.',
    handshake:
      'A GET with `hub.mode=subscribe` and the right `hub.verify_token` is answered with `hub.challenge` as plain text; any other with 403.',
    keys: {
      type: 'the `field` of the first change; `messaging` for Messenger',
      dedupeKey: 'the ids of all messages and statuses in the entry; none for other changes',
    },
    differs:
      'A GET with another mode than `subscribe` is answered 403: Meta defines no other. The challenge is echoed as `text/plain`, so that it can never be HTML.',
  },
  make: (settings) => meta(settings),
};
