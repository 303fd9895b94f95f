/** A gateway that sends, its admin API, and a receiver that keeps what it got, for the tests of sending. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createGateway, type Config, type Gateway, type GatewayOptions } from 'holdfast';
import { hmac } from 'holdfast/verify';

export interface Got {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** What a receiver answers: a status, perhaps with headers, perhaps later. */
export type Answering = (got: Got, count: number) => number | Answer | Promise<number | Answer>;

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** An HTTP server on the loopback. */
export class Inbox implements AsyncDisposable {
  readonly got: Got[] = [];
  readonly #server: Server;
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(answering: Answering = () => 200): Promise<Inbox> {
    const server = createServer();
    const inbox = new Inbox(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { method = '', url: path = '', headers, rawHeaders } = request;
        const got = { method, path, headers, rawHeaders, body: Buffer.concat(chunks) };
        inbox.got.push(got);
        const answer = async (): Promise<void> => {
          const given = await answering(got, inbox.got.length);
          const { status, headers: own, body }: Answer = typeof given === 'number' ? { status: given } : given;
          response.writeHead(status, own).end(body);
          inbox.#tell();
        };
        void answer();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return inbox;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hooks`;
  }

  /** Resolves when it has answered so many requests in all. */
  async received(count: number): Promise<readonly Got[]> {
    while (this.got.length < count) {
      await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
    }
    return this.got;
  }

  #tell(): void {
    const due = this.#waiting.filter(({ count }) => this.got.length >= count);
    this.#waiting = this.#waiting.filter((one) => !due.includes(one));
    for (const { resolve } of due) resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export const SHOP = { shop: { verify: hmac({ header: 'x-signature', secrets: 'shop-secret' }), type: 'body.type' } };

/** What the API answered. */
export interface Told<Body = unknown> {
  readonly status: number;
  readonly body: Body;
}

/** A started gateway on a store in memory, and its API. */
export class Sender implements AsyncDisposable {
  readonly gateway: Gateway;

  private constructor(gateway: Gateway) {
    this.gateway = gateway;
  }

  static async start(
    config: Partial<Config> = {},
    options: GatewayOptions & { readonly register?: (gateway: Gateway) => void } = {},
  ): Promise<Sender> {
    const { register, ...rest } = options;
    const whole = { store: 'memory:', egressAllow: ['127.0.0.1'], logLevel: 'silent', sources: SHOP, ...config };
    const gateway = createGateway<Config>(whole, rest);
    register?.(gateway);
    await gateway.start();
    return new Sender(gateway);
  }

  async call<Body = Record<string, unknown>>(target: string, body?: unknown, token?: string): Promise<Told<Body>> {
    const [method = '', path = ''] = target.split(' ');
    const response = await this.gateway.admin().fetch(
      new Request(`http://127.0.0.1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token ?? this.gateway.adminToken}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    const text = await response.text();
    return { status: response.status, body: (text === '' ? null : JSON.parse(text)) as Body };
  }

  /** Makes an endpoint; answers its id and secret. */
  async endpoint(input: Record<string, unknown>): Promise<{ readonly id: string; readonly secret: string }> {
    const { status, body } = await this.call<{ endpoint: { id: string }; secret: string }>(
      'POST /api/endpoints',
      input,
    );
    assert.equal(status, 201, JSON.stringify(body));
    return { id: body.endpoint.id, secret: body.secret };
  }

  /** Deliveries of a destination, oldest first. */
  async deliveries(destination: string): Promise<readonly DeliveryShown[]> {
    const { body } = await this.call<{ rows: DeliveryShown[] }>(
      `GET /api/deliveries?destination=${destination}&order=oldest`,
    );
    return body.rows;
  }

  /** The one delivery of an event, with its attempts. */
  async delivery(id: string): Promise<DeliveryShown> {
    return (await this.call<DeliveryShown>(`GET /api/deliveries/${id}`)).body;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.stop({ graceMs: 1000 });
  }
}

export interface DeliveryShown {
  readonly id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly note: string | null;
  readonly attempts: number;
  readonly dueAt: string | null;
  readonly lastError: string | null;
  readonly next: { readonly at: string | null; readonly why: string } | null;
  readonly attemptList: readonly {
    readonly status: number | null;
    readonly outcome: string;
    readonly exchange: {
      readonly request: { readonly headers: readonly { readonly name: string; readonly value: string }[] };
      readonly response: { readonly status: number; readonly bodyText: string | null } | null;
      readonly remoteAddress: string | null;
      readonly code: string | null;
    } | null;
  }[];
}

/** Waits until `holds`, looking every few milliseconds; the test's own time limit ends it otherwise. */
export async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
}
