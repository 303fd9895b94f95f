/** The cases about waiting, and about its end: by a hint, by time, by abort, by closing. */
import assert from 'node:assert/strict';
import type { QueueConformanceCase } from './harness.ts';
import { idsOf, makeHints, promise, pullIds, pullUntil } from './world.ts';

const CLOSED = { name: 'QueueError', failure: 'unavailable' };

/** A wait that no case sits through: what ends it is what is tested. */
const WAIT_MS = 60_000;

/** The cases about waiting and closing. */
export const waitingCases: readonly QueueConformanceCase[] = [
  promise('an empty pull waits, then answers nothing', async (world) => {
    const queue = await world.open();
    const begun = performance.now();
    const pulled = await queue.pull({ channels: ['h-till', 'h-ledger'], max: 10, waitMs: 300 });
    assert.deepEqual(pulled, { hints: [], skipped: 0 });
    const tookMs = performance.now() - begun;
    assert.ok(tookMs > 250, `it answered after ${tookMs} ms of 300`);
  }),
  promise('a hint that another process pushes ends the wait', async (world) => {
    const [waiter, pusher] = [await world.open(), await world.open()];
    const waiting = waiter.pull({ channels: ['h-ledger', 'h-till'], max: 10, waitMs: WAIT_MS });
    const [hint] = makeHints('h-till', 1);
    assert.ok(hint !== undefined);
    await pusher.push([hint]);
    assert.deepEqual(idsOf((await waiting).hints), hint.ids);
  }),
  promise('an abort ends the wait with an empty answer', async (world) => {
    const queue = await world.open();
    const stop = new AbortController();
    const waiting = queue.pull({ channels: ['h-till'], max: 1, waitMs: WAIT_MS, signal: stop.signal });
    await queue.depth(['h-till']);
    stop.abort();
    assert.deepEqual(await waiting, { hints: [], skipped: 0 });
  }),
  promise('a pull that is aborted before it begins does not wait', async (world) => {
    const queue = await world.open();
    const signal = AbortSignal.abort();
    assert.deepEqual(await queue.pull({ channels: ['h-till'], max: 1, waitMs: WAIT_MS, signal }), {
      hints: [],
      skipped: 0,
    });
  }),
  promise('a hint pushed after a pull was aborted is not lost', async (world) => {
    const [one, other] = [await world.open('short'), await world.open('short')];
    const stop = new AbortController();
    const waiting = one.pull({ channels: ['h-till'], max: 1, waitMs: WAIT_MS, signal: stop.signal });
    await one.depth(['h-till']);
    stop.abort();
    await waiting;
    const [hint] = makeHints('h-till', 1);
    assert.ok(hint !== undefined);
    await other.push([hint]);
    assert.deepEqual(idsOf((await pullUntil(other, ['h-till'], 1)).hints), hint.ids);
  }),
  promise('closing ends a wait with what there is', async (world) => {
    const queue = await world.open();
    const waiting = queue.pull({ channels: ['h-till'], max: 1, waitMs: WAIT_MS });
    await queue.depth(['h-till']);
    await queue.close();
    assert.deepEqual(await waiting, { hints: [], skipped: 0 });
  }),
  promise('a closed queue takes and gives nothing', async (world) => {
    const queue = await world.open();
    await queue.close();
    await assert.rejects(queue.push(makeHints('h-till', 1)), CLOSED);
    await assert.rejects(queue.pull({ channels: ['h-till'], max: 1, waitMs: 0 }), CLOSED);
    await assert.rejects(queue.depth(['h-till']), CLOSED);
    await assert.rejects(queue.ack(['h-till:1']), CLOSED);
  }),
  promise('closing is safe twice, and unopened', async (world) => {
    const queue = await world.open();
    await queue.close();
    await queue.close();
    await world.make().close();
  }),
  promise('what a closed queue had pulled is given again after its visibility time', async (world) => {
    const [one, other] = [await world.open('short'), await world.open('short')];
    const pushed = makeHints('h-till', 2);
    await one.push(pushed);
    await pullIds(one, ['h-till'], idsOf(pushed));
    await one.close();
    await pullIds(other, ['h-till'], idsOf(pushed));
  }),
];
