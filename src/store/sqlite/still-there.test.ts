import assert from 'node:assert/strict';
import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { TestClock } from '../../testing/clock.ts';
import { Builder } from '../../testing/conformance/build.ts';
import { StoreError } from '../store.ts';
import { idMaker, scratch } from './harness.ts';
import { sqliteStore } from './index.ts';
import { sqliteSpool } from './spool.ts';

const isFatal = (error: unknown): boolean => error instanceof StoreError && error.failure === 'fatal';

const WAYS: Readonly<Record<string, (path: string) => void>> = {
  removed: (path) => rmSync(path),
  renamed: (path) => renameSync(path, `${path}.old`),
  replaced: (path) => {
    copyFileSync(path, `${path}.copy`);
    renameSync(`${path}.copy`, path);
  },
};

/** A clock and a path for one test. */
function place(t: TestContext): { path: string; clock: TestClock; build: Builder } {
  const { path, remove } = scratch();
  t.after(remove);
  const clock = new TestClock();
  return { path, clock, build: new Builder(clock) };
}

for (const [way, away] of Object.entries(WAYS)) {
  describe(`a database that is ${way} while it is in use`, () => {
    it('takes no event after a second at most', async (t) => {
      const { path, clock, build } = place(t);
      const store = sqliteStore({ path, clock, ids: idMaker(clock), writer: 'inline' });
      t.after(() => store.work.close());
      await store.work.open();
      const append = (): Promise<unknown> =>
        store.work.commit(build.batch({ appends: [{ events: [build.event({}, 'till')] }] }));
      clock.advance(1_000);
      await append();
      away(path);
      clock.advance(1_000);
      await assert.rejects(append(), isFatal);
      await assert.rejects(append(), isFatal);
    });

    it('takes no event as a spool either', async (t) => {
      const { path, clock, build } = place(t);
      const spool = sqliteSpool({ path, clock });
      t.after(() => spool.close());
      await spool.open();
      const put = (): Promise<void> => {
        const { event } = build.event({});
        return spool.put([{ events: [{ event, dedupeWindowMs: 0, dueAt: null }], doubtful: false }]);
      };
      clock.advance(1_000);
      await put();
      away(path);
      clock.advance(1_000);
      await assert.rejects(put(), isFatal);
      assert.equal(spool.counts().events, 1);
    });
  });
}
