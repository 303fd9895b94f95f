/**
 * A forward proxy, where the operator names one: a tunnel by CONNECT (RFC 9110, section 9.3.6) for https and http alike.
 * The environment's `HTTP_PROXY` and its relatives are never looked at: a guard that a variable can lead around is none.
 */
import type { Socket } from 'node:net';
import { HoldfastError } from '../../errors.ts';
import { EgressError } from './codes.ts';

/** A forward proxy as the operator writes it. */
export interface ProxyOptions {
  /** `http://proxy.example:3128`, perhaps with `user:password@`. It may have any address: it is the operator's own. */
  readonly url: string;
  /**
   * `false` (default): names are resolved and looked at here, and the proxy is asked for the address. `true`: the proxy
   * gets the name and decides about addresses, as Smokescreen does; literal addresses and local names are still
   * refused here.
   */
  readonly resolves?: boolean;
}

/** The same, ready for use. */
export interface Proxy {
  readonly host: string;
  readonly port: number;
  readonly authorization: string | null;
  readonly resolves: boolean;
}

const HEAD_BYTES_MAX = 8192;

/** @throws HoldfastError `config_invalid` when the URL is not one of a proxy */
export function parseProxy({ url: text, resolves = false }: ProxyOptions): Proxy {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url?.protocol !== 'http:' || url.pathname !== '/' || url.search !== '') {
    throw new HoldfastError('config_invalid', {
      detail: 'egress.proxy: expected a URL like http://proxy.example:3128.',
    });
  }
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  return {
    host: url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname,
    port: url.port === '' ? 80 : Number(url.port),
    authorization: credentials === ':' ? null : `Basic ${Buffer.from(credentials, 'utf8').toString('base64')}`,
    resolves,
  };
}

/** Asks the proxy to connect to `authority` (host and port). The socket is the way there afterwards. */
export function openTunnel(
  socket: Socket,
  proxy: Proxy,
  authority: string,
): { done: Promise<Socket>; destroy(error: Error): void } {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  let head = Buffer.alloc(0);
  const done = (): void => {
    socket.off('data', read).off('error', fail).off('end', ended);
  };
  const fail = (error: Error): void => {
    done();
    socket.destroy();
    reject(error instanceof EgressError ? error : new EgressError('proxy_refused', undefined, error));
  };
  const ended = (): void => fail(new EgressError('proxy_refused', 'the proxy closed the connection'));
  const read = (piece: Buffer): void => {
    head = Buffer.concat([head, piece]);
    const end = head.indexOf('\r\n\r\n');
    if (end < 0 && head.length <= HEAD_BYTES_MAX) return;
    const status = /^HTTP\/1\.[01] (\d{3})[ \r]/.exec(head.toString('latin1', 0, 64))?.[1];
    // Behind the head nothing may come yet: the other side speaks when it is spoken to.
    if (end < 0 || end + 4 !== head.length || status?.startsWith('2') !== true) {
      fail(new EgressError('proxy_refused', `the proxy answered ${status ?? 'something that is not HTTP/1.1'}`));
      return;
    }
    done();
    socket.pause();
    resolve(socket);
  };
  socket.on('data', read).on('error', fail).on('end', ended);
  const authorization = proxy.authorization === null ? '' : `Proxy-Authorization: ${proxy.authorization}\r\n`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${authorization}\r\n`, 'latin1');
  return { done: promise, destroy: fail };
}
