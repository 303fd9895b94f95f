/**
 * ECDSA on P-256 with SHA-256 (FIPS 186-5): signatures in DER, as SendGrid makes them.
 */
import { Buffer } from 'node:buffer';
import { createPrivateKey, createPublicKey, createSign, createVerify, generateKeyPairSync } from 'node:crypto';
import type { KeyObject, Verify } from 'node:crypto';
import { HoldfastError } from '../errors.ts';
import { decodeStrict } from './encoding.ts';
import type { Keys } from './keys.ts';
import type { Part } from './verdict.ts';

/** The longest DER of a P-256 signature; longer text is no signature. */
const DER_BYTES_MAX = 72;

/**
 * Public keys in base64 of their SPKI DER (or PEM), and private ones in base64 of PKCS #8 to sign with in tests.
 *
 * @throws HoldfastError `secret_missing` when a key is not one on P-256
 */
export function ecdsaKeys(publicKeys: readonly string[], privateKeys: readonly string[] = []): Keys {
  const known = publicKeys.map((text) => readKey(text, 'spki'));
  const [signer] = privateKeys.map((text) => readKey(text, 'pkcs8'));
  const keys: Keys = {
    prove(signatures, parts, witness) {
      const given = signatures.map((text) => decodeStrict(text, 'base64'));
      const held = known.some((key) =>
        given.some((bytes) => bytes !== null && bytes.length <= DER_BYTES_MAX && hashed(parts).verify(key, bytes)),
      );
      const algorithm = 'ECDSA P-256 with SHA-256';
      witness?.({ algorithm, form: 'DER in base64', keys: known.length, signatures, parts, held });
      return held;
    },
  };
  if (signer === undefined) return keys;
  return { ...keys, sign: (parts) => feed(createSign('sha256'), parts).sign(signer, 'base64') };
}

/** A new pair: base64 of SPKI DER, and of PKCS #8 DER. */
export function generateEcdsa(): { readonly publicKey: string; readonly privateKey: string } {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    publicKey: pair.publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
    privateKey: pair.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
  };
}

function hashed(parts: readonly Part[]): Verify {
  return feed(createVerify('sha256'), parts);
}

function feed<Target extends { update(part: Part): unknown }>(target: Target, parts: readonly Part[]): Target {
  for (const part of parts) target.update(part);
  return target;
}

function readKey(text: string, type: 'spki' | 'pkcs8'): KeyObject {
  try {
    const der = Buffer.from(text.replace(/-----[^-]+-----|\s/g, ''), 'base64');
    const key =
      type === 'spki'
        ? createPublicKey({ key: der, format: 'der', type })
        : createPrivateKey({ key: der, format: 'der', type });
    if (key.asymmetricKeyDetails?.namedCurve === 'prime256v1') return key;
  } catch {
    // Said below, without the key.
  }
  throw new HoldfastError('secret_missing', { detail: `A key is not the base64 of an ECDSA P-256 key (${type}).` });
}
