import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError } from '../errors.ts';
import type { Emitted } from '../deliver/runner.ts';
import { TestClock } from '../testing/clock.ts';
import { type EveryOptions, Schedules } from './schedules.ts';

const HOUR_MS = 3_600_000;

function process(clock: TestClock, every: EveryOptions) {
  const emitted: { readonly key: string | undefined; readonly body: unknown; readonly windowMs: number | undefined }[] =
    [];
  const failures: unknown[] = [];
  let broken = false;
  const schedules = new Schedules({
    schedules: [{ name: 'sweep', options: every }],
    types: null,
    clock,
    emit: async ({ options, body, windowMs }: Emitted) => {
      if (broken) throw new HoldfastError('store_unavailable');
      emitted.push({ key: options.dedupeKey, body: JSON.parse(new TextDecoder().decode(body)), windowMs });
    },
    failed: (_name, error) => void failures.push(error),
  });
  return { schedules, emitted, failures, breaks: (is: boolean) => void (broken = is) };
}

const hourly: EveryOptions = { period: '1h', type: 'sweep.due', body: (at: Date) => ({ at: at.toISOString() }) };

test('every full multiple of the period is emitted once, under a key that every process makes alike', async () => {
  const clock = new TestClock();
  await clock.advanceSlowly(HOUR_MS - (clock.now() % HOUR_MS) + 5 * 60_000);
  const at = clock.now() - 5 * 60_000;
  const one = process(clock, hourly);
  const two = process(clock, hourly);
  one.schedules.start();
  await clock.advanceSlowly(10 * 60_000);
  two.schedules.start();
  await clock.advanceSlowly(2 * HOUR_MS);
  const times = [at, at + HOUR_MS, at + 2 * HOUR_MS].map((time) => new Date(time).toISOString());
  assert.deepEqual(
    one.emitted.map(({ key }) => key),
    times.map((time) => `every:sweep:${time}`),
  );
  assert.deepEqual(
    one.emitted.map(({ body }) => body),
    times.map((time) => ({ at: time })),
  );
  assert.deepEqual(two.emitted, one.emitted);
  one.schedules.stop();
  two.schedules.stop();
});

test('what could not be emitted is tried again, and a stopped schedule emits no more', async () => {
  const clock = new TestClock();
  const { schedules, emitted, failures, breaks } = process(clock, { ...hourly, body: { fixed: true } });
  breaks(true);
  schedules.start();
  await clock.advanceSlowly(12_000);
  assert.equal(failures.length, 3);
  breaks(false);
  await clock.advanceSlowly(5000);
  assert.equal(emitted.length, 1);
  schedules.stop();
  await clock.advanceSlowly(3 * HOUR_MS);
  assert.equal(emitted.length, 1);
});

test('what fell due while the clock jumped, or the machine slept, is emitted within a minute', async () => {
  const clock = new TestClock();
  const { schedules, emitted } = process(clock, { ...hourly, period: '1d' });
  schedules.start();
  await clock.advanceSlowly(1000);
  clock.jump(25 * HOUR_MS);
  await clock.advanceSlowly(60_000);
  assert.equal(emitted.length, 2);
  schedules.stop();
});

test('a repeat is known for longer than a period, and the week of any emitted event', async () => {
  const clock = new TestClock();
  const daily = process(clock, { ...hourly, period: '1d' });
  const monthly = process(clock, { ...hourly, period: '30d' });
  daily.schedules.start();
  monthly.schedules.start();
  await clock.advanceSlowly(1);
  assert.equal(daily.emitted[0]?.windowMs, 7 * 86_400_000);
  assert.equal(monthly.emitted[0]?.windowMs, 60 * 86_400_000);
  daily.schedules.stop();
  monthly.schedules.stop();
});

test('a period below a second is refused', () => {
  assert.throws(() => process(new TestClock(), { ...hourly, period: '999ms' }), { code: 'config_invalid' });
});
