/** What the test runs: programs of the system as processes of their own, on one database and queue of real servers. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { type Collection, MongoClient } from 'mongodb';
import type { User } from './users.ts';

/** The secret that ROOK and the programs share here. */
export const KEY = 'the secret hash key from ROOK';
const TOKEN = 'the-admin-token-of-the-test';
const LOOK_MS = 200;

export type Urls = Readonly<Record<'mongodb' | 'sqs' | 'redis', string>>;

export interface Program {
  readonly origin: string;
  /** SIGKILL: it says nothing to anybody. */
  kill(): Promise<void>;
  /** SIGTERM, as from a supervisor. */
  stop(): Promise<void>;
}

export class World implements AsyncDisposable {
  readonly cache: Redis;
  readonly #mongo: MongoClient;
  readonly #env: Readonly<Record<string, string>>;
  readonly #running = new Set<ChildProcess>();

  /** @param name Of its own database and queues. */
  constructor(name: string, urls: Urls) {
    const MONGODB_URL = `${urls.mongodb}/${name}`;
    this.#env = {
      MONGODB_URL,
      REDIS_URL: urls.redis,
      SQS_URL: urls.sqs.replace('/holdfast', `/${name}`),
      ROOK_SECRET_HASH_KEY: KEY,
      HOLDFAST_ADMIN_TOKEN: TOKEN,
      HOLDFAST_ALLOW_WEAKER_DURABILITY: 'true', // a single server, or what stands in for one, is no replica set
      HOLDFAST_LEASE: '10s', // what a killed worker had is to be taken over while the test waits
      HOLDFAST_LOG_LEVEL: 'fatal', // of servers that are stopped
      PORT: '0',
    };
    this.#mongo = new MongoClient(MONGODB_URL);
    this.cache = new Redis(urls.redis);
  }

  get users(): Collection<User> {
    return this.#mongo.db().collection<User>('users');
  }

  /** Starts a program; resolves once it has said where it is. */
  async start(name: 'app.ts' | 'worker.ts', env: Readonly<Record<string, string>> = {}): Promise<Program> {
    const child = spawn(process.execPath, ['--conditions=holdfast-source', join(import.meta.dirname, name)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...this.#env, ...env },
    });
    this.#running.add(child);
    let said = '';
    for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
      said += String(chunk);
      const [origin] = /http:\S+/.exec(said) ?? [];
      if (origin === undefined) continue;
      child.stdout.resume();
      return { origin, kill: () => this.#end(child, 'SIGKILL'), stop: () => this.#end(child, 'SIGTERM') };
    }
    throw new Error(`${name} ended before it was ready: ${said}`);
  }

  /** What the admin API of a gateway answers. */
  async api<Answer>(origin: string, path: string, body?: object): Promise<Answer> {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' };
    const init = body === undefined ? { headers } : { headers, method: 'POST', body: JSON.stringify(body) };
    const response = await fetch(`${origin}/holdfast${path}`, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    return JSON.parse(text) as Answer;
  }

  /** Waits until nothing is owed any more. */
  async drained(origin: string): Promise<void> {
    interface Stats {
      readonly overall: { readonly size: number };
    }
    await until(async () => (await this.api<Stats>(origin, '/api/queues/stats')).overall.size === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running].map((child) => this.#end(child, 'SIGKILL')));
    await this.#mongo.close();
    this.cache.disconnect();
  }

  async #end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
    this.#running.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }
}

/** Looks until it is so; the test's own deadline ends it. */
export async function until(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await pause(LOOK_MS);
}
