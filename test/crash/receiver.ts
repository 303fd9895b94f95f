/** An endpoint's server in the test process. Its log is the truth of what was sent, and of what it answered. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Plan, sha256 } from './wire.ts';

/** One request. */
export interface Received {
  /** Path it came to: which endpoint it was for. */
  readonly path: string;
  readonly webhookId: string;
  readonly key: string;
  readonly order: string | null;
  readonly sha: string;
  readonly plan: Plan;
  /** Start of the gateway it came from. */
  readonly run: number;
  /** Whether its signature is that of the secret which the endpoint's maker was given. */
  readonly signed: boolean;
  /** By the clock of the test. */
  readonly at: number;
  /** What it was answered; `null`: the connection was gone before that. */
  status: number | null;
}

const SLOW_MS = 15;

export class CrashReceiver {
  readonly got: Received[] = [];
  /** The secret of each path; of one that is not signed for there is none. */
  readonly secrets = new Map<string, string>();
  /** The start of the gateway that runs. */
  run = 1;
  /** While set, requests wait for it before they are answered. */
  hold: Promise<void> | null = null;
  readonly #server: Server;
  readonly #failedOnce = new Set<string>();
  #connections = 0;
  #alone: (() => void)[] = [];
  #watchers: { readonly count: number; readonly resolve: () => void }[] = [];

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<CrashReceiver> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    const receiver = new CrashReceiver(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('error', () => undefined);
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const received = receiver.#note(request, Buffer.concat(chunks));
        const answer = async (): Promise<void> => {
          const status = await receiver.#answerOf(received);
          if (response.destroyed || request.socket.destroyed) return;
          received.status = status;
          response.writeHead(status).end();
        };
        void answer();
      });
    });
    server.on('connection', (socket) => {
      receiver.#connections++;
      socket.on('close', () => {
        if (--receiver.#connections === 0) for (const resolve of receiver.#alone.splice(0)) resolve();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves when so many requests have come. */
  async count(count: number): Promise<void> {
    if (this.got.length >= count) return;
    await new Promise<void>((resolve) => this.#watchers.push({ count, resolve }));
  }

  /** Resolves when nobody is connected: whatever a killed process had sent has been read. */
  async disconnected(): Promise<void> {
    if (this.#connections > 0) await new Promise<void>((resolve) => this.#alone.push(resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #note({ url: path = '', headers }: IncomingMessage, body: Buffer): Received {
    const text = (name: string): string => String(headers[name] ?? '');
    const secret = this.secrets.get(path);
    const received: Received = {
      path,
      webhookId: text('webhook-id'),
      key: text('x-key'),
      order: headers['x-order'] === undefined ? null : text('x-order'),
      sha: sha256(body),
      plan: text('x-plan') as Plan,
      run: this.run,
      signed: secret === undefined || text('webhook-signature') === signatureOf(secret, text, body),
      at: performance.now(),
      status: null,
    };
    this.got.push(received);
    const due = this.#watchers.filter(({ count }) => this.got.length >= count);
    this.#watchers = this.#watchers.filter((one) => !due.includes(one));
    for (const { resolve } of due) resolve();
    return received;
  }

  async #answerOf({ path, key, plan }: Received): Promise<number> {
    await this.hold;
    if (plan === 'slow') await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    if (plan === 'reject') return 400;
    const delivery = `${path} ${key}`;
    if (plan !== 'fail-once' || this.#failedOnce.has(delivery)) return 204;
    this.#failedOnce.add(delivery);
    return 500;
  }
}

function signatureOf(secret: string, header: (name: string) => string, body: Buffer): string {
  const hmac = createHmac('sha256', Buffer.from(secret.replace('whsec_', ''), 'base64'));
  hmac.update(`${header('webhook-id')}.${header('webhook-timestamp')}.`).update(body);
  return `v1,${hmac.digest('base64')}`;
}
