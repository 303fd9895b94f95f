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

/** 20,000 by `npm run test:fleet`, on a machine that has the time. */
const EVENTS = Number(process.env['HOLDFAST_FLEET_EVENTS'] ?? 3000);
const USUAL: Pace = { part: 1, leaseMs: 2000, killEveryMs: 700 };
/** What stands in for MongoDB commits a few times a second: a lease must outlast the commits that race for one position. */
const STAND_IN: Pace = { part: 0.05, leaseMs: 10_000, killEveryMs: 3000 };
const KEYS = 64;
const ENDED_MS_MAX = 60_000;

interface Pace {
  /** Of the events. */
  readonly part: number;
  readonly leaseMs: number;
  readonly killEveryMs: number;
}

interface Killing {
  readonly random: Seeded;
  readonly everyMs: number;
  readonly over: () => boolean;
}

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
      const pace = store === 'mongodb' && !onPath('mongod') ? STAND_IN : USUAL;
      const random = new Seeded();
      t.diagnostic(`seed ${random.seed}`);
      const fleet = await Fleet.start(t, {
        store: await backends.store(store),
        queue: await backends.queue(queue),
        leaseMs: pace.leaseMs,
        handlerMs: 0,
      });
      const startedAt = performance.now();
      let over = false;
      const killing = killAtRandom(fleet, { random, everyMs: pace.killEveryMs, over: () => over });
      const sent = await Promise.race([
        send(fleet, {
          keys: KEYS,
          each: Math.ceil((EVENTS * pace.part) / KEYS),
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

async function killAtRandom(fleet: Fleet, { random, everyMs, over }: Killing): Promise<number> {
  let kills = 0;
  const starting = new Map<Member, Promise<void>>();
  while (!over()) {
    await new Promise((resolve) => setTimeout(resolve, everyMs));
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
