/**
 * What endpoints are promised over all processes together, measured at the receiver while processes come, go, are killed
 * and stand still.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext } from 'node:test';
import { postgres, postgresHere } from '../postgres.ts';
import { testNeeding } from '../require.ts';
import { mostPerSecond, Receiver, Worker } from './world.ts';
import type { WorkerOptions } from './wire.ts';

const LIMITS = { four: { concurrency: 4 }, one: { concurrency: 1 }, rated: { concurrency: 10, rate: 20 } } as const;
const NAMES = ['four', 'one', 'rated'] as const;

interface Process {
  readonly self: boolean;
  readonly pid: number;
  readonly role: string;
  readonly release: string;
}

/** Workers at one set of endpoints, and what is measured while they change. */
class Fleet {
  readonly receiver: Receiver;
  readonly options: WorkerOptions;
  readonly workers: Worker[] = [];
  readonly #t: TestContext;
  readonly #begun = performance.now();

  constructor(t: TestContext, receiver: Receiver, store: string) {
    this.#t = t;
    this.receiver = receiver;
    this.options = { store, receiver: receiver.url, endpoints: LIMITS, lease: '60s', role: 'all' };
  }

  async start(): Promise<Worker> {
    const worker = await Worker.start(this.options);
    this.workers.push(worker);
    return worker;
  }

  /** Until so many more requests have come to `path`. */
  async more(path: string, count: number): Promise<void> {
    const { times } = this.receiver.of(path);
    const until = times.length + count;
    await this.receiver.until(() => times.length >= until);
  }

  /** Until this worker sees so many processes. */
  async members(worker: Worker, count: number): Promise<readonly Process[]> {
    for (;;) {
      const { rows } = await worker.get<{ readonly rows: readonly Process[] }>('/api/processes');
      if (rows.length === count) return rows;
      await this.more('four', 1);
    }
  }

  /** Says how much there was at once since the last time, and that it was not too much. */
  report(phase: string): void {
    const at = ((performance.now() - this.#begun) / 1000).toFixed(1);
    const most = NAMES.map((name) => [name, this.receiver.take(name)] as const);
    this.#t.diagnostic(
      `${at} s, ${phase}: ${most.map(([name, count]) => `${name} ${count}/${LIMITS[name].concurrency}`).join(', ')}`,
    );
    for (const [name, count] of most) {
      assert.ok(count <= LIMITS[name].concurrency, `${count} at once to '${name}' while ${phase}`);
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.end('SIGKILL')));
    await this.receiver.close();
  }
}

const here = postgresHere();

describe('the limits of endpoints over all processes', () => {
  testNeeding([postgres], 'hold while workers join, leave, are killed and stand still', async (t) => {
    const fleet = new Fleet(t, await Receiver.start({ four: 60, one: 30, rated: 5 }), here().server.url);
    try {
      const first = await fleet.start();
      // More to 'four' than can be sent within the time of a test: who waits for its next request waits for ever without.
      for (const name of [...NAMES, 'four', 'four']) await first.emit(name, 3000);
      await fleet.more('four', 60);
      fleet.report('one works alone');

      const second = await fleet.start();
      await fleet.members(first, 2);
      const third = await fleet.start();
      const members = await fleet.members(first, 3);
      assert.deepEqual(
        members.map(({ pid }) => pid),
        fleet.workers.map(({ pid }) => pid),
        'the oldest first',
      );
      await fleet.more('four', 250);
      fleet.report('two join');

      await second.end('SIGKILL');
      await fleet.members(first, 2);
      await fleet.more('four', 150);
      fleet.report('one is killed');

      const fourth = await fleet.start();
      await fleet.members(fourth, 3);
      await fleet.more('four', 150);
      fleet.report('one takes its place');

      third.signal('SIGSTOP');
      await fleet.members(first, 2);
      await fleet.more('four', 100);
      third.signal('SIGCONT');
      await fleet.members(first, 3);
      await fleet.more('four', 150);
      fleet.report('one stands still, and goes on');

      await fourth.end('SIGTERM');
      await fleet.members(first, 2);
      await fleet.more('four', 100);
      fleet.report('one is stopped');

      const { times } = fleet.receiver.of('rated');
      const seconds = ((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1000;
      const { rate } = LIMITS.rated;
      const most = mostPerSecond(times);
      t.diagnostic(
        `rated: ${times.length} in ${seconds.toFixed(1)} s (${(times.length / seconds).toFixed(1)}/s of ${rate}), at most ${most} in a second`,
      );
      // A bucket that holds a second's worth: what was saved up, and what comes meanwhile.
      assert.ok(times.length <= rate * seconds + rate, `${times.length} in ${seconds} s`);
      // Seen from the receiver, which may have been busy for a quarter of a second.
      assert.ok(most <= 2.25 * rate, `${most} in one second`);
      assert.ok(fleet.receiver.of('one').times.length > 100, 'whoever has it works it off');
    } finally {
      await fleet.end();
    }
  });
});
