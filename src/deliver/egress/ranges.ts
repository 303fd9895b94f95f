/**
 * Addresses that are not hosts of the public internet, with where that is written. The two IANA registries of
 * special-purpose addresses, whole (https://www.iana.org/assignments/iana-ipv4-special-registry and
 * https://www.iana.org/assignments/iana-ipv6-special-registry), what the registries of multicast and of IPv6 address space
 * add, and one address of a cloud that lies in public space.
 */
import { type AddressRange, addressBytes } from '../../core/cidr.ts';

/** One line of the table. */
export interface SpecialRange {
  /** CIDR notation. */
  readonly range: string;
  readonly name: string;
  /** The document that sets it apart. */
  readonly source: string;
}

const row = (range: string, name: string, source: string): SpecialRange => ({ range, name, source });

/** Every range that is refused unless the operator allows it. */
export const specialRanges: readonly SpecialRange[] = [
  row('0.0.0.0/8', 'this network', 'RFC 791'),
  row('10.0.0.0/8', 'private use', 'RFC 1918'),
  row('100.64.0.0/10', 'shared address space (carrier-grade NAT)', 'RFC 6598'),
  row('127.0.0.0/8', 'loopback', 'RFC 1122'),
  row(
    '168.63.129.16/32',
    'Azure platform services',
    'https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16',
  ),
  row('169.254.0.0/16', 'link local, cloud metadata', 'RFC 3927'),
  row('172.16.0.0/12', 'private use', 'RFC 1918'),
  row('192.0.0.0/24', 'IETF protocol assignments', 'RFC 6890'),
  row('192.0.2.0/24', 'documentation (TEST-NET-1)', 'RFC 5737'),
  row('192.31.196.0/24', 'AS112', 'RFC 7535'),
  row('192.52.193.0/24', 'AMT', 'RFC 7450'),
  row('192.88.99.0/24', '6to4 relay anycast', 'RFC 7526'),
  row('192.168.0.0/16', 'private use', 'RFC 1918'),
  row('192.175.48.0/24', 'AS112, direct delegation', 'RFC 7534'),
  row('198.18.0.0/15', 'benchmarking', 'RFC 2544'),
  row('198.51.100.0/24', 'documentation (TEST-NET-2)', 'RFC 5737'),
  row('203.0.113.0/24', 'documentation (TEST-NET-3)', 'RFC 5737'),
  row('224.0.0.0/4', 'multicast', 'RFC 5771'),
  row('240.0.0.0/4', 'reserved, and limited broadcast', 'RFC 1112, RFC 8190'),
  row('::/96', 'unspecified, loopback, IPv4-compatible', 'RFC 4291'),
  row('::ffff:0:0/96', 'IPv4-mapped', 'RFC 4291'),
  row('::ffff:0:0:0/96', 'IPv4-translated (SIIT)', 'RFC 2765'),
  row('64:ff9b::/96', 'IPv4/IPv6 translation (NAT64)', 'RFC 6052'),
  row('64:ff9b:1::/48', 'IPv4/IPv6 translation, local use', 'RFC 8215'),
  row('100::/64', 'discard only', 'RFC 6666'),
  row('100:0:0:1::/64', 'dummy prefix', 'RFC 9780'),
  row('200::/7', 'withdrawn (NSAP), used by overlay networks', 'RFC 4048'),
  row('2001::/23', 'IETF protocol assignments: Teredo, benchmarking, AMT, AS112, ORCHID, drone ids', 'RFC 2928'),
  row('2001:db8::/32', 'documentation', 'RFC 3849'),
  row('2002::/16', '6to4', 'RFC 3056'),
  row('2620:4f:8000::/48', 'AS112, direct delegation', 'RFC 7534'),
  row('3fff::/20', 'documentation', 'RFC 9637'),
  row('5f00::/16', 'segment routing (SRv6) identifiers', 'RFC 9602'),
  row('fc00::/7', 'unique local', 'RFC 4193'),
  row('fe80::/10', 'link local', 'RFC 4291'),
  row('fec0::/10', 'site local', 'RFC 3879'),
  row('ff00::/8', 'multicast', 'RFC 4291'),
];

/** The table as bytes. A mapped range stays one of IPv6 here: it is the notation itself that is refused. */
export const specialBytes: readonly AddressRange[] = specialRanges.map(({ range }) => {
  const [address = '', bits = ''] = range.split('/');
  return { bytes: addressBytes(address) ?? [], bits: Number(bits) };
});
