/**
 * RSA signatures (PKCS #1 v1.5), made with the key of a certificate.
 */
import { createSign, createVerify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { decodeStrict } from './encoding.ts';
import type { Part } from './verdict.ts';
import type { Witness } from './verifier.ts';

/** Hash functions of the schemes here. */
export type RsaHash = 'sha1' | 'sha256';

/** The longest RSA signature: a key of 8,192 bits. */
const SIGNATURE_BYTES_MAX = 1024;

/** A signature in base64 over the parts, and the key it should be of. */
export interface RsaClaim {
  readonly hash: RsaHash;
  readonly signature: string;
  readonly parts: readonly Part[];
}

/** Whether a signature is of an RSA key. Another kind of key never holds. */
export function rsaHolds(key: KeyObject, claim: RsaClaim, witness?: Witness): boolean {
  const { hash, signature, parts } = claim;
  const held = holds(key, claim);
  const algorithm = `RSA with ${hash.toUpperCase()}`;
  witness?.({ algorithm, form: 'base64', keys: 1, signatures: [signature], parts, held });
  return held;
}

function holds(key: KeyObject, { hash, signature, parts }: RsaClaim): boolean {
  const bytes = decodeStrict(signature, 'base64');
  if (bytes === null || bytes.length > SIGNATURE_BYTES_MAX || key.asymmetricKeyType !== 'rsa') return false;
  const verifier = createVerify(hash);
  for (const part of parts) verifier.update(part);
  return verifier.verify(key, bytes);
}

/** A signature in base64. */
export function rsaSign(key: KeyObject, hash: RsaHash, parts: readonly Part[]): string {
  const signer = createSign(hash);
  for (const part of parts) signer.update(part);
  return signer.sign(key, 'base64');
}
