/** Adyen's standard webhooks, of payments. */
import { Buffer } from 'node:buffer';
import { asArray, asObject, parseJson, textOf } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { hmacKeys } from '../keys.ts';
import type { Keys } from '../keys.ts';
import { makeSignature } from '../mac.ts';
import { providerVerifier, WEEK_MS } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { Opened } from '../secret.ts';
import { HELD, refuse } from '../verdict.ts';
import type { TypedBody, UnsignedRequest, Verdict, Verifier, VerifyRequest, Witness } from '../verifier.ts';

/**
 * Adyen's standard webhooks: `additionalData.hmacSignature` of each item in the body, an HMAC-SHA256, in base64, of
 * eight of its fields. The key is hex, from `ADYEN_HMAC_KEY`. Every item must hold, and there must be one. Platform
 * and management webhooks are `adyenPlatform`.
 * Rule: https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures
 *
 * @throws HoldfastError `secret_missing` when there is no key, or it is not hex
 */
export function adyen<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(adyenProvider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets }) => open(hmacKeys({ algorithm: 'sha256', encoding: 'base64', secretEncoding: 'hex' }, secrets)),
  });
}

/** Adyen sends one item; a body with more than this is not Adyen's. */
const ITEMS_MAX = 100;

function open(keys: Keys): Opened {
  function verify(request: VerifyRequest, _now: number, witness?: Witness): Verdict {
    const items = itemsOf(parseJson(request.body));
    if (items.length === 0 || items.length > ITEMS_MAX)
      return refuse('body_malformed', 'no notificationItems, or too many');
    for (const item of items) {
      const signature = textOf(asObject(item['additionalData']), 'hmacSignature');
      if (signature === null) return refuse('body_malformed', 'an item has no additionalData.hmacSignature');
      if (!keys.prove([signature], [signedText(item)], witness))
        return refuse('signature_mismatch', 'hmacSignature of an item');
    }
    return HELD;
  }

  function embed(request: UnsignedRequest): UnsignedRequest {
    const body = asObject(parseJson(request.body));
    const notificationItems = itemsOf(body).map((item) => ({
      NotificationRequestItem: {
        ...item,
        additionalData: { ...asObject(item['additionalData']), hmacSignature: makeSignature(keys, [signedText(item)]) },
      },
    }));
    return { ...request, body: Buffer.from(JSON.stringify({ ...body, notificationItems })) };
  }

  return { verify, embed, sign: () => [] };
}

function itemsOf(json: unknown): readonly JsonObject[] {
  return asArray(asObject(json)['notificationItems']).map((item) =>
    asObject(asObject(item)['NotificationRequestItem']),
  );
}

/** The eight fields, with colons between; one that is missing is empty, and nothing is escaped. */
function signedText(item: JsonObject): string {
  const amount = asObject(item['amount']);
  return [
    item['pspReference'],
    item['originalReference'],
    item['merchantAccountCode'],
    item['merchantReference'],
    amount['value'],
    amount['currency'],
    item['eventCode'],
    item['success'],
  ]
    .map((value) => (typeof value === 'string' || typeof value === 'number' ? String(value) : ''))
    .join(':');
}

export const adyenProvider: Provider = {
  key: 'adyen',
  title: 'Adyen',
  factory: 'adyen',
  variables: { secrets: 'ADYEN_HMAC_KEY' },
  defaults: {
    split: 'body.notificationItems',
    type: 'body.NotificationRequestItem.eventCode',
    dedupeKey: 'body.NotificationRequestItem.pspReference+=:+body.NotificationRequestItem.eventCode',
    orderKey: 'body.NotificationRequestItem.merchantReference',
    answer: { status: 200, headers: { 'content-type': 'text/plain' }, body: '[accepted]' },
    deadlineMs: 10_000,
    dedupeWindowMs: WEEK_MS,
  },
  notProtected:
    'All but eight fields of an item (references, merchant, amount, event code, success), the time, the URL and the headers: payment method, reason and the rest of `additionalData` can be changed unseen.',
  page: {
    source: 'https://docs.adyen.com/development-resources/webhooks/secure-webhooks/verify-hmac-signatures',
    setUp: 'Customer Area → Developers → Webhooks → Standard webhook: enter the URL and generate the HMAC key (hex).',
    verified:
      '`additionalData.hmacSignature` of every item: HMAC-SHA256, in base64, with the hex-decoded key, of eight fields joined by colons.',
    retries: 'For up to a week with growing gaps. Adyen waits 10 s.',
    differs:
      'A body without items is refused: an empty batch carries no signature. The answer is `[accepted]`, which older integrations must give and newer ones may.',
  },
  make: (settings) => adyen(settings),
};
