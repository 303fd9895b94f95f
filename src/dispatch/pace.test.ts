import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentObserver } from '../core/observer.ts';
import { fixed } from '../core/retry.ts';
import type { Attempted } from '../deliver/runner.ts';
import { TestClock } from '../testing/clock.ts';
import type { Destination } from './destination.ts';
import { Pace } from './pace.ts';
import type { Running } from './running.ts';
import { ALONE } from './shared.ts';

const DESTINATION = {
  name: 'till',
  concurrency: { min: 8, max: 8 },
  ratePerS: null,
  retry: fixed([]),
  breaker: { failures: 1, openMs: 1000, probes: 1 },
} as unknown as Destination;

function paced(clock: TestClock, destination: Destination = DESTINATION) {
  const pace = new Pace(destination, { clock, observer: silentObserver });
  const attempt = (kind: 'failed' | 'succeeded'): void => {
    const running = { claims: [{ deliveryId: 'dlv_1' }] } as unknown as Running;
    pace.circuit.began(running);
    pace.ended(running, { results: [{ kind, delayMs: null }] } as unknown as Attempted);
  };
  return { pace, attempt };
}

test('what was down is given one attempt at once, and one more with each success', () => {
  const clock = new TestClock();
  const { pace, attempt } = paced(clock, { ...DESTINATION, breaker: { failures: 3, openMs: 1000, probes: 1 } });
  for (let count = 0; count < 3; count++) attempt('failed');
  assert.equal(pace.limit, 8);
  clock.advance(1000);
  assert.equal(pace.waitMs, 0);
  attempt('succeeded');
  const limits = [pace.limit];
  for (let count = 0; count < 4; count++) {
    attempt('succeeded');
    limits.push(pace.limit);
  }
  assert.deepEqual(limits, [1, 2, 3, 4, 5]);
  attempt('failed');
  assert.equal(pace.limit, 2, 'a failure on the way up halves it');
  for (let count = 0; count < 7; count++) attempt('succeeded');
  assert.equal(pace.limit, 8);
  attempt('failed');
  assert.equal(pace.limit, 8, 'the ramp is over once everything may run');
});

test('a change of rate or concurrency holds from then on, and what is the same goes on', () => {
  const clock = new TestClock();
  const { pace } = paced(clock);
  pace.update({ ...DESTINATION, concurrency: { min: 2, max: 2 } });
  assert.equal(pace.limit, 2);
  pace.update({ ...DESTINATION, ratePerS: 1 });
  assert.equal(pace.limit, 8);
  pace.spend();
  assert.ok(pace.waitMs > 900, `${pace.waitMs} ms`);
  pace.update({ ...DESTINATION, ratePerS: 1, concurrency: { min: 2, max: 2 } });
  assert.ok(pace.waitMs > 900, 'another concurrency is no new allowance');
  pace.update(DESTINATION);
  assert.equal(pace.waitMs, 0);
});

test('keeps less waiting in memory while others could do it', () => {
  let company = false;
  const shared = {
    ...ALONE,
    get company() {
      return company;
    },
  };
  const pace = new Pace(DESTINATION, { clock: new TestClock(), observer: silentObserver, shared });
  assert.equal(pace.waitingMax, 4096);
  company = true;
  assert.equal(pace.waitingMax, 512);
});
