/**
 * Ranges of IP addresses in CIDR notation (RFC 4632, RFC 4291). An IPv4 address mapped into IPv6 (`::ffff:192.0.2.1`,
 * what a dual-stack socket reports) is the IPv4 address.
 */

/** Addresses with the same first `bits`. */
export interface AddressRange {
  readonly bytes: readonly number[];
  readonly bits: number;
}

/** The range a text like `192.0.2.0/24`, `2001:db8::/32` or a single address stands for; `null` when it is none. */
export function parseRange(text: string): AddressRange | null {
  const slash = text.indexOf('/');
  const written = slash < 0 ? text : text.slice(0, slash);
  const bytes = parseAddress(written);
  if (bytes === null) return null;
  if (slash < 0) return { bytes, bits: bytes.length * 8 };
  const length = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(length)) return null;
  // The length of a mapped range counts the 96 bits that the mapping puts in front.
  const bits = Number(length) - (bytes.length === 4 && written.includes(':') ? 96 : 0);
  return bits >= 0 && bits <= bytes.length * 8 ? { bytes, bits } : null;
}

/** Whether an address lies in one of the ranges; text that is no address lies in none. */
export function inRanges(address: string, ranges: readonly AddressRange[]): boolean {
  const bytes = parseAddress(address);
  return bytes !== null && ranges.some((range) => contains(range, bytes));
}

/** The 4 or 16 bytes of an address as it is written, a zone (`%eth0`) left out; `null` when it is not one. */
export function addressBytes(text: string): readonly number[] | null {
  if (!text.includes(':')) return parseV4(text);
  const zone = text.indexOf('%');
  return parseV6(zone < 0 ? text : text.slice(0, zone));
}

/** The same, a mapped address as the IPv4 address it is. */
function parseAddress(text: string): readonly number[] | null {
  const bytes = addressBytes(text);
  if (bytes?.length !== 16) return bytes;
  const mapped = bytes[10] === 0xff && bytes[11] === 0xff && bytes.slice(0, 10).every((byte) => byte === 0);
  return mapped ? bytes.slice(12) : bytes;
}

/** Whether the address with these bytes lies in the range. */
export function contains(range: AddressRange, bytes: readonly number[]): boolean {
  if (range.bytes.length !== bytes.length) return false;
  for (let index = 0, left = range.bits; left > 0; index++, left -= 8) {
    const mask = left >= 8 ? 0xff : (0xff << (8 - left)) & 0xff;
    if ((((range.bytes[index] ?? 0) ^ (bytes[index] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}

/** Four decimal numbers; leading zeros are refused, since some parsers read them as octal. */
function parseV4(text: string): number[] | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  const bytes = parts.map((part) => (/^(?:0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256));
  return bytes.every((byte) => byte <= 255) ? bytes : null;
}

function parseV6(text: string): number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? '');
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '') : [];
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function parseGroups(text: string): number[] | null {
  if (text === '') return [];
  const groups = text.split(':');
  const bytes: number[] = [];
  for (const [index, group] of groups.entries()) {
    if (group.includes('.')) {
      const v4 = index === groups.length - 1 ? parseV4(group) : null;
      if (v4 === null) return null;
      bytes.push(...v4);
    } else {
      if (!/^[\da-fA-F]{1,4}$/.test(group)) return null;
      const value = Number.parseInt(group, 16);
      bytes.push(value >>> 8, value & 0xff);
    }
  }
  return bytes;
}
