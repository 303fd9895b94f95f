/** Keys that Holdfast signs with, in the forms of Standard Webhooks. */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { HoldfastError } from '../errors.ts';
import type { SigningScheme } from './definition.ts';

/** A key as it is made: shown once, then sealed. */
export interface MadeKey {
  readonly id: string;
  readonly kind: 'v1' | 'v1a';
  readonly secret: string;
  /** `whpk_…`, of an Ed25519 pair. */
  readonly publicKey: string | null;
}

/** Standard Webhooks asks for 24 to 64 bytes. */
const SHARED_BYTES = 32;
const SHARED_BYTES_MIN = 24;
const SHARED_BYTES_MAX = 64;
const TEXT_CHARS_MIN = 16;
const RAW_KEY_BYTES = 32;

/** A shared secret, written as the scheme reads it. */
export function newShared(signing: SigningScheme): MadeKey {
  const bytes = randomBytes(SHARED_BYTES);
  const encoding = signing.kind === 'hmac' ? (signing.secretEncoding ?? 'utf8') : 'utf8';
  return shared(encoding === 'utf8' ? `whsec_${bytes.toString('base64')}` : bytes.toString(encoding));
}

/** An Ed25519 pair, for `v1a`. */
export function newPair(): MadeKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const seed = raw(privateKey.export({ format: 'der', type: 'pkcs8' }));
  const publicKey: KeyObject = createPublicKey(privateKey);
  const point = raw(publicKey.export({ format: 'der', type: 'spki' }));
  return { ...shared(`whsk_${seed}`), kind: 'v1a', publicKey: `whpk_${point}` };
}

/** A secret that the receiver has already. @throws HoldfastError invalid_input when it is too weak, or written wrongly */
export function givenKey(secret: string, signing: SigningScheme): MadeKey {
  if (signing.kind === 'hmac') {
    const { secretEncoding = 'utf8' } = signing;
    const text = secretEncoding === 'hex' ? secret.toLowerCase() : secret;
    const isRead = secretEncoding === 'utf8' || Buffer.from(secret, secretEncoding).toString(secretEncoding) === text;
    if (secret.trim().length >= TEXT_CHARS_MIN && isRead) return shared(secret);
    const detail = `secret: expected at least ${TEXT_CHARS_MIN} characters, in ${secretEncoding}.`;
    throw new HoldfastError('invalid_input', { detail });
  }
  const bytes = Buffer.from(secret.replace(/^whsec_/, ''), 'base64').length;
  if (/^whsec_[A-Za-z0-9+/]+={0,2}$/.test(secret) && bytes >= SHARED_BYTES_MIN && bytes <= SHARED_BYTES_MAX) {
    return shared(secret);
  }
  throw new HoldfastError('invalid_input', {
    detail: `secret: expected whsec_ and base64 of ${SHARED_BYTES_MIN} to ${SHARED_BYTES_MAX} bytes.`,
  });
}

function shared(secret: string): MadeKey {
  return { id: randomBytes(6).toString('hex'), kind: 'v1', secret, publicKey: null };
}

/** The last 32 bytes of the DER form are the key itself (RFC 8410). */
function raw(der: Uint8Array): string {
  return Buffer.from(der.subarray(-RAW_KEY_BYTES)).toString('base64');
}
