import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Committer } from '../commit/committer.ts';
import { silentObserver } from '../core/observer.ts';
import { memoryStore } from '../store/memory.ts';
import { TestClock } from '../testing/clock.ts';
import { Group } from './group.ts';
import { Holds, SEEN_MS } from './holds.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';

/** The holds of one process, whose reads of the store are answered when the test says so; and what its lane was told. */
async function world() {
  const clock = new TestClock();
  const { work, registry } = memoryStore({ clock });
  await work.open();
  const told: string[] = [];
  const lane = {
    destination: { name: 'crm' },
    pause: () => void told.push('pause'),
    resume: () => void told.push('resume'),
  } as unknown as Lane;
  let slow: Promise<void> | null = null;
  const holds = new Holds({
    registry: {
      ...registry,
      list: async (kind) => {
        const rows = await registry.list(kind);
        await slow;
        return rows;
      },
    },
    committer: { write: (write: Parameters<Committer['write']>[0]) => registry.put(write) } as Committer,
    clock,
    observer: silentObserver,
    lanes: {
      has: () => true,
      fixed: () => new Set<string>(),
      awake: (name: string) => (name === 'crm' ? lane : undefined),
    } as unknown as Lanes,
    group: new Group(null),
  });
  await holds.start();
  const elsewhere = async (name: string, by: string | null): Promise<void> => {
    const value = by === null ? null : { by, at: clock.now() };
    await registry.put({ kind: 'pause', key: name, value, ifVersion: null });
    await clock.advanceSlowly(5000);
  };
  const slowly = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    slow = promise;
    return () => {
      slow = null;
      resolve();
    };
  };
  return { clock, holds, told, elsewhere, slowly };
}

test('what another process paused or resumed is so here within five seconds', async () => {
  const { holds, told, elsewhere } = await world();
  await elsewhere('crm', 'anna');
  assert.equal(holds.pauseOf('crm')?.by, 'anna');
  await elsewhere('crm', null);
  assert.equal(holds.pauseOf('crm'), null);
  assert.deepEqual(told, ['pause', 'resume']);
  holds.stop();
});

test('a pause, and the end of one, outlasts a read that began before it', async () => {
  const { clock, holds, told, elsewhere, slowly } = await world();
  await holds.pause('ledger', 'anna');
  const answer = slowly();
  await elsewhere('billing', 'ben');
  await holds.pause('crm', 'anna');
  await holds.resume('ledger', 'anna');
  answer();
  await clock.advanceSlowly(5000);
  assert.deepEqual(
    ['billing', 'crm', 'ledger'].map((name) => holds.pauseOf(name)?.by),
    ['ben', 'anna', undefined],
  );
  assert.deepEqual(told, ['pause'], 'the lane has not gone on for a moment');
  holds.stop();
});

test('a destination of another process is not absent before that could have been heard', async () => {
  const clock = new TestClock();
  const { work, registry } = memoryStore({ clock, shared: true });
  await work.open();
  await registry.put({ kind: 'destination', key: 'till', value: { at: clock.now() }, ifVersion: null });
  const holds = new Holds({
    registry,
    committer: { write: (write: Parameters<Committer['write']>[0]) => registry.put(write) } as Committer,
    clock,
    observer: silentObserver,
    lanes: { has: () => false, disabledSince: () => null, fixed: () => new Set<string>() } as unknown as Lanes,
    group: new Group(null),
  });
  await holds.start();
  const held = (): string[] => holds.heldSinceBefore(clock.now() - 60_000, ['till']);
  // It says that it is there each hour, and was read just before.
  clock.advance(2 * SEEN_MS);
  assert.deepEqual(held(), []);
  clock.advance(2 * SEEN_MS);
  assert.deepEqual(held(), ['till']);
  holds.stop();
});
