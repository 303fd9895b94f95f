/** The disk fails, is full, or belongs to somebody else: the sender is told to come back, and nothing is lost. */
import assert from 'node:assert/strict';
import { closeSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { strace, testNeeding, tmpfs } from '../require.ts';
import { isAck, type Try } from './client.ts';
import { smallDisk } from './disks.ts';
import { GatewayProcess } from './supervisor.ts';
import { Trial } from './trial.ts';

const MIB = 1024 * 1024;
/** Of the load that fills the log: few requests are many bytes. */
const BODY_BYTES = 64_000;
/** EX_SOFTWARE: a supervisor starts it again. */
const FATAL = { code: 70, signal: null };

/** Of each thread the n-th flush fails once: of the writer's, one in the middle of the load. */
function failingFlush(nth: string): string[] {
  const calls = 'fsync,fdatasync';
  return `strace -f --seccomp-bpf -qq -o /dev/null -e trace=${calls} -e inject=${calls}:error=EIO:when=${nth}`.split(
    ' ',
  );
}

describe('a gateway whose disk fails', { concurrency: 2 }, () => {
  testNeeding([strace], 'answers 503 when a flush fails, nothing 2xx after, ends, and recovers', async (t) => {
    const trial = new Trial(t);
    await trial.start();
    await trial.client.load({ concurrency: 4, most: 20 });
    await trial.stop();
    await trial.start({ under: failingFlush('40') });
    let over = false;
    const load = trial.client.load({ concurrency: 8, most: 4000, until: () => over });
    assert.deepEqual(await trial.ended(), FATAL);
    over = true;
    const tries = trial.client.sent.flatMap((sent) => sent.tries);
    const failed = tries.filter(({ status }) => status === 503);
    assert.ok(failed.length > 0, 'the batch that failed is answered 503');
    assert.ok(failed.every(({ retryAfter }) => Number(retryAfter) >= 1));
    const since = Math.min(...failed.map(({ endedAt }) => endedAt));
    assert.deepEqual(
      tries.filter((one) => isAck(one) && one.startedAt > since),
      [],
    );
    await trial.start();
    await trial.within(load, 'the load to be acknowledged');
    await trial.clean();
  });

  testNeeding([strace], 'does not start on a disk that never flushes', async (t) => {
    const trial = new Trial(t);
    await assert.rejects(trial.start({ under: failingFlush('1+') }), /did not start/);
    const { code } = await trial.ended();
    assert.ok(code !== 0, `exit ${code}`);
  });

  testNeeding([tmpfs], 'refuses with 503 below the reserve, goes on handling, and recovers by itself', async (t) => {
    const directory = smallDisk(t, 96 * MIB);
    const trial = new Trial(t, { directory, start: { diskReserveBytes: 32 * MIB } });
    await trial.start();
    await trial.client.load({ concurrency: 8, most: 200 });
    const ballast = fill(directory, 28 * MIB);
    const refused = trial.client.next(({ status }) => status === 503);
    let over = false;
    const load = trial.client.load({ concurrency: 4, most: 4000, until: () => over });
    assertComeBack(await trial.within(refused, 'a 503'));
    assert.ok(free(directory) > 8 * MIB, `well before the disk is full: ${free(directory)} bytes are left`);
    over = true;
    rmSync(ballast);
    await trial.within(load, 'the load to be acknowledged');
    await trial.clean();
  });

  testNeeding([tmpfs], 'answers 503 on a full disk, stays alive, and recovers by itself', async (t) => {
    const directory = smallDisk(t, 32 * MIB);
    const trial = new Trial(t, { directory });
    await trial.start();
    await trial.client.load({ concurrency: 8, most: 100 });
    const ballast = fill(directory, 0);
    const refused = trial.client.next(({ status }) => status === 503);
    let over = false;
    const load = trial.client.load({ concurrency: 8, most: 4000, until: () => over });
    assertComeBack(await trial.within(refused, 'a 503'));
    // Long enough for outcomes and the search for space to meet the full disk, too.
    for (let seen = 0; seen < 50; seen++)
      await trial.within(
        trial.client.next(({ status }) => status === 503),
        'a 503',
      );
    const acked = trial.client.next(isAck);
    rmSync(ballast);
    await trial.within(acked, 'an acknowledgement when there is space again');
    over = true;
    await trial.within(load, 'the load to be acknowledged');
    assert.equal(trial.gateway.stopped, false);
    await trial.clean();
  });

  test('goes on under load while its log is moved into the database', async (t) => {
    // With the store's failpoint every transaction takes several steps, and moving must not come between them.
    const trial = new Trial(t, { start: { storePoint: true } });
    await trial.start();
    // Of the two files only the log grows with commits: the database grows when the log is moved into it.
    const sizes = new Set<number>();
    const moved = (): boolean => sizes.add(statSync(trial.path).size).size > 3;
    const given = { body: trial.random.bytes(BODY_BYTES) };
    const load = trial.client.load({ concurrency: 16, most: 20_000, until: moved, given });
    await trial.within(Promise.race([load, trial.gateway.exited]), 'the log to be moved');
    assert.equal(trial.gateway.stopped, false, trial.gateway.stderr);
    assert.ok(moved(), 'the log was moved while the load went on');
    await trial.clean();
  });

  test('does not share its file with a second process', async (t) => {
    const trial = new Trial(t);
    await trial.start();
    const second = new GatewayProcess({ directory: trial.directory, log: trial.log, run: 2 });
    t.after(() => second.kill());
    await assert.rejects(second.ready(), /Another process owns this database file.*holdfast\.db/);
    assert.deepEqual(await second.ended(), { code: 1, signal: null });
    await trial.client.load({ concurrency: 4, most: 50 });
    await trial.clean();
  });
});

function assertComeBack({ retryAfter }: Try): void {
  assert.ok(Number(retryAfter) >= 1, `Retry-After: ${retryAfter}`);
}

function free(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/** Fills the disk but for so many bytes. */
function fill(directory: string, leaveBytes: number): string {
  const path = join(directory, 'ballast');
  const file = openSync(path, 'w');
  const block = Buffer.alloc(4096, 1);
  try {
    while (free(directory) > leaveBytes) writeSync(file, block);
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
  } finally {
    closeSync(file);
  }
  return path;
}
