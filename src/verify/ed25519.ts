/**
 * Ed25519 (RFC 8032): signatures of 64 bytes, made with a private key the sender alone has.
 */
import { Buffer } from 'node:buffer';
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { HoldfastError } from '../errors.ts';
import { decodeExactly } from './encoding.ts';
import type { Encoding } from './encoding.ts';
import type { Keys } from './keys.ts';
import { joinParts } from './verdict.ts';

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** The DER of everything before the 32 bytes of a key (RFC 8410). */
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/** How keys and signatures are written. */
export interface Ed25519Form {
  readonly keyEncoding: Encoding;
  readonly signatureEncoding: Encoding;
}

/**
 * Public keys, each 32 bytes as text, and private ones to sign with in tests.
 *
 * @param privateKeys seeds of 32 bytes, written like the public keys; only `sign` needs one
 * @throws HoldfastError `secret_missing` when a key is not 32 bytes in its encoding
 */
export function ed25519Keys(
  form: Ed25519Form,
  publicKeys: readonly string[],
  privateKeys: readonly string[] = [],
): Keys {
  const known = publicKeys.map((text) => publicKey(text, form.keyEncoding));
  const [signer] = privateKeys.map((text) => privateKey(text, form.keyEncoding));
  const written = `${SIGNATURE_BYTES} bytes in ${form.signatureEncoding}`;
  const keys: Keys = {
    prove(signatures, parts, witness) {
      const given = signatures.map((text) => decodeExactly(text, form.signatureEncoding, SIGNATURE_BYTES));
      const message = joinParts(signatures.length === 0 ? [] : parts);
      const held = given.some((bytes) => bytes !== null && known.some((key) => verify(null, message, key, bytes)));
      witness?.({ algorithm: 'Ed25519', form: written, keys: known.length, signatures, parts, held });
      return held;
    },
  };
  if (signer === undefined) return keys;
  return { ...keys, sign: (parts) => sign(null, joinParts(parts), signer).toString(form.signatureEncoding) };
}

/** A new pair, written like the keys of a provider: the seed of the private one, and the public one. */
export function generateEd25519(encoding: Encoding): { readonly publicKey: string; readonly privateKey: string } {
  const pair = generateKeyPairSync('ed25519');
  const tail = (der: Buffer): string => der.subarray(-KEY_BYTES).toString(encoding);
  return {
    publicKey: tail(pair.publicKey.export({ format: 'der', type: 'spki' })),
    privateKey: tail(pair.privateKey.export({ format: 'der', type: 'pkcs8' })),
  };
}

function publicKey(text: string, encoding: Encoding): KeyObject {
  const bytes = keyBytes(text, encoding);
  return createPublicKey({ key: Buffer.concat([SPKI_HEAD, bytes]), format: 'der', type: 'spki' });
}

function privateKey(text: string, encoding: Encoding): KeyObject {
  const bytes = keyBytes(text, encoding);
  return createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, bytes]), format: 'der', type: 'pkcs8' });
}

function keyBytes(text: string, encoding: Encoding): Buffer {
  const bytes = decodeExactly(encoding === 'hex' ? text.toLowerCase() : text, encoding, KEY_BYTES);
  if (bytes !== null) return bytes;
  throw new HoldfastError('secret_missing', { detail: `An Ed25519 key must be ${KEY_BYTES} bytes in ${encoding}.` });
}
