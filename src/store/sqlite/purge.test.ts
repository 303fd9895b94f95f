import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Clock } from '../../core/clock.ts';
import { TestClock } from '../../testing/clock.ts';
import { Builder } from '../../testing/conformance/build.ts';
import type { Retention, Store } from '../store.ts';
import { idMaker, scratch } from './harness.ts';
import { sqliteStore } from './index.ts';

const RETENTION: Retention = { bodiesMs: 500, eventsMs: 1_000, unmatchedMs: 1_000, deadLettersMs: null };
const EACH = 5;

/** A store with this many chunks of events that matched nothing, on a clock whose reading costs what `costMs` says. */
async function filled(
  t: TestContext,
  chunks: number,
  costMs: { ms: number },
): Promise<{ store: Store; clock: TestClock }> {
  const { path, remove } = scratch();
  const clock = new TestClock();
  let spent = 0;
  const slow: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic() + (spent += costMs.ms),
    schedule: (delayMs, run) => clock.schedule(delayMs, run),
  };
  const store = sqliteStore({ path, clock: slow, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' });
  t.after(async () => {
    await store.work.close();
    remove();
  });
  await store.work.open();
  const build = new Builder(clock);
  for (let made = 0; made < chunks; made++) {
    const events = Array.from({ length: EACH }, () => build.event({}));
    await store.work.commit(build.batch({ appends: [{ events }] }));
  }
  clock.advance(1_000);
  return { store, clock };
}

/** How many chunks each step purged. */
async function steps(store: Store, clock: TestClock, until: number): Promise<number[]> {
  const took: number[] = [];
  for (let more = true; more && took.length < until;) {
    const answer = await store.work.purge({ now: clock.now(), retention: RETENTION, heldBefore: [], limit: 100_000 });
    took.push(answer.events / EACH);
    more = answer.more;
  }
  return took;
}

describe('a step of retention', () => {
  it('takes more where it was quick, and one chunk at a time where it was slow', async (t) => {
    const cost = { ms: 0 };
    const { store, clock } = await filled(t, 400, cost);
    const quick = await steps(store, clock, 6);
    assert.deepEqual(
      quick.toSorted((a, b) => a - b),
      quick,
    );
    assert.ok((quick.at(-1) ?? 0) > (quick[0] ?? 0) * 3, quick.join());
    cost.ms = 4;
    const slow = await steps(store, clock, 6);
    assert.deepEqual(slow.slice(1), [1, 1, 1, 1, 1]);
    cost.ms = 0;
    const rest = await steps(store, clock, 1_000);
    assert.ok((rest.at(-2) ?? 0) > 10, rest.join());
    assert.equal(
      [...quick, ...slow, ...rest].reduce((sum, chunks) => sum + chunks, 0),
      400,
    );
    assert.equal((await store.history.counts()).events, 0);
  });
});
