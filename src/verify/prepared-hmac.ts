/**
 * HMAC (RFC 2104) with a prepared key: H((K ^ opad) || H((K ^ ipad) || text)). The two padded keys are laid out once,
 * and a request's bytes behind the inner one, so that a MAC is two one-shot hashes: a fifth to a quarter less than
 * `createHmac`, whose two objects and each `update` cost more than hashing a small body. Long texts, and runtimes
 * without one-shot hashes, go the usual way.
 */
import { Buffer } from 'node:buffer';
import { createHmac, createSecretKey } from 'node:crypto';
import type { Encoding } from './encoding.ts';
import { hashBytes, hashesOnce, hashOnce } from './one-shot.ts';
import type { Part } from './verdict.ts';

/** Hash functions an HMAC can be made with. */
export type HmacAlgorithm = 'sha1' | 'sha256' | 'sha384' | 'sha512';

/** Bytes of a hash function's block, and of what it gives. */
const SIZES = {
  sha1: { block: 64, digest: 20 },
  sha256: { block: 64, digest: 32 },
  sha384: { block: 128, digest: 48 },
  sha512: { block: 128, digest: 64 },
} as const satisfies Record<HmacAlgorithm, { readonly block: number; readonly digest: number }>;

/** Bytes of a hash function's result. */
export function digestBytes(algorithm: HmacAlgorithm): number {
  return SIZES[algorithm].digest;
}

/** Longer texts are hashed where they lie: above this, copying them costs more than it saves. */
const TEXT_BYTES_MAX = 16_384;

/** Makes MACs with one key. */
export type MakeMac = (parts: readonly Part[], encoding: Encoding) => string;

/** A key, prepared for an algorithm. Synchronous, so one key serves one request after the other. */
export function prepareHmac(algorithm: HmacAlgorithm, key: Uint8Array): MakeMac {
  const whole = wholeText(algorithm, key);
  if (!hashesOnce) return whole;
  const { block, digest } = SIZES[algorithm];
  const inner = Buffer.alloc(block + TEXT_BYTES_MAX);
  const outer = Buffer.alloc(block + digest);
  const short = key.length > block ? hashBytes(algorithm, key) : key;
  for (let index = 0; index < block; index++) {
    inner[index] = (short[index] ?? 0) ^ 0x36;
    outer[index] = (short[index] ?? 0) ^ 0x5c;
  }
  return (parts, encoding) => {
    if (!fits(parts)) return whole(parts, encoding);
    let end = block;
    for (const part of parts) {
      if (typeof part === 'string') end += inner.write(part, end, 'utf8');
      else {
        inner.set(part, end);
        end += part.length;
      }
    }
    outer.set(hashBytes(algorithm, inner.subarray(0, end)), block);
    return hashOnce(algorithm, outer, encoding);
  };
}

/** Whether the parts fit whatever their characters are: one takes three bytes of UTF-8 at most. */
function fits(parts: readonly Part[]): boolean {
  let bytes = 0;
  for (const part of parts) bytes += typeof part === 'string' ? part.length * 3 : part.length;
  return bytes <= TEXT_BYTES_MAX;
}

function wholeText(algorithm: HmacAlgorithm, key: Uint8Array): MakeMac {
  const object = createSecretKey(key);
  return (parts, encoding) => {
    const hmac = createHmac(algorithm, object);
    for (const part of parts) hmac.update(part);
    return hmac.digest(encoding);
  };
}
