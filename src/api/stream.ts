/**
 * The live stream over WebSocket (RFC 6455). A frame is `{"occurrences":[…],"missed":n}`; frames come at most ten times
 * a second, and a watcher that cannot keep up misses occurrences and is told how many.
 *
 * The token comes in the `Authorization` header or, from browsers, as the protocol `holdfast.bearer.<base64url token>`
 * beside `holdfast.stream`; never in the query, where logs would keep it.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { z } from '@hono/zod-openapi';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock, Timer } from '../core/clock.ts';
import { HoldfastError } from '../errors.ts';
import type { StreamOccurrence } from '../observe/stream.ts';
import { admit, type Caller } from './caller.ts';
import { bearerToken, foreignOrigin, notIdentified } from './guard.ts';
import { readQuery } from './input.ts';
import type { AdminPort } from './port.ts';
import { inputError, problemOf } from './problem.ts';
import { rawRoute, type Route } from './route.ts';
import { isoTime, name } from './schema.ts';

const STREAM_PATH = '/api/stream';
/** What the server answers to; a browser has to offer it beside its token. */
const STREAM_PROTOCOL = 'holdfast.stream';
const TOKEN_PROTOCOL = 'holdfast.bearer.';

const WATCHERS_MAX = 100;
const FRAME_EVERY_MS = 100;
const FRAME_OCCURRENCES_MAX = 500;
/** A watcher with more than this unsent is slow. */
const UNSENT_BYTES_MAX = 1_048_576;
const PING_EVERY_MS = 30_000;

const query = z.object({
  kinds: z
    .string()
    .transform((list) => new Set(list.split(',').map((kind) => kind.trim())))
    .optional()
    .openapi({
      type: 'string',
      description: 'Only these, with commas: accepted, duplicate, rejected, attempt, dead, …',
    }),
  source: name.optional(),
  destination: name.optional(),
});

type Filter = z.output<typeof query>;

const route = rawRoute({
  method: 'get',
  path: STREAM_PATH,
  group: 'live',
  scope: 'read',
  tenants: true,
  summary: 'What happens, live, over a WebSocket.',
  about:
    `Frames are {"occurrences": [...], "missed": n}. The token comes in the Authorization header, or from a browser as the ` +
    `protocol ${TOKEN_PROTOCOL}<base64url of the token> beside ${STREAM_PROTOCOL}. A token that is bound to a tenant sees ` +
    `what happens to its events only. A token that is revoked ends its streams.`,
  query,
  status: 101,
  media: [],
  handle() {
    throw inputError('header', 'upgrade', 'expected websocket');
  },
});

export const streamRoutes: readonly Route[] = [route];

export interface StreamOptions {
  readonly port: Pick<AdminPort, 'identify' | 'watch'>;
  readonly clock: Clock;
  readonly origins: readonly string[];
}

/** Who watches, and what of it. */
interface Watching {
  readonly token: string;
  readonly caller: Caller;
  readonly filter: Filter;
}

/** Takes over connections that ask for the live stream. */
export class Stream {
  readonly #options: StreamOptions;
  readonly #watchers = new Set<Watcher>();
  readonly #server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: 1024,
    perMessageDeflate: false,
    handleProtocols: (protocols) => (protocols.has(STREAM_PROTOCOL) ? STREAM_PROTOCOL : false),
  });

  constructor(options: StreamOptions) {
    this.#options = options;
  }

  /** How many watch now. */
  get watching(): number {
    return this.#watchers.size;
  }

  /** For a server's `upgrade` event: takes the connection over, or answers with a problem and ends it. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // A connection may end at any moment; an error without a listener would end the process instead.
    socket.on('error', () => socket.destroy());
    try {
      const watching = this.#check(request);
      this.#server.handleUpgrade(request, socket, head, (client) => this.#watch(client, watching));
    } catch (error) {
      refuse(socket, error);
    }
  }

  /** Ends every connection. Safe twice. */
  close(): void {
    for (const watcher of this.#watchers) watcher.end(1001, 'the gateway is stopping');
  }

  #check(request: IncomingMessage): Watching {
    const url = URL.parse(request.url ?? '', 'http://localhost');
    if (url?.pathname !== STREAM_PATH) throw new HoldfastError('not_found', { detail: 'There is no such path.' });
    const headers = new Headers();
    for (const [header, value] of Object.entries(request.headers))
      if (typeof value === 'string') headers.set(header, value);
    const token = bearerToken(headers.get('authorization')) ?? protocolToken(headers.get('sec-websocket-protocol'));
    if (token === null) throw new HoldfastError('unauthorized');
    const identified = this.#options.port.identify(token);
    if (identified.caller === null) throw notIdentified(identified.why);
    admit(identified.caller, route);
    const foreign = foreignOrigin({ headers, host: headers.get('host') ?? '', origins: this.#options.origins });
    if (foreign !== null) throw new HoldfastError('forbidden', { detail: foreign });
    if (this.#watchers.size >= WATCHERS_MAX)
      throw new HoldfastError('overloaded', { detail: `${WATCHERS_MAX} watch already.` });
    return { token, caller: identified.caller, filter: readQuery({ query }, url.searchParams) as Filter };
  }

  #watch(client: WebSocket, watching: Watching): void {
    const watcher = new Watcher(client, this.#options, watching);
    this.#watchers.add(watcher);
    client.on('close', () => {
      this.#watchers.delete(watcher);
      watcher.stop();
    });
  }
}

/** One connection: collects occurrences for a moment, then sends them in one frame. */
class Watcher {
  readonly #client: WebSocket;
  readonly #clock: Clock;
  readonly #watching: Watching;
  readonly #port: StreamOptions['port'];
  readonly #unwatch: () => void;
  #waiting: StreamOccurrence[] = [];
  #missed = 0;
  #alive = true;
  #frame: Timer | null = null;
  #ping: Timer;

  constructor(client: WebSocket, { port, clock }: StreamOptions, watching: Watching) {
    this.#client = client;
    this.#clock = clock;
    this.#port = port;
    this.#watching = watching;
    client.on('error', () => client.terminate());
    client.on('pong', () => {
      this.#alive = true;
    });
    this.#ping = clock.schedule(PING_EVERY_MS, () => this.#check());
    this.#unwatch = port.watch((occurrence) => this.#seen(occurrence));
  }

  end(code: number, reason: string): void {
    this.#client.close(code, reason);
    this.stop();
  }

  stop(): void {
    this.#unwatch();
    this.#frame?.cancel();
    this.#ping.cancel();
  }

  #seen(occurrence: StreamOccurrence): void {
    const { filter, caller } = this.#watching;
    const { kinds, source, destination } = filter;
    if (caller.tenant !== null && occurrence['tenant'] !== caller.tenant) return;
    if (kinds !== undefined && !kinds.has(occurrence.kind)) return;
    if (source !== undefined && occurrence['source'] !== source) return;
    if (destination !== undefined && occurrence['destination'] !== destination) return;
    if (this.#waiting.length >= FRAME_OCCURRENCES_MAX) this.#missed++;
    else this.#waiting.push(occurrence);
    this.#frame ??= this.#clock.schedule(FRAME_EVERY_MS, () => this.#send());
  }

  #send(): void {
    this.#frame = null;
    // Asked before every frame: a token that was revoked or has expired sees nothing more.
    if (this.#port.identify(this.#watching.token).caller === null) {
      this.end(4401, 'the token is no longer good');
      return;
    }
    if (this.#client.bufferedAmount > UNSENT_BYTES_MAX) {
      this.#missed += this.#waiting.length;
      this.#waiting = [];
      return;
    }
    const occurrences = this.#waiting.map((occurrence) => ({ ...occurrence, at: isoTime(occurrence.at) }));
    this.#client.send(JSON.stringify({ occurrences, missed: this.#missed }));
    this.#waiting = [];
    this.#missed = 0;
  }

  /** A peer that did not answer the last ping is gone. */
  #check(): void {
    if (!this.#alive) {
      this.#client.terminate();
      return;
    }
    this.#alive = false;
    this.#client.ping();
    this.#ping = this.#clock.schedule(PING_EVERY_MS, () => this.#check());
  }
}

function protocolToken(protocols: string | null): string | null {
  const offered = (protocols ?? '').split(',').map((protocol) => protocol.trim());
  const encoded = offered.find((protocol) => protocol.startsWith(TOKEN_PROTOCOL))?.slice(TOKEN_PROTOCOL.length);
  return encoded === undefined ? null : Buffer.from(encoded, 'base64url').toString();
}

/** A problem as a whole HTTP answer: there is no response object at an upgrade. */
function refuse(socket: Duplex, error: unknown): void {
  const { body, headers } = problemOf(error);
  const text = JSON.stringify(body);
  const lines = Object.entries({
    ...headers,
    'cache-control': 'no-store',
    'content-length': String(Buffer.byteLength(text)),
    connection: 'close',
  }).map(([header, value]) => `${header}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${body.status} ${body.code}\r\n${lines.join('')}\r\n${text}`);
}
