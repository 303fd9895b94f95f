import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn, setTimeout as later } from 'node:timers/promises';
import { TestClock } from '../testing/clock.ts';
import { attemptAt, Notes, realClock } from './fixtures/attempt.ts';
import { type Handler, inlineRunner } from './handler.ts';
import { type Histogram, LoopBlame } from './loop-blame.ts';

describe('blame for the event loop', () => {
  it('falls on the destination whose code ran synchronously for long', async () => {
    const clock = new TestClock();
    const notes = new Notes();
    const blame = new LoopBlame({ clock, observer: notes.observer });
    const taking = (ms: number): Handler => {
      return () => {
        assert.equal(blame.current, 'billing');
        clock.advance(ms);
        if (ms === 70) throw new Error('blamed all the same');
      };
    };
    for (const ms of [0, 49, 50, 70]) await inlineRunner(taking(ms), { blame }).run(attemptAt({}));
    assert.deepEqual(notes.blocked, [
      { ms: 50, destination: 'billing' },
      { ms: 70, destination: 'billing' },
    ]);
    assert.equal(blame.current, null);
  });

  it('falls on nobody known when the loop stood still without such a call', async () => {
    const notes = new Notes();
    using blame = new LoopBlame({ clock: realClock, observer: notes.observer });
    blame.start();
    blame.start();
    await later(25);
    block(120);
    await later(25);
    blame.check();
    assert.equal(notes.blocked[0]?.destination, null);
    assert.ok((notes.blocked[0]?.ms ?? 0) > 80);
    const { maxMs, p99Ms } = blame.read();
    assert.ok(maxMs > 80 && p99Ms > 80, `${maxMs} ${p99Ms}`);
    blame.stop();
    blame.stop();
    assert.deepEqual(blame.read(), { meanMs: 0, p99Ms: 0, maxMs: 0 });
  });

  it('finds whose code it is that blocks after an await, the second time', async () => {
    const { blame, blocked, block } = held();
    const runner = inlineRunner(
      async () => {
        await turn();
        block(120);
      },
      { blame },
    );
    for (let times = 0; times < 2; times++) {
      await runner.run(attemptAt({}));
      blame.check();
    }
    assert.deepEqual(blocked(), [null, 'billing']);
  });

  it('is said once: a delay that a call explains is not reported again', async () => {
    const { blame, blocked, block } = held();
    await inlineRunner(() => block(120), { blame }).run(attemptAt({}));
    blame.check();
    assert.deepEqual(blocked(), ['billing']);
  });
});

/** Blame by a clock and a measurement that stand still but for what blocks: a busy machine blocks as well. */
function held() {
  const clock = new TestClock();
  const notes = new Notes();
  const ticks = new Ticks();
  const blame = new LoopBlame({ clock, observer: notes.observer, measure: () => ticks });
  blame.start();
  return {
    blame,
    blocked: () => notes.blocked.map(({ destination }) => destination),
    block: (ms: number): void => {
      clock.advance(ms);
      ticks.late(ms);
    },
  };
}

/** The longest time between two ticks, as the runtime's histogram tells it. */
class Ticks implements Histogram {
  readonly count = 1;
  readonly mean = 0;
  max = 0;

  late(ms: number): void {
    this.max = Math.max(this.max, (20 + ms) * 1e6);
  }

  percentile(): number {
    return this.max;
  }

  reset(): void {
    this.max = 0;
  }

  enable(): boolean {
    return true;
  }

  disable(): boolean {
    return true;
  }
}

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
