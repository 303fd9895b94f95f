/** A sender of deliveries and receivers that say exactly these bytes, for the tests of endpoints. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { StoredEvent } from '../src/core/event.ts';
import type { Exchange } from '../src/core/exchange.ts';
import { createEgress, type Egress, type EgressOptions } from '../src/deliver/egress/egress.ts';
import { endpointRunner } from '../src/deliver/endpoint/runner.ts';
import type { EndpointTarget } from '../src/deliver/endpoint/target.ts';
import { storedEvent, TestAttempt } from '../src/deliver/fixtures/attempt.ts';
import type { Result } from '../src/deliver/runner.ts';
import { systemClock } from '../src/gateway/clock.ts';

/** What one connection does: it is told of the socket when the head of a request has come whole. */
export type Behaviour = (socket: Socket, head: string) => void;

/** A server over raw sockets. */
export class Receiver implements AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Heads of requests, as they came. */
  readonly heads: string[] = [];
  readonly bodies: Buffer[] = [];
  connections = 0;
  readonly #server: Server;
  readonly #sockets: ReadonlySet<Socket>;

  private constructor(server: Server, sockets: ReadonlySet<Socket>) {
    this.#server = server;
    this.#sockets = sockets;
    this.port = (server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.port}/hooks?token=1`;
  }

  static async start(behave: Behaviour): Promise<Receiver> {
    const sockets = new Set<Socket>();
    const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const receiver = new Receiver(server, sockets);
    server.on('connection', (socket) => {
      receiver.connections++;
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => undefined);
      receiver.#read(socket, behave);
    });
    return receiver;
  }

  /** Calls `behave` once a request has come whole, and again for the next one. */
  #read(socket: Socket, behave: Behaviour): void {
    let received = Buffer.alloc(0);
    socket.on('data', (piece) => {
      received = Buffer.concat([received, piece]);
      for (;;) {
        const end = received.indexOf('\r\n\r\n');
        if (end < 0) return;
        const head = received.toString('latin1', 0, end);
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
        if (received.length < end + 4 + length) return;
        this.heads.push(head);
        this.bodies.push(received.subarray(end + 4, end + 4 + length));
        received = received.subarray(end + 4 + length);
        behave(socket, head);
      }
    });
  }

  /** Headers of the last request as name and value, in their order. */
  get headers(): [string, string][] {
    const lines = (this.heads.at(-1) ?? '').split('\r\n').slice(1);
    return lines.map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]);
  }

  /** The value of a header of the last request. */
  header(lowerName: string): string | undefined {
    return this.headers.find(([name]) => name.toLowerCase() === lowerName)?.[1];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** An answer that is sent and leaves the connection open. */
export function answering(text: string): Behaviour {
  return (socket) => void socket.write(text, 'latin1');
}

export const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

/** An egress that may reach the loopback network. */
export function loopbackEgress(options: Partial<EgressOptions> = {}): Egress & AsyncDisposable {
  const egress = createEgress({ clock: systemClock, allow: ['127.0.0.0/8', '::1'], ...options });
  return Object.assign(egress, { [Symbol.asyncDispose]: () => egress.close() });
}

/** What one attempt led to. */
export interface Delivered {
  readonly result: Result;
  readonly exchange: Exchange | null;
  readonly gone: readonly string[];
}

export interface SendOptions {
  readonly event?: StoredEvent;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface DeliverOptions extends SendOptions {
  readonly egress: Egress;
  readonly target: Partial<EndpointTarget> & { readonly url: string };
}

/** Attempts by one runner: what it keeps for an endpoint stays from one to the next. */
export function sender({ egress, target }: Pick<DeliverOptions, 'egress' | 'target'>) {
  const whole: EndpointTarget = { id: 'ep_1', forward: false, signing: { kind: 'none' }, ...target };
  let gone: string[] = [];
  const runner = endpointRunner({
    target: () => whole,
    egress,
    clock: systemClock,
    gone: (destination, { why }) => gone.push(`${destination}: ${why}`),
    release: '0.0.0',
  });
  return async ({
    event = storedEvent({ a: 1 }),
    timeoutMs = 30_000,
    signal,
  }: SendOptions = {}): Promise<Delivered> => {
    gone = [];
    const { claims, numbers, signal: own } = new TestAttempt([event]);
    const { results, exchanges } = await runner.run({ claims, numbers, timeoutMs, signal: signal ?? own });
    const [result] = results;
    if (result === undefined) throw new Error('no result');
    return { result, exchange: exchanges?.[0] ?? null, gone };
  };
}

/** One attempt at one delivery. */
export function deliver({ egress, target, ...options }: DeliverOptions): Promise<Delivered> {
  return sender({ egress, target })(options);
}

/** Open file descriptors of this process. */
export function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Bytes that are in use, within and outside of the heap, once what is garbage has gone. */
export function bytesInUse(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
