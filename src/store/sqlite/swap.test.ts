import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { TestClock } from '../../testing/clock.ts';
import { Builder } from '../../testing/conformance/build.ts';
import { copyDatabase, idMaker } from './harness.ts';
import { sqliteStore } from './index.ts';
import { swap } from './swap.ts';

const clock = new TestClock();

/** The types of the events in a store. */
async function typesIn(path: string): Promise<string[]> {
  const store = sqliteStore({ path, clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' });
  await store.work.open();
  const { rows } = await store.history.events({}, { limit: 100 });
  await store.work.close();
  return rows.map(({ type }) => type);
}

/** A store with events of one type. `crashed`: all of them are in its log still. */
async function storeOf(path: string, type: string, crashed: boolean): Promise<void> {
  const made = crashed ? `${path}-made` : path;
  const store = sqliteStore({ path: made, clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' });
  const build = new Builder(clock);
  await store.work.open();
  for (let count = 0; count < 3; count++) {
    await store.work.commit(build.batch({ appends: [{ events: [build.event({ type }, 'till')] }] }));
  }
  if (crashed) copyDatabase(made, path);
  await store.work.close();
  for (const side of crashed ? ['', '-wal', '-shm', '.lock'] : ['.lock']) rmSync(made + side, { force: true });
}

async function prepared(t: TestContext): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  await storeOf(join(directory, 'store.db'), 'old', true);
  await storeOf(join(directory, 'new.db'), 'new', false);
  assert.ok(existsSync(join(directory, 'store.db-wal')));
  return directory;
}

test('a crash at any point of a swap leaves the old store whole, or the new one', async (t) => {
  const directory = await prepared(t);
  const found: string[] = [];
  for (let last = 1; last < 20; last++) {
    const place = mkdtempSync(join(tmpdir(), 'holdfast-'));
    t.after(() => rmSync(place, { recursive: true, force: true }));
    cpSync(directory, place, { recursive: true });
    const path = join(place, 'store.db');
    let steps = 0;
    const crash = (): void => {
      if (++steps === last) throw new Error('the process ends here');
    };
    const files = { staged: join(place, 'new.db'), aside: join(place, 'aside.db') };
    let ended = false;
    try {
      swap(path, files, crash);
      ended = true;
    } catch {
      // As after a crash: whoever opens it next finds what is there.
    }
    const types = await typesIn(path);
    assert.equal(types.length, 3, `after ${last - 1} steps: ${types.join()}`);
    assert.equal(new Set(types).size, 1);
    found.push(types[0] ?? '');
    if (types[0] === 'new') assert.deepEqual(await typesIn(files.aside), ['old', 'old', 'old']);
    else assert.deepEqual(await typesIn(files.staged), ['new', 'new', 'new']);
    assert.deepEqual(
      readdirSync(place).filter((name) => name.endsWith('.swap')),
      [],
    );
    if (ended) break;
  }
  assert.deepEqual([...new Set(found)], ['old', 'new']);
  assert.ok(found.length > 4);
});
