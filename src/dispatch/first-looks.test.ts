import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestClock } from '../testing/clock.ts';
import { FirstLooks } from './first-looks.ts';

/** How many looks are begun within a time, each of which takes so long. */
function looksWithin(looks: FirstLooks, clock: TestClock, spent: { ms: number; eachMs: number }): number {
  let count = 0;
  for (const until = clock.monotonic() + spent.ms; clock.monotonic() < until;) {
    if (looks.begin()) {
      count++;
      clock.advance(spent.eachMs);
      looks.end();
    } else clock.advance(1);
  }
  return count;
}

test('first attempts are looked for at once, and less and less while there are none', () => {
  const clock = new TestClock();
  const looks = new FirstLooks(clock);
  assert.equal(looks.begin(), true);
  looks.end();
  assert.equal(looks.begin(), false);
  const early = looksWithin(looks, clock, { ms: 1000, eachMs: 0 });
  const late = looksWithin(looks, clock, { ms: 60_000, eachMs: 0 });
  assert.ok(early >= 4, `${early} in the first second`);
  assert.ok(late <= 20, `${late} in the minute after it`);
});

test('first attempts are looked for soon after one has come', () => {
  const clock = new TestClock();
  const looks = new FirstLooks(clock);
  looksWithin(looks, clock, { ms: 60_000, eachMs: 0 });
  looks.promising();
  clock.advance(25);
  assert.equal(looks.begin(), true);
});

test('looking takes half of the time at most, however much comes', () => {
  const clock = new TestClock();
  const looks = new FirstLooks(clock);
  looksWithin(looks, clock, { ms: 1000, eachMs: 100 });
  let count = 0;
  for (const until = clock.monotonic() + 10_000; clock.monotonic() < until; looks.promising()) {
    if (looks.begin()) {
      count++;
      clock.advance(100);
      looks.end();
    } else clock.advance(1);
  }
  assert.ok(count >= 40 && count <= 51, `${count} looks of 100 ms in 10 s`);
});

test('looking in vain takes an eighth of the time at most', () => {
  const clock = new TestClock();
  const count = looksWithin(new FirstLooks(clock), clock, { ms: 10_000, eachMs: 100 });
  assert.ok(count <= 13, `${count} looks of 100 ms in 10 s`);
});
