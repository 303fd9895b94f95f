/**
 * The one way out of the process for every request that Holdfast makes by itself: endpoints, certificates, tokens, test
 * sends, alerts. It connects to nothing that lies in a special-purpose network unless the operator allows it, follows no
 * redirect, decompresses nothing, reads no more than it is told to, and knows no proxy but the one it is given.
 */
import { createHash } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Clock } from '../../core/clock.ts';
import { HoldfastError } from '../../errors.ts';
import { type Answer, call, type CallRequest } from './call.ts';
import { EgressError } from './codes.ts';
import { Connections, type Origin } from './connections.ts';
import { addressesOf, type DialSettings } from './dial.ts';
import { parseProxy, type ProxyOptions } from './proxy.ts';
import { type Resolve, serverResolver, systemResolver } from './resolver.ts';
import { isProblem, type Problem, type RuleOptions, Rules } from './rules.ts';

export type { Answer } from './call.ts';
export type { ProxyOptions } from './proxy.ts';
export type { Resolve } from './resolver.ts';
export type { Problem } from './rules.ts';

/** Options of {@link createEgress}. */
export interface EgressOptions extends RuleOptions {
  readonly clock: Clock;
  /** A forward proxy. Default none; the environment is never asked. */
  readonly proxy?: ProxyOptions | undefined;
  /** Name servers to ask, as addresses, with a port where it is not 53. Default: those of the system. */
  readonly nameServers?: readonly string[] | undefined;
  /** Instead of name servers. Default: they; for names in `allow` the system's resolver with its hosts file. */
  readonly resolve?: Resolve | undefined;
  /** Certificate authorities in PEM that are trusted instead of the built-in ones. Default: the built-in ones. */
  readonly ca?: string | readonly string[] | undefined;
  /** Milliseconds for resolving a name. Default 5,000. */
  readonly dnsTimeoutMs?: number | undefined;
  /** Milliseconds for each of connecting, the proxy, and TLS. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Milliseconds an idle connection is kept. Default 4,000: most servers close theirs after 5 s. */
  readonly idleMs?: number | undefined;
  /** Sockets at once. Default 1,024. */
  readonly socketsMax?: number | undefined;
  /** Sockets at once to one origin. Default 256. */
  readonly socketsPerOriginMax?: number | undefined;
}

/** Who the gateway is to a server that asks for a certificate (mTLS), and whom it trusts there. */
export interface TlsIdentity {
  /** In PEM, with its chain. */
  readonly cert?: string | undefined;
  /** In PEM. */
  readonly key?: string | undefined;
  /** Of the key. */
  readonly passphrase?: string | undefined;
  /** Authorities in PEM that are trusted for this server instead of the usual ones. */
  readonly ca?: string | undefined;
}

/** A URL that has been looked at, to be sent to many times: see {@link Egress.prepare}. */
export interface Prepared {
  readonly origin: Origin;
  /** Path and query of the URL. */
  readonly path: string;
}

/** A single request: see {@link Egress.request}. */
export interface EgressRequest {
  /** Default `GET`. */
  readonly method?: string;
  readonly url: string;
  /** Name, value, name, value…. Default none. */
  readonly headers?: readonly string[];
  readonly body?: Uint8Array | null;
  /** Default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | null;
  /** Default 64 KiB; an answer that is larger has the code `response_too_large`. */
  readonly responseBytesMax?: number;
}

/** The way out. */
export interface Egress {
  /** What is wrong with a URL, as far as it can be told without resolving; `null`: nothing. For when one is saved. */
  check(url: string): Problem | null;
  /** The same, and every address its name has now. It is looked at again whenever something is sent. */
  resolveAndCheck(url: string): Promise<Problem | null>;
  /**
   * Looks at a URL once, for many requests. What can only be told by resolving is looked at with each connection.
   *
   * @throws HoldfastError `config_invalid` when the identity's certificate or key cannot be read
   * @throws EgressError `blocked_target` when {@link check} has something against it
   */
  prepare(url: string, identity?: TlsIdentity | null): Prepared;
  /** Sends to a prepared URL. Never rejects. */
  send(to: Prepared, request: CallRequest): Promise<Answer>;
  /** Sends a single request. Never rejects. */
  request(request: EgressRequest): Promise<Answer>;
  /**
   * The text behind a URL, for what a verifier needs from outside (certificates, confirmations): a GET, 200 or nothing.
   *
   * @throws EgressError when it could not be had: not 200, more than 64 KiB, more than 5 s
   */
  fetchText(url: string): Promise<string>;
  /** Sockets, idle ones among them, requests that wait for one, and origins with any. */
  readonly counts: Connections['counts'];
  /** Ends every connection and request. Safe twice. */
  close(): Promise<void>;
}

const DNS_TIMEOUT_MS = 5000;
const CONNECT_TIMEOUT_MS = 10_000;
const IDLE_MS = 4000;
const AGE_MAX_MS = 300_000;
const SOCKETS_MAX = 1024;
const SOCKETS_PER_ORIGIN_MAX = 256;
const REQUEST_TIMEOUT_MS = 10_000;
const TEXT_TIMEOUT_MS = 5000;
const RESPONSE_BYTES_MAX = 64 * 1024;

/**
 * The way out of the process. Nothing is opened before it is needed.
 *
 * @throws HoldfastError `config_invalid` when an option cannot be what it is
 */
export function createEgress(options: EgressOptions): Egress {
  return new Guarded(options);
}

class Guarded implements Egress {
  readonly #rules: Rules;
  readonly #clock: Clock;
  readonly #settings: DialSettings;
  readonly #connections: Connections;
  readonly #ca: string[] | undefined;
  #context: SecureContext | null = null;

  constructor(options: EgressOptions) {
    this.#rules = new Rules(options);
    this.#clock = options.clock;
    this.#ca = options.ca === undefined ? undefined : [options.ca].flat();
    this.#settings = {
      rules: this.#rules,
      clock: options.clock,
      resolve: options.resolve ?? serverResolver(options.nameServers),
      resolveAllowed: options.resolve ?? systemResolver,
      proxy: options.proxy === undefined ? null : parseProxy(options.proxy),
      dnsTimeoutMs: options.dnsTimeoutMs ?? DNS_TIMEOUT_MS,
      connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    };
    this.#connections = new Connections(this.#settings, {
      socketsMax: options.socketsMax ?? SOCKETS_MAX,
      socketsPerOriginMax: options.socketsPerOriginMax ?? SOCKETS_PER_ORIGIN_MAX,
      idleMs: options.idleMs ?? IDLE_MS,
      ageMaxMs: AGE_MAX_MS,
    });
  }

  get counts(): Connections['counts'] {
    return this.#connections.counts;
  }

  check(url: string): Problem | null {
    const found = this.#rules.inspect(url);
    return isProblem(found) ? found : null;
  }

  async resolveAndCheck(url: string): Promise<Problem | null> {
    const found = this.#rules.inspect(url);
    if (isProblem(found)) return found;
    try {
      await addressesOf(found, this.#settings, null);
      return null;
    } catch (error) {
      const { code, message } = error as EgressError;
      const isKnown = code === 'blocked_target' || code === 'dns_not_found';
      return { code: isKnown ? code : 'dns_failed', detail: message };
    }
  }

  prepare(url: string, identity: TlsIdentity | null = null): Prepared {
    const place = this.#rules.inspect(url);
    if (isProblem(place)) throw new EgressError('blocked_target', place.detail);
    const { origin, pathname, search, protocol } = place.url;
    const secureContext = protocol === 'http:' ? null : this.#contextOf(identity);
    const key = identity === null || secureContext === null ? origin : `${origin} ${fingerprint(identity)}`;
    return { origin: { key, place, secureContext }, path: pathname + search };
  }

  send(to: Prepared, request: CallRequest): Promise<Answer> {
    return call(to.origin, request, { connections: this.#connections, clock: this.#clock });
  }

  request(request: EgressRequest): Promise<Answer> {
    const { method = 'GET', headers = [], body = null, responseBytesMax = RESPONSE_BYTES_MAX } = request;
    let to: Prepared;
    try {
      to = this.prepare(request.url);
    } catch (error) {
      return Promise.resolve(notSent(error as EgressError));
    }
    return this.send(to, {
      method,
      path: to.path,
      headers: [...headers, 'accept-encoding', 'identity'],
      body,
      timeoutMs: request.timeoutMs ?? REQUEST_TIMEOUT_MS,
      signal: request.signal ?? null,
      responseBytesMax,
      responseBytesKept: responseBytesMax,
    });
  }

  readonly fetchText = async (url: string): Promise<string> => {
    const answer = await this.request({ url, headers: ['accept', '*/*'], timeoutMs: TEXT_TIMEOUT_MS });
    if (answer.code !== null) throw new EgressError(answer.code, answer.detail ?? undefined);
    if (answer.status !== 200) throw new EgressError('status', `answered ${answer.status}`);
    return answer.body.toString('utf8');
  };

  close(): Promise<void> {
    return this.#connections.close();
  }

  #contextOf(identity: TlsIdentity | null): SecureContext {
    if (identity !== null) return this.#makeContext(identity);
    this.#context ??= this.#makeContext({});
    return this.#context;
  }

  #makeContext({ cert, key, passphrase, ca }: TlsIdentity): SecureContext {
    try {
      return createSecureContext({ cert, key, passphrase, ca: ca ?? this.#ca, minVersion: 'TLSv1.2' });
    } catch (cause) {
      throw new HoldfastError('config_invalid', {
        detail: 'tls: the certificate, key or authority cannot be read.',
        cause,
      });
    }
  }
}

/** The answer to what was refused before anything was opened. */
export function notSent({ code, message }: EgressError): Answer {
  const times = { dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: null };
  return {
    status: null,
    headers: [],
    body: Buffer.alloc(0),
    bodyBytes: 0,
    times,
    remoteAddress: null,
    code,
    detail: message,
  };
}

/** Tells identities apart without holding them. */
function fingerprint({ cert = '', key = '', passphrase = '', ca = '' }: TlsIdentity): string {
  return createHash('sha256').update([cert, key, passphrase, ca].join('\0')).digest('base64');
}
