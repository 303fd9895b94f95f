/**
 * Opening a connection: resolve, look at every address, connect, look at the peer, pass the proxy, TLS. Nothing is sent
 * before the peer has been looked at. What was resolved is what is connected to: there is no second query.
 */
import { isIP, type LookupFunction, connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';
import type { Clock } from '../../core/clock.ts';
import { blocked, EgressError } from './codes.ts';
import { failedTo } from './failures.ts';
import { openTunnel, type Proxy } from './proxy.ts';
import { isNotFound, type Resolve } from './resolver.ts';
import type { Place, Rules } from './rules.ts';

/** What dialling needs to know. */
export interface DialSettings {
  readonly rules: Rules;
  readonly clock: Clock;
  /** For names; the other one is for names that the operator allows by name. */
  readonly resolve: Resolve;
  readonly resolveAllowed: Resolve;
  readonly proxy: Proxy | null;
  readonly dnsTimeoutMs: number;
  readonly connectTimeoutMs: number;
}

/** Milliseconds of each step; `null` for one that did not take place. */
export interface DialTimes {
  readonly dnsMs: number | null;
  readonly connectMs: number | null;
  readonly tlsMs: number | null;
}

/** A connection ready for HTTP/1.1. */
export interface Dialed {
  readonly socket: Socket;
  /** Address and port. */
  readonly remoteAddress: string;
  readonly times: DialTimes;
}

/** Before the next of several addresses is tried as well (RFC 8305). */
const NEXT_ADDRESS_MS = 500;

/**
 * Opens a connection to a place.
 *
 * @param signal ends the attempt, at whatever step it is
 * @throws EgressError in every case of failure
 */
export async function dial(
  target: { readonly place: Place; readonly secureContext: SecureContext | null },
  settings: DialSettings,
  signal: AbortSignal,
): Promise<Dialed> {
  const { clock, proxy } = settings;
  const { place } = target;
  const began = clock.monotonic();
  const addresses = await addressesOf(place, settings, signal);
  const resolved = clock.monotonic();
  const next = proxy === null ? { host: place.host, addresses, port: place.port } : await peerOf(proxy, settings);
  const socket = await within(settings, signal, () => connectTo(next));
  const connected = clock.monotonic();
  try {
    const isPermitted =
      proxy !== null || place.isAllowedName || settings.rules.addresses.permitsPeer(socket.remoteAddress);
    if (!isPermitted) throw blocked();
    const { remoteAddress = '', remotePort = 0 } = socket;
    const [first = place.host] = addresses;
    const way =
      proxy === null
        ? socket
        : await within(settings, signal, () => openTunnel(socket, proxy, `${bracketed(first)}:${place.port}`));
    const { secureContext } = target;
    const secure =
      secureContext === null ? way : await within(settings, signal, () => secureTo(way, place, secureContext));
    const times = {
      dnsMs: place.isAddress ? null : resolved - began,
      connectMs: connected - resolved,
      tlsMs: secureContext === null ? null : clock.monotonic() - connected,
    };
    return { socket: secure, remoteAddress: `${bracketed(remoteAddress)}:${remotePort}`, times };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** The proxy is the operator's own: its addresses are not looked at. */
async function peerOf({ host, port }: Proxy, { resolveAllowed }: DialSettings): Promise<Peer> {
  const addresses = isIP(host) === 0 ? await resolveAllowed(host).catch(failedTo('connect')) : [host];
  return { host, addresses, port };
}

/**
 * The addresses a place stands for, every one of them permitted: one that is not refuses them all, since whoever owns the
 * name chooses which is used.
 *
 * @throws EgressError `blocked_target`, `dns_not_found`, `dns_failed`
 */
export async function addressesOf(
  place: Place,
  settings: Pick<DialSettings, 'rules' | 'clock' | 'resolve' | 'resolveAllowed' | 'dnsTimeoutMs' | 'proxy'>,
  signal: AbortSignal | null,
): Promise<readonly string[]> {
  if (place.isAddress) return [place.host];
  // The proxy was told to resolve names itself: then it decides about addresses too.
  if (settings.proxy?.resolves === true) return [place.host];
  const resolve = place.isAllowedName ? settings.resolveAllowed : settings.resolve;
  if (signal?.aborted === true) throw aborted(signal);
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = settings.clock.schedule(settings.dnsTimeoutMs, () => reject(new Error('no answer in time')));
  const abort = (): void => reject(aborted(signal));
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const found = await Promise.race([resolve(place.host), late]);
    const addresses = found.filter((address) => isIP(address) !== 0);
    if (addresses.length === 0) throw new EgressError('dns_not_found');
    const { rules } = settings;
    if (!place.isAllowedName && !addresses.every((address) => rules.addresses.permits(address))) throw blocked();
    return addresses;
  } catch (error) {
    if (error instanceof EgressError) throw error;
    throw isNotFound(error) ? new EgressError('dns_not_found') : new EgressError('dns_failed', undefined, error);
  } finally {
    timer.cancel();
    signal?.removeEventListener('abort', abort);
  }
}

/** A step that can be ended from outside: what it is given to destroy is destroyed then. */
interface Step<T> {
  readonly done: Promise<T>;
  destroy(error: Error): void;
}

async function within<T>(
  { clock, connectTimeoutMs }: Pick<DialSettings, 'clock' | 'connectTimeoutMs'>,
  signal: AbortSignal,
  start: () => Step<T>,
): Promise<T> {
  if (signal.aborted) throw aborted(signal);
  const step = start();
  const timer = clock.schedule(connectTimeoutMs, () => step.destroy(new EgressError('connect_timeout')));
  const abort = (): void => step.destroy(aborted(signal));
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await step.done;
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', abort);
  }
}

function aborted(signal: AbortSignal | null): EgressError {
  const reason: unknown = signal?.reason;
  return reason instanceof EgressError ? reason : new EgressError('aborted');
}

/** What is connected to: one of the addresses. */
interface Peer {
  readonly host: string;
  readonly addresses: readonly string[];
  readonly port: number;
}

function connectTo(to: Peer): Step<Socket> {
  const [only = ''] = to.addresses;
  const found = to.addresses.map((address) => ({ address, family: isIP(address) }));
  // Called by node:net instead of a resolver: it gets what has been looked at, and nothing else.
  const lookup: LookupFunction = (_host, options, callback) => {
    if (options.all === true) callback(null, found);
    else callback(null, only, isIP(only));
  };
  const several = to.addresses.length > 1;
  const socket = connectTcp({
    host: several ? to.host : only,
    port: to.port,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: 15_000,
    ...(several && { lookup, autoSelectFamily: true, autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS }),
  });
  return stepOf(socket, 'connect', 'connect');
}

function secureTo(socket: Socket, place: Place, secureContext: SecureContext): Step<TLSSocket> {
  const secure = connectTls({
    socket,
    secureContext,
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
    // A server name must be a name (RFC 6066, section 3); the certificate of an address is checked against `host`.
    ...(place.isAddress ? { host: place.host } : { host: place.host, servername: place.host }),
  });
  return stepOf(secure, 'secureConnect', 'tls');
}

function stepOf<S extends Socket>(socket: S, event: string, step: 'connect' | 'tls'): Step<S> {
  const { promise, resolve, reject } = Promise.withResolvers<S>();
  const fail = (error: Error): void => {
    socket.destroy();
    reject(error);
  };
  socket.once(event, () => resolve(socket));
  // Stays: an error between two owners of the socket must not end the process.
  socket.on('error', fail);
  return { done: promise.catch(failedTo(step)), destroy: fail };
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
