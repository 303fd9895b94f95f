import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { base, handler, Rig, settle } from '../../test/dispatch-rig.ts';
import { silentObserver } from '../core/observer.ts';
import { IdMaker } from '../core/id.ts';
import { handlerChannel, hintsOf } from '../queue/hints.ts';
import { memoryQueue } from '../queue/memory.ts';
import { memoryStore } from '../store/memory.ts';
import { TestClock } from '../testing/clock.ts';
import { Builder } from '../testing/conformance/build.ts';
import { Broker } from './broker.ts';
import { ALONE, type Shared } from './shared.ts';

/** A worker of one attempt at a time, and what another process made ready and told the queue while it had nothing to do. */
async function told(count: number, body: Uint8Array): Promise<Rig> {
  const clock = new TestClock();
  const ids = new IdMaker({ now: () => clock.now(), fill: (bytes) => void crypto.getRandomValues(bytes) });
  const queue = memoryQueue({ clock });
  const broker = new Broker({ queue, clock, observer: silentObserver });
  await broker.open();
  const store = memoryStore({ clock, ids, shared: true });
  const slow = handler('slow', () => new Promise(() => undefined), { concurrency: { min: 1, max: 1 } });
  const rig = await new Rig([slow], { clock, store, broker }).start();
  await rig.advance(0);
  const build = new Builder(clock);
  const events = Array.from({ length: count }, () => build.event({ body }, 'slow'));
  await store.work.commit(build.batch({ appends: [{ events }] }));
  const made = (await store.history.deliveries({}, { limit: count, oldestFirst: true })).rows.map(({ id }) => id);
  const channel = handlerChannel('slow');
  await queue.push(hintsOf(made.map((id) => ({ channel, id }))));
  await rig.advance(0);
  await settle();
  return rig;
}

describe('a process with hints of more than it can do', () => {
  test('leaves to others what it could only keep', async () => {
    const rig = await told(1024, Buffer.from('{}'));
    const { rows } = await rig.store.history.deliveries({ states: ['ready'] }, { limit: 1024 });
    assert.ok(rows.length >= 1024 - 256, `${1024 - rows.length} are claimed by a process that does one at a time`);
  });

  test('has no more of it in memory than a few times what it may', async () => {
    const rig = await told(1024, new Uint8Array(32 * 1024));
    const { rows } = await rig.store.history.deliveries({ states: ['claimed'] }, { limit: 1024 });
    // Its budget is 1 MiB.
    assert.ok(rows.length <= 256, `${(rows.length * 32) / 1024} MiB are in memory`);
  });
});

test('what an endpoint is owed is told to the queue by a process that has no part of it, unless it is held', async () => {
  const clock = new TestClock();
  const queue = memoryQueue({ clock });
  const broker = new Broker({ queue, clock, observer: silentObserver });
  await broker.open();
  const runner = { isolation: 'endpoint', run: () => assert.fail(), close: () => Promise.resolve() } as const;
  // A gateway attempts nothing, and of a small endpoint only one of many processes does.
  const shared: Shared = { ...ALONE, alone: false, company: true, part: () => null };
  const held = new Set<string>();
  const rig = await new Rig([{ ...base, name: 'crm', runner }], {
    clock,
    broker,
    shared,
    store: memoryStore({ clock, shared: true }),
    paused: (name) => held.has(name),
  }).start();
  const channel = handlerChannel('crm');
  const waiting = async (): Promise<number | undefined> => (await queue.depth([channel]))[0]?.waiting;
  await rig.send(1);
  await settle();
  assert.equal(await waiting(), 1);
  held.add('crm');
  await rig.send(1);
  await settle();
  assert.equal(await waiting(), 1);
});
