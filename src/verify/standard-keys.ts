/**
 * Secrets and keys as Standard Webhooks writes them: a prefix that says what it is, and base64.
 * Rule: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { HoldfastError } from '../errors.ts';
import { decodeStrict } from './encoding.ts';

/** Fewer bytes are refused. The specification says 24; Svix's own documentation shows a secret of 18. */
const SECRET_BYTES_MIN = 16;
const SECRET_BYTES_MAX = 64;

/**
 * The bytes of a secret: `whsec_` and base64; the prefix may be missing.
 *
 * @throws HoldfastError `secret_missing` when it is not that
 */
export function standardSecretBytes(text: string): Uint8Array {
  const bytes = decodeStrict(withoutPrefix(text, 'whsec_'), 'base64');
  if (bytes !== null && bytes.length >= SECRET_BYTES_MIN && bytes.length <= SECRET_BYTES_MAX) return bytes;
  throw new HoldfastError('secret_missing', {
    detail: `A secret must be whsec_ and base64 of ${SECRET_BYTES_MIN} to ${SECRET_BYTES_MAX} bytes.`,
  });
}

/** The text behind a prefix that may be missing. */
export function withoutPrefix(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}
