import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestClock } from '../testing/clock.ts';
import { Builder } from '../testing/conformance/build.ts';
import { lackingFor, runCase, storeConformance } from '../testing/conformance/index.ts';
import { memoryHarness, sharedMemoryHarness } from '../testing/memory-harness.ts';
import { type MemoryStore, memoryStore } from './memory.ts';

describe('memory store: conformance', () => {
  for (const [how, make] of [
    ['embedded', memoryHarness],
    ['shared', sharedMemoryHarness],
  ] as const) {
    it(`${how}: declines only what is of the other, and transactions, having no database to share`, async () => {
      const { capabilities } = await make();
      const lacking = new Set(storeConformance.flatMap((item) => lackingFor(item, capabilities)));
      assert.deepEqual(lacking, new Set([how === 'shared' ? 'embedded' : 'shared', 'transactions']));
    });
    for (const item of storeConformance) {
      const others = ['transactions', how === 'shared' ? 'embedded' : 'shared'];
      const declines = item.requires?.some((name) => others.includes(name)) === true;
      if (!declines) it(`${how}: ${item.name}`, () => runCase(item, make));
    }
  }
});

async function opened(): Promise<{ readonly store: MemoryStore; readonly build: Builder }> {
  const clock = new TestClock();
  const store = memoryStore({ clock });
  await store.work.open();
  return { store, build: new Builder(clock) };
}

describe('memory store', () => {
  it('says that nothing survives it', async () => {
    const { store } = await opened();
    assert.equal((await store.work.open()).durability, 'none');
  });

  it('refuses an event whose id it has, and an append that has one twice', async () => {
    const { store, build } = await opened();
    const events = [build.event({}, 'till')];
    const again = build.event({}, 'till');
    const batch = build.batch({ appends: [{ events }, { events }, { events: [again, again] }] });
    const conflict = { status: 'refused', reason: 'conflict' };
    const { appends } = await store.work.commit(batch);
    assert.deepEqual([appends[0]?.status, ...appends.slice(1)], ['committed', conflict, conflict]);
  });

  it('takes nothing before it is opened, and closes and crashes safely', async () => {
    const store = memoryStore({ clock: new TestClock() });
    const unavailable = { name: 'StoreError', failure: 'unavailable' };
    store.crash();
    await store.work.close();
    await assert.rejects(store.history.counts(), unavailable);
    assert.equal((await store.work.open()).unclean, false);
    store.crash();
    store.crash();
    await assert.rejects(store.registry.get('note', 'a'), unavailable);
    assert.equal((await store.work.open()).unclean, true);
  });

  it('remembers the token of its newest commit, and not of all', async () => {
    const { store, build } = await opened();
    const batches = Array.from({ length: 3 }, () => build.batch({ appends: [{ events: [build.event({})] }] }));
    for (const batch of batches) await store.work.commit(batch);
    for (const batch of batches.slice(1)) {
      assert.equal((await store.work.commit(batch)).appends[0]?.status, 'committed');
    }
    const [oldest] = batches;
    assert.ok(oldest !== undefined);
    assert.equal((await store.work.commit(oldest)).appends[0]?.status, 'refused');
  });

  it('claims and wakes rightly with twenty thousand deliveries waiting', async () => {
    const { store, build } = await opened();
    const now = build.batch({}).now;
    const waiting = { destination: 'till', dueAt: now + 60_000 };
    for (let round = 0; round < 20; round++) {
      const events = Array.from({ length: 500 }, () => build.event({ orderKey: 'k' }, waiting, 'ledger'));
      await store.work.commit(build.batch({ appends: [{ events }] }));
    }
    const { claims } = await store.work.claim({
      now,
      leaseMs: 1_000,
      wants: [{ destination: 'ledger', slots: 10_000, bytesMax: Number.MAX_SAFE_INTEGER }],
    });
    assert.equal(claims.length, 1);
    for (let round = 0; round < 2_000; round++) {
      assert.deepEqual((await store.work.wakeUps(['till'], now)).nextAt, now + 60_000);
    }
  });
});
