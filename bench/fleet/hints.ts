/** Hints that wait in a broker, and the bytes they take there. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { natsService } from '../../scripts/services/nats.ts';
import { redisService } from '../../scripts/services/redis.ts';
import type { Service } from '../../scripts/services/service.ts';
import { sqsService } from '../../scripts/services/sqs.ts';
import { systemClock } from '../../src/gateway/clock.ts';
import { endpointChannels } from '../../src/queue/hints.ts';
import { natsQueue } from '../../src/queue/nats/index.ts';
import type { Hint, Queue } from '../../src/queue/queue.ts';
import { redisQueue } from '../../src/queue/redis/index.ts';
import { sqsQueue } from '../../src/queue/sqs/index.ts';
import { ids } from '../store-events.ts';

const VISIBILITY_MS = 300_000;
const PUSH_HINTS = 100;

const services = { redis: redisService, nats: natsService, sqs: () => sqsService() };
const makers = { redis: redisQueue, nats: natsQueue, sqs: sqsQueue };

export type BrokerName = keyof typeof makers;
export const brokers: readonly BrokerName[] = ['redis', 'nats', 'sqs'];
export const channels = endpointChannels().slice(0, 16);

/** A broker of its own, with nothing in it. */
export interface Broker {
  readonly name: BrokerName;
  readonly service: Service;
  readonly directory: string;
  /** A client, open; it is closed with the broker. */
  queue(): Promise<Queue>;
}

export async function withBroker<Made>(name: BrokerName, use: (broker: Broker) => Promise<Made>): Promise<Made> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-queues-'));
  const service = await services[name](directory);
  await service.start();
  const queues: Queue[] = [];
  const queue = async (): Promise<Queue> => {
    const made = makers[name]({ url: service.url, clock: systemClock, visibilityMs: VISIBILITY_MS });
    queues.push(made);
    await made.open();
    return made;
  };
  try {
    return await use({ name, service, directory, queue });
  } finally {
    await Promise.all(queues.map((one) => one.close()));
    await service.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

export function hintsOf(count: number, idsEach: number): readonly Hint[] {
  return Array.from({ length: count }, (_, index) => ({
    channel: channels[index % channels.length] ?? '',
    ids: Array.from({ length: idsEach }, () => ids.make('dlv')),
  }));
}

/** Hints a second. */
export async function pushAll(queue: Queue, hints: readonly Hint[]): Promise<number> {
  const begun = performance.now();
  for (let at = 0; at < hints.length; at += PUSH_HINTS) await queue.push(hints.slice(at, at + PUSH_HINTS));
  return (hints.length / (performance.now() - begun)) * 1000;
}

/** Bytes a broker uses for data: on disk for NATS, in memory for the others. */
export async function bytesOf({ name, service, directory }: Broker): Promise<number> {
  if (name === 'nats') {
    return Number(execFileSync('du', ['-s', '--bytes', directory], { encoding: 'utf8' }).split('\t')[0]);
  }
  if (name === 'redis') {
    const client = new Redis(service.url);
    const info = await client.info('memory');
    client.disconnect();
    return Number(/^used_memory_dataset:(\d+)/m.exec(info)?.[1]);
  }
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${service.pid}/status`, 'utf8'))?.[1]) * 1024;
}

/** Bytes of one waiting hint with so many ids. */
export async function bytesPerHint(
  name: BrokerName,
  { hints, idsEach }: { hints: number; idsEach: number },
): Promise<number> {
  return withBroker(name, async (broker) => {
    const queue = await broker.queue();
    await pushAll(queue, hintsOf(channels.length, idsEach));
    const before = await bytesOf(broker);
    await pushAll(queue, hintsOf(hints, idsEach));
    return ((await bytesOf(broker)) - before) / hints;
  });
}
