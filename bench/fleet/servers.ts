/** The servers that the contenders of one run share, each started when first asked for. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import type { ServiceKind } from '../../scripts/services/kind.ts';
import { mongodb, mongodbService } from '../../scripts/services/mongodb.ts';
import { nats, natsService } from '../../scripts/services/nats.ts';
import { POSTGRES_INSTALL, postgresPrograms, startPostgres } from '../../scripts/services/postgres.ts';
import { redis, redisService } from '../../scripts/services/redis.ts';
import type { Service } from '../../scripts/services/service.ts';
import { sqs, sqsService } from '../../scripts/services/sqs.ts';

export type ServerName = 'postgres' | 'mongodb' | 'redis' | 'nats' | 'sqs';

/** Room for what is measured, the same for all who use it. */
const POSTGRES_SETTINGS = ['shared_buffers=512MB', 'max_wal_size=4GB'];

type Need = Pick<ServiceKind, 'what' | 'command' | 'met'>;

const postgres: Need = {
  what: 'PostgreSQL',
  command: POSTGRES_INSTALL,
  met: () => postgresPrograms() !== null,
};
const kinds: Readonly<Record<ServerName, Need>> = { postgres, mongodb, redis, nats, sqs };

/** What of the machine is missing for it; `null`: nothing. */
export function lacks(name: ServerName): string | null {
  const kind = kinds[name];
  return kind.met() ? null : `needs ${kind.what}: ${kind.command}`;
}

export class Servers {
  readonly #home = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
  readonly #services = new Map<ServerName, Promise<Service>>();
  #made = 0;

  constructor() {
    process.once('exit', () => rmSync(this.#home, { recursive: true, force: true }));
  }

  get(name: ServerName): Promise<Service> {
    const known = this.#services.get(name) ?? this.#start(name);
    this.#services.set(name, known);
    return known;
  }

  /** The URL of an empty store, and how to be rid of it. */
  async store(name: 'postgres' | 'mongodb'): Promise<{ readonly url: string; readonly drop: () => Promise<void> }> {
    const { url } = await this.get(name);
    const database = `bench${++this.#made}`;
    if (name === 'mongodb') return { url: `${url}/${database}`, drop: () => Promise.resolve() };
    await query(url, `CREATE DATABASE ${database}`);
    const drop = async (): Promise<void> => {
      await query(url, `DROP DATABASE ${database} WITH (FORCE)`);
      // What it left to write is not the next one's to pay for.
      await query(url, 'CHECKPOINT');
    };
    return { url: url.replace(/\/postgres$/, `/${database}`), drop };
  }

  /** The URL of a queue that nobody has used, on a Redis that has been emptied. */
  async queue(name: 'redis' | 'nats' | 'sqs'): Promise<string> {
    const { url } = await this.get(name);
    const own = `b${++this.#made}`;
    if (name === 'nats') return `${url}?stream=${own}&subject=${own}`;
    if (name === 'sqs') return url.replace('/holdfast?', `/${own}?`);
    const client = new Redis(url);
    await client.flushall();
    client.disconnect();
    return url;
  }

  async stop(): Promise<void> {
    for (const service of this.#services.values()) await (await service).kill();
  }

  async #start(name: ServerName): Promise<Service> {
    if (name === 'postgres') {
      const service = await startPostgres(POSTGRES_SETTINGS);
      process.once('exit', () => void service.remove());
      return service;
    }
    const directory = join(this.#home, name);
    mkdirSync(directory);
    const makers = {
      mongodb: mongodbService,
      // As BullMQ needs it to be durable, since there it is the store; the same for who keeps only hints in it.
      redis: (path: string) => redisService(path, ['--appendfsync', 'always']),
      nats: natsService,
      sqs: () => sqsService(),
    };
    const service = await makers[name](directory);
    await service.start();
    process.once('exit', () => void service.kill());
    return service;
  }
}

async function query(url: string, text: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}
