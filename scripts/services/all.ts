/** Every kind of server there is, and how several are started beside each other. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Running, ServiceKind } from './kind.ts';
import { mongodb } from './mongodb.ts';
import { nats } from './nats.ts';
import { POSTGRES_INSTALL, postgresPrograms, startPostgres } from './postgres.ts';
import { redis } from './redis.ts';
import { sqs } from './sqs.ts';

const postgres: ServiceKind = {
  name: 'postgres',
  what: 'PostgreSQL',
  command: POSTGRES_INSTALL,
  met: () => postgresPrograms() !== null,
  start: async () => {
    const service = await startPostgres();
    return { url: service.url, stop: () => service.remove() };
  },
};

/** A new one is a file beside this one and a place in this list. */
export const kinds: readonly ServiceKind[] = [postgres, mongodb, redis, nats, sqs];

export interface Named extends Running {
  readonly name: string;
}

/** Starts them beside each other. One that does not start is reported, and does not stop the others. */
export async function startAll(some: readonly ServiceKind[], directory: string): Promise<readonly Named[]> {
  const started = await Promise.all(
    some.map(async (kind) => {
      const data = join(directory, kind.name);
      mkdirSync(data);
      try {
        const running = await kind.start(data);
        return [{ name: kind.name, url: running.url, stop: () => running.stop() }];
      } catch (error) {
        console.error(`${kind.name}: ${(error as Error).message}`);
        return [];
      }
    }),
  );
  return started.flat();
}
