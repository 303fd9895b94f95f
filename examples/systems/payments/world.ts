/** The system's processes and a client for them, for its test and its load. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { until } from '../../../test/sending-world.ts';

export interface Told<Body> {
  readonly status: number;
  readonly body: Body;
  readonly headers: Headers;
}

export interface Delivery {
  readonly id: string;
  readonly type: string;
  readonly state: string;
  readonly attempts: number;
  readonly destination: string;
}

export interface Queue {
  readonly name: string;
  readonly status: string;
  readonly size: number;
  readonly processed: number;
  readonly deadLetters: number;
  readonly breakersOpen?: number;
}

/** What somebody asks with one key. */
export class Client {
  readonly #base: string;
  readonly key: string;

  constructor(base: string, key: string) {
    this.#base = base;
    this.key = key;
  }

  async call<Body = unknown>(
    target: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Told<Body>> {
    const [method = '', path = ''] = target.split(' ');
    const json = body === undefined ? {} : { 'content-type': 'application/json' };
    const response = await fetch(`${this.#base}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.key}`, ...json, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: (text === '' ? null : JSON.parse(text)) as Body,
      headers: response.headers,
    };
  }

  /** Makes a merchant. */
  async merchant(id: string): Promise<Client> {
    const asked = { name: id, tenant: id, scopes: ['endpoints'] };
    const { status, body } = await this.call<{ token: string }>('POST /api/tokens', asked);
    assert.equal(status, 201);
    return new Client(this.#base, body.token);
  }

  async deliveries(endpoint: string): Promise<readonly Delivery[]> {
    return (await this.call<{ rows: Delivery[] }>(`GET /api/endpoints/${endpoint}/deliveries?limit=200`)).body.rows;
  }

  async queue(name: string): Promise<Queue> {
    const { body } = await this.call<{ destinations: Queue[] }>('GET /api/queues/stats');
    const found = body.destinations.find((queue) => queue.name === name);
    assert.ok(found, `there is no queue ${name}`);
    return found;
  }
}

/** The processes of one test: the API, and workers beside it where there are any. */
export class World implements AsyncDisposable {
  readonly base: string;
  readonly operator: Client;
  /** The operator at each process. */
  readonly #everywhere: readonly Client[];
  readonly #children: readonly ChildProcess[];

  private constructor(urls: readonly string[], token: string, children: readonly ChildProcess[]) {
    this.base = urls[0] ?? '';
    this.operator = new Client(this.base, token);
    this.#everywhere = urls.map((url) => new Client(url, token));
    this.#children = children;
  }

  /** Resolves when it holds at every process: what one was told the others know a little later. */
  async everywhere(holds: (operator: Client) => Promise<boolean>): Promise<void> {
    for (const operator of this.#everywhere) await until(() => holds(operator));
  }

  /** Makes an endpoint of a merchant, known to every process. */
  async endpoint(merchant: Client, url: string): Promise<{ readonly id: string; readonly secret: string }> {
    const { status, body } = await merchant.call<{ endpoint: { id: string }; secret: string }>('POST /api/endpoints', {
      url,
    });
    assert.equal(status, 201, JSON.stringify(body));
    const { id } = body.endpoint;
    await this.everywhere(async (operator) => (await operator.call(`GET /api/endpoints/${id}`)).status === 200);
    return { id, secret: body.secret };
  }

  static async start(env: Readonly<Record<string, string>>, workers: number): Promise<World> {
    const token = `hf_${randomBytes(24).toString('base64url')}`;
    const shared = {
      ...env,
      PORT: '0',
      HOLDFAST_ADMIN_TOKEN: token,
      HOLDFAST_ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
      HOLDFAST_EGRESS_ALLOW: '127.0.0.1',
      HOLDFAST_LOG_LEVEL: 'error',
    };
    const programs = ['api.ts', ...Array.from({ length: workers }, () => 'worker.ts')];
    const started = await Promise.all(programs.map((program) => run(program, shared)));
    return new World(
      started.map(({ url }) => url),
      token,
      started.map(({ child }) => child),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = this.#children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    const ended = running.map((child) => once(child, 'exit'));
    for (const child of running) child.kill('SIGTERM');
    await Promise.all(ended);
  }
}

/** Resolves with the address that the program says it is at. */
async function run(
  program: string,
  env: Readonly<Record<string, string>>,
): Promise<{ child: ChildProcess; url: string }> {
  const child = spawn(process.execPath, ['--conditions=holdfast-source', join(import.meta.dirname, program)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  lines.on('line', (line) => {
    const url = /^(?:payments|worker): (http:\S+)$/.exec(line)?.[1];
    if (url !== undefined) resolve(url);
  });
  child.on('exit', (code) => reject(new Error(`${program} ended with ${code}`)));
  return { child, url: await promise };
}
