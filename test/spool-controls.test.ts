import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SpoolTarget } from '../src/commit/spool/drain.ts';
import { Spool } from '../src/commit/spool/spool.ts';
import { silentObserver } from '../src/core/observer.ts';
import { HoldfastError } from '../src/errors.ts';
import { systemClock } from '../src/gateway/clock.ts';
import type { SpoolFile } from '../src/store/spool.ts';
import { copyDatabase } from '../src/store/sqlite/harness.ts';
import { sqliteSpool } from '../src/store/sqlite/spool.ts';
import { Builder } from '../src/testing/conformance/build.ts';
import { spoolFolder } from './spool-world.ts';

/** What is wrong with a spool in a control. */
type Flaw = 'none' | 'acknowledges before its commit' | 'deletes before the append';

function flawed(file: SpoolFile, flaw: Flaw): SpoolFile {
  const bound: SpoolFile = {
    open: () => file.open(),
    put: (appends) => file.put(appends),
    next: (...most) => file.next(...most),
    offer: (place) => file.offer(place),
    remove: (rows) => file.remove(rows),
    setAside: (...row) => file.setAside(...row),
    takeBack: () => file.takeBack(),
    asideRows: () => file.asideRows(),
    find: (id) => file.find(id),
    counts: () => file.counts(),
    close: () => file.close(),
  };
  if (flaw === 'acknowledges before its commit') {
    return { ...bound, put: () => Promise.resolve() }; // As when the process dies before the write.
  }
  if (flaw === 'none') return bound;
  return {
    ...bound,
    next: async (...most) => {
      const rows = await file.next(...most);
      await file.remove(rows);
      return rows;
    },
  };
}

/** Spools events, begins to move them, and dies in the middle of it. Answers what was acknowledged and never got there. */
async function lostBy(flaw: Flaw): Promise<readonly string[]> {
  const folder = spoolFolder();
  const build = new Builder(systemClock);
  const stored = new Set<string>();
  const acknowledged: string[] = [];
  const spoolOf = (file: SpoolFile): Spool =>
    new Spool({
      file,
      clock: systemClock,
      observer: silentObserver,
      bytesMax: 2 ** 30,
      diskLow: () => false,
      lost: () => assert.fail('the spool was lost'),
    });
  const target = (append: SpoolTarget['append']): SpoolTarget => ({
    isOpen: () => true,
    route: ({ event, dedupeWindowMs }) => ({ event, dedupeWindowMs, deliveries: [] }),
    routeLate: ({ event, dedupeWindowMs }) => ({ event, dedupeWindowMs, deliveries: [] }),
    append,
    isStored: (id) => Promise.resolve(stored.has(id)),
  });
  const file = sqliteSpool({ path: folder.path, clock: systemClock });
  const spool = spoolOf(flawed(file, flaw));
  await spool.open();
  spool.storeChanged(false);
  for (let index = 0; index < 30; index++) {
    const event = build.event({});
    await spool.append({ events: [event] });
    acknowledged.push(event.event.id);
  }
  // The first commit of the drain never ends: that is where the process dies.
  const reached = Promise.withResolvers<void>();
  const copy = `${folder.path}-after`;
  spool.attach(
    target(() => {
      reached.resolve();
      return Promise.reject(new HoldfastError('commit_unknown'));
    }),
  );
  if (file.counts().appends > 0) await reached.promise;
  copyDatabase(folder.path, copy);
  await spool.close();
  const after = spoolOf(sqliteSpool({ path: copy, clock: systemClock }));
  await after.open();
  after.attach(
    target(({ events }) => {
      for (const { event } of events) stored.add(event.id);
      return Promise.resolve({
        status: 'committed',
        events: events.map(({ event }) => ({ status: 'committed', eventId: event.id, claims: [] })),
      });
    }),
  );
  while (after.state.mode !== 'idle' || after.state.appends > 0) await new Promise((next) => setImmediate(next));
  await after.close();
  folder.remove();
  return acknowledged.filter((id) => !stored.has(id));
}

describe('a process that dies with a spool', () => {
  test('loses nothing that it acknowledged', async () => {
    assert.deepEqual(await lostBy('none'), []);
  });

  for (const flaw of ['acknowledges before its commit', 'deletes before the append'] as const) {
    test(`control: it loses events when it ${flaw}`, async () => {
      assert.equal((await lostBy(flaw)).length, 30);
    });
  }
});
