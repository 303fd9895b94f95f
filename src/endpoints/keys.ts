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

/** The kinds of keys that a scheme signs with. */
export function keysOf(signing: SigningScheme): readonly MadeKey['kind'][] {
  if (signing.kind === 'none') return [];
  const keys = signing.kind === 'standard' ? (signing.keys ?? 'v1') : 'v1';
  return keys === 'both' ? ['v1', 'v1a'] : [keys];
}

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
  const expected = problemOfSecret(secret, signing);
  if (expected === null) return shared(secret);
  throw new HoldfastError('invalid_input', { detail: `secret: expected ${expected}.` });
}

/** What a scheme expects of a secret that this one is not; `null`: it can be used. */
export function problemOfSecret(secret: string, signing: SigningScheme): string | null {
  if (signing.kind === 'hmac') {
    const { secretEncoding = 'utf8' } = signing;
    const text = secretEncoding === 'hex' ? secret.toLowerCase() : secret;
    const isRead = secretEncoding === 'utf8' || Buffer.from(secret, secretEncoding).toString(secretEncoding) === text;
    if (secret.trim().length >= TEXT_CHARS_MIN && isRead) return null;
    return `at least ${TEXT_CHARS_MIN} characters, in ${secretEncoding}`;
  }
  const bytes = Buffer.from(secret.replace(/^whsec_/, ''), 'base64').length;
  const isRead = /^whsec_[A-Za-z0-9+/]+={0,2}$/.test(secret);
  if (isRead && bytes >= SHARED_BYTES_MIN && bytes <= SHARED_BYTES_MAX) return null;
  return `whsec_ and base64 of ${SHARED_BYTES_MIN} to ${SHARED_BYTES_MAX} bytes`;
}

function shared(secret: string): MadeKey {
  return { id: randomBytes(6).toString('hex'), kind: 'v1', secret, publicKey: null };
}

/** The last 32 bytes of the DER form are the key itself (RFC 8410). */
function raw(der: Uint8Array): string {
  return Buffer.from(der.subarray(-RAW_KEY_BYTES)).toString('base64');
}
