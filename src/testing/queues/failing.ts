/** The cases about what goes wrong with a broker: strangers' bytes, a wipe, a crash of the broker. */
import assert from 'node:assert/strict';
import { encodeIds } from '../../queue/hints.ts';
import type { QueueConformanceCase } from './harness.ts';
import {
  idsOf,
  makeHints,
  makeIds,
  promise,
  pullIds,
  pullUntil,
  receiptsOf,
  untilAvailable,
  untilDepth,
} from './world.ts';

const UNAVAILABLE = { name: 'QueueError', failure: 'unavailable' };

/** Bytes that are no hint: somebody else's, a newer version's, a cut one, one with a byte too many. */
function litterOf(): readonly Uint8Array[] {
  const whole = encodeIds(makeIds(3));
  const newer = Buffer.from(whole);
  newer[0] = 255;
  return [
    Buffer.from('{"hello":"world"}'),
    Buffer.from([0xff, 0x00, 0xfe]),
    newer,
    whole.subarray(0, -1),
    Buffer.concat([whole, Buffer.from([0])]),
  ];
}

/** The cases about what goes wrong with a broker. */
export const failingCases: readonly QueueConformanceCase[] = [
  promise('what is no hint is skipped, counted and not met again', async (world) => {
    const queue = await world.open();
    const pushed = makeHints('h-till', 2);
    await queue.push(pushed.slice(0, 1));
    const litter = litterOf();
    for (const bytes of litter) await world.harness.litter('h-till', bytes);
    await queue.push(pushed.slice(1));
    const { hints, skipped } = await pullUntil(queue, ['h-till'], 2);
    assert.deepEqual(idsOf(hints).toSorted(), idsOf(pushed).toSorted());
    let met = skipped;
    while (met < litter.length) met += (await queue.pull({ channels: ['h-till'], max: 1, waitMs: 1000 })).skipped;
    assert.equal(met, litter.length);
    await queue.ack(receiptsOf(hints));
    await untilDepth(queue, { channel: 'h-till', waiting: 0, given: 0 });
  }),
  promise('a pull that meets nothing but what is no hint goes on waiting', async (world) => {
    const queue = await world.open();
    await queue.push(makeHints('h-till', 1));
    await queue.ack(receiptsOf((await pullUntil(queue, ['h-till'], 1)).hints));
    await world.harness.litter('h-till', Buffer.from('not a hint'));
    const waiting = queue.pull({ channels: ['h-till'], max: 1, waitMs: 60_000 });
    await untilDepth(queue, { channel: 'h-till', waiting: 0, given: 0 });
    const [hint] = makeHints('h-till', 1);
    assert.ok(hint !== undefined);
    await queue.push([hint]);
    const { hints, skipped } = await waiting;
    assert.deepEqual([idsOf(hints), skipped], [hint.ids, 1]);
  }),
  promise('a broker that was wiped carries hints again, by itself', async (world) => {
    const [one, other] = [await world.open(), await world.open()];
    await one.push(makeHints('h-till', 3));
    const before = await pullUntil(other, ['h-till'], 1);
    await world.harness.wipe();
    await untilAvailable(() => other.ack(receiptsOf(before.hints)));
    const pushed = makeHints('h-till', 3);
    await untilAvailable(() => one.push(pushed));
    await pullIds(other, ['h-till'], idsOf(pushed));
  }),
  promise('a pull that waits while the broker is wiped gets what is pushed afterwards', async (world) => {
    const [one, other] = [await world.open(), await world.open()];
    await one.push(makeHints('h-till', 1));
    const { hints } = await pullUntil(other, ['h-till'], 1);
    await other.ack(receiptsOf(hints));
    const waiting = pullUntil(other, ['h-till'], 1);
    await one.depth(['h-till']);
    await world.harness.wipe();
    const [hint] = makeHints('h-till', 1);
    assert.ok(hint !== undefined);
    await untilAvailable(() => one.push([hint]));
    assert.deepEqual(idsOf((await waiting).hints), hint.ids);
  }),
  promise('a broker that was wiped has nothing', async (world) => {
    const queue = await world.open();
    await queue.push(makeHints('h-till', 3));
    await world.harness.wipe();
    const depths = await untilAvailable(() => queue.depth(['h-till']));
    assert.deepEqual(depths, [{ channel: 'h-till', waiting: 0, given: 0 }]);
  }),
  promise('while the broker is down every call says so, and afterwards they work by themselves', async (world) => {
    const queue = await world.open();
    await queue.push(makeHints('h-till', 1));
    const { hints } = await pullUntil(queue, ['h-till'], 1);
    await world.harness.kill();
    try {
      await assert.rejects(queue.push(makeHints('h-till', 1)), UNAVAILABLE);
      await assert.rejects(queue.pull({ channels: ['h-till'], max: 1, waitMs: 5000 }), UNAVAILABLE);
      await assert.rejects(queue.depth(['h-till']), UNAVAILABLE);
      await assert.rejects(queue.ack(receiptsOf(hints)), UNAVAILABLE);
    } finally {
      await world.harness.start();
    }
    await untilAvailable(() => queue.ack(receiptsOf(hints)));
    const pushed = makeHints('h-till', 2);
    await untilAvailable(() => queue.push(pushed));
    await pullIds(queue, ['h-till'], idsOf(pushed));
  }),
  promise('a pull that waits while the broker restarts ends, and the next one gets what comes', async (world) => {
    const [one, other] = [await world.open(), await world.open()];
    const waiting = pullUntil(other, ['h-till'], 1);
    await one.depth(['h-till']);
    await world.harness.kill();
    await world.harness.start();
    const [hint] = makeHints('h-till', 1);
    assert.ok(hint !== undefined);
    await untilAvailable(() => one.push([hint]));
    assert.deepEqual(idsOf((await waiting).hints), hint.ids);
  }),
  promise('a queue that was opened while the broker was down can be opened when it is up', async (world) => {
    await world.harness.kill();
    const queue = world.make();
    try {
      await assert.rejects(queue.open(), UNAVAILABLE);
    } finally {
      await world.harness.start();
    }
    await untilAvailable(() => queue.open());
    await queue.push(makeHints('h-till', 1));
    await pullUntil(queue, ['h-till'], 1);
  }),
  promise(
    'hints are still there after the broker was killed and started again',
    async (world) => {
      const queue = await world.open('short');
      const pushed = makeHints('h-till', 5, 4);
      await queue.push(pushed);
      await pullUntil(queue, ['h-till'], 2);
      await world.harness.kill();
      await world.harness.start();
      await pullIds(queue, ['h-till'], idsOf(pushed));
    },
    'keepsHints',
  ),
];
