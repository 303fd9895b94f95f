import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turnover } from '../core/turnover.ts';
import { TestClock } from '../testing/clock.ts';
import { Running } from './running.ts';
import { Timeouts } from './timeouts.ts';

class Rig {
  readonly clock = new TestClock();
  readonly #running = new Turnover<Running>();
  readonly #timeouts = new Timeouts(this.#running, this.clock);
  #count = 0;

  begin(timeoutMs: number): Running {
    const running = new Running([], { timeoutMs, clock: this.clock, bytes: 0, marked: false });
    this.#running.set(++this.#count, running);
    this.#timeouts.watch(running);
    return running;
  }
}

test('an attempt that begins after its endpoint was given a shorter timeout is ended by that', () => {
  const rig = new Rig();
  const before = rig.begin(60_000);
  rig.clock.advance(1000);
  const after = rig.begin(2000);
  const last = rig.begin(2000);
  rig.clock.advance(1999);
  assert.equal(after.signal.aborted, false);
  rig.clock.advance(1);
  assert.deepEqual(
    [before, after, last].map(({ signal }) => signal.aborted),
    [false, true, true],
  );
  rig.clock.advance(57_000);
  assert.equal(before.signal.aborted, true);
});

test('an attempt that takes no notice of its end is told once', () => {
  const rig = new Rig();
  const deaf = rig.begin(1000);
  let told = 0;
  const abort = deaf.abort.bind(deaf);
  deaf.abort = (reason) => (told++, abort(reason));
  rig.clock.advance(1000);
  const next = rig.begin(1000);
  rig.clock.advance(999);
  assert.deepEqual([told, next.signal.aborted], [1, false]);
  rig.clock.advance(1);
  assert.deepEqual([told, next.signal.aborted], [1, true]);
});
