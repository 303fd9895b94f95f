/**
 * Hashes in one call, which cost half of what `createHash` does for a small body. A runtime without them (Node before
 * 21.7, some others) gets the same from `createHash`.
 */
import * as crypto from 'node:crypto';
import type { Encoding } from './encoding.ts';

/** Gives the hash of a text (as UTF-8) or of bytes. */
type HashOnce = (algorithm: string, data: string | Uint8Array, encoding: Encoding) => string;

const { hash } = crypto as Partial<typeof crypto>;

/** Whether this runtime hashes in one call. */
export const hashesOnce: boolean = hash !== undefined;

/** The hash, written in an encoding. */
export const hashOnce: HashOnce =
  hash ?? ((algorithm, data, encoding) => crypto.createHash(algorithm).update(data).digest(encoding));

/** The hash as bytes. */
export function hashBytes(algorithm: string, data: string | Uint8Array): Uint8Array {
  return hash === undefined ? crypto.createHash(algorithm).update(data).digest() : hash(algorithm, data, 'buffer');
}
