/** Handlers in threads and processes: what happens there stays there. */
import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { after, describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { attemptAt, batchOf, Notes, realClock } from './fixtures/attempt.ts';
import type { Act } from './fixtures/acts.ts';
import { type IsolatedOptions, Pool } from './pool.ts';
import { processRunner } from './process.ts';
import type { Result } from './runner.ts';
import { threadRunner } from './thread.ts';

type Who = { pid: number; thread: number } & Record<string, unknown>;

const runners = { thread: threadRunner, process: processRunner } as const;
const kinds = ['thread', 'process'] as const;

function open(kind: 'thread' | 'process', options: Partial<IsolatedOptions> & { file?: string } = {}): Pool {
  const { file = 'acts', ...rest } = options;
  const module = new URL(`./fixtures/${file}.ts`, import.meta.url);
  const runner = runners[kind]({ module, name: 'billing', clock: realClock, graceMs: 50, ...rest });
  assert.ok(runner instanceof Pool);
  return runner;
}

async function act(pool: Pool, what: Act['act'], ms = 0): Promise<Result> {
  const { results } = await pool.run(attemptAt({ act: what, ms } satisfies Act));
  assert.equal(results.length, 1);
  return results[0] as Result;
}

async function who(pool: Pool): Promise<Who> {
  const result = await act(pool, 'who');
  assert.equal(result.kind, 'succeeded');
  return result.value as Who;
}

const same = (one: Who, other: Who): boolean => one.pid === other.pid && one.thread === other.thread;

for (const kind of kinds) {
  describe(`a handler in a ${kind}`, { concurrency: false }, () => {
    // For the tests that leave it as they found it: what reacts to an abort is given the time that a busy machine takes.
    const shared = open(kind, { graceMs: 60_000 });
    after(() => shared.close());

    it('sees the event and its context, and answers with its value', async () => {
      const seen = await who(shared);
      assert.equal(seen.pid === process.pid, kind === 'thread');
      assert.notEqual(seen.thread, kind === 'thread' ? 0 : 1);
      assert.deepEqual(
        {
          attempt: seen['attempt'],
          delivery: seen['delivery'],
          destination: seen['destination'],
          event: seen['event'],
        },
        {
          attempt: 1,
          delivery: 'dlv_1',
          destination: 'billing',
          event: { id: 'evt_1', header: 'application/json', bytes: 20, at: new Date(Date.UTC(2026, 0, 1)) },
        },
      );
      assert.ok(same(seen, await who(shared)), 'it is kept warm');
    });

    it('gives every outcome, thrown or returned', async () => {
      assert.deepEqual(await act(shared, 'retryLater'), {
        kind: 'failed',
        error: 'not yet',
        delayMs: 600_000,
        status: null,
      });
      assert.deepEqual(await act(shared, 'reject'), { kind: 'rejected', reason: 'no good' });
      assert.deepEqual(await act(shared, 'skip'), { kind: 'skipped', note: 'nothing to do' });
      assert.deepEqual(await act(shared, 'unavailable'), { kind: 'unavailable', reason: 'the database is down' });
      const failed = await act(shared, 'fail');
      assert.ok(
        failed.kind === 'failed' && failed.error.includes('broken on purpose') && failed.error.includes('acts.ts'),
      );
      assert.equal(failed.delayMs, null);
    });

    it('brings its emits back with a success, and leaves them behind with a failure', async () => {
      const { emitted } = await shared.run(attemptAt({ act: 'emit' }));
      assert.deepEqual(
        emitted[0]?.map((one) => ({ ...one, body: Buffer.from(one.body).toString('latin1') })),
        [
          {
            type: 'made',
            body: '{"at":1}',
            contentType: 'application/json',
            options: { orderKey: 'k', at: new Date(5) },
          },
          { type: 'bytes', body: '\x01\x02\x03', contentType: 'application/octet-stream', options: {} },
        ],
      );
      const failed = await shared.run(attemptAt({ act: 'emitAndFail' }));
      assert.deepEqual([failed.results[0]?.kind, failed.emitted], ['failed', [[]]]);
    });

    it('that exits harms only its own attempt', async () => {
      await using pool = open(kind, { concurrency: { min: 2, max: 2 } });
      await pool.warm();
      const waits = attemptAt({ act: 'untilAborted' });
      const waiting = pool.run(waits);
      const crashed = await act(pool, 'exit');
      assert.ok(
        crashed.kind === 'crashed' && crashed.error.includes(`the ${kind} exited with code 3`),
        JSON.stringify(crashed),
      );
      assert.equal((await who(pool)).pid === process.pid, kind === 'thread');
      waits.abort();
      assert.equal((await waiting).results[0]?.kind, 'timeout', 'the neighbour was still running');
    });

    it('that dies of an uncaught error says of which', async () => {
      await using pool = open(kind);
      const crashed = await act(pool, 'uncaught');
      assert.ok(crashed.kind === 'crashed' && crashed.error.includes('nobody caught this'), JSON.stringify(crashed));
    });

    it('that runs out of memory crashes alone', async () => {
      await using pool = open(kind, { memoryBytesMax: 24 * 1024 * 1024 });
      const crashed = await act(pool, 'leak');
      assert.equal(crashed.kind, 'crashed', JSON.stringify(crashed));
      if (kind === 'thread') assert.match(crashed.error, /memory limit/);
      await who(pool);
    });

    it('may end late: its result after the timeout changes nothing, and it is used again', async () => {
      const before = await who(shared);
      const attempt = attemptAt({ act: 'untilAborted' });
      const running = shared.run(attempt);
      attempt.abort();
      assert.deepEqual(await running, { results: [{ kind: 'timeout' }], emitted: [[]] });
      assert.ok(same(before, await who(shared)), 'it reacted to the abort, so it lives on');
    });

    it('that does not react to the abort is killed and replaced', async () => {
      const notes = new Notes();
      await using pool = open(kind, { observer: notes.observer });
      const before = await who(pool);
      for (const stubborn of ['burn', 'forever'] as const) {
        const attempt = attemptAt({ act: stubborn, ms: 60_000 } satisfies Act);
        const running = pool.run(attempt);
        attempt.abort();
        assert.equal((await running).results[0]?.kind, 'timeout');
        assert.ok(!same(before, await who(pool)));
      }
      assert.equal(notes.texts.length, 2);
      assert.match(notes.texts[0] ?? '', /did not end within 50 ms after its attempt was aborted/);
    });

    it('that burns CPU does not delay the event loop', async () => {
      await shared.warm();
      const delay = monitorEventLoopDelay({ resolution: 10 });
      let calmestMs = Number.POSITIVE_INFINITY;
      // The calmest of several: what disturbs only some of them is the machine.
      for (let burns = 0; burns < 4; burns++) {
        delay.reset();
        delay.enable();
        assert.equal((await act(shared, 'burn', 400)).kind, 'succeeded');
        delay.disable();
        calmestMs = Math.min(calmestMs, delay.max / 1e6);
      }
      assert.ok(calmestMs < 200, `the loop stood still for ${calmestMs} ms`);
    });

    it('may return what cannot leave it: it succeeded all the same', async () => {
      assert.deepEqual(await act(shared, 'uncloneable'), { kind: 'succeeded', value: undefined });
    });

    it('settles events of a batch singly, and the others share its fate', async () => {
      await using pool = open(kind, { file: 'batches', batch: true });
      const { results, emitted } = await pool.run(batchOf('later', 'done', 'skip', 'throw', 'never seen'));
      assert.deepEqual(
        results.map((result) => result.kind),
        ['failed', 'succeeded', 'skipped', 'failed', 'failed'],
      );
      assert.deepEqual(
        emitted.map((list) => list.length),
        [0, 1, 1, 0, 0],
      );
      const returned = await pool.run(batchOf('later', 'fine'));
      assert.deepEqual(
        returned.results.map((result) => result.kind),
        ['failed', 'succeeded'],
      );
    });

    it('keeps what it settled of a batch before it died or was given up', async () => {
      await using pool = open(kind, { file: 'batches', batch: true });
      const { results, emitted } = await pool.run(batchOf('done', 'exit'));
      assert.deepEqual(
        results.map((result) => result.kind),
        ['succeeded', 'crashed'],
      );
      assert.equal(emitted[0]?.[0]?.type, 'seen');
    });

    it('may send the gateway what it likes', async () => {
      assert.equal((await act(shared, 'say')).kind, 'succeeded');
      assert.equal((await act(shared, 'fail')).kind, 'failed');
    });

    it('whose module cannot be loaded crashes with the reason, and is tried again after a while', async () => {
      const notes = new Notes();
      await using pool = open(kind, { file: 'throws-at-load', observer: notes.observer });
      const crashed = await act(pool, 'who');
      assert.ok(
        crashed.kind === 'crashed' && crashed.error.includes('this module cannot be loaded'),
        JSON.stringify(crashed),
      );
      assert.match(notes.texts[0] ?? '', new RegExp(`the ${kind} of billing could not load its module`));
      assert.match((await pool.warm()) ?? '', /this module cannot be loaded/);
    });

    it('that dies while nothing runs in it is replaced before the next attempt', async () => {
      const notes = new Notes();
      await using pool = open(kind, { observer: notes.observer });
      const before = await who(pool);
      assert.equal((await act(pool, 'exitSoon')).kind, 'succeeded');
      while (notes.texts.length === 0) await turn();
      assert.match(notes.texts[0] ?? '', /died while idle/);
      assert.ok(!same(before, await who(pool)));
    });
  });

  describe(`a pool of ${kind === 'thread' ? 'threads' : 'processes'}`, { concurrency: false }, () => {
    it('grows to its maximum, and shrinks to its minimum when idle', async () => {
      await using pool = open(kind, { concurrency: { min: 1, max: 2 }, idleMs: 20 });
      assert.equal(pool.size, 0, 'nothing starts before it is needed');
      const attempts = [1, 2, 3].map(() => attemptAt({ act: 'untilAborted' }));
      const running = attempts.map((attempt) => pool.run(attempt));
      assert.equal(pool.size, 2);
      for (const attempt of attempts) attempt.abort();
      for (const { results } of await Promise.all(running)) assert.equal(results[0]?.kind, 'timeout');
      await who(pool);
      while (pool.size > 1) await turn();
      await who(pool);
    });

    it('ends what runs when it closes, is closed twice, and closed unstarted', async () => {
      const pool = open(kind);
      await pool.warm();
      const running = pool.run(attemptAt({ act: 'burn', ms: 60_000 }));
      const queued = pool.run(attemptAt({ act: 'who' }));
      await Promise.all([pool.close(), pool.close()]);
      assert.equal(pool.size, 0);
      assert.equal((await running).results[0]?.kind, 'timeout');
      assert.equal((await queued).results[0]?.kind, 'timeout');
      assert.equal((await act(pool, 'who')).kind, 'unavailable');
      await pool.close();
      await open(kind).close();
    });
  });
}

describe('a handler in a process', () => {
  it('that is killed by a signal says so', async () => {
    await using pool = open('process');
    const crashed = await act(pool, 'killed');
    assert.ok(crashed.kind === 'crashed' && crashed.error.includes('the process was ended by SIGKILL'));
  });

  it('is not interrupted by the Ctrl-C that lets the gateway stop gracefully', async () => {
    await using pool = open('process');
    const before = await who(pool);
    assert.equal((await act(pool, 'interrupted')).kind, 'succeeded');
    assert.ok(same(before, await who(pool)));
  });
});

describe('a module', () => {
  it('without a handler says so', async () => {
    await using pool = open('thread', { file: 'no-handler' });
    assert.match((await pool.warm()) ?? '', /expected a function as default export or as 'handle', got undefined/);
  });

  it('that never finishes loading is given up', async () => {
    await using pool = open('thread', { file: 'never-loads', loadMs: 300 });
    assert.match((await pool.warm()) ?? '', /not ready within 300 ms/);
  });
});
