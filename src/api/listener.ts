/** The admin API on a port of its own, and as a part of somebody else's. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, BlockList, isIP } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { HoldfastError } from '../errors.ts';
import type { AdminApi } from './admin.ts';
import { problemResponse } from './problem.ts';

export interface AdminListenerOptions {
  /** Address to bind to. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** The admin token; `null` or empty: none. Only its presence matters here, for addresses that others can reach. */
  readonly token: string | null;
}

export interface AdminListener {
  /** Binds. Repeat: the same address. @throws HoldfastError public_admin_refused, address_in_use, config_invalid */
  start(): Promise<{ readonly host: string; readonly port: number }>;
  /** Ends the live stream and every connection once its answer is sent. Safe twice and unstarted. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A token shorter than this could be found by trying, where everybody can try. */
const PUBLIC_TOKEN_LENGTH_MIN = 16;
const HEADER_BYTES_MAX = 16_384;
const CONNECTIONS_MAX = 1000;
const GRACE_MS = 5000;

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether only this machine can reach an address. Names other than `localhost` are taken to be public. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost') return true;
  const family = isIP(host);
  return family !== 0 && loopback.check(host, family === 4 ? 'ipv4' : 'ipv6');
}

/** A node:http handler, for mounting the API beside something else on one port. */
export function nodeHandler(api: AdminApi): RequestListener {
  const handle = getRequestListener((request, { incoming }) => api.fetch(request, incoming.socket.remoteAddress), {
    overrideGlobalObjects: false,
    errorHandler: (error) => problemResponse(error),
  });
  return (request: IncomingMessage, response: ServerResponse) => {
    void handle(request, response);
  };
}

/** The API on a port of its own. Refuses an address that others can reach unless there is a token of some length. */
export function adminListener(api: AdminApi, options: AdminListenerOptions): AdminListener {
  let started: Promise<Server> | null = null;
  return {
    async start() {
      refusePublic(options);
      started ??= listen(api, options);
      const server = await started.catch((error: unknown) => {
        started = null; // So that a later start tries again.
        throw error;
      });
      const { address, port } = server.address() as AddressInfo;
      return { host: address, port };
    },
    async stop() {
      const starting = started;
      started = null;
      const server = await starting?.catch(() => null);
      if (server) await close(api, server);
    },
    async [Symbol.asyncDispose]() {
      await this.stop();
    },
  };
}

function refusePublic({ host, token }: AdminListenerOptions): void {
  if (isLoopback(host)) return;
  const detail =
    token === null || token === ''
      ? `adminHost is ${host} and there is no adminToken.`
      : token.length < PUBLIC_TOKEN_LENGTH_MIN
        ? `adminHost is ${host} and adminToken has fewer than ${PUBLIC_TOKEN_LENGTH_MIN} characters.`
        : null;
  if (detail !== null) throw new HoldfastError('public_admin_refused', { detail });
}

function listen(api: AdminApi, { host, port }: AdminListenerOptions): Promise<Server> {
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: 10_000,
      requestTimeout: 30_000,
      keepAliveTimeout: 60_000,
      shouldUpgradeCallback: isWebSocket,
    },
    nodeHandler(api),
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.on('upgrade', (request, socket, head) => api.stream.upgrade(request, socket, head));
  return new Promise((resolve, reject) => {
    const failed = (error: unknown): void => reject(bindError(error as NodeJS.ErrnoException, `${host}:${port}`));
    server.once('error', failed);
    try {
      server.listen({ host, port }, () => resolve(server));
    } catch (error) {
      failed(error); // no port at all
    }
  });
}

/** Another offer is ignored (RFC 9110, 7.8): some clients make the one of h2c with every request. */
function isWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}

function bindError(error: NodeJS.ErrnoException, address: string): HoldfastError {
  const code = error.code === 'EADDRINUSE' ? 'address_in_use' : 'config_invalid';
  return new HoldfastError(code, {
    detail: `adminHost, adminPort: ${address} (${error.code ?? error.message}).`,
    cause: error,
  });
}

async function close(api: AdminApi, server: Server): Promise<void> {
  api.stream.close();
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  server.closeIdleConnections();
  const force = setTimeout(() => server.closeAllConnections(), GRACE_MS);
  await closed;
  clearTimeout(force);
}
