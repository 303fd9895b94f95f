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
/** A lease outlasts what a busy machine lets a process stand still for: what that repeats is explained by no kill. */
const USUAL: Pace = { part: 1, leaseMs: 6000, killEvery: 600 };
/** What stands in for MongoDB commits a few times a second: a lease must outlast the commits that race for one position. */
const STAND_IN: Pace = { part: 0.05, leaseMs: 20_000, killEvery: 50 };
const KEYS = 64;
const ENDED_MS_MAX = 60_000;

interface Pace {
  /** Of the events. */
  readonly part: number;
  readonly leaseMs: number;
  /** Acknowledged webhooks between two kills. */
  readonly killEvery: number;
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
      const killer = new Killer(fleet, random, pace.killEvery);
      const sent = await Promise.race([
        send(fleet, {
          keys: KEYS,
          each: Math.ceil((EVENTS * pace.part) / KEYS),
          random,
          signal: t.signal,
          acknowledged: (count) => killer.acknowledged(count),
        }),
        killer.failed,
      ]);
      const kills = await killer.restarted();
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
      assert.ok(kills >= 3, 'processes were killed');
    });
  }
});

/** Kills any process whenever so many more webhooks were acknowledged, and starts it again. */
class Killer {
  readonly failed: Promise<never>;
  readonly #fail: (error: unknown) => void;
  readonly #fleet: Fleet;
  readonly #random: Seeded;
  readonly #every: number;
  readonly #starting = new Map<Member, Promise<void>>();
  #kills = 0;

  constructor(fleet: Fleet, random: Seeded, every: number) {
    const { promise, reject } = Promise.withResolvers<never>();
    this.failed = promise;
    this.#fail = reject;
    this.#fleet = fleet;
    this.#random = random;
    this.#every = every;
  }

  acknowledged(count: number): void {
    if (count % this.#every !== 0) return;
    const up = this.#fleet.members.filter((member) => !this.#starting.has(member));
    const member = up[this.#random.between(0, up.length - 1)];
    if (member === undefined) return;
    this.#kills++;
    const restarted = this.#restart(member).catch(this.#fail);
    this.#starting.set(member, restarted);
  }

  /** How many were killed, once all of them serve again. */
  async restarted(): Promise<number> {
    await Promise.race([Promise.all(this.#starting.values()), this.failed]);
    return this.#kills;
  }

  async #restart(member: Member): Promise<void> {
    await member.kill();
    await member.launch();
    this.#starting.delete(member);
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
