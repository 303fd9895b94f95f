import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { describe, it, type TestContext } from 'node:test';
import type { Clock } from '../../core/clock.ts';
import { TestClock } from '../../testing/clock.ts';
import { Builder, settlement } from '../../testing/conformance/build.ts';
import type { Claim, Retention, Store } from '../store.ts';
import { idMaker, scratch } from './harness.ts';
import { sqliteStore } from './index.ts';

const RETENTION: Retention = { bodiesMs: 500, eventsMs: 1_000, unmatchedMs: 1_000, deadLettersMs: null };
const EACH = 5;

/** An empty store on a clock that stands still. */
async function opened(t: TestContext): Promise<{ path: string; store: Store; clock: TestClock; build: Builder }> {
  const { path, remove } = scratch();
  const clock = new TestClock();
  const store = sqliteStore({ path, clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' });
  t.after(async () => {
    await store.work.close();
    remove();
  });
  await store.work.open();
  return { path, store, clock, build: new Builder(clock) };
}

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

describe('a chunk from a clock that was ahead', () => {
  it('holds back nothing that came after it, also after a restart', async (t) => {
    const { path, remove } = scratch();
    const clock = new TestClock();
    const open = async (): Promise<Store> => {
      const store = sqliteStore({ path, clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' });
      await store.work.open();
      return store;
    };
    const build = new Builder(clock);
    let store = await open();
    t.after(async () => {
      await store.work.close();
      remove();
    });
    const append = (receivedAt: number, ...to: string[]): Promise<unknown> =>
      store.work.commit(build.batch({ appends: [{ events: [build.event({ receivedAt }, ...to)] }] }));
    await append(clock.now() + 30 * 86_400_000);
    await append(clock.now(), 'till');
    clock.advance(1_000);
    await steps(store, clock, 10);
    await store.work.close();
    store = await open();
    await append(clock.now());
    clock.advance(1_000);
    await steps(store, clock, 10);
    assert.equal((await store.history.counts()).events, 2);
  });
});

describe('a file of which most is free', () => {
  it('gives that back while there is something to purge, and not a little every minute', async (t) => {
    const { path, store, clock, build } = await opened(t);
    for (let made = 0; made < 8; made++) {
      const events = [build.event({ body: new Uint8Array(randomBytes(1024 * 1024)) })];
      await store.work.commit(build.batch({ appends: [{ events }] }));
    }
    clock.advance(1_000);
    await steps(store, clock, 1_000);
    const database = new DatabaseSync(path, { readOnly: true });
    const pages = Number(Object.values(database.prepare('PRAGMA page_count').get() ?? {})[0]);
    database.close();
    assert.ok(pages < 256, `${pages} pages are left`);
  });
});

describe('deliveries that are held too long', () => {
  it('die also behind what was committed while the clock was ahead', async (t) => {
    const { store, clock, build } = await opened(t);
    for (const now of [clock.now() + 365 * 86_400_000, clock.now()]) {
      const events = [build.event({}, 'till'), build.event({ orderKey: 'k' }, 'till')];
      await store.work.commit(build.batch({ now, appends: [{ events }] }));
    }
    clock.advance(2_000);
    const heldBefore = [{ destination: 'till', before: clock.now() - 1_000 }];
    const retention = { bodiesMs: null, eventsMs: null, unmatchedMs: null, deadLettersMs: null };
    const { held } = await store.work.purge({ now: clock.now(), retention, heldBefore, limit: 100 });
    assert.equal(held, 2);
  });
});

describe('what goes from a page in which others are open', () => {
  it('leaves claims their deliveries, and cursors what they have not come to', async (t) => {
    const { store, clock, build } = await opened(t);
    const claim = async (slots: number): Promise<readonly Claim[]> => {
      const wants = [{ destination: 'till', slots, bytesMax: 1e9 }];
      return (await store.work.claim({ now: clock.now(), leaseMs: 1e7, wants })).claims;
    };
    const succeed = (claims: readonly Claim[]): Promise<unknown> =>
      store.work.commit(build.batch({ settlements: claims.map((one) => settlement(one, build.succeeded())) }));
    const events = Array.from({ length: 6 }, () => build.event({}, 'till'));
    const ids = events.map(({ event }) => event.id);
    await store.work.commit(build.batch({ appends: [{ events }] }));
    await succeed(await claim(2));
    clock.advance(2_000);
    const held = await claim(2);
    const purged = await store.work.purge({ now: clock.now(), retention: RETENTION, heldBefore: [], limit: 100 });
    assert.equal(purged.events, 2);
    const rest = await claim(6);
    assert.deepEqual(
      rest.map(({ event }) => event.id),
      ids.slice(4),
    );
    await succeed(held);
    const { rows } = await store.history.deliveries({}, { limit: 10, oldestFirst: true });
    assert.deepEqual(
      rows.map(({ eventId, state }) => [eventId, state]),
      ids.slice(2).map((id, index) => [id, index < 2 ? 'succeeded' : 'claimed']),
    );
    await succeed(rest);
    clock.advance(2_000);
    assert.equal((await steps(store, clock, 10)).length, 1);
    const { events: left, destinations } = await store.history.counts();
    assert.equal(left, 0);
    assert.equal(destinations[0]?.ready, 0);
  });
});

describe('repeats of an event that is gone', () => {
  it('leave nothing behind that retention does not find', async (t) => {
    const { path, store, clock, build } = await opened(t);
    const append = (dedupeKey: string): Promise<unknown> => {
      const events = [build.event({ dedupeKey, dedupeWindowMs: 1e7 }, 'till')];
      return store.work.commit(build.batch({ appends: [{ events }] }));
    };
    const kept = (): unknown => {
      const database = new DatabaseSync(path, { readOnly: true });
      const row = database.prepare('SELECT count(*) AS rows FROM duplicate').get();
      database.close();
      return row?.['rows'];
    };
    await append('gone');
    await append('gone');
    assert.equal(kept(), 1);
    const wants = [{ destination: 'till', slots: 1, bytesMax: 1e9 }];
    const { claims } = await store.work.claim({ now: clock.now(), leaseMs: 1e7, wants });
    await store.work.commit(build.batch({ settlements: claims.map((one) => settlement(one, build.succeeded())) }));
    for (const key of ['open', 'newest']) await append(key);
    clock.advance(2_000);
    await steps(store, clock, 10);
    assert.equal(kept(), 0);
    await append('gone');
    assert.equal(kept(), 0);
    for (const key of ['open', 'newest']) await append(key);
    assert.equal(kept(), 2);
    assert.equal((await store.history.counts()).sources[0]?.duplicates, 4);
  });
});
