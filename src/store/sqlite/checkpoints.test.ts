import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { TestClock } from '../../testing/clock.ts';
import { Checkpoints } from './checkpoints.ts';
import { connectWriter } from './connection.ts';
import { idMaker, scratch } from './harness.ts';
import { Turn } from './turn.ts';
import { InlineWriter } from './writer.ts';

const MUCH = 64 * 1024 * 1024;

it('a checkpoint that could not open the file leaves the next one as it is', { timeout: 60_000 }, async (t) => {
  const { path, remove } = scratch();
  const clock = new TestClock();
  const database = connectWriter(path, 'OFF');
  const writer = new InlineWriter(database);
  database.exec('CREATE TABLE made (number INTEGER)');
  const away = `${dirname(path)}/away/store.db`;
  const checkpoints = new Checkpoints({ path: away, clock, ids: idMaker(clock) }, writer, new Turn());
  t.after(async () => {
    await checkpoints.close();
    await writer.close();
    remove();
  });
  const failed = once(process, 'worker');
  checkpoints.wrote(MUCH);
  const [thread] = (await failed) as [Worker];
  await new Promise((resolve) => thread.once('exit', resolve));
  mkdirSync(dirname(away));
  t.after(() => rmSync(dirname(away), { recursive: true, force: true }));
  const finished = t.mock.method(writer, 'run');
  const until = performance.now() + 30_000;
  while (finished.mock.callCount() === 0 && performance.now() < until) {
    checkpoints.wrote(MUCH);
    await setImmediate();
  }
  assert.ok(finished.mock.callCount() > 0);
});
