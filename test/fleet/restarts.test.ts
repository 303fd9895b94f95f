/** Stores and brokers are killed under load and come back, brokers also empty: what was acknowledged ends. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'node:test';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { natsCluster } from '../../scripts/services/nats.ts';
import { Seeded } from '../crash/random.ts';
import { testNeeding } from '../require.ts';
import { Backends, needs, type QueueName, type StoreName } from './backends.ts';
import { allEnded, check } from './check.ts';
import { Fleet, until } from './fleet.ts';
import { type Load, send, type Sent } from './senders.ts';

const LEASE_MS = 2000;
/** Where no process is killed nothing may be repeated: it outlasts what a busy machine lets one stand still for. */
const LONG_LEASE_MS = 6000;
const DOWN_MS = 5000;
/** Keys that are sent at once, and lines of handlers before the server is killed. */
const USUAL = { keys: 16, lines: 200 };
/** What stands in for MongoDB commits a few times a second: fewer senders, so that what they leave is worked off in time. */
const STAND_IN = { keys: 4, lines: 60 };
/** From when the server is back to the next outcome. */
const RESUME_MS_MAX = 10_000;
const ENDED_MS_MAX = 40_000;

interface Case {
  readonly store: StoreName;
  readonly queue: QueueName | null;
  readonly killed: StoreName | QueueName;
  /** Comes back without what it had. */
  readonly wiped?: true;
}

const cases: readonly Case[] = [
  { store: 'postgres', queue: null, killed: 'postgres' },
  { store: 'mongodb', queue: null, killed: 'mongodb' },
  { store: 'postgres', queue: 'redis', killed: 'redis' },
  { store: 'postgres', queue: 'redis', killed: 'redis', wiped: true },
  { store: 'postgres', queue: 'nats', killed: 'nats' },
  { store: 'postgres', queue: 'nats', killed: 'nats', wiped: true },
  // The stand-in for SQS keeps nothing: it always comes back empty.
  { store: 'postgres', queue: 'sqs', killed: 'sqs', wiped: true },
];

describe('a fleet whose servers are killed', () => {
  const backends = new Backends();
  for (const { store, queue, killed, wiped = false } of cases) {
    const how = `${killed} killed under load${wiped ? ' and back empty' : ' and started again'}`;
    const name = `${how}: ends all that was acknowledged`;
    testNeeding(needs(store, queue), name, async (t) => {
      const random = new Seeded();
      t.diagnostic(`seed ${random.seed}`);
      const options = {
        store: await backends.store(store),
        queue: await backends.queue(queue),
        leaseMs: LEASE_MS,
        handlerMs: 0,
      };
      const fleet = await Fleet.start(t, options, { gateways: 1, workers: 2 });
      const { keys, lines } = store === 'mongodb' ? STAND_IN : USUAL;
      const load = new Going({ keys, random, signal: t.signal, each: Number.POSITIVE_INFINITY });
      const sending = send(fleet, load);
      await until(() => fleet.lines().length > lines, ENDED_MS_MAX);
      const service = await backends.service(killed);
      await service.kill();
      if (wiped) wipe(backends.directory(killed));
      const before = fleet.lines().length;
      await new Promise((resolve) => setTimeout(resolve, DOWN_MS));
      const whileDown = fleet.lines().length - before;
      await service.start();
      const backAt = performance.now();
      const atReturn = fleet.lines().length;
      await until(() => fleet.lines().length > atReturn, ENDED_MS_MAX);
      const resumedMs = performance.now() - backAt;
      await new Promise((resolve) => setTimeout(resolve, 1000));
      load.over = true;
      const sent = await sending;
      await until(() => allEnded(sent, fleet.lines()), ENDED_MS_MAX);
      await fleet.stop();
      // What was under way when the server went may be done again, by whichever process.
      const disturbed = new Set(fleet.members.map((member) => member.start));
      const { breaches, acknowledged, repeated } = check(sent, fleet.lines(), disturbed);
      t.diagnostic(
        `${acknowledged} acknowledged, ${whileDown} handler lines while it was down, outcomes again after ${resumedMs.toFixed()} ms, ` +
          `${repeated} invocations repeated; answers: ${statuses(sent)}`,
      );
      assert.deepEqual(breaches.slice(0, 10), []);
      assert.ok(resumedMs < RESUME_MS_MAX, `resumed after ${resumedMs.toFixed()} ms`);
      // A broker is not in the way of a webhook: only the store's absence may be felt by senders.
      if (killed === queue) assert.deepEqual([...sent.statuses.keys()], [200]);
    });
  }
});

describe('a fleet on a JetStream cluster of three', () => {
  const backends = new Backends();
  testNeeding(needs('postgres', 'nats'), 'works on when the node that leads is killed', async (t) => {
    const random = new Seeded();
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-nats-cluster-'));
    const nodes = await natsCluster(directory);
    t.after(async () => {
      await Promise.all(nodes.map((node) => node.kill()));
      rmSync(directory, { recursive: true, force: true });
    });
    await Promise.all(nodes.map((node) => node.start()));
    const servers = nodes.map(({ url }) => new URL(url).host);
    const queue = `${nodes[0]?.url}?replicas=3&servers=${servers.join(',')}`;
    const options = { store: await backends.store('postgres'), queue, leaseMs: LONG_LEASE_MS, handlerMs: 0 };
    const fleet = await Fleet.start(t, options, { gateways: 1, workers: 2 });
    const load = new Going({ keys: 16, random, signal: t.signal, each: Number.POSITIVE_INFINITY });
    const sending = send(fleet, load);
    await until(() => fleet.lines().length > 200, ENDED_MS_MAX);
    await nodes[await leaderAt(nodes[1]?.url ?? '')]?.kill();
    const before = fleet.lines().length;
    const killedAt = performance.now();
    await until(() => fleet.lines().length > before + 20, RESUME_MS_MAX);
    const resumedMs = performance.now() - killedAt;
    await new Promise((resolve) => setTimeout(resolve, DOWN_MS));
    load.over = true;
    const sent = await sending;
    await until(() => allEnded(sent, fleet.lines()), ENDED_MS_MAX);
    await fleet.stop();
    const { breaches, acknowledged, unexplained } = check(sent, fleet.lines(), fleet.killed);
    t.diagnostic(
      `${acknowledged} acknowledged, outcomes again after ${resumedMs.toFixed()} ms; answers: ${statuses(sent)}`,
    );
    assert.deepEqual(breaches.slice(0, 10), []);
    assert.equal(unexplained, 0);
    assert.ok(resumedMs < RESUME_MS_MAX);
    assert.deepEqual([...sent.statuses.keys()], [200]);
  });
});

/** Which node leads the stream, by its number. */
async function leaderAt(url: string): Promise<number> {
  const connection = await connect({ servers: new URL(url).host });
  try {
    const { cluster } = await (await jetstreamManager(connection)).streams.info('HOLDFAST');
    return Number(/\d/.exec(cluster?.leader ?? '')?.[0]);
  } finally {
    await connection.close();
  }
}

/** Goes on until it is told to end. */
class Going implements Load {
  readonly keys: number;
  readonly random: Seeded;
  readonly signal: AbortSignal;
  readonly each: number;
  /** A load, not a measurement: with all that a machine has it would be in the way of the tests beside it. */
  readonly pauseMs = 25;
  over = false;

  constructor({ keys, random, signal, each }: Load) {
    this.keys = keys;
    this.random = random;
    this.signal = signal;
    this.each = each;
  }
}

function statuses(sent: Sent): string {
  return [...sent.statuses].map(([status, count]) => `${count} × ${status === 0 ? 'none' : status}`).join(', ');
}

/** Removes what a server keeps, not its folder. */
function wipe(directory: string): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true, force: true });
  assert.ok(statSync(directory).isDirectory());
}
