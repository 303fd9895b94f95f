/** Who is measured: one process that accepts, one that works, a store and perhaps a broker. */
import type { Service } from '../../scripts/services/service.ts';
import { Program } from '../machine.ts';
import type { ServerName, Servers } from './servers.ts';

export const SECRET = 'bench-secret';

/** One contender at work. */
export interface Running {
  gateway(): Promise<Program>;
  worker(): Promise<Program>;
  /** Where the events are. */
  readonly database: Service;
  readonly broker: Service | null;
  clear(): Promise<void>;
}

export interface Contender {
  /** As `--only` names it. */
  readonly name: string;
  readonly title: string;
  readonly isPeer: boolean;
  readonly needs: readonly ServerName[];
  /** What becomes of a repeat. */
  readonly dedupe: string;
  start(servers: Servers): Promise<Running>;
}

type StoreName = 'postgres' | 'mongodb';
type QueueName = 'redis' | 'nats' | 'sqs';

/** moto and FerretDB show that it works, not how fast: a service of a data centre, and mongod, are other programs. */
export function isStandIn({ needs }: Contender): boolean {
  return needs.includes('sqs') || needs.includes('mongodb');
}

function holdfast(store: StoreName, queue: QueueName | null): Contender {
  return {
    name: queue === null ? store : `${store}+${queue}`,
    title: `Holdfast, ${store}${queue === null ? '' : ` and ${queue}`}`,
    isPeer: false,
    needs: queue === null ? [store] : [store, queue],
    dedupe: 'exact, for 7 days',
    start: async (servers) => {
      const { url, drop } = await servers.store(store);
      const args = [SECRET, url, queue === null ? '' : await servers.queue(queue)];
      return {
        gateway: () => Program.start('fleet-holdfast.ts', ['gateway', ...args]),
        worker: () => Program.start('fleet-holdfast.ts', ['worker', ...args]),
        database: await servers.get(store),
        broker: queue === null ? null : await servers.get(queue),
        clear: drop,
      };
    },
  };
}

interface Peer {
  readonly program: 'pg-boss' | 'graphile-worker';
  /** Each webhook by itself, or those together that come together: Holdfast's group commit, made for the peer. */
  readonly inserting: 'each' | 'gathered';
  readonly dedupe: string;
}

function onPostgres({ program, inserting, dedupe }: Peer): Contender {
  const isGathered = inserting === 'gathered';
  return {
    name: isGathered ? program : `${program}-each`,
    title: `Fastify and ${program}, ${isGathered ? 'inserts gathered' : 'an insert each'}`,
    isPeer: true,
    needs: ['postgres'],
    dedupe,
    start: async (servers) => {
      const { url, drop } = await servers.store('postgres');
      return {
        gateway: () => Program.start(`fleet-${program}.ts`, ['gateway', SECRET, url, inserting]),
        worker: () => Program.start(`fleet-${program}.ts`, ['worker', SECRET, url]),
        database: await servers.get('postgres'),
        broker: null,
        clear: drop,
      };
    },
  };
}

const bullmq: Contender = {
  name: 'bullmq',
  title: 'Fastify and BullMQ',
  isPeer: true,
  needs: ['redis'],
  dedupe: 'while the job is kept: the last 1,000',
  start: async (servers) => {
    const { port } = new URL(await servers.queue('redis'));
    return {
      gateway: () => Program.start('bullmq.ts', ['gateway', port, SECRET]),
      worker: () => Program.start('bullmq.ts', ['worker', port, SECRET]),
      database: await servers.get('redis'),
      broker: null,
      clear: () => Promise.resolve(),
    };
  },
};

const pgBoss = { program: 'pg-boss', dedupe: 'by the primary key, while the job is kept' } as const;
const graphileWorker = { program: 'graphile-worker', dedupe: 'none: the job is deleted when it has run' } as const;

export const contenders: readonly Contender[] = [
  holdfast('postgres', null),
  onPostgres({ ...pgBoss, inserting: 'gathered' }),
  onPostgres({ ...graphileWorker, inserting: 'gathered' }),
  onPostgres({ ...pgBoss, inserting: 'each' }),
  onPostgres({ ...graphileWorker, inserting: 'each' }),
  holdfast('postgres', 'redis'),
  bullmq,
  holdfast('postgres', 'nats'),
  holdfast('postgres', 'sqs'),
  holdfast('mongodb', null),
  holdfast('mongodb', 'sqs'),
];
