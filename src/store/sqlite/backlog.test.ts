import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestClock } from '../../testing/clock.ts';
import { Builder, settlement } from '../../testing/conformance/build.ts';
import type { ClaimAnswer, Store } from '../store.ts';
import { copyDatabase, idMaker, processorMs, scratch } from './harness.ts';
import { sqliteStore } from './index.ts';

const EVENTS = 100_000;

describe('a backlog', () => {
  it('of 100,000 deliveries is opened, claimed and settled at the price of a small one', async (t) => {
    const { path, remove } = scratch();
    t.after(remove);
    const clock = new TestClock();
    const build = new Builder(clock);
    const options = { clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' } as const;
    const filling = sqliteStore({ path, ...options });
    await filling.work.open();
    const model = build.event({ text: 'x'.repeat(200) }, 'till');
    const ids = idMaker(clock);
    for (let made = 0; made < EVENTS; made += 1_000) {
      const events = Array.from({ length: 1_000 }, () => ({
        ...model,
        event: { ...model.event, id: ids.make('evt') },
      }));
      await filling.work.commit(build.batch({ appends: [{ events }] }));
    }
    copyDatabase(path, `${path}-crashed`);
    await filling.work.close();

    const store = sqliteStore({ path: `${path}-crashed`, ...options });
    const start = processorMs();
    await store.work.open();
    assert.ok(processorMs() - start < 1_000, 'opening takes more than a second');
    assert.equal((await store.history.counts()).destinations[0]?.ready, EVENTS);

    const first = await drain({ store, build, clock }, 10);
    await drain({ store, build, clock }, 300);
    const last = await drain({ store, build, clock }, 10);
    assert.ok(last < first * 5 + 100, `ten claims took ${first} ms at first and ${last} ms behind 30,000 others`);
    await store.work.close();
  });

  it('of thousands of retries that are due hides no first attempt', async (t) => {
    const { path, remove } = scratch();
    t.after(remove);
    const clock = new TestClock();
    const build = new Builder(clock);
    const store = sqliteStore({ path, clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' });
    await store.work.open();
    t.after(() => store.work.close());
    const events = Array.from({ length: 10_000 }, () => build.event({}, 'till'));
    await store.work.commit(build.batch({ appends: [{ events }] }));
    const claim = (want: object): Promise<ClaimAnswer> => {
      const wants = [{ destination: 'till', slots: 20_000, bytesMax: 1e9, ...want }];
      return store.work.claim({ now: clock.now(), leaseMs: 60_000, wants });
    };
    const { claims } = await claim({});
    await store.work.commit(build.batch({ settlements: claims.map((one) => settlement(one, build.retry(0))) }));
    const late = [build.event({}, 'till'), build.event({}, 'till')];
    await store.work.commit(build.batch({ appends: [{ events: late }] }));
    const found = await claim({ slots: 64, firsts: true });
    assert.deepEqual(
      found.claims.map(({ event }) => event.id),
      late.map(({ event }) => event.id),
    );
    assert.deepEqual(found.more, ['till']);
    assert.equal((await claim({})).claims.length, events.length);
  });
});

/** Claims and settles, a hundred at a time; answers the milliseconds of the processor that it took. */
async function drain(
  { store, build, clock }: { store: Store; build: Builder; clock: TestClock },
  rounds: number,
): Promise<number> {
  const wants = [{ destination: 'till', slots: 100, bytesMax: 1e9 }];
  const start = processorMs();
  for (let round = 0; round < rounds; round++) {
    const answer: ClaimAnswer = await store.work.claim({ now: clock.now(), leaseMs: 60_000, wants });
    assert.equal(answer.claims.length, 100);
    assert.deepEqual(answer.more, ['till']);
    const settlements = answer.claims.map((claim) => settlement(claim, build.succeeded()));
    await store.work.commit(build.batch({ settlements }));
  }
  return processorMs() - start;
}
