/** DocuSign Connect. */
import type { HeaderList } from '../../core/event.ts';
import { hmacKeys } from '../keys.ts';
import type { Keys } from '../keys.ts';
import { makeSignature } from '../mac.ts';
import { BODY_ONLY, providerVerifier } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { Opened } from '../secret.ts';
import { HELD, refuse } from '../verdict.ts';
import type { Refusal } from '../verdict.ts';
import type { TypedBody, UnsignedRequest, Verdict, Verifier, VerifyRequest, Witness } from '../verifier.ts';

/**
 * DocuSign Connect: `X-DocuSign-Signature-1` to `-10`, one for each of the account's keys, each an HMAC-SHA256 of the
 * raw body in base64; any may hold. Secrets from `DOCUSIGN_CONNECT_KEY`.
 * Rule: https://developers.docusign.com/platform/webhooks/connect/hmac/
 *
 * @throws HoldfastError `secret_missing` when there is no secret
 */
export function docusign<Body = unknown>(options: SecretOptions = {}): Verifier & TypedBody<Body> {
  return providerVerifier(docusignProvider, {
    settings: ['secrets'],
    given: { secrets: options.secrets },
    open: ({ secrets }) => open(hmacKeys({ algorithm: 'sha256', encoding: 'base64', secretEncoding: 'utf8' }, secrets)),
  });
}

const PREFIX = 'x-docusign-signature-';
/** An account has at most ten keys. */
const SLOTS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '10'];

/** The signatures of all slots, found in one pass; a slot that was sent twice is refused. */
function readSlots(headers: HeaderList): readonly string[] | Refusal {
  const slots: (string | undefined)[] = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const name = headers[index] ?? '';
    if (name.length <= PREFIX.length || name.length > PREFIX.length + 2) continue;
    const lowerName = name.toLowerCase();
    const slot = lowerName.startsWith(PREFIX) ? SLOTS.indexOf(lowerName.slice(PREFIX.length)) : -1;
    if (slot < 0) continue;
    if (slots[slot] !== undefined) return refuse('header_malformed', `${lowerName} was sent more than once`);
    slots[slot] = (headers[index + 1] ?? '').trim();
  }
  const signatures = slots.filter((value) => value !== undefined && value !== '') as string[];
  return signatures.length === 0 ? refuse('header_missing', `${PREFIX}1 is missing`) : signatures;
}

function open(keys: Keys): Opened {
  function verify(request: VerifyRequest, _now: number, witness?: Witness): Verdict {
    const signatures = readSlots(request.headers);
    if ('ok' in signatures) return signatures;
    return keys.prove(signatures, [request.body], witness) ? HELD : refuse('signature_mismatch', `${PREFIX}1`);
  }

  function sign(request: UnsignedRequest): HeaderList {
    return ['X-DocuSign-Signature-1', makeSignature(keys, [request.body])];
  }

  return { verify, sign };
}

export const docusignProvider: Provider = {
  key: 'docusign',
  title: 'DocuSign Connect',
  factory: 'docusign',
  variables: { secrets: 'DOCUSIGN_CONNECT_KEY' },
  defaults: {
    type: 'body.event',
    dedupeKey: 'body.data.envelopeId+=:+body.event+=:+body.generatedDateTime',
    orderKey: 'body.data.envelopeId',
    deadlineMs: 100_000,
    dedupeWindowMs: 16 * 86_400_000,
  },
  notProtected: BODY_ONLY,
  page: {
    source: 'https://developers.docusign.com/platform/webhooks/connect/hmac/',
    setUp:
      'Settings → Connect: add a configuration (JSON, aggregate off), tick “Include HMAC signature”, and create the key under “Connect keys”.',
    verified: '`X-DocuSign-Signature-1` to `-10`: HMAC-SHA256 of the raw body in base64; any may match.',
    retries: 'From 24 hours to 15 days, by the account’s setting. DocuSign waits 100 s for a 200.',
  },
  make: (settings) => docusign(settings),
};
