/**
 * Strict decoding of signatures and keys. Node's decoders skip what they do not know and stop where they must; here
 * exactly one text stands for some bytes, so that a prefix, a suffix or another spelling of a signature is refused.
 */
import { Buffer } from 'node:buffer';

/** How bytes are written: lower-case hex, or base64 with its padding. */
export type Encoding = 'hex' | 'base64';

/** The bytes a text stands for, or `null` when it is not their one spelling. */
export function decodeStrict(text: string, encoding: Encoding): Buffer | null {
  const bytes = Buffer.from(text, encoding);
  // Compares what was sent with itself: nothing secret is in it.
  return bytes.length > 0 && bytes.toString(encoding) === text ? bytes : null;
}

/** Like {@link decodeStrict}, for a text of a known number of bytes; others are refused before they are decoded. */
export function decodeExactly(text: string, encoding: Encoding, bytes: number): Buffer | null {
  const length = encoding === 'hex' ? bytes * 2 : Math.ceil(bytes / 3) * 4;
  return text.length === length ? decodeStrict(text, encoding) : null;
}
