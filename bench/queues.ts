/**
 * What the brokers cost: hints and ids a second, pushed, pulled and acknowledged by one process, and the bytes that a
 * waiting hint takes.
 *
 *   node --conditions=holdfast-source bench/queues.ts [--hints 20000] [redis] [nats] [sqs]
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { nats, natsService } from '../scripts/services/nats.ts';
import { redis, redisService } from '../scripts/services/redis.ts';
import type { Service } from '../scripts/services/service.ts';
import { sqs, sqsService } from '../scripts/services/sqs.ts';
import { IdMaker } from '../src/core/id.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { endpointChannels } from '../src/queue/hints.ts';
import { natsQueue } from '../src/queue/nats/index.ts';
import { type Hint, HINT_IDS_MAX, type Queue } from '../src/queue/queue.ts';
import { redisQueue } from '../src/queue/redis/index.ts';
import { sqsQueue } from '../src/queue/sqs/index.ts';
import { machine } from './machine.ts';

const VISIBILITY_MS = 300_000;
const PUSH_HINTS = 100;
const PULL_HINTS = 100;
/** moto is Python and stands in for a service of a data centre: its rates say little, and take long. */
const SQS_SHARE = 0.02;

const services = { redis: redisService, nats: natsService, sqs: sqsService };
const makers = { redis: redisQueue, nats: natsQueue, sqs: sqsQueue };
const ids = new IdMaker({ now: () => Date.now(), fill: (bytes) => crypto.getRandomValues(bytes) });
const channels = endpointChannels().slice(0, 16);

function hintsOf(count: number, idsEach: number): readonly Hint[] {
  return Array.from({ length: count }, (_, index) => ({
    channel: channels[index % channels.length] ?? '',
    ids: Array.from({ length: idsEach }, () => ids.make('dlv')),
  }));
}

/** Bytes a broker uses for data: on disk for NATS, in memory for the others. */
async function bytesOf(service: Service, directory: string): Promise<number> {
  if (service.name === 'nats') {
    return Number(execFileSync('du', ['-s', '--bytes', directory], { encoding: 'utf8' }).split('\t')[0]);
  }
  if (service.name === 'redis') {
    const client = new Redis(service.url);
    const info = await client.info('memory');
    client.disconnect();
    return Number(/^used_memory_dataset:(\d+)/m.exec(info)?.[1]);
  }
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${service.pid}/status`, 'utf8'))?.[1]) * 1024;
}

async function pushAll(queue: Queue, hints: readonly Hint[]): Promise<number> {
  const begun = performance.now();
  for (let at = 0; at < hints.length; at += PUSH_HINTS) await queue.push(hints.slice(at, at + PUSH_HINTS));
  return (hints.length / (performance.now() - begun)) * 1000;
}

async function pullAll(queue: Queue, count: number): Promise<number> {
  const begun = performance.now();
  for (let left = count; left > 0;) {
    const { hints } = await queue.pull({ channels, max: PULL_HINTS, waitMs: 1000 });
    await queue.ack(hints.map(({ receipt }) => receipt));
    left -= hints.length;
  }
  return (count / (performance.now() - begun)) * 1000;
}

/** How long from a push to the answer of a pull that waits in another queue object; the median, in ms. */
async function wakeMs(from: Queue, to: Queue): Promise<number> {
  const took: number[] = [];
  for (let turn = 0; turn < 50; turn++) {
    const waiting = to.pull({ channels, max: 1, waitMs: 5000 });
    await to.depth(channels.slice(0, 1));
    const begun = performance.now();
    await from.push(hintsOf(1, 1));
    const { hints } = await waiting;
    took.push(performance.now() - begun);
    await to.ack(hints.map(({ receipt }) => receipt));
  }
  return took.toSorted((a, b) => a - b)[25] ?? 0;
}

async function measure(kind: typeof redis, hintsAsked: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-bench-queues-'));
  const name = kind.name as keyof typeof makers;
  const service = await services[name](directory);
  await service.start();
  const make = (): Queue => makers[name]({ url: service.url, clock: systemClock, visibilityMs: VISIBILITY_MS });
  const [queue, other] = [make(), make()];
  try {
    await Promise.all([queue.open(), other.open()]);
    await pushAll(queue, hintsOf(channels.length, 1));
    await pullAll(queue, channels.length);
    const count = Math.round(hintsAsked * (name === 'sqs' ? SQS_SHARE : 1));
    for (const idsEach of [1, HINT_IDS_MAX]) {
      const before = await bytesOf(service, directory);
      const pushed = await pushAll(queue, hintsOf(count, idsEach));
      const bytes = ((await bytesOf(service, directory)) - before) / count;
      const pulled = await pullAll(queue, count);
      console.log(
        `${name.padEnd(6)} ${String(idsEach).padStart(3)} ids a hint: ${Math.round(pushed)} hints/s pushed, ` +
          `${Math.round(pulled)} hints/s pulled and acknowledged, ${Math.round(bytes)} bytes a waiting hint`,
      );
    }
    console.log(
      `${name.padEnd(6)} ${(await wakeMs(queue, other)).toFixed(1)} ms from a push to a waiting pull (median)`,
    );
  } finally {
    await Promise.all([queue.close(), other.close()]);
    await service.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

const { values, positionals } = parseArgs({ options: { hints: { type: 'string' } }, allowPositionals: true });
console.log(machine());
for (const kind of [redis, nats, sqs]) {
  if (positionals.length > 0 && !positionals.includes(kind.name)) continue;
  if (kind.met()) await measure(kind, Number(values.hints ?? 20_000));
  else console.log(`${kind.name}: skipped, needs ${kind.what}: ${kind.command}`);
}
