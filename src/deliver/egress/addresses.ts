/**
 * Which addresses may be connected to: public ones, and those the operator allows. An IPv6 address that carries an IPv4
 * address within is never better than that one.
 */
import { type AddressRange, addressBytes, contains } from '../../core/cidr.ts';
import { specialBytes } from './ranges.ts';

/** Decides about addresses; knows nothing of names. */
export class AddressPolicy {
  readonly #allowed: readonly AddressRange[];

  /** @param allowed ranges that may be connected to although they are special-purpose */
  constructor(allowed: readonly AddressRange[]) {
    this.#allowed = allowed;
  }

  /** Whether this address, in any notation, may be connected to. Text that is no address may not. */
  permits(address: string): boolean {
    const bytes = addressBytes(address);
    return bytes !== null && this.#permitsBytes(bytes);
  }

  /**
   * Whether a connected socket's peer is permitted. A dual-stack socket reports an IPv4 peer in mapped notation, so
   * that is read as IPv4 here.
   */
  permitsPeer(address: string | undefined): boolean {
    const bytes = address === undefined ? null : addressBytes(address);
    if (bytes === null) return false;
    return this.#permitsBytes(isMapped(bytes) ? bytes.slice(12) : bytes);
  }

  #permitsBytes(bytes: readonly number[]): boolean {
    const inner = embeddedV4(bytes);
    if (inner !== null && !this.#permitsBytes(inner)) return false;
    const isIn = (range: AddressRange): boolean => contains(range, bytes);
    if (this.#allowed.some(isIn)) return true;
    // The allow list writes a mapped address as the IPv4 address it is.
    if (inner !== null && isMapped(bytes) && this.#allowed.some((range) => contains(range, inner))) return true;
    return !specialBytes.some(isIn);
  }
}

function isMapped(bytes: readonly number[]): boolean {
  return startsWith(bytes, MAPPED);
}

const ZEROS = [0, 0, 0, 0, 0, 0, 0, 0];
const MAPPED = [...ZEROS, 0, 0, 0xff, 0xff];
/** Prefixes of 96 bits behind which an IPv4 address stands. */
const BEFORE_V4: readonly (readonly number[])[] = [
  MAPPED,
  [...ZEROS, 0, 0, 0, 0],
  [...ZEROS, 0xff, 0xff, 0, 0],
  [0, 0x64, 0xff, 0x9b, ...ZEROS],
];

/** The IPv4 address a packet to this IPv6 address ends at; `null` when there is none within. */
function embeddedV4(bytes: readonly number[]): readonly number[] | null {
  if (bytes.length !== 16) return null;
  // `::1` is no IPv4 address, though its notation could be one.
  if (startsWith(bytes, [...ZEROS, 0, 0, 0, 0, 0, 0, 0]) && (bytes[15] ?? 0) <= 1) return null;
  if (BEFORE_V4.some((prefix) => startsWith(bytes, prefix))) return bytes.slice(12);
  if (bytes[0] === 0x20 && bytes[1] === 0x02) return bytes.slice(2, 6);
  // Teredo writes the client's address inverted (RFC 4380, section 4).
  if (startsWith(bytes, [0x20, 0x01, 0, 0])) return bytes.slice(12).map((byte) => byte ^ 0xff);
  return null;
}

function startsWith(bytes: readonly number[], prefix: readonly number[]): boolean {
  return bytes.length >= prefix.length && prefix.every((byte, index) => bytes[index] === byte);
}
