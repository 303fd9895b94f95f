/** The whole system with servers of its own, for the test and the load: started, killed and started again at will. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { jetstreamManager, RetentionPolicy, type StreamInfo } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Pool } from 'pg';
import { natsCluster, natsService } from '../../../scripts/services/nats.ts';
import { type PostgresService, startPostgres } from '../../../scripts/services/postgres.ts';
import type { Service } from '../../../scripts/services/service.ts';
import { DEMO } from './demo.ts';

const SECOND_NS = 1e9;
const TOKEN = 'world';

/** The stream as the team has it already. */
const STREAM = {
  name: 'webhooks',
  subjects: ['webhook.*.*'],
  retention: RetentionPolicy.Workqueue,
  max_age: 24 * 3600 * SECOND_NS,
  max_bytes: 2 ** 30,
  duplicate_window: 60 * SECOND_NS,
};

/** One of the system's programs. */
export class Program {
  readonly #child: ChildProcess;
  /** `http://127.0.0.1:PORT`, of a gateway. */
  readonly origin: string;
  readonly #metrics: string;

  private constructor(child: ChildProcess, { origin, metrics }: { origin: string; metrics: string }) {
    this.#child = child;
    this.origin = origin;
    this.#metrics = metrics;
  }

  /** Resolves when it is ready. @throws Error with what it said when it ends instead */
  static async start(program: 'web.ts' | 'worker.ts', env: Readonly<Record<string, string>>): Promise<Program> {
    const own = Object.entries(process.env).filter(([name]) => !/^(?:HOLDFAST_|WEBHOOK_|NODE_TEST)/.test(name));
    const args = ['--conditions=holdfast-source', join(import.meta.dirname, program)];
    const child = spawn(process.execPath, args, { env: { ...Object.fromEntries(own), ...env } });
    const said: string[] = [];
    child.stderr?.on('data', (chunk: Buffer) => said.push(chunk.toString()));
    let metrics = '';
    for await (const line of createInterface({ input: child.stdout })) {
      said.push(line);
      metrics = /^metrics at (http:.+)$/.exec(line)?.[1] ?? metrics;
      const origin = /^webhooks at (http:\/\/[^/]+)/.exec(line)?.[1];
      if (origin !== undefined || line === 'at work') return new Program(child, { origin: origin ?? '', metrics });
    }
    throw new Error(`${program} ended:\n${said.join('\n')}`);
  }

  get runs(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves with the exit code; `null`: killed. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (!this.runs) return this.#child.exitCode;
    const exited = once(this.#child, 'exit') as Promise<[number | null]>;
    this.#child.kill(signal);
    return (await exited)[0];
  }

  /** The text of its metrics. */
  async metrics(): Promise<string> {
    return (await this.ask('/metrics')).text();
  }

  /** The sum of a metric over all its labels; a part of a line that begins so: `webhook_breaker_state{`. */
  async metric(start: string): Promise<number> {
    const lines = (await this.metrics()).split('\n').filter((line) => line.startsWith(start));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  ask(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(new URL(path, this.#metrics), { ...init, headers: { authorization: `Bearer ${TOKEN}` } });
  }
}

/** Tables that nobody else can write to. */
interface Lock {
  take(table: string): Promise<void>;
  release(): Promise<void>;
}

/** Servers, and programs on them. */
export class World {
  readonly directory: string;
  readonly database: PostgresService;
  /** The nodes of NATS: one, or three. */
  readonly nodes: readonly Service[];
  readonly pool: Pool;
  readonly programs: Program[] = [];
  readonly #env: Readonly<Record<string, string>>;

  private constructor(parts: Pick<World, 'directory' | 'database' | 'nodes'>, env: Readonly<Record<string, string>>) {
    this.directory = parts.directory;
    this.database = parts.database;
    this.nodes = parts.nodes;
    this.pool = new Pool({ connectionString: this.database.url });
    this.pool.on('error', () => undefined); // it is taken away on purpose
    this.pool.on('connect', (client) => client.on('error', () => undefined));
    const [first, ...others] = this.nodes.map(({ url }) => new URL(url).host);
    const servers = others.length === 0 ? '' : `&servers=${others.join(',')}`;
    this.#env = {
      DATABASE_URL: this.database.url,
      NATS_URL: `nats://${first}?stream=webhooks&subject=webhook.hints${servers}`,
      TELNYX_WEBHOOK_SECRET: DEMO.telnyxPublicKey,
      RESEND_WEBHOOK_SECRET: DEMO.resendSecret,
      HOLDFAST_ADMIN_TOKEN: TOKEN,
      HOLDFAST_LOG_LEVEL: 'silent',
      PORT: '0',
      METRICS_PORT: '0',
      ...env,
    };
  }

  static async start(nodeCount: 1 | 3, env: Readonly<Record<string, string>> = {}): Promise<World> {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-receipts-'));
    const starting = nodeCount === 1 ? natsService(directory).then((node) => [node]) : natsCluster(directory);
    const [database, nodes] = await Promise.all([startPostgres(), starting]);
    await Promise.all(nodes.map((node) => node.start()));
    const world = new World({ directory, database, nodes }, env);
    await world.#makeStream();
    return world;
  }

  /** Starts a program beside those that run. */
  async run(program: 'web.ts' | 'worker.ts'): Promise<Program> {
    const started = await Program.start(program, this.#env);
    this.programs.push(started);
    return started;
  }

  /** The stream as it is now. */
  async stream(): Promise<StreamInfo> {
    return this.#managing((manager) => manager.streams.info(STREAM.name));
  }

  /** The node that leads the stream. */
  async leader(): Promise<Service> {
    const { cluster } = await this.stream();
    const leader = this.nodes[Number(/\d+$/.exec(cluster?.leader ?? '')?.[0])];
    if (leader === undefined) throw new Error('The stream has no leader.');
    return leader;
  }

  /** Keeps everybody from writing to tables until it is released, or the test is over. */
  async lock(t: Pick<TestContext, 'after'>): Promise<Lock> {
    const client = await this.pool.connect();
    let held = true;
    const release = (): Promise<void> => {
      if (held) client.release(true);
      held = false;
      return Promise.resolve();
    };
    t.after(release);
    await client.query('BEGIN');
    return { take: async (table) => void (await client.query(`LOCK TABLE ${table} IN SHARE MODE`)), release };
  }

  /** Whether somebody is kept from a table. */
  async someWaitFor(table: string): Promise<boolean> {
    const sql = 'SELECT FROM pg_locks WHERE NOT granted AND relation = $1::regclass';
    return ((await this.pool.query(sql, [table])).rowCount ?? 0) > 0;
  }

  /** Whether somebody has written receipts in a transaction that is kept from this table. */
  async someWroteAndWaitFor(table: string): Promise<boolean> {
    const sql = `SELECT FROM pg_locks AS wrote JOIN pg_locks AS waits USING (pid) WHERE NOT waits.granted
      AND waits.relation = $1::regclass AND wrote.relation = 'recipients'::regclass AND wrote.mode = 'RowExclusiveLock'`;
    return ((await this.pool.query(sql, [table])).rowCount ?? 0) > 0;
  }

  async stop(): Promise<void> {
    await Promise.all(this.programs.map((program) => program.end('SIGKILL')));
    await this.pool.end();
    await Promise.all([this.database.remove(), ...this.nodes.map((node) => node.kill())]);
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A cluster that has just been started refuses for a moment. */
  async #makeStream(): Promise<void> {
    const until = Date.now() + 30_000;
    for (;;) {
      try {
        await this.#managing((manager) => manager.streams.add({ ...STREAM, num_replicas: this.nodes.length }));
        return;
      } catch (error) {
        if (Date.now() > until) throw error;
      }
    }
  }

  async #managing<Answer>(
    ask: (manager: Awaited<ReturnType<typeof jetstreamManager>>) => Promise<Answer>,
  ): Promise<Answer> {
    const servers = this.nodes.map(({ url }) => new URL(url).host);
    const connection = await connect({ servers });
    try {
      return await ask(await jetstreamManager(connection));
    } finally {
      await connection.close();
    }
  }
}

/** Looks until it holds. @throws Error after so long */
export async function until(holds: () => Promise<boolean>, withinMs = 30_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`It does not hold: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
