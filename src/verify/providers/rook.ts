/** ROOK data webhooks, version 2. */
import { asArray, asObject, digestOf, parseJson, textOf } from '../json.ts';
import type { JsonObject } from '../json.ts';
import { soleHeader } from '../headers.ts';
import { hmacKeys } from '../keys.ts';
import type { Keys } from '../keys.ts';
import { makeSignature } from '../mac.ts';
import { providerVerifier } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { Opened } from '../secret.ts';
import { HELD, refuse } from '../verdict.ts';
import type { ReadInput, TypedBody, Verdict, Verifier, VerifyRequest, Witness } from '../verifier.ts';

/**
 * ROOK: `X-ROOK-HASH`, an HMAC-SHA256, in hex, of `client_uuid`, `user_id` and the document's `datetime_string`, taken
 * from the body without separators. The key is the secret hash key that ROOK's support gives out, from
 * `ROOK_SECRET_HASH_KEY`. Rule: https://docs.tryrook.io/docs/rookconnect/data_delivery
 *
 * @throws HoldfastError `secret_missing` when there is no key
 */
export function rook<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(rookProvider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets }) => open(hmacKeys({ algorithm: 'sha256', encoding: 'hex', secretEncoding: 'utf8' }, secrets)),
  });
}

const PILLARS = ['sleep_health', 'physical_health', 'body_health'];

function open(keys: Keys): Opened {
  function verify(request: VerifyRequest, _now: number, witness?: Witness): Verdict {
    const hash = soleHeader(request.headers, 'x-rook-hash');
    if (typeof hash !== 'string') return hash;
    const text = signedParts(asObject(parseJson(request.body)));
    if (text === null) return refuse('body_malformed', 'client_uuid, user_id or metadata.datetime_string is missing');
    return keys.prove([hash], text, witness) ? HELD : refuse('signature_mismatch', 'x-rook-hash');
  }

  return {
    verify,
    sign(request) {
      const text = signedParts(asObject(parseJson(request.body)));
      return text === null ? [] : ['X-ROOK-HASH', makeSignature(keys, text)];
    },
  };
}

function signedParts(document: JsonObject): readonly string[] | null {
  const client = textOf(document, 'client_uuid');
  const user = textOf(document, 'user_id');
  const datetime = textOf(metadataOf(document), 'datetime_string');
  return client === null || user === null || datetime === null ? null : [client, user, datetime];
}

/** `metadata` of the document: a summary is an object, events are a list of which the first counts. */
function metadataOf(document: JsonObject): JsonObject {
  const structure = textOf(document, 'data_structure') ?? '';
  for (const pillar of PILLARS) {
    const health = asObject(document[pillar]);
    const summary = asObject(asObject(health['summary'])[structure]);
    const event = asObject(asArray(asObject(health['events'])[structure])[0]);
    const metadata = summary['metadata'] ?? event['metadata'];
    if (metadata !== undefined) return asObject(metadata);
  }
  return {};
}

/** A higher `document_version` updates the same document: it is part of the key, so that it is no duplicate. */
function readDedupeKey({ json }: ReadInput): string | null {
  const document = asObject(json);
  const metadata = metadataOf(document);
  const { user_id: user, data_structure: structure, document_version: version } = document;
  const { datetime_string: datetime, sources_of_data_array: sources } = metadata;
  if (typeof user !== 'string' || typeof datetime !== 'string') return null;
  return digestOf(JSON.stringify([user, structure, datetime, version, sources]));
}

export const rookProvider: Provider = {
  key: 'rook',
  title: 'ROOK',
  factory: 'rook',
  variables: { secrets: 'ROOK_SECRET_HASH_KEY' },
  defaults: {
    type: 'body.data_structure',
    dedupeKey: readDedupeKey,
    orderKey: 'body.user_id',
    deadlineMs: 10_000,
    dedupeWindowMs: 14 * 86_400_000,
  },
  notProtected:
    'The health data itself, the time, the URL and the headers: only client, user and the document’s date are signed, so measurements can be changed, and a captured request sent again, unseen. Let only ROOK reach the URL (`ipAllowList`), or put a token of your own into it.',
  page: {
    source: 'https://docs.tryrook.io/docs/rookconnect/data_delivery',
    setUp:
      'Enter the URL in the ROOK portal and ask ROOK’s support for the secret hash key. It is partly made from the client secret key and changes with it.',
    verified:
      '`X-ROOK-HASH`: HMAC-SHA256, in hex, of `client_uuid`, `user_id` and `metadata.datetime_string` of the document, without separators. The body is not signed as such, so one that was laid out anew verifies.',
    retries:
      'After 2, 24 and 48 hours; then the data waits in a bucket (sandbox 3 days, production 10). Only 200, 201 and 202 count; how long ROOK waits is not documented.',
    keys: {
      dedupeKey:
        'user, `data_structure`, `datetime_string`, `document_version` and the data sources: a higher version is an update, not a duplicate',
    },
    note: 'Which date is signed is not documented by ROOK; `metadata.datetime_string` is what one known consumer uses. Notification webhooks (a paid add-on) reportedly carry no hash: give them a source of their own, behind a token.',
  },
  make: (settings) => rook(settings),
};
