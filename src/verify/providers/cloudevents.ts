/** CloudEvents over HTTP, as in the "HTTP 1.1 Web Hooks" specification. */
import { headerValue } from '../../core/event.ts';
import { anyOf } from '../compose.ts';
import { providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import { bearer, NOTHING_SIGNED, queryToken } from '../tokens.ts';
import type { HandshakeAnswer, ReadInput, TypedBody, Verifier, VerifyRequest } from '../verifier.ts';
import { asObject, textOf } from '../json.ts';

/** Options of {@link cloudevents}. */
export interface CloudeventsOptions extends SecretOptions {
  /** Senders that may ask for permission (`WebHook-Request-Origin`), by DNS name; `*` for any. Default: none. */
  readonly allowedOrigins?: readonly string[];
}

/**
 * CloudEvents: a bearer token, or `access_token` in the query; nothing is signed. Answers the OPTIONS handshake for
 * `allowedOrigins`. Tokens from `CLOUDEVENTS_WEBHOOK_TOKEN`.
 * Rule: https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md
 *
 * @throws HoldfastError `secret_missing` when there is no token
 */
export function cloudevents<Body = unknown>(options: CloudeventsOptions = {}): Verifier & TypedBody<Body> {
  const origins = new Set((options.allowedOrigins ?? []).map((origin) => origin.toLowerCase()));
  return providerVerifier(cloudeventsProvider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open({ secrets }) {
      const header = bearer({ tokens: secrets });
      const either = anyOf(header, queryToken({ parameter: 'access_token', tokens: secrets }));
      return {
        verify: (request, now) => either.verify(request, now),
        sign: (request, now) => header.sign?.(request, now) ?? [],
        handshake: { unsigned: true, answer: (request) => permit(request, origins) },
      };
    },
  });
}

/** Permission is given to listed origins, at any rate; what is not listed gets no permission header at all. */
function permit(request: VerifyRequest, origins: ReadonlySet<string>): HandshakeAnswer | null {
  if (request.method !== 'OPTIONS') return null;
  const origin = headerValue(request.headers, 'webhook-request-origin');
  if (origin === undefined || !(origins.has('*') || origins.has(origin.toLowerCase()))) return { status: 403 };
  const headers: Record<string, string> = { 'webhook-allowed-origin': origin, allow: 'POST, OPTIONS' };
  if (headerValue(request.headers, 'webhook-request-rate') !== undefined) headers['webhook-allowed-rate'] = '*';
  return { status: 200, headers };
}

/** An attribute of the event: a header in binary mode, a member of the body in structured mode. */
function attribute({ headers, json }: ReadInput, name: string): string | null {
  return headerValue(headers, `ce-${name}`) ?? textOf(asObject(json), name);
}

export const cloudeventsProvider: Provider = {
  key: 'cloudevents',
  title: 'CloudEvents',
  factory: 'cloudevents',
  variables: { secrets: 'CLOUDEVENTS_WEBHOOK_TOKEN' },
  credentialHeaders: ['authorization'],
  credentialParameters: ['access_token'],
  defaults: {
    type: (input) => attribute(input, 'type'),
    dedupeKey(input) {
      const source = attribute(input, 'source');
      const id = attribute(input, 'id');
      return source === null || id === null ? null : `${source} ${id}`;
    },
    orderKey: (input) => attribute(input, 'subject'),
    methods: ['OPTIONS'],
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: NOTHING_SIGNED,
  page: {
    source: 'https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md',
    setUp:
      'Give the sender the URL and a random token. Name it in `allowedOrigins` where it asks for permission first (Azure Event Grid does).',
    verified: '`Authorization: Bearer` or `access_token` in the query is the token; nothing is signed.',
    retries: 'Up to the sender; 410 ends it, 429 with `Retry-After` is honoured.',
    handshake:
      'An OPTIONS with `WebHook-Request-Origin` of a listed sender is answered with `WebHook-Allowed-Origin`, and `WebHook-Allowed-Rate: *` where it asks for a rate; others get 403 without either.',
    keys: {
      type: '`ce-type`, else `body.type`',
      dedupeKey: 'source and id of the event, which together are unique',
      orderKey: 'the subject of the event',
    },
  },
  make: (settings) => cloudevents(settings),
};
