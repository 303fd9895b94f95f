/** The combinations of store and queue that a fleet runs on, each on servers of its own. */
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import type { ServiceKind } from '../../scripts/services/kind.ts';
import { mongodb, mongodbService } from '../../scripts/services/mongodb.ts';
import { nats, natsService } from '../../scripts/services/nats.ts';
import { startPostgres } from '../../scripts/services/postgres.ts';
import { redis, redisService } from '../../scripts/services/redis.ts';
import type { Service } from '../../scripts/services/service.ts';
import { sqs, sqsService } from '../../scripts/services/sqs.ts';
import { postgres } from '../postgres.ts';
import type { Need } from '../require.ts';

export type StoreName = 'postgres' | 'mongodb';
export type QueueName = 'redis' | 'nats' | 'sqs';

const kinds: Readonly<Record<StoreName | QueueName, Need | ServiceKind>> = { postgres, mongodb, redis, nats, sqs };

/** What of the machine a combination needs. */
export function needs(...names: readonly (StoreName | QueueName | null)[]): readonly Need[] {
  return names.flatMap((name) => (name === null ? [] : [kinds[name]]));
}

/** The servers of one test file: started when first asked for, ended with it. */
export class Backends {
  readonly #home = mkdtempSync(join(tmpdir(), 'holdfast-backends-'));
  readonly #services = new Map<string, Promise<Service>>();
  #databases = 0;

  constructor() {
    after(async () => {
      for (const service of this.#services.values()) await (await service).kill();
      rmSync(this.#home, { recursive: true, force: true });
    });
  }

  /** A server, running. */
  async service(name: StoreName | QueueName): Promise<Service> {
    const known = this.#services.get(name) ?? this.#start(name);
    this.#services.set(name, known);
    return known;
  }

  /** Where a server has its data. */
  directory(name: StoreName | QueueName): string {
    return join(this.#home, name);
  }

  /** The URL of an empty store. */
  async store(name: StoreName): Promise<string> {
    const service = await this.service(name);
    const database = `fleet${++this.#databases}`;
    if (name === 'mongodb') return `${service.url}/${database}`;
    const { Client } = await import('pg');
    const client = new Client({ connectionString: service.url });
    await client.connect();
    await client.query(`CREATE DATABASE ${database}`);
    await client.end();
    return service.url.replace(/\/postgres$/, `/${database}`);
  }

  /** The URL of a queue that nobody has used. */
  async queue(name: QueueName | null): Promise<string | null> {
    if (name === null) return null;
    const { url } = await this.service(name);
    const own = randomUUID().slice(0, 8);
    if (name === 'redis') return `${url}?prefix=${own}`;
    if (name === 'nats') return `${url}?stream=F${own}&subject=f${own}`;
    return url.replace('/holdfast?', `/${own}?`);
  }

  async #start(name: StoreName | QueueName): Promise<Service> {
    if (name === 'postgres') return startPostgres();
    const directory = this.directory(name);
    mkdirSync(directory);
    const makers = { mongodb: mongodbService, redis: redisService, nats: natsService, sqs: () => sqsService() };
    const service = await makers[name](directory);
    await service.start();
    return service;
  }
}
