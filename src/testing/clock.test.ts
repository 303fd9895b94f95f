import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TEST_START, TestClock } from './clock.ts';

describe('TestClock', () => {
  it('stands still until it is advanced', () => {
    const clock = new TestClock();
    assert.deepEqual([clock.now(), clock.monotonic()], [TEST_START, 0]);
    clock.advance(1_500);
    assert.deepEqual([clock.now(), clock.monotonic()], [TEST_START + 1_500, 1_500]);
  });

  it('runs what falls due in order of time and then of scheduling, each at its own moment', () => {
    const clock = new TestClock(0);
    const ran: string[] = [];
    const note = (name: string) => (): void => void ran.push(`${name} ${clock.now()}`);
    clock.schedule(20, note('late'));
    clock.schedule(10, note('first'));
    clock.schedule(10, note('second'));
    clock.schedule(31, note('never'));
    clock.advance(30);
    assert.deepEqual(ran, ['first 10', 'second 10', 'late 20']);
    assert.deepEqual([clock.now(), clock.pending], [30, 1]);
  });

  it('runs what was scheduled meanwhile, if it falls due too', () => {
    const clock = new TestClock(0);
    let ticks = 0;
    const tick = (): void => {
      ticks++;
      clock.schedule(10, tick);
    };
    clock.schedule(10, tick);
    clock.advance(45);
    assert.equal(ticks, 4);
  });

  it('does not run what was cancelled, and cancels twice safely', () => {
    const clock = new TestClock();
    const timer = clock.schedule(0, () => assert.fail('it was cancelled'));
    timer.cancel();
    timer.cancel();
    clock.advance(1);
    assert.equal(clock.pending, 0);
  });

  it('lets promises get on between timers when it advances slowly', async () => {
    const clock = new TestClock(0);
    const waits: number[] = [];
    const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.schedule(ms, resolve));
    const work = (async () => {
      for (let round = 0; round < 3; round++) {
        await wait(10);
        waits.push(clock.now());
      }
    })();
    await clock.advanceSlowly(30);
    await work;
    assert.deepEqual(waits, [10, 20, 30]);
  });

  it('moves the wall clock alone when it jumps', () => {
    const clock = new TestClock(0);
    let ran = false;
    clock.schedule(10, () => (ran = true));
    clock.jump(-5_000);
    assert.deepEqual([clock.now(), clock.monotonic(), ran], [-5_000, 0, false]);
  });
});
