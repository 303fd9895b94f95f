/** DocuSign Connect. */
import type { HeaderList } from '../../core/event.ts';
import { optionalHeader } from '../headers.ts';
import { hmacKeys } from '../keys.ts';
import type { Keys } from '../keys.ts';
import { makeSignature } from '../mac.ts';
import { BODY_ONLY, providerVerifier } from '../provider.ts';
import type { Provider, SecretOptions } from '../provider.ts';
import type { Opened } from '../secret.ts';
import { HELD, refuse } from '../verdict.ts';
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
const SLOTS_MAX = 10;

function open(keys: Keys): Opened {
  function verify(request: VerifyRequest, _now: number, witness?: Witness): Verdict {
    const signatures: string[] = [];
    for (let slot = 1; slot <= SLOTS_MAX; slot++) {
      const value = optionalHeader(request.headers, PREFIX + String(slot));
      if (typeof value === 'object') return value;
      if (value !== undefined) signatures.push(value);
    }
    if (signatures.length === 0) return refuse('header_missing', `${PREFIX}1 is missing`);
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
