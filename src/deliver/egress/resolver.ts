/**
 * Names to addresses. Queries go straight to the name servers: `dns.lookup` would take one of the process's four threads
 * for as long as a server keeps silent, and one slow zone could stall every destination, and the disk.
 */
import { promises as dns } from 'node:dns';
import { HoldfastError } from '../../errors.ts';

/**
 * The addresses of a name, IPv4 and IPv6. Fails with an error whose `code` is `ENOTFOUND` or `ENODATA` where there are
 * none, and with another one where the servers failed.
 */
export type Resolve = (host: string) => Promise<readonly string[]>;

const QUERY_TIMEOUT_MS = 2000;
const QUERY_TRIES = 2;
/** More addresses of one name are not looked at: somebody wants to be tried many times. */
const ADDRESSES_MAX = 32;

/**
 * Asks name servers. Sees no hosts file and no search list.
 *
 * @param servers addresses, with a port where it is not 53; default: those of the system
 * @throws HoldfastError `config_invalid` when one of them is not an address
 */
export function serverResolver(servers?: readonly string[]): Resolve {
  const resolver = new dns.Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
  try {
    if (servers !== undefined) resolver.setServers(servers);
  } catch (cause) {
    const detail = 'egress.nameServers: expected addresses like 192.0.2.53, perhaps with a port.';
    throw new HoldfastError('config_invalid', { detail, cause });
  }
  return async (host) => {
    const [v4, v6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    const found = [...(v4.status === 'fulfilled' ? v4.value : []), ...(v6.status === 'fulfilled' ? v6.value : [])];
    if (found.length > 0) return found.slice(0, ADDRESSES_MAX);
    const failures = [v4, v6].filter((one) => one.status === 'rejected').map((one) => one.reason as Error);
    // A name without addresses of one family and a server that failed for the other: nobody knows yet.
    const [first = new Error('no addresses')] = failures;
    throw failures.find((failure) => !isNotFound(failure)) ?? first;
  };
}

/** Asks as the system does, with its hosts file and search list: for the few names that the operator allows by name. */
export const systemResolver: Resolve = async (host) => {
  const found = await dns.lookup(host, { all: true });
  return found.map(({ address }) => address);
};

/** Whether an error of a resolver says that there is no such address. */
export function isNotFound(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === 'ENOTFOUND' || code === 'ENODATA';
}
