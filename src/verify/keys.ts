/**
 * Keys that check and make signatures. A scheme says what was signed and where the signature is; keys say whether it
 * holds. Any key may have made any of the signatures given, so that secrets and senders can rotate.
 */
import { Buffer } from 'node:buffer';
import { HoldfastError } from '../errors.ts';
import { sameDigestText } from './compare.ts';
import { decodeStrict } from './encoding.ts';
import type { Encoding } from './encoding.ts';
import { digestBytes, prepareHmac } from './prepared-hmac.ts';
import type { HmacAlgorithm } from './prepared-hmac.ts';
import type { Part } from './verdict.ts';
import type { Witness } from './verifier.ts';

export type { HmacAlgorithm } from './prepared-hmac.ts';

/** Keys of one kind. */
export interface Keys {
  /** Whether any of the signatures was made over the parts with any of the keys. */
  prove(signatures: readonly string[], parts: readonly Part[], witness?: Witness): boolean;
  /** The signature of the parts, made with the first key; absent where only public keys are known. */
  sign?(parts: readonly Part[]): string;
}

/** A header that lists more signatures than this is refused: each may cost a public-key operation. */
export const SIGNATURES_MAX = 16;

/** How the bytes of a key are written in a setting. */
export type SecretEncoding = 'utf8' | 'hex' | 'base64';

/** How an HMAC is made and written. */
export interface HmacForm {
  readonly algorithm: HmacAlgorithm;
  readonly encoding: Encoding;
  readonly secretEncoding: SecretEncoding;
}

/**
 * Keys for an HMAC. The key is prepared once; per request there is one pass over the bytes and one comparison.
 *
 * @throws HoldfastError `secret_missing` when a secret is not what `secretEncoding` says
 */
export function hmacKeys(form: HmacForm, secrets: readonly string[]): Keys {
  return hmacKeysOf(
    form,
    secrets.map((text) => decodeSecret(text, form.secretEncoding)),
  );
}

/** Like {@link hmacKeys}, for keys that are already bytes. */
export function hmacKeysOf(form: Pick<HmacForm, 'algorithm' | 'encoding'>, bytes: readonly Uint8Array[]): Keys {
  const { algorithm, encoding } = form;
  const macs = bytes.map((key) => prepareHmac(algorithm, key));
  const written = writtenForm(algorithm, encoding);
  const holds = (signatures: readonly string[], parts: readonly Part[]): boolean => {
    if (signatures.length === 0) return false;
    for (const mac of macs) {
      const expected = mac(parts, encoding);
      for (const signature of signatures) if (sameDigestText(expected, signature)) return true;
    }
    return false;
  };
  return {
    prove(signatures, parts, witness) {
      const held = holds(signatures, parts);
      if (witness !== undefined) {
        witness({
          algorithm: `HMAC-${algorithm.toUpperCase()}`,
          form: written,
          keys: macs.length,
          signatures,
          parts,
          held,
        });
      }
      return held;
    },
    sign(parts) {
      const [mac] = macs;
      if (mac === undefined) throw new HoldfastError('secret_missing', { detail: 'There is no secret to sign with.' });
      return mac(parts, encoding);
    },
  };
}

/** How a signature is written, in words: `64 characters of lower-case hex`. */
function writtenForm(algorithm: HmacAlgorithm, encoding: Encoding): string {
  const bytes = digestBytes(algorithm);
  return encoding === 'hex'
    ? `${bytes * 2} characters of lower-case hex`
    : `${Math.ceil(bytes / 3) * 4} characters of base64`;
}

function decodeSecret(text: string, encoding: SecretEncoding): Uint8Array {
  if (encoding === 'utf8') return Buffer.from(text, 'utf8');
  const bytes = decodeStrict(encoding === 'hex' ? text.toLowerCase() : text, encoding);
  if (bytes === null) throw new HoldfastError('secret_missing', { detail: `A secret is not valid ${encoding}.` });
  return bytes;
}
