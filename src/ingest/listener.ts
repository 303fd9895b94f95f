/**
 * Ingest on node:http directly: the hottest code of the product. Per request there is one object of ours besides Node's,
 * the body is not copied, and the answer is one write. Deadlines and sizes are Node's own, set to our limits; what Node
 * accepts and another parser could read differently is refused here.
 */
import { createServer, type Server, ServerResponse } from 'node:http';
import { type AddressInfo, Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { HoldfastError } from '../errors.ts';
import type { Acceptor } from './accept.ts';
import { answerBroken, answerRaw } from './broken.ts';
import { Connections } from './connections.ts';
import { Exchange, type Shared } from './exchange.ts';
import type { HeadProblem } from './head.ts';
import type { Intake } from './intake.ts';
import { IngestMessage } from './message.ts';
import type { IngestPorts } from './ports.ts';
import { type IngestSocket, refuse } from './refusing.ts';
import { problemReply, type Reply } from './reply.ts';

/** Who takes the requests whose path is no source's: the admin API, where it shares the port. */
export interface Fallback {
  /** Whether a path is of what it serves. */
  has(path: string): boolean;
  request(request: IngestMessage, response: ServerResponse): void;
  upgrade?(request: IngestMessage, socket: Duplex, head: Buffer): void;
}

export interface Listener {
  /** Where it listens; `null` while it does not. */
  readonly address: AddressInfo | null;
  /** @throws HoldfastError address_in_use, config_invalid */
  listen(port: number, host: string): Promise<AddressInfo>;
  /**
   * From now on each answer ends its connection, so that who keeps one makes the next elsewhere; everything is taken as
   * before. Safe twice.
   */
  leave(): void;
  /**
   * Takes no new connections, and answers what is under way; what comes on kept ones is answered 503, or after `leave`
   * still taken, since no more than one request a connection can come. Each connection
   * ends with its last answer, idle ones a moment later. Resolves when all have ended.
   */
  stop(): Promise<void>;
  /** Ends every connection now. Safe twice and before `listen`. */
  close(): Promise<void>;
}

/** A connection on which nothing has moved for this long is closed: later than load balancers do (mostly after 60 s). */
const IDLE_MS = 65_000;

/** A listener on the acceptor that the other adapters use too. */
export function createListener(acceptor: Acceptor, fallback?: Fallback): Listener {
  return new HttpListener(acceptor, fallback ?? null);
}

class HttpListener implements Listener {
  readonly #shared: Shared;
  readonly #server: Server<typeof IngestMessage>;
  readonly #fallback: Fallback | null;
  readonly #connections: Connections;
  #closed: Promise<void> | null = null;
  #left = false;

  constructor(acceptor: Acceptor, fallback: Fallback | null) {
    this.#shared = { acceptor, closing: false };
    this.#fallback = fallback;
    this.#connections = new Connections(acceptor);
    this.#server = createServer(serverOptions(acceptor.ports, (request) => this.#upgrades(request)));
    this.#server.maxConnections = acceptor.ports.limits.connectionsMax;
    // No limit of Node's, which in some versions drops the lines above it without a word: they are counted here.
    this.#server.maxHeadersCount = 0;
    this.#server.timeout = IDLE_MS;
    this.#handle();
  }

  get address(): AddressInfo | null {
    const address = this.#server.address();
    return typeof address === 'object' ? address : null;
  }

  listen(port: number, host: string): Promise<AddressInfo> {
    const { promise, resolve, reject } = Promise.withResolvers<AddressInfo>();
    const failed = (error: NodeJS.ErrnoException): void => {
      this.#server.off('error', failed);
      const taken = error.code === 'EADDRINUSE';
      const detail = taken ? `${host}:${port}.` : `host, port: ${host}:${port} (${error.code ?? error.message}).`;
      reject(new HoldfastError(taken ? 'address_in_use' : 'config_invalid', { detail, cause: error }));
    };
    this.#server.once('error', failed);
    try {
      this.#server.listen({ port, host, backlog: 1024 }, () => {
        this.#server.off('error', failed);
        this.#server.on('error', (error) => this.#note(error));
        const { address } = this;
        if (address !== null) resolve(address);
      });
    } catch (error) {
      failed(error as NodeJS.ErrnoException); // no port at all
    }
    return promise;
  }

  leave(): void {
    this.#left = true;
    this.#shared.closing = true;
  }

  stop(): Promise<void> {
    this.#shared.closing = true;
    this.#closed ??= this.#stop();
    return this.#closed;
  }

  async #stop(): Promise<void> {
    // Connections that the system has taken already are taken by us too, so that they are answered.
    if (this.#server.listening) await new Promise((resolve) => setImmediate(resolve));
    this.#connections.endIdle();
    await new Promise<void>((resolve) => {
      // Not the HTTP server's own `close`, which destroys idle connections, and with them what is on its way there. An
      // error only says that it was not listening.
      NetServer.prototype.close.call(this.#server, () => resolve());
    });
    this.#connections.rest();
    // Ends the timer of its deadlines.
    this.#server.close(() => undefined);
  }

  close(): Promise<void> {
    const stopped = this.stop();
    this.#server.closeAllConnections();
    return stopped;
  }

  #handle(): void {
    const { ports } = this.#shared.acceptor;
    this.#server.on('connection', (socket: IngestSocket) => this.#connections.opened(socket));
    this.#server.on('request', (request, response) => this.#take(request, response, false));
    this.#server.on('checkContinue', (request, response) => this.#take(request, response, true));
    this.#server.on('checkExpectation', (request: IngestMessage, response) => {
      this.#refuse(request, response, { code: 'expectation_failed', detail: 'Only 100-continue is understood.' });
    });
    this.#server.on('clientError', (error, socket) => answerBroken(ports, error, socket as IngestSocket));
    this.#server.on('connect', (_request, socket) => {
      ports.observer.rejected('', 'limits', 'method_not_allowed');
      answerRaw(ports.clock, socket, problemReply('method_not_allowed', { headers: ['Allow', 'POST'] }));
    });
    const upgrade = this.#fallback?.upgrade?.bind(this.#fallback);
    if (upgrade === undefined) return;
    this.#server.on('upgrade', (request, socket, head) => {
      request.asPlain();
      upgrade(request, socket, head);
    });
  }

  #take(request: IngestMessage, response: ServerResponse, continues: boolean): void {
    const { acceptor } = this.#shared;
    const target = request.url ?? '';
    const { head } = request;
    const problem = targetProblem(request, target) ?? head.framingProblem(request);
    if (problem !== null) return this.#refuse(request, response, problem);
    const mark = target.indexOf('?');
    const intake = acceptor.find(mark < 0 ? target : target.slice(0, mark));
    if (intake === undefined) return this.#elsewhere(request, response, continues);
    const exchange = new Exchange(this.#shared, intake, { request, response });
    const refused = this.#refusal(intake, exchange, head.problem(acceptor.ports.limits));
    if (refused !== null) exchange.refuse(refused);
    else if (continues) response.writeContinue();
  }

  /** Why a request is answered before its body is read; `null`: it is read. */
  #refusal(intake: Intake, exchange: Exchange, problem: HeadProblem | null): Reply | null {
    const { closing, acceptor } = this.#shared;
    if (closing && !this.#left) return acceptor.turnAway(intake, 'stopping');
    if (!exchange.enter()) return acceptor.turnAway(intake, 'address_overloaded');
    return acceptor.admit(intake, exchange.method, problem);
  }

  /** No source has this path. */
  #elsewhere(request: IngestMessage, response: ServerResponse, continues: boolean): void {
    if (this.#fallback === null || !this.#fallback.has(pathOf(request.url ?? ''))) {
      this.#refuse(request, response, {
        code: 'source_not_found',
        detail: 'The path must be exactly that of a source.',
      });
      return;
    }
    if (continues) response.writeContinue();
    if (this.#shared.closing) response.shouldKeepAlive = false;
    const socket: IngestSocket = request.socket;
    socket.open = (socket.open ?? 0) + 1;
    response.once('close', () => (socket.open = (socket.open ?? 1) - 1));
    request.asPlain();
    this.#fallback.request(request, response);
  }

  #refuse(request: IngestMessage, response: ServerResponse, { code, detail }: HeadProblem): void {
    const { clock, observer } = this.#shared.acceptor.ports;
    observer.rejected('', 'limits', code);
    // Whoever frames requests oddly gets no second one on this connection.
    const ends = code !== 'source_not_found' || this.#shared.closing;
    refuse(request, { clock, response, reply: problemReply(code, { detail }), ends });
  }

  #upgrades(request: IngestMessage): boolean {
    if (this.#fallback?.upgrade === undefined || request.method !== 'GET') return false;
    const { url = '', head } = request;
    if (head.upgrade !== 'websocket' || targetProblem(request, url) !== null || head.hosts !== 1) return false;
    const [path = ''] = url.split('?', 1);
    return this.#shared.acceptor.find(path) === undefined;
  }

  #note(error: Error): void {
    this.#shared.acceptor.ports.observer.note('error', 'the listener failed', { error: error.message });
  }
}

function pathOf(target: string): string {
  return target.split('?', 1)[0] ?? '';
}

/** Origin form and HTTP/1 only. */
function targetProblem(request: IngestMessage, target: string): HeadProblem | null {
  if (request.httpVersionMajor !== 1)
    return { code: 'bad_request', detail: 'Only HTTP/1.0 and HTTP/1.1 are spoken here.' };
  if (target.charCodeAt(0) !== 0x2f) return { code: 'bad_request', detail: 'The target must be a path.' };
  return null;
}

function serverOptions({ limits }: IngestPorts, shouldUpgradeCallback: (request: IngestMessage) => boolean) {
  const headersTimeout = Math.min(limits.headerDeadlineMs, limits.requestDeadlineMs);
  return {
    IncomingMessage: IngestMessage,
    ServerResponse,
    headersTimeout,
    requestTimeout: limits.requestDeadlineMs,
    // How late a deadline may be noticed.
    connectionsCheckingInterval: Math.max(20, Math.min(1000, Math.floor(headersTimeout / 10))),
    // Idle connections are ended by `timeout`, which costs nothing per request.
    keepAliveTimeout: 0,
    maxHeaderSize: limits.headerBytesMax,
    insecureHTTPParser: false,
    // Checked by us, so that the answer is a problem like any other, and HTTP/1.0 needs a Host too.
    requireHostHeader: false,
    noDelay: true,
    shouldUpgradeCallback,
  };
}
