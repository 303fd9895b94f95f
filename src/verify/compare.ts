/**
 * The only place where something given is compared with something secret. Both sides are digests of one length, and
 * `timingSafeEqual` does the rest: the time taken tells nothing about where they differ. A length that differs is
 * public (it is the sender's own) and means "no".
 */
import { Buffer } from 'node:buffer';
import { timingSafeEqual } from 'node:crypto';
import { hashBytes } from './one-shot.ts';

/** Whether two digests are the same, in a time that does not depend on their content. */
export function sameDigest(left: Uint8Array, right: Uint8Array): boolean {
  return left.byteLength === right.byteLength && timingSafeEqual(left, right);
}

/**
 * Whether a digest, written as hex or base64, is exactly the given text: another spelling of the same bytes is not.
 * Comparing the text instead of decoding it is the strictest reading there is, and the cheapest.
 */
export function sameDigestText(expected: string, given: string): boolean {
  if (expected.length !== given.length) return false;
  const { left, right } = scratch(expected.length);
  left.write(expected, 'latin1');
  // In UTF-8 only ASCII fills as many bytes as it has characters; anything else is no spelling of a digest.
  return right.write(given, 'utf8') === given.length && sameDigest(left, right);
}

/** Two buffers of a length, made once: verification is synchronous, so one pair serves every request. */
function scratch(length: number): { readonly left: Buffer; readonly right: Buffer } {
  let pair = pairs.get(length);
  if (pair === undefined) {
    pair = { left: Buffer.alloc(length), right: Buffer.alloc(length) };
    pairs.set(length, pair);
  }
  return pair;
}

/** By length, of which there are eight: four digests in two encodings. */
const pairs = new Map<number, { readonly left: Buffer; readonly right: Buffer }>();

/**
 * Tokens to compare a given one with. Each side is hashed first, so that the length of a token shows in nothing, and
 * every token is compared, so that neither does which one matched.
 */
export class TokenSet {
  readonly #digests: readonly Uint8Array[];

  constructor(tokens: readonly string[]) {
    this.#digests = tokens.map((token) => digest(Buffer.from(token, 'utf8')));
  }

  /** Whether the given bytes are one of the tokens (as UTF-8). */
  has(given: Uint8Array): boolean {
    const asked = digest(given);
    let found = false;
    for (const known of this.#digests) found = sameDigest(known, asked) || found;
    return found;
  }

  /** Whether the value of a header (one character per byte) is one of the tokens. */
  hasHeader(value: string): boolean {
    return this.has(Buffer.from(value, 'latin1'));
  }
}

function digest(bytes: Uint8Array): Uint8Array {
  return hashBytes('sha256', bytes);
}
