/** Who sent a request, where trusted proxies stand in between. */
import { BlockList, isIP } from 'node:net';
import { addressBytes } from '../core/cidr.ts';
import { type HeaderList, headerValues } from '../core/event.ts';
import { HoldfastError } from '../errors.ts';

/** More hops than any real chain has. */
const HOPS_MAX = 32;

export class TrustedProxies {
  readonly #trusted = new BlockList();
  readonly #none: boolean;

  /** @throws HoldfastError config_invalid for what is neither an address nor a CIDR range */
  constructor(ranges: readonly string[]) {
    this.#none = ranges.length === 0;
    for (const range of ranges) this.#add(range);
  }

  /**
   * The sender's address: the peer's, or, as long as that is a trusted proxy, the one it names in `X-Forwarded-For`,
   * read from right to left. What stands left of an address that is not trusted may be invented, and is not looked at.
   */
  sender(peer: string, headers: HeaderList): string {
    let sender = plainAddress(peer) ?? '';
    if (this.#none || !this.trusts(sender)) return sender;
    const hops = headerValues(headers, 'x-forwarded-for').join(',').split(',').slice(-HOPS_MAX);
    for (const hop of hops.toReversed()) {
      const address = plainAddress(hop.trim());
      if (address === null) return sender;
      sender = address;
      if (!this.trusts(sender)) return sender;
    }
    return sender;
  }

  /** Whether an address is that of a trusted proxy. */
  trusts(address: string): boolean {
    if (this.#none) return false;
    const family = isIP(address);
    return family !== 0 && this.#trusted.check(address, family === 6 ? 'ipv6' : 'ipv4');
  }

  #add(range: string): void {
    const [text = '', bits] = range.split('/', 2);
    const address = plainAddress(text);
    if (address === null) throw invalid(range);
    const type = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (bits === undefined) {
      this.#trusted.addAddress(address, type);
      return;
    }
    if (!/^\d{1,3}$/.test(bits) || Number(bits) > (type === 'ipv6' ? 128 : 32)) throw invalid(range);
    this.#trusted.addSubnet(address, Number(bits), type);
  }
}

function invalid(range: string): HoldfastError {
  return new HoldfastError('config_invalid', {
    detail: `trustedProxies: expected an address or a CIDR range, got '${range}'.`,
  });
}

const BRACKETED = /^\[([^\]]+)\](?::\d+)?$/;
const MAPPED = /^[0:]+:ffff:(?:[\d.]+|[\da-f]{1,4}:[\da-f]{1,4})$/i;
const V4_WITH_PORT = /^([\d.]+):\d+$/;

/** The address without brackets, port, zone and IPv4 mapping; `null` when it is none. */
function plainAddress(text: string): string | null {
  const bare = (BRACKETED.exec(text)?.[1] ?? V4_WITH_PORT.exec(text)?.[1] ?? text).replace(/%.*$/, '');
  if (isIP(bare) === 0) return null;
  // However it is written: `::ffff:192.0.2.1` and `::ffff:c000:201` are one sender.
  return MAPPED.test(bare) ? (addressBytes(bare)?.slice(12).join('.') ?? null) : bare;
}
