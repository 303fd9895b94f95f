import assert from 'node:assert/strict';
import { cpSync, existsSync, lstatSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import { HoldfastError } from '../errors.ts';
import { idMaker, scratch } from '../store/sqlite/harness.ts';
import { sqliteStore } from '../store/sqlite/index.ts';
import type { Store } from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import { Builder } from '../testing/conformance/build.ts';
import { copyStore, restoreStore } from './copies.ts';

const clock = new TestClock();

function storeAt(path: string): Store {
  return sqliteStore({ path, clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' });
}

async function check(path: string): Promise<void> {
  const { work } = storeAt(path);
  await work.open();
  await work.close();
}

async function eventsIn(path: string): Promise<number> {
  const { work, history } = storeAt(path);
  await work.open();
  const { events } = await history.counts();
  await work.close();
  return events;
}

/** A backup with one event, and a store with three that a SIGKILL left with its log. */
async function killed(t: TestContext): Promise<{ path: string; backup: string }> {
  const { path, remove } = scratch();
  t.after(remove);
  const { work } = storeAt(path);
  await work.open();
  const build = new Builder(clock);
  const append = () => work.commit(build.batch({ appends: [{ events: [build.event({})] }] }));
  await append();
  await copyStore(path, `${path}.backup`, () => undefined);
  await append();
  await append();
  const left = `${path}.killed`;
  for (const side of ['', '-wal']) cpSync(path + side, left + side);
  await work.close();
  return { path: left, backup: `${path}.backup` };
}

describe('restoring', () => {
  it('takes back a store that was moved aside with its log', async (t) => {
    const { path, backup } = await killed(t);
    const aside = await restoreStore({ from: backup, to: path, check, now: 1 });
    assert.equal(await eventsIn(path), 1);
    assert.ok(aside !== null && existsSync(`${aside}-wal`));
    await restoreStore({ from: aside, to: path, check, now: 2 });
    assert.equal(await eventsIn(path), 3);
  });

  it('puts the file where a link leads, and leaves the link', async (t) => {
    const { path, backup } = await killed(t);
    const link = `${path}.link`;
    symlinkSync(path, link);
    const aside = await restoreStore({ from: backup, to: link, check, now: 1 });
    assert.ok(lstatSync(link).isSymbolicLink());
    assert.equal(await eventsIn(path), 1);
    assert.equal(await eventsIn(aside ?? ''), 3);
  });

  it('refuses a file with nothing in it, and leaves the store as it is', async (t) => {
    const { path } = await killed(t);
    const empty = `${path}.empty`;
    writeFileSync(empty, '');
    await assert.rejects(
      restoreStore({ from: empty, to: path, check, now: 1 }),
      (error) => error instanceof HoldfastError && error.code === 'store_corrupt' && error.detail?.includes(empty),
    );
    assert.ok(!existsSync(`${path}.restoring`));
    assert.equal(await eventsIn(path), 3);
  });
});
