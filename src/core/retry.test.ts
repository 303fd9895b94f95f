import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { exponential, fixed, never, nextDelayMs, standardSchedule } from './retry.ts';

const half = (): number => 0.5;

describe('a retry policy', () => {
  test('counts the first try among its attempts', () => {
    const policy = exponential({ maxAttempts: 3, base: '1s', jitter: 'none' });
    assert.deepEqual(
      [1, 2, 3].map((attempts) => nextDelayMs(policy, attempts, half)),
      [1000, 2000, null],
    );
    assert.equal(nextDelayMs(never(), 1, half), null);
    assert.deepEqual(
      [1, 2, 3].map((attempts) => nextDelayMs(fixed(['2s', '5s']), attempts, half)),
      [2000, 5000, null],
    );
  });

  test('never waits longer than its cap, and with full jitter anything from nothing to that', () => {
    const policy = exponential({ maxAttempts: 100, base: '1s', cap: '1m' });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 99 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (attempts, random) => {
          const delay = nextDelayMs(policy, attempts, () => random) ?? -1;
          assert.ok(delay >= 0 && delay <= 60_000, String(delay));
          if (random === 0) assert.equal(delay, 0);
        },
      ),
    );
  });

  test('has a delay for each of thousands of attempts', () => {
    for (const base of [0, 1]) {
      const policy = exponential({ maxAttempts: 5000, base, cap: '1m', jitter: 'none' });
      assert.equal(nextDelayMs(policy, 4000, half), base * 60_000);
    }
  });

  test('the schedule of Standard Webhooks has ten attempts over about three days', () => {
    const delays = Array.from(
      { length: 9 },
      (_, index) => nextDelayMs(standardSchedule(), index + 1, half) ?? Number.NaN,
    );
    const hours = delays.reduce((sum, delay) => sum + delay, 0) / 3_600_000;
    assert.ok(hours > 70 && hours < 80, String(hours));
    assert.equal(nextDelayMs(standardSchedule(), 10, half), null);
  });

  test('refuses what is none, naming the option', () => {
    assert.throws(() => exponential({ maxAttempts: 0 }), /maxAttempts/);
    assert.throws(() => exponential({ base: 'soon' }), /base/);
    assert.throws(() => exponential({ factor: 0.5 }), /factor/);
    assert.throws(() => fixed(['x']), /delays/);
  });
});
