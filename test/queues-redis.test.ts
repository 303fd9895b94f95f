/** The Redis queue on a real Redis: the conformance suite, and what only Redis can do to it. */
import { queueDrivers } from '../src/testing/capabilities.ts';
import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { describe } from 'node:test';
import { redis, redisService } from '../scripts/services/redis.ts';
import { idsOf, makeHints, untilAvailable } from '../src/testing/queues/world.ts';
import { brokerOf, describeConformance, queueAt } from './queues-harness.ts';
import { testNeeding } from './require.ts';
import { TcpProxy } from './tcp-proxy.ts';

async function asking<Answer>(url: string, ask: (client: Redis) => Promise<Answer>): Promise<Answer> {
  const client = new Redis(url.replace(/\?.*/, ''));
  try {
    return await ask(client);
  } finally {
    client.disconnect();
  }
}

describeConformance({
  kind: redis,
  capabilities: queueDrivers.redis,
  visibilityMs: 500,
  make: (directory) => redisService(directory),
  urlOf: (service, run) => `${service.url}/0?prefix=case${run}`,
  litter: async ({ url, channel, bytes }) => {
    const prefix = new URL(url).searchParams.get('prefix');
    await asking(url, (client) => client.xadd(`{${prefix}}:hints:${channel}`, '*', 'h', Buffer.from(bytes)));
  },
  wipe: async (url) => {
    assert.equal(await asking(url, (client) => client.flushall()), 'OK');
  },
});

const VISIBILITY_MS = 30_000;

describe('a Redis of its own', () => {
  const broker = brokerOf(redis, (directory) => redisService(directory));

  testNeeding([redis], 'that has no memory left is unavailable, and takes hints again when it has', async () => {
    const { url } = broker.service;
    const queue = queueAt(`${url}?prefix=full`, VISIBILITY_MS);
    const { settings } = await queue.open();
    assert.equal(settings['maxmemory-policy'], 'noeviction');
    await asking(url, (client) => client.config('SET', 'maxmemory', '1'));
    await assert.rejects(queue.push(makeHints('h-till', 1)), { name: 'QueueError', message: /OOM/ });
    await asking(url, (client) => client.config('SET', 'maxmemory', '0'));
    await queue.push(makeHints('h-till', 1));
    await queue.close();
  });

  testNeeding([redis], 'says so where it may remove hints to make room', async () => {
    const { url } = broker.service;
    await asking(url, (client) => client.config('SET', 'maxmemory', '100mb', 'maxmemory-policy', 'allkeys-lru'));
    const queue = queueAt(url, VISIBILITY_MS);
    const { warnings } = await queue.open();
    assert.match(warnings.join(), /maxmemory-policy is allkeys-lru/);
    await queue.close();
    await asking(url, (client) => client.config('SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction'));
  });

  testNeeding([redis], 'keeps nothing of hints that were acknowledged', async () => {
    const { url } = broker.service;
    const queue = queueAt(`${url}?prefix=gone`, VISIBILITY_MS);
    await queue.open();
    const key = '{gone}:hints:h-till';
    const bytes = async (): Promise<number> => (await asking(url, (client) => client.memory('USAGE', key))) ?? 0;
    await queue.push(makeHints('h-till', 2000, 16));
    const full = await bytes();
    for (let left = 2000; left > 0;) {
      const { hints } = await queue.pull({ channels: ['h-till'], max: 200, waitMs: 1000 });
      await queue.ack(hints.map(({ receipt }) => receipt));
      left -= hints.length;
    }
    assert.ok(full > 200_000 && (await bytes()) < 10_000, `${full} bytes, then ${await bytes()}`);
    assert.ok((await asking(url, (client) => client.pttl(key))) > 0, 'a channel that is not used any more stays');
    await queue.close();
  });

  testNeeding([redis], 'whose user has no rights on channels carries hints all the same', async () => {
    const { url } = broker.service;
    await asking(url, (client) => client.acl('SETUSER', 'ada', 'on', '>x', '~*', 'resetchannels', '+@all'));
    const queue = queueAt(url.replace('redis://', 'redis://ada:x@').concat('?prefix=mute'), VISIBILITY_MS);
    await queue.open();
    assert.deepEqual((await queue.pull({ channels: ['h-till'], max: 1, waitMs: 0 })).hints, []);
    const waiting = queue.pull({ channels: ['h-till'], max: 1, waitMs: 10_000 });
    const hints = makeHints('h-till', 1);
    await queue.push(hints);
    assert.deepEqual(idsOf((await waiting).hints), idsOf(hints));
    await queue.close();
  });

  testNeeding([redis], 'that hangs is unavailable after a while, and works when it goes on', async () => {
    const { url, pid } = broker.service;
    const queue = queueAt(`${url}?prefix=hangs`, VISIBILITY_MS);
    await queue.open();
    process.kill(pid, 'SIGSTOP');
    try {
      await assert.rejects(queue.push(makeHints('h-till', 1)), { name: 'QueueError' });
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    const [hint] = makeHints('h-ledger', 1);
    assert.ok(hint !== undefined);
    await untilAvailable(() => queue.push([hint]));
    assert.deepEqual(idsOf((await queue.pull({ channels: ['h-ledger'], max: 1, waitMs: 5000 })).hints), hint.ids);
    await queue.close();
  });
});

describe('a primary that became a replica', () => {
  const [old, next] = [redis, redis].map((kind) => brokerOf(kind, (directory) => redisService(directory)));

  testNeeding([redis], 'is left by those that only pull, for what its address leads to now', async () => {
    assert.ok(old !== undefined && next !== undefined);
    const portOf = (url: string): number => Number(new URL(url).port);
    const proxy = await TcpProxy.start(portOf(old.service.url));
    const queue = queueAt(`redis://127.0.0.1:${proxy.port}`, VISIBILITY_MS);
    await queue.open();
    proxy.lead(portOf(next.service.url));
    await asking(old.service.url, (client) => client.replicaof('127.0.0.1', portOf(next.service.url)));
    const pusher = queueAt(next.service.url, VISIBILITY_MS);
    await pusher.open();
    const hints = makeHints('h-till', 1);
    await pusher.push(hints);
    const pulled = await untilAvailable(() => queue.pull({ channels: ['h-till'], max: 1, waitMs: 5000 }));
    assert.deepEqual(idsOf(pulled.hints), idsOf(hints));
    await Promise.all([queue.close(), pusher.close()]);
    await proxy.close();
  });
});

describe('a node of a Redis Cluster', () => {
  const broker = brokerOf(redis, (directory) => redisService(directory, ['--cluster-enabled', 'yes']));

  testNeeding([redis], 'is unfit, and is told so', async () => {
    const queue = queueAt(broker.service.url, VISIBILITY_MS);
    await assert.rejects(queue.open(), { code: 'queue_unfit', message: /Redis Cluster/ });
    await queue.close();
  });
});
