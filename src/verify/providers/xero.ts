/** Xero. */
import { asObject, parseJson, textOf } from '../json.ts';
import { BODY_ONLY, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { HandshakeAnswer, ReadInput, TypedBody, Verifier } from '../verifier.ts';
import { headerHmac } from './hmac-provider.ts';

/**
 * Xero: `x-xero-signature`, an HMAC-SHA256 of the raw body in base64; the key is taken as text. Answers the "intent to
 * receive" check, and what does not verify with exactly 401 and no body. Secrets from `XERO_WEBHOOK_KEY`.
 * Rule: https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function xero<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return headerHmac(
    xeroProvider,
    {
      header: 'x-xero-signature',
      encoding: 'base64',
      extra: () => ({ handshake: { unsigned: false, answer: (request) => intentToReceive(request.body) } }),
    },
    options,
  );
}

/** The check is a signed request without events. */
function intentToReceive(body: Uint8Array): HandshakeAnswer | null {
  if (body.length > 1024) return null;
  const { events } = asObject(parseJson(body));
  return Array.isArray(events) && events.length === 0 ? { status: 200, body: '' } : null;
}

/** Category and type of the first event: a request mostly carries one. */
function readType({ json }: ReadInput): string | null {
  const event = asObject(json);
  const category = textOf(event, 'eventCategory');
  const type = textOf(event, 'eventType');
  return category === null || type === null ? null : `${category}.${type}`;
}

export const xeroProvider: Provider = {
  key: 'xero',
  title: 'Xero',
  factory: 'xero',
  variables: { secrets: 'XERO_WEBHOOK_KEY' },
  defaults: {
    split: 'body.events',
    type: readType,
    dedupeKey: 'body.resourceId+=:+body.eventDateUtc+=:+body.eventType',
    orderKey: 'body.resourceId',
    tenant: 'body.tenantId',
    answer: { status: 200, body: '' },
    rejectAnswer: { status: 401, body: '' },
    deadlineMs: 5000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected: BODY_ONLY,
  page: {
    source: 'https://developer.xero.com/documentation/guides/webhooks/configuring-your-server/',
    setUp:
      'My Apps → Webhooks: choose events, enter the URL, copy the webhooks key (used as text), then press “Send intent to receive”.',
    verified: '`x-xero-signature`: HMAC-SHA256 of the raw body in base64.',
    retries:
      'For 24 hours with growing gaps, and “intent to receive” again after failures. Xero waits 5 s and takes only 200 with an empty body.',
    handshake:
      '“Intent to receive” sends requests without events, rightly and wrongly signed: 200 and 401, both with an empty body.',
    keys: { type: '`body.eventCategory` and `body.eventType` with a dot between: `INVOICE.UPDATE`' },
  },
  make: (settings) => xero(settings),
};
