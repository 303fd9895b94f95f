/** Several gateways restarted one after the other under load, behind a balancer that looks at /ready. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, type TestContext } from 'node:test';
import { eventually, Place, type Program } from './cli-program.ts';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

const CLIENTS = 12;
const LOOK_MS = 50;
const PROCESSES = 3;
const REQUESTS_BETWEEN = 100;

/** Passes each connection on to the next of those that were ready when it last looked. */
class Balancer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #backends = new Map<string, boolean>();
  readonly #timer: NodeJS.Timeout;
  #turn = 0;

  private constructor() {
    this.#server = createServer((client) => this.#pass(client));
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
  }

  static async start(): Promise<Balancer> {
    const balancer = new Balancer();
    balancer.#server.listen(0, '127.0.0.1');
    await once(balancer.#server, 'listening');
    return balancer;
  }

  get port(): number {
    const address = this.#server.address();
    assert.ok(typeof address === 'object' && address !== null);
    return address.port;
  }

  get ready(): number {
    return [...this.#backends.values()].filter(Boolean).length;
  }

  add(url: string): void {
    this.#backends.set(url, false);
  }

  remove(url: string): void {
    this.#backends.delete(url);
  }

  async look(): Promise<void> {
    for (const url of this.#backends.keys()) {
      const isReady = await fetch(`${url}/ready`).then(
        async (answer) => ((await answer.json()) as { readonly ready: boolean }).ready,
        () => false,
      );
      if (this.#backends.has(url)) this.#backends.set(url, isReady);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #pass(client: Socket): void {
    const ready = [...this.#backends].filter(([, isReady]) => isReady);
    const [url] = ready[this.#turn++ % ready.length] ?? [];
    if (url === undefined) return void client.destroy();
    const backend = connect({ port: Number(new URL(url).port), host: '127.0.0.1' });
    for (const socket of [client, backend]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
    }
    client.pipe(backend).pipe(client);
    backend.once('error', () => client.destroy());
  }
}

/** Clients that keep their connections and send one request after the other, each another webhook. */
class Load {
  accepted = 0;
  readonly failures: string[] = [];
  readonly #agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  readonly #port: number;
  readonly #clients: readonly Promise<void>[];
  #stopped = false;

  constructor(port: number) {
    this.#port = port;
    this.#clients = Array.from({ length: CLIENTS }, () => this.#send());
  }

  /** Resolves when so many more have been answered. */
  async more(count: number): Promise<void> {
    const until = this.accepted + this.failures.length + count;
    await eventually(async () => assert.ok(this.accepted + this.failures.length >= until));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
    this.#agent.destroy();
  }

  async #send(): Promise<void> {
    while (!this.#stopped) {
      const told = await this.#post();
      if (told === '200') this.accepted++;
      else this.failures.push(told);
    }
  }

  #post(): Promise<string> {
    return new Promise((resolve) => {
      const { promise, resolve: answered } = Promise.withResolvers<string>();
      const sent = request(
        { agent: this.#agent, port: this.#port, host: '127.0.0.1', method: 'POST', path: '/in/shop' },
        (answer) => {
          answer.resume();
          answer.once('end', () => answered(String(answer.statusCode)));
        },
      );
      sent.once('error', (error) => answered(error.message));
      sent.setHeader('content-type', 'application/json');
      sent.end(JSON.stringify({ padding: 'x'.repeat(200) }));
      void promise.then(resolve);
    });
  }
}

/** Starts them, restarts each in turn under load, and answers what became of the requests. */
async function rollingRestart(t: TestContext, store: string, drainDelay: string): Promise<Load> {
  const place = new Place();
  t.after(() => place[Symbol.asyncDispose]());
  place.write(
    'holdfast.config.mjs',
    `import { none } from 'holdfast/verify';
     export default { store: '${store}', logLevel: 'error', sources: { shop: { verify: none() } } };`,
  );
  place.environment['HOLDFAST_DRAIN_DELAY'] = drainDelay;
  const balancer = await Balancer.start();
  t.after(() => balancer.close());
  const begin = async (): Promise<{ readonly program: Program; readonly url: string }> => {
    const program = await place.start();
    const [, url = ''] = await program.until(/admin API +(http:\/\/127\.0\.0\.1:\d+)/);
    balancer.add(url);
    return { program, url };
  };
  const running = [];
  for (let count = 0; count < PROCESSES; count++) running.push(await begin());
  await eventually(async () => assert.equal(balancer.ready, PROCESSES));
  const load = new Load(balancer.port);
  await load.more(REQUESTS_BETWEEN);
  for (const { program, url } of running) {
    assert.equal(await program.signal('SIGTERM'), 0);
    balancer.remove(url);
    await begin();
    await eventually(async () => assert.equal(balancer.ready, PROCESSES));
    await load.more(REQUESTS_BETWEEN);
  }
  await load.stop();
  return load;
}

describe('gateways that are restarted one after the other', () => {
  const here = postgresHere();

  testNeeding([postgres], 'lose no request, where they say first that they are not ready', async (t) => {
    const load = await rollingRestart(t, `${here().server.url}?schema=rolling`, '3s');
    assert.deepEqual(load.failures, []);
    t.diagnostic(`${load.accepted} requests accepted`);
  });

  testNeeding([postgres], 'would turn some away without that', async (t) => {
    const load = await rollingRestart(t, `${here().server.url}?schema=control`, '0s');
    assert.ok(load.failures.length > 0);
    t.diagnostic(
      `${load.failures.length} of ${load.accepted + load.failures.length} failed: ${[...new Set(load.failures)].join(', ')}`,
    );
  });
});
