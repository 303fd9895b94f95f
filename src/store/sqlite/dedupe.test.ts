import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestClock } from '../../testing/clock.ts';
import { Builder } from '../../testing/conformance/build.ts';
import type { Store } from '../store.ts';
import { copyDatabase, idMaker, scratch } from './harness.ts';
import { sqliteStore } from './index.ts';

const BUCKET_KEYS = 512;

/** Commits an event for each key; answers which of them were duplicates, and of what. */
async function accept(store: Store, build: Builder, keys: readonly number[]): Promise<(string | null)[]> {
  const appends = keys.map((key) => ({
    events: [build.event({ dedupeKey: `key ${key}`, text: `body ${key}`, dedupeWindowMs: 1_000_000 })],
  }));
  const answers = await store.work.commit(build.batch({ appends }));
  return answers.appends.map((answer) => {
    assert.ok(answer.status === 'committed');
    const [one] = answer.events;
    assert.ok(one);
    assert.ok(one.status === 'committed' || !one.differs);
    return one.status === 'duplicate' ? one.eventId : null;
  });
}

describe('dedupe keys', () => {
  it('are found again in memory, in runs, while a run is written, and after a crash', async (t) => {
    const { path, remove } = scratch();
    t.after(remove);
    const clock = new TestClock();
    const build = new Builder(clock);
    const open = async (at: string): Promise<Store> => {
      const options = { clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' } as const;
      const store = sqliteStore({ path: at, bucketKeys: BUCKET_KEYS, ...options });
      await store.work.open();
      return store;
    };
    let store = await open(path);
    let seen = 0;
    for (let round = 0; round < 60; round++) {
      const fresh = Array.from({ length: 100 }, (_, index) => seen + index);
      assert.ok(
        (await accept(store, build, fresh)).every((first) => first === null),
        `round ${round}: a key was known`,
      );
      seen += fresh.length;
      const again = Array.from({ length: 100 }, (_, index) => (index * 37 + round * 101) % seen);
      assert.ok(
        (await accept(store, build, again)).every((first) => first !== null),
        `round ${round}: a key was lost`,
      );
      if (round % 7 !== 6) continue;
      const copy = `${path}-${round}`;
      copyDatabase(path, copy);
      const crashed = await open(copy);
      const known = await accept(
        crashed,
        build,
        Array.from({ length: seen }, (_, key) => key),
      );
      assert.equal(known.filter((first) => first === null).length, 0, `round ${round}: keys were lost in a crash`);
      await crashed.work.close();
    }
    await store.work.close();
    store = await open(path);
    const known = await accept(
      store,
      build,
      Array.from({ length: seen }, (_, key) => key),
    );
    assert.equal(known.filter((first) => first === null).length, 0);
    assert.equal(new Set(known).size, seen, 'two keys have the same first event');
    await store.work.close();
  });

  it('go with their run when the last of them has expired, and are new then', async (t) => {
    const { path, remove } = scratch();
    t.after(remove);
    const clock = new TestClock();
    const build = new Builder(clock);
    const options = { clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' } as const;
    const store = sqliteStore({ path, bucketKeys: BUCKET_KEYS, ...options });
    await store.work.open();
    const keys = Array.from({ length: 4 * BUCKET_KEYS }, (_, key) => key);
    for (let at = 0; at < keys.length; at += 128) await accept(store, build, keys.slice(at, at + 128));
    clock.advance(1_000_000);
    const retention = { bodiesMs: null, eventsMs: null, unmatchedMs: null, deadLettersMs: null };
    let gone = 0;
    for (let more = true; more;) {
      const answer = await store.work.purge({ now: clock.now(), retention, heldBefore: [], limit: 1_000 });
      gone += answer.dedupeKeys;
      ({ more } = answer);
    }
    assert.ok(gone >= 2 * BUCKET_KEYS, `only ${gone} keys went`);
    // Few at a time: most come while a run is written, where the filter of one that went still is.
    for (let at = 0; at < keys.length; at += 32) {
      assert.ok((await accept(store, build, keys.slice(at, at + 32))).every((first) => first === null));
    }
    await store.work.close();
  });
});
