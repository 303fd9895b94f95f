/** Two gateways and three workers on one store, killed at random: nothing is lost, and order holds. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { onPath } from '../../scripts/services/kind.ts';
import { Seeded } from '../crash/random.ts';
import { testNeeding } from '../require.ts';
import { Backends, needs, type QueueName, type StoreName } from './backends.ts';
import { allEnded, check } from './check.ts';
import { Fleet, type Member, until } from './fleet.ts';
import { send } from './senders.ts';

/** 20,000 by `npm run test:fleet`, on a machine that has the time; a store that stands in for MongoDB takes a tenth. */
const EVENTS = Number(process.env['HOLDFAST_FLEET_EVENTS'] ?? 3000);
const STAND_IN = onPath('mongod') ? 1 : 0.1;
const KEYS = 64;
const LEASE_MS = 2000;
const ENDED_MS_MAX = 60_000;
const KILL_EVERY_MS = 700;

const combinations: readonly (readonly [StoreName, QueueName | null])[] = [
  ['postgres', null],
  ['postgres', 'redis'],
  ['postgres', 'nats'],
  ['postgres', 'sqs'],
  ['mongodb', null],
  ['mongodb', 'sqs'],
];

describe('a fleet whose processes are killed', () => {
  const backends = new Backends();
  for (const [store, queue] of combinations) {
    const name = `${store} ${queue === null ? 'without a queue' : `and ${queue}`}`;
    testNeeding(needs(store, queue), `loses nothing and keeps order: ${name}`, async (t) => {
      const random = new Seeded();
      t.diagnostic(`seed ${random.seed}`);
      const fleet = await Fleet.start(t, {
        store: await backends.store(store),
        queue: await backends.queue(queue),
        leaseMs: LEASE_MS,
        handlerMs: 0,
      });
      const startedAt = performance.now();
      let over = false;
      const killing = killAtRandom(fleet, random, () => over);
      const sent = await Promise.race([
        send(fleet, {
          keys: KEYS,
          each: Math.ceil((EVENTS * (store === 'mongodb' ? STAND_IN : 1)) / KEYS),
          random,
          signal: t.signal,
        }),
        failed(killing),
      ]);
      over = true;
      const kills = await killing;
      const sentMs = performance.now() - startedAt;
      await until(() => allEnded(sent, fleet.lines()), ENDED_MS_MAX);
      const endedMs = performance.now() - startedAt;
      await fleet.stop();
      const { breaches, acknowledged, repeated, unexplained } = check(sent, fleet.lines(), fleet.killed);
      t.diagnostic(
        `${acknowledged} acknowledged in ${seconds(sentMs)}, ended after ${seconds(endedMs)}, ${sent.duplicates} sent twice, ` +
          `${kills} kills, ${repeated} invocations repeated, ${unexplained} of them not of a killed process`,
      );
      assert.deepEqual(breaches.slice(0, 10), []);
      assert.equal(unexplained, 0);
      assert.ok(kills >= 1, 'processes were killed');
    });
  }
});

async function killAtRandom(fleet: Fleet, random: Seeded, over: () => boolean): Promise<number> {
  let kills = 0;
  const starting = new Map<Member, Promise<void>>();
  while (!over()) {
    await new Promise((resolve) => setTimeout(resolve, KILL_EVERY_MS));
    const member = fleet.members[random.between(0, fleet.members.length - 1)];
    if (over() || member === undefined) break;
    if (starting.has(member)) continue;
    await member.kill();
    kills++;
    const launched = member.launch().finally(() => starting.delete(member));
    starting.set(member, launched);
  }
  await Promise.all(starting.values());
  return kills;
}

/** Rejects as it does, and never resolves. */
async function failed(promise: Promise<unknown>): Promise<never> {
  await promise;
  return new Promise(() => undefined);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
