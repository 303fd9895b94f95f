import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IdMaker } from '../core/id.ts';
import { memoryQueueHarness, queueConformance, runQueueCase, TestClock } from '../testing/index.ts';
import { MemoryBroker, memoryQueue } from './memory.ts';
import { VISIBILITY_MS } from './queue.ts';

describe('the memory queue', () => {
  for (const item of queueConformance) test(item.name, () => runQueueCase(item, memoryQueueHarness));

  const ids = new IdMaker({ now: () => Date.now(), fill: (bytes) => bytes.fill(3) });

  test('gives a hint again exactly when its visibility time is over', async () => {
    const clock = new TestClock();
    const queue = memoryQueue({ clock });
    await queue.push([{ channel: 'h-till', ids: [ids.make('dlv')] }]);
    const pull = { channels: ['h-till'], max: 1, waitMs: 0 };
    assert.equal((await queue.pull(pull)).hints.length, 1);
    clock.advance(VISIBILITY_MS - 1);
    assert.equal((await queue.pull(pull)).hints.length, 0);
    assert.deepEqual(await queue.depth(['h-till']), [{ channel: 'h-till', waiting: 0, given: 1 }]);
    clock.advance(1);
    assert.deepEqual(await queue.depth(['h-till']), [{ channel: 'h-till', waiting: 1, given: 0 }]);
    assert.equal((await queue.pull(pull)).hints.length, 1);
  });

  test('wakes for the end of a visibility time, and leaves no timer behind', async () => {
    const clock = new TestClock();
    const broker = new MemoryBroker();
    const [one, other] = [memoryQueue({ clock, broker }), memoryQueue({ clock, broker })];
    await one.push([{ channel: 'h-till', ids: [ids.make('dlv')] }]);
    await one.pull({ channels: ['h-till'], max: 1, waitMs: 0 });
    const waiting = other.pull({ channels: ['h-till'], max: 1, waitMs: 10 * VISIBILITY_MS });
    await clock.advanceSlowly(VISIBILITY_MS);
    assert.equal((await waiting).hints.length, 1);
    assert.equal(clock.pending, 0);
  });
});
