import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { statSync, symlinkSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, it, type TestContext } from 'node:test';
import { HoldfastError } from '../../errors.ts';
import { TestClock } from '../../testing/clock.ts';
import { Builder, settlement } from '../../testing/conformance/build.ts';
import { runCase, storeConformance } from '../../testing/conformance/index.ts';
import { type Store, StoreError } from '../store.ts';
import { connectWriter } from './connection.ts';
import { Executor, ScriptError } from './executor.ts';
import { toStoreError } from './failure.ts';
import { asFormat, copyDatabase, idMaker, processorMs, scratch, sqliteHarness } from './harness.ts';
import { sqliteStore, type SqliteOptions } from './index.ts';

interface Opened {
  readonly store: Store;
  readonly build: Builder;
  readonly path: string;
  readonly clock: TestClock;
}

/** A store in a directory of its own, gone with the test. */
async function opened(t: TestContext, more: Partial<SqliteOptions> = {}): Promise<Opened> {
  const { path, remove } = scratch();
  const clock = new TestClock();
  const store = sqliteStore({ path, clock, ids: idMaker(clock), writer: 'inline', ...more });
  t.after(async () => {
    await store.work.close();
    remove();
  });
  await store.work.open();
  return { store, build: new Builder(clock), path, clock };
}

const hasCode = (code: string) => (error: unknown) => error instanceof HoldfastError && error.code === code;

describe('ownership', () => {
  it('is of one store at a time, told at once, and free again after closing', async (t) => {
    const { store, path, clock } = await opened(t);
    const second = sqliteStore({ path, clock, ids: idMaker(clock) });
    await assert.rejects(second.work.open(), hasCode('store_owned'));
    await store.work.close();
    await second.work.open();
    await second.work.close();
  });

  it('is of the file, whatever links to it', async (t) => {
    const { path, clock } = await opened(t);
    symlinkSync('store.db', `${path}.link`);
    const second = sqliteStore({ path: `${path}.link`, clock, ids: idMaker(clock) });
    t.after(() => second.work.close());
    await assert.rejects(second.work.open(), hasCode('store_owned'));
  });

  it('keeps another process out', async (t) => {
    const { path } = await opened(t);
    const index = new URL('index.ts', import.meta.url).href;
    const program = `
      const { sqliteStore } = await import(${JSON.stringify(index)});
      const clock = { now: () => Date.now(), monotonic: () => 0, schedule: () => ({ cancel() {} }) };
      const store = sqliteStore({ path: ${JSON.stringify(path)}, clock, ids: { startAfter() {} } });
      await store.work.open().catch((error) => { process.stdout.write(error.code); });`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
    assert.equal(stdout, 'store_owned');
  });
});

describe('what an acknowledgement means', () => {
  it('is read back from SQLite', async (t) => {
    const { store, path } = await opened(t);
    const report = await store.work.open();
    const { journal_mode: mode, synchronous, fullfsync } = report.settings;
    assert.deepEqual({ mode, synchronous, fullfsync }, { mode: 'wal', synchronous: 'FULL', fullfsync: 1 });
    assert.deepEqual([report.durability, report.copies, report.unclean], ['power-cut', 1, false]);
    assert.equal(statSync(path).mode & 0o777, 0o600);
  });

  it('says so when it is weaker', async (t) => {
    const { store } = await opened(t, { synchronous: 'NORMAL' });
    const report = await store.work.open();
    assert.equal(report.durability, 'process-crash');
    assert.match(report.ackMeaning, /NORMAL/);
  });
});

describe('opening', () => {
  it('refuses a file of a newer format that this version cannot read', async (t) => {
    const { store, path, clock } = await opened(t);
    await store.work.close();
    const database = new DatabaseSync(path);
    database.exec("UPDATE meta SET value = 99 WHERE key IN ('format', 'oldestReader')");
    database.close();
    await assert.rejects(sqliteStore({ path, clock, ids: idMaker(clock) }).work.open(), hasCode('store_format'));
  });

  it('refuses a database that is not a store', async (t) => {
    const { path, remove } = scratch();
    t.after(remove);
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE songs (title TEXT)');
    database.close();
    const clock = new TestClock();
    await assert.rejects(sqliteStore({ path, clock, ids: idMaker(clock) }).work.open(), hasCode('store_corrupt'));
  });

  it('reports an unclean stop once', async (t) => {
    const { store, path, clock, build } = await opened(t);
    await store.work.commit(build.batch({ appends: [{ events: [build.event({}, 'till')] }] }));
    copyDatabase(path, `${path}-copy`);
    for (const unclean of [true, false]) {
      const again = sqliteStore({ path: `${path}-copy`, clock, ids: idMaker(clock), writer: 'inline' });
      assert.equal((await again.work.open()).unclean, unclean);
      await again.work.close();
    }
  });
});

describe('a commit', () => {
  it('that finds the disk full leaves nothing behind, and can be made when there is room', (t) => {
    const { path, remove } = scratch();
    t.after(remove);
    const database = connectWriter(path, 'OFF');
    t.after(() => database.close());
    database.exec('CREATE TABLE body (seq INTEGER PRIMARY KEY, data BLOB NOT NULL)');
    const executor = new Executor(database);
    const steps = [{ statement: 'insertBody' as const, params: [1, new Uint8Array(1_000_000)] }];
    const script = { begin: true, steps, commit: true };
    // What a full disk answers, without filling one.
    database.exec('PRAGMA max_page_count = 10');
    assert.throws(
      () => executor.run(script),
      (error) => {
        assert.ok(error instanceof ScriptError);
        const { code, message, rolledBack } = error.failure;
        const told = toStoreError(Object.assign(new Error(message), { errcode: code }), rolledBack);
        return told instanceof StoreError && told.failure === 'unavailable';
      },
    );
    assert.equal(database.prepare('SELECT count(*) AS rows FROM body').get()?.['rows'], 0);
    database.exec('PRAGMA max_page_count = 1000000');
    executor.run(script);
    assert.equal(database.prepare('SELECT count(*) AS rows FROM body').get()?.['rows'], 1);
  });

  it('whose I/O fails, or that cannot be taken back, is fatal', () => {
    const failure = (code: number, rolledBack: boolean): unknown => {
      const told = toStoreError(Object.assign(new Error('told by SQLite'), { errcode: code }), rolledBack);
      return told instanceof StoreError ? told.failure : told;
    };
    const [ioError, fsyncError, full, busy] = [10, 10 | (4 << 8), 13, 5];
    assert.deepEqual([failure(ioError, true), failure(fsyncError, true)], ['fatal', 'fatal']);
    assert.deepEqual([failure(full, true), failure(busy, true)], ['unavailable', 'unavailable']);
    assert.deepEqual([failure(full, false), failure(busy, false)], ['fatal', 'fatal']);
  });

  for (const label of ['after-append', 'before-commit', 'after-commit'] as const) {
    it(`that dies ${label} is there whole or not at all`, async (t) => {
      const first = await opened(t, { failpoint: (at) => void (at === label && copyDatabase(first.path, crashed())) });
      const crashed = (): string => `${first.path}-crashed`;
      const { store, build, clock } = first;
      const event = build.event({ dedupeKey: 'k' }, { destination: 'till', handOff: 'start' });
      await store.work.commit(build.batch({ appends: [{ events: [event] }] }));
      const again = sqliteStore({ path: crashed(), clock, ids: idMaker(clock), writer: 'inline' });
      await again.work.open();
      const { rows } = await again.history.deliveries({}, { limit: 10 });
      const isThere = label === 'after-commit';
      assert.deepEqual(
        rows.map(({ state, crashes }) => [state, crashes]),
        isThere ? [['ready', 1]] : [],
      );
      const { appends } = await again.work.commit(
        build.batch({ appends: [{ events: [build.event({ dedupeKey: 'k' })] }] }),
      );
      const [answer] = appends[0]?.status === 'committed' ? appends[0].events : [];
      assert.equal(answer?.status, isThere ? 'duplicate' : 'committed');
      await again.work.close();
    });
  }

  it('in a thread keeps every promise that one on the event loop keeps', async () => {
    const cases = storeConformance.filter((_, index) => index % 24 === 0);
    for (const item of cases) await runCase(item, () => sqliteHarness({ writer: 'thread' }));
  });
});

describe('an event whose id is lower than one committed before', () => {
  it('is found by its id, and is no other event', async (t) => {
    const { store, build } = await opened(t);
    const [late, early] = [build.event({ text: 'late' }, 'till'), build.event({ text: 'early' }, 'till')];
    await store.work.commit(build.batch({ appends: [{ events: [early] }] }));
    await store.work.commit(build.batch({ appends: [{ events: [late] }] }));
    for (const { event } of [late, early]) {
      assert.deepEqual((await store.history.event(event.id))?.event.body, event.body);
    }
    const again = await store.work.commit(build.batch({ appends: [{ events: [late] }, { events: [early] }] }));
    const refused = { status: 'refused', reason: 'conflict' };
    assert.deepEqual(again.appends, [refused, refused]);
  });
});

describe('order keys', () => {
  it('with 40,000 waiting on one key are claimed and settled at the price of one', async (t) => {
    const { store, build, clock } = await opened(t, { synchronous: 'OFF' });
    for (let made = 0; made < 40; made++) {
      const events = Array.from({ length: 1_000 }, () => build.event({ orderKey: 'k' }, 'till'));
      await store.work.commit(build.batch({ appends: [{ events }] }));
    }
    const wants = [{ destination: 'till', slots: 100, bytesMax: 1e9 }];
    const start = processorMs();
    for (let round = 0; round < 100; round++) {
      const { claims } = await store.work.claim({ now: clock.now(), leaseMs: 1_000, wants });
      assert.equal(claims.length, 1);
      const [claim] = claims;
      assert.ok(claim);
      await store.work.commit(build.batch({ settlements: [settlement(claim, build.succeeded())] }));
    }
    // A scan of what waits would take a hundred times as long.
    assert.ok(processorMs() - start < 2_000, 'one claim with its settlement takes more than 20 ms');
  });
});

describe('exchanges', () => {
  it('go with their events, and are read from a store that an older release made', async (t) => {
    const { store, build, path, clock } = await opened(t);
    const answered = build.attempt({ status: 200, exchange: build.exchange() });
    const commitAll = async (rows: Parameters<Builder['batch']>[0]): Promise<void> => {
      await store.work.commit(build.batch(rows));
    };
    await commitAll({ appends: [{ events: [build.event({}, 'crm'), build.event({}, 'crm')] }] });
    const claimed = async () => {
      const wants = [{ destination: 'crm', slots: 9, bytesMax: 1e6 }];
      return (await store.work.claim({ now: clock.now(), leaseMs: 60_000, wants })).claims;
    };
    for (const claim of await claimed()) {
      await commitAll({
        settlements: [settlement(claim, { kind: 'retry', delayMs: 0, spends: true, attempt: answered })],
      });
    }
    const [first, second] = await claimed();
    assert.ok(first && second);
    await commitAll({ settlements: [settlement(first, { kind: 'succeeded', attempt: { ...answered, number: 2 } })] });
    clock.advance(1_000);
    const retention = { bodiesMs: null, eventsMs: 500, unmatchedMs: null, deadLettersMs: null };
    await store.work.purge({ now: clock.now(), retention, heldBefore: [], limit: 100 });
    assert.equal((await store.history.attempts(second.deliveryId)).length, 1);
    await store.work.close();
    const database = new DatabaseSync(path);
    assert.equal(database.prepare('SELECT count(*) AS kept FROM exchange').get()?.['kept'], 1);
    database.close();
    asFormat(path, 1);
    await store.work.open();
    assert.deepEqual(
      (await store.history.attempts(second.deliveryId)).map(({ exchange }) => exchange),
      [null],
    );
  });
});
