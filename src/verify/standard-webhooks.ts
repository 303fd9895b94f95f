/**
 * Standard Webhooks: three headers, `id`, `timestamp` and `signature`, and a signature over all of them and the body.
 * The version `v1` is HMAC-SHA256 with a shared secret, `v1a` is Ed25519 with the sender's public key.
 * Rule: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { Buffer } from 'node:buffer';
import type { HeaderList } from '../core/event.ts';
import { HoldfastError } from '../errors.ts';
import { ed25519Keys } from './ed25519.ts';
import { soleHeader } from './headers.ts';
import { hmacKeysOf, SIGNATURES_MAX } from './keys.ts';
import type { Keys } from './keys.ts';
import { makeSignature } from './mac.ts';
import { defineVerifier } from './secret.ts';
import type { Opened } from './secret.ts';
import { standardSecretBytes, withoutPrefix } from './standard-keys.ts';
import { checkTimestamp, formatTimestamp, readTolerance, TOLERANCE_MS } from './timestamp.ts';
import { refuse } from './verdict.ts';
import type { Part } from './verdict.ts';
import type {
  SecretSource,
  SourceDefaults,
  TypedBody,
  UnsignedRequest,
  Verdict,
  Verifier,
  VerifyRequest,
  Witness,
} from './verifier.ts';

/** Options of {@link standardWebhooks}; `secrets`, `publicKeys` or both. */
export interface StandardWebhooksOptions {
  /** For `v1`: `whsec_` and base64 of 24 to 64 bytes; the prefix may be missing. Several while rotating. */
  readonly secrets?: SecretSource;
  /** For `v1a`: `whpk_` and base64 of an Ed25519 public key. */
  readonly publicKeys?: SecretSource;
  /** To sign `v1a` in tests: `whsk_` and base64 of an Ed25519 seed. */
  readonly privateKeys?: SecretSource;
  /** Milliseconds the timestamp may lie in the past or the future. Default 300,000; `Infinity` for any. */
  readonly toleranceMs?: number;
  /** What the three headers begin with. Default `webhook-`; Svix and Resend write `svix-`. */
  readonly headerPrefix?: string;
  /** Type, keys and answers of the source. Default: type from `body.type`, dedupe key from the id header. */
  readonly defaults?: SourceDefaults;
}

const DAY_MS = 86_400_000;

/**
 * Requests signed as Standard Webhooks says. Any configured secret or key, and any signature in the header, may match.
 *
 * @example standardWebhooks({ secrets: secret('PARTNER_WEBHOOK_SECRET') })
 * @throws HoldfastError `secret_missing` when there is neither secret nor public key, or one does not decode
 */
export function standardWebhooks<Body = unknown>(options: StandardWebhooksOptions): Verifier & TypedBody<Body> {
  const headerPrefix = (options.headerPrefix ?? 'webhook-').toLowerCase();
  return defineVerifier({
    outline: {
      name: 'standardWebhooks',
      credentialHeaders: [],
      defaults: options.defaults ?? standardDefaults(headerPrefix),
      notProtected: 'The URL and every header but the three of the signature; id, body and time are covered.',
    },
    sources: { secrets: options.secrets, publicKeys: options.publicKeys, privateKeys: options.privateKeys },
    open: (keys) => openStandard('standardWebhooks', { ...options, headerPrefix }, keys),
  });
}

/** The keys of a sender, as text. */
export interface StandardKeys {
  readonly secrets: readonly string[];
  readonly publicKeys: readonly string[];
  readonly privateKeys: readonly string[];
}

/**
 * Verifies and signs as Standard Webhooks says.
 *
 * @throws HoldfastError `secret_missing` when there is no key, or one does not decode
 */
export function openStandard(
  name: string,
  options: Pick<StandardWebhooksOptions, 'toleranceMs'> & { readonly headerPrefix: string },
  { secrets, publicKeys, privateKeys }: StandardKeys,
): Opened {
  if (secrets.length + publicKeys.length === 0) {
    throw new HoldfastError('secret_missing', { detail: `${name} needs secrets or publicKeys.` });
  }
  const form = { algorithm: 'sha256', encoding: 'base64' } as const;
  return open({
    headerPrefix: options.headerPrefix,
    toleranceMs: readTolerance(options.toleranceMs, TOLERANCE_MS),
    v1: secrets.length > 0 ? hmacKeysOf(form, secrets.map(standardSecretBytes)) : null,
    v1a: publicKeys.length > 0 ? asymmetric(publicKeys, privateKeys) : null,
  });
}

function asymmetric(publicKeys: readonly string[], privateKeys: readonly string[]): Keys {
  return ed25519Keys(
    { keyEncoding: 'base64', signatureEncoding: 'base64' },
    publicKeys.map((key) => withoutPrefix(key, 'whpk_')),
    privateKeys.map((key) => withoutPrefix(key, 'whsk_')),
  );
}

/** Type from the body, dedupe key from the signed id, and a window longer than the schedule of retries. */
export function standardDefaults(headerPrefix = 'webhook-'): SourceDefaults {
  return { type: 'body.type', dedupeKey: `header.${headerPrefix}id`, deadlineMs: 15_000, dedupeWindowMs: 7 * DAY_MS };
}

interface Scheme {
  readonly headerPrefix: string;
  readonly toleranceMs: number;
  readonly v1: Keys | null;
  readonly v1a: Keys | null;
}

function open({ headerPrefix, toleranceMs, v1, v1a }: Scheme): Opened {
  const names = { id: `${headerPrefix}id`, at: `${headerPrefix}timestamp`, signature: `${headerPrefix}signature` };

  function verify(request: VerifyRequest, now: number, witness?: Witness): Verdict {
    const id = soleHeader(request.headers, names.id);
    if (typeof id !== 'string') return id;
    const at = soleHeader(request.headers, names.at);
    if (typeof at !== 'string') return at;
    const list = soleHeader(request.headers, names.signature);
    if (typeof list !== 'string') return list;
    const signatures = list.includes(' ') ? list.split(' ', SIGNATURES_MAX + 1) : [list];
    if (signatures.length > SIGNATURES_MAX) {
      return refuse('header_malformed', `${names.signature} lists more than ${SIGNATURES_MAX} signatures`);
    }
    const parts = signedParts(id, at, request.body);
    const held =
      v1?.prove(signaturesOf(signatures, 'v1,'), parts, witness) === true ||
      v1a?.prove(signaturesOf(signatures, 'v1a,'), parts, witness) === true;
    return held ? checkTimestamp(at, 's', { now, toleranceMs }) : refuse('signature_mismatch', names.signature);
  }

  function sign(request: UnsignedRequest, now: number): HeaderList {
    const given = soleHeader(request.headers, names.id);
    const id = typeof given === 'string' ? given : `msg_${now.toString(36)}`;
    const at = formatTimestamp(now, 's');
    const parts = signedParts(id, at, request.body);
    const made: string[] = [];
    if (v1 !== null) made.push(`v1,${makeSignature(v1, parts)}`);
    if (v1a?.sign !== undefined) made.push(`v1a,${v1a.sign(parts)}`);
    const headers = [names.at, at, names.signature, made.join(' ')];
    return typeof given === 'string' ? headers : [names.id, id, ...headers];
  }

  return v1 === null && v1a?.sign === undefined ? { verify } : { verify, sign };
}

/** Header text stands for one byte a character, so that is how it is hashed; in ASCII that is what UTF-8 does anyway. */
function signedParts(id: string, at: string, body: Uint8Array): readonly Part[] {
  const text = `${id}.${at}.`;
  return [BEYOND_ASCII.test(text) ? Buffer.from(text, 'latin1') : text, body];
}

const BEYOND_ASCII = /[^\0-\x7f]/;

/** The signatures of a version; others are ignored. */
function signaturesOf(list: readonly string[], version: string): readonly string[] {
  const found: string[] = [];
  for (const item of list) if (item.startsWith(version)) found.push(item.slice(version.length));
  return found;
}
