/** Keys and other short texts that requests and applications bring, bounded so that any store can index them. */
import { createHash } from 'node:crypto';

const CHARS_MAX = 512;
/** As JSON in UTF-8, two of them in one index entry: PostgreSQL takes 2,704 bytes. */
const BYTES_MAX = 1000;
/** No character takes more in JSON: `\u0001`. */
const CHARACTER_BYTES_MAX = 6;

/** Whether a text is stored as it is. */
export function isShort(text: string): boolean {
  if (text.length > CHARS_MAX || !text.isWellFormed() || text.includes('\0')) return false;
  return text.length * CHARACTER_BYTES_MAX <= BYTES_MAX || Buffer.byteLength(JSON.stringify(text)) <= BYTES_MAX;
}

/** The text, or its digest where it is too long or not Unicode: equal stays equal, different stays different. */
export function bounded(text: string): string {
  return isShort(text) ? text : `sha256:${createHash('sha256').update(text, 'utf16le').digest('hex')}`;
}
