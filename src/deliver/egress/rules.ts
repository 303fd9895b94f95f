/**
 * What can be said of a URL before anything is resolved: its form, scheme, port, and whether its host is a name or an
 * address that may be connected to. The same look is taken when an endpoint is saved and before every request.
 */
import { isIP } from 'node:net';
import { parseRange } from '../../core/cidr.ts';
import { HoldfastError } from '../../errors.ts';
import { AddressPolicy } from './addresses.ts';

/** Why a URL is refused. An address or a name is refused in the same words whatever it is. */
export interface Problem {
  /**
   * `invalid_input`: no URL as it must be written; `blocked_target`: one that may not be connected to; `dns_not_found`
   * and `dns_failed`: the name has no address, or nobody knows now.
   */
  readonly code: 'invalid_input' | 'blocked_target' | 'dns_not_found' | 'dns_failed';
  /** For whoever entered it. */
  readonly detail: string;
}

/** A single port, or the first and the last of a range. */
export type PortRule = number | readonly [first: number, last: number];

/** What the operator decides. */
export interface RuleOptions {
  /**
   * Hosts and networks that may be connected to although they are special-purpose: addresses and CIDR ranges
   * (`10.1.0.0/16`, `::1`), and names (`crm.corp.example`; `*.corp.example` for all below it). Default none.
   */
  readonly allow?: readonly string[] | undefined;
  /** Ports that may be connected to. Default: 80, 443, and from 1024 on all but those of well-known other services. */
  readonly ports?: readonly PortRule[] | undefined;
  /** Whether `http:` may be used too. Default `true`; what is sent is signed but not secret then. */
  readonly http?: boolean | undefined;
}

/** Where a request goes, checked as far as it can be without resolving. */
export interface Place {
  readonly url: URL;
  /** The host as a name or an address without brackets, lower case, without a trailing dot. */
  readonly host: string;
  readonly port: number;
  readonly isAddress: boolean;
  /** The operator allows the host by its name: its addresses are not looked at. */
  readonly isAllowedName: boolean;
}

const URL_LENGTH_MAX = 2048;

/** Names that never are of the public internet: RFC 6761, 6762, 7686, 8375, 9476, and what networks use for themselves. */
const LOCAL_NAMES =
  /(?:^|\.)(?:localhost|localdomain|local|internal|intranet|private|corp|home|lan|home\.arpa|onion|alt|invalid)$/;

/**
 * Ports from 1024 on at which something listens that is not HTTP, or is HTTP and must not be reached: those that browsers
 * refuse (https://fetch.spec.whatwg.org/#port-blocking), databases, brokers, and the control ports of clusters.
 */
const OTHER_SERVICES: ReadonlySet<number> = new Set([
  1433, 1521, 1719, 1720, 1723, 2049, 2181, 2375, 2376, 2377, 2379, 2380, 3306, 3389, 3659, 4045, 4190, 4222, 5060,
  5061, 5432, 5672, 5900, 5984, 6000, 6379, 6443, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 8500, 9042, 9092,
  9200, 9300, 10_080, 10_250, 10_255, 11_211, 27_017, 27_018, 27_019,
]);

/** The operator's rules, ready to be applied. */
export class Rules {
  readonly addresses: AddressPolicy;
  readonly #names: ReadonlySet<string>;
  /** Endings of names, each with its leading dot. */
  readonly #below: readonly string[];
  readonly #ports: readonly PortRule[] | null;
  readonly #http: boolean;

  /** @throws HoldfastError `config_invalid` when an entry of `allow` or `ports` cannot be one */
  constructor({ allow = [], ports, http = true }: RuleOptions) {
    const names = allow.filter((entry) => parseRange(entry) === null).map((entry) => entry.toLowerCase());
    const wrong = names.find((name) => !NAME.test(name) || LOOKS_NUMERIC.test(name));
    if (wrong !== undefined) {
      throw new HoldfastError('config_invalid', {
        detail: `egress.allow: expected an address, a CIDR range or a host name, got '${wrong.slice(0, 100)}'.`,
      });
    }
    this.addresses = new AddressPolicy(allow.map((entry) => parseRange(entry)).filter((range) => range !== null));
    this.#names = new Set(names.filter((name) => !name.startsWith('*')));
    this.#below = names.filter((name) => name.startsWith('*')).map((name) => name.slice(1));
    this.#ports = ports === undefined ? null : checkPorts(ports);
    this.#http = http;
  }

  /** The place a URL names, or why it is refused. */
  inspect(text: string): Place | Problem {
    const wrong = malformed(text);
    if (wrong !== null) return wrong;
    const url = new URL(text);
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && this.#http)) {
      return refuse(this.#http ? 'the scheme must be https or http' : 'the scheme must be https');
    }
    const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
    if (!this.#permitsPort(port)) return refuse(`port ${port} is not allowed`);
    const host = plainHost(url.hostname);
    const isAddress = isIP(host) !== 0;
    const isAllowedName = !isAddress && this.#allowsName(host);
    if (isAddress ? !this.addresses.permits(host) : !isAllowedName && isLocalName(host)) return refuse(UNIFORM);
    return { url, host, port, isAddress, isAllowedName };
  }

  #permitsPort(port: number): boolean {
    if (this.#ports === null) return port === 80 || port === 443 || (port >= 1024 && !OTHER_SERVICES.has(port));
    return this.#ports.some((rule) => (typeof rule === 'number' ? rule === port : rule[0] <= port && port <= rule[1]));
  }

  #allowsName(host: string): boolean {
    return this.#names.has(host) || this.#below.some((ending) => host.endsWith(ending));
  }
}

/** Whether {@link Rules.inspect} refused. */
export function isProblem(found: Place | Problem): found is Problem {
  return 'code' in found;
}

/** What is said of every refused address and name, so that the words tell nothing about a network. */
const UNIFORM = 'the target is not allowed';

const NAME = /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const LOOKS_NUMERIC = /(?:^|\.)(?:\d+|0x[\da-f]*)$/;
/** Whitespace, control characters and backslashes: a parser removes or turns them, and something else is reached. */
const UNCLEAN = /[\0-\x20\x7f\\]/;
const AUTHORITY = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i;

function malformed(text: string): Problem | null {
  if (text.length > URL_LENGTH_MAX) return invalid(`the URL is longer than ${URL_LENGTH_MAX} characters`);
  if (UNCLEAN.test(text)) return invalid('the URL contains a space, a control character or a backslash');
  const authority = AUTHORITY.exec(text)?.[1];
  if (authority === undefined || authority === '' || !URL.canParse(text))
    return invalid('expected a URL like https://example.com/hooks');
  if (authority.includes('@')) return invalid('the URL must not contain a user name or password');
  if (authority.includes('%')) return invalid('the host must not be percent-encoded');
  return null;
}

function plainHost(hostname: string): string {
  if (hostname.startsWith('[')) return hostname.slice(1, -1);
  return hostname.endsWith('.') ? hostname.slice(0, -1) : hostname;
}

/** A name without a dot is completed by the resolver's search list: it is one of the operator's own network. */
function isLocalName(host: string): boolean {
  return !host.includes('.') || LOCAL_NAMES.test(host);
}

function checkPorts(ports: readonly PortRule[]): readonly PortRule[] {
  const isPort = (port: number): boolean => Number.isInteger(port) && port > 0 && port < 65_536;
  for (const rule of ports) {
    const [first, last] = typeof rule === 'number' ? [rule, rule] : rule;
    if (isPort(first) && isPort(last) && first <= last) continue;
    throw new HoldfastError('config_invalid', {
      detail: `egress.ports: expected ports from 1 to 65535, got '${JSON.stringify(rule)}'.`,
    });
  }
  return ports;
}

function refuse(detail: string): Problem {
  return { code: 'blocked_target', detail };
}

function invalid(detail: string): Problem {
  return { code: 'invalid_input', detail };
}
