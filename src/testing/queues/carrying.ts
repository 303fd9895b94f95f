/** The cases about a broker that works: what is carried, to whom, how often, and what is told about it. */
import assert from 'node:assert/strict';
import { type Hint, HINT_IDS_MAX, type PulledHint } from '../../queue/queue.ts';
import type { QueueConformanceCase } from './harness.ts';
import { idsOf, makeHints, promise, pullIds, pullUntil, type QueueWorld, receiptsOf, untilDepth } from './world.ts';

/** Four processes work off what one of them has pushed. */
async function shared(world: QueueWorld): Promise<{ pushed: readonly Hint[]; given: readonly Hint[] }> {
  const queues = [await world.open(), await world.open(), await world.open(), await world.open()];
  const pushed = makeHints('h-till', 60);
  await queues[0]?.push(pushed);
  const given: PulledHint[] = [];
  const left = new Set(idsOf(pushed));
  const work = queues.map(async (queue) => {
    while (left.size > 0) {
      const { hints } = await queue.pull({ channels: ['h-till'], max: 5, waitMs: 200 });
      given.push(...hints);
      for (const id of idsOf(hints)) left.delete(id);
      await queue.ack(receiptsOf(hints));
    }
  });
  await Promise.all(work);
  return { pushed, given };
}

const carrying: readonly QueueConformanceCase[] = [
  promise('what one process pushes, another pulls: channel and ids', async (world) => {
    const [from, to] = [await world.open(), await world.open()];
    const [hint] = makeHints('h-till', 1, 3);
    assert.ok(hint !== undefined);
    await from.push([hint]);
    const { hints, skipped } = await pullUntil(to, ['h-till'], 1);
    assert.deepEqual([{ channel: hints[0]?.channel, ids: hints[0]?.ids }, skipped], [hint, 0]);
  }),
  promise('the largest hints come whole, their ids in order, many in one push', async (world) => {
    const queue = await world.open();
    const pushed = makeHints('h-till', 40, HINT_IDS_MAX);
    await queue.push(pushed);
    const { hints } = await pullUntil(queue, ['h-till'], pushed.length);
    const sorted = (all: readonly (readonly string[])[]): unknown => all.map((ids) => ids.join()).toSorted();
    assert.deepEqual(sorted(hints.map(({ ids }) => ids)), sorted(pushed.map(({ ids }) => ids)));
  }),
  promise('hints pushed before anybody pulls are kept for them', async (world) => {
    const first = await world.open();
    const pushed = [...makeHints('h-till', 12), ...makeHints('e-07', 12)];
    await first.push(pushed);
    await first.close();
    const { hints } = await pullUntil(await world.open(), ['e-07', 'h-till'], 24);
    assert.deepEqual(idsOf(hints).toSorted(), idsOf(pushed).toSorted());
  }),
  promise('a pull takes from the channels it names, and no others', async (world) => {
    const queue = await world.open();
    const [till, ledger] = [makeHints('h-till', 5), makeHints('h-ledger', 5)];
    await queue.push([...till, ...ledger]);
    const { hints } = await pullUntil(queue, ['h-till', 'h-none'], 5);
    assert.deepEqual(idsOf(hints).toSorted(), idsOf(till).toSorted());
    assert.deepEqual((await queue.pull({ channels: ['h-till'], max: 5, waitMs: 100 })).hints, []);
    assert.equal((await pullUntil(queue, ['h-ledger'], 5)).hints.length, 5);
  }),
  promise('many processes share what is there: all of it is given to some of them', async (world) => {
    const { pushed, given } = await shared(world);
    assert.deepEqual(new Set(idsOf(given)), new Set(idsOf(pushed)));
  }),
  promise(
    'many processes share what is there: each hint is given to one of them',
    async (world) => {
      const { pushed, given } = await shared(world);
      assert.deepEqual(idsOf(given).toSorted(), idsOf(pushed).toSorted());
    },
    'givesOnce',
  ),
  promise('a backlog in one channel does not hold up the hint of another', async (world) => {
    const queue = await world.open();
    await queue.push(makeHints('h-busy', 120));
    await queue.push(makeHints('h-quiet', 1));
    const seen: string[] = [];
    for (let pulls = 0; pulls < 10 && !seen.includes('h-quiet'); pulls++) {
      const { hints } = await pullUntil(queue, ['h-busy', 'h-quiet'], 1);
      seen.push(...hints.map(({ channel }) => channel));
    }
    assert.ok(seen.includes('h-quiet'), `after ${seen.length} hints of the backlog it had not come`);
  }),
  promise('nothing pushed, nothing acknowledged, nothing asked about: nothing happens', async (world) => {
    const queue = await world.open();
    await queue.push([]);
    await queue.ack([]);
    assert.deepEqual(await queue.depth([]), []);
    assert.deepEqual(await queue.pull({ channels: ['h-till'], max: 1, waitMs: 0 }), { hints: [], skipped: 0 });
  }),
];

const acknowledging: readonly QueueConformanceCase[] = [
  promise('a hint that is not acknowledged is given again after its visibility time', async (world) => {
    const [one, other] = [await world.open('short'), await world.open('short')];
    const pushed = makeHints('h-till', 2);
    await one.push(pushed);
    await pullIds(one, ['h-till'], idsOf(pushed));
    await pullIds(other, ['h-till'], idsOf(pushed));
  }),
  promise('a hint is not given to another while its visibility time runs', async (world) => {
    const [one, other] = [await world.open(), await world.open()];
    await one.push(makeHints('h-till', 1));
    await pullUntil(one, ['h-till'], 1);
    const waitMs = 2 * world.harness.visibilityMs;
    assert.deepEqual(await other.pull({ channels: ['h-till'], max: 1, waitMs }), { hints: [], skipped: 0 });
  }),
  promise('an acknowledged hint is not given again', async (world) => {
    const queue = await world.open('short');
    await queue.push(makeHints('h-till', 3));
    const { hints } = await pullUntil(queue, ['h-till'], 3);
    await queue.ack(receiptsOf(hints));
    const waitMs = 2 * world.harness.visibilityMs;
    assert.deepEqual(await queue.pull({ channels: ['h-till'], max: 3, waitMs }), { hints: [], skipped: 0 });
  }),
  promise('acknowledging twice, late, and what never was, disturbs nothing', async (world) => {
    const [one, other] = [await world.open('short'), await world.open('short')];
    await one.push(makeHints('h-till', 1));
    const first = receiptsOf((await pullUntil(one, ['h-till'], 1)).hints);
    const second = receiptsOf((await pullUntil(other, ['h-till'], 1)).hints);
    await other.ack(second);
    await other.ack(second);
    await one.ack(first);
    await one.ack(['not a receipt', 'h-till:not-one-either', '']);
    const [next] = makeHints('h-till', 1);
    assert.ok(next !== undefined);
    await one.push([next]);
    assert.deepEqual(idsOf((await pullUntil(other, ['h-till'], 1)).hints), next.ids);
  }),
  promise('what a process that was killed held is given to another', async (world) => {
    const queue = await world.open('short');
    const pushed = makeHints('h-till', 3, 5);
    await queue.push(pushed);
    const held = await world.dieHolding('h-till', 3);
    assert.ok(held.length > 0);
    await pullIds(queue, ['h-till'], idsOf(pushed));
  }),
];

const telling: readonly QueueConformanceCase[] = [
  promise('the depth tells what waits and what was given', async (world) => {
    const queue = await world.open();
    await queue.push(makeHints('h-till', 5));
    await untilDepth(queue, { channel: 'h-till', waiting: 5, given: 0 });
    const { hints } = await pullUntil(queue, ['h-till'], 5);
    await untilDepth(queue, { channel: 'h-till', waiting: 0, given: 5 });
    await queue.ack(receiptsOf(hints.slice(0, 3)));
    await untilDepth(queue, { channel: 'h-till', waiting: 0, given: 2 });
  }),
  promise('the depth is told by channel, in the order asked for; of an unknown one nothing', async (world) => {
    const queue = await world.open();
    await queue.push([...makeHints('h-till', 2), ...makeHints('h-ledger', 1)]);
    await untilDepth(queue, { channel: 'h-till', waiting: 2, given: 0 });
    await untilDepth(queue, { channel: 'h-ledger', waiting: 1, given: 0 });
    const depths = await queue.depth(['h-none', 'h-ledger', 'h-till']);
    assert.deepEqual(
      depths.map(({ channel, waiting }) => [channel, waiting]),
      [
        ['h-none', 0],
        ['h-ledger', 1],
        ['h-till', 2],
      ],
    );
  }),
  promise('opening tells what it is, and the same again', async (world) => {
    const queue = await world.open();
    const report = await queue.open();
    assert.ok(report.driver.length > 0 && report.place.length > 0);
    assert.deepEqual(await queue.open(), report);
  }),
];

/** The cases about a broker that works. */
export const carryingCases: readonly QueueConformanceCase[] = [...carrying, ...acknowledging, ...telling];
