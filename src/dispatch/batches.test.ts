import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { never } from '../core/retry.ts';
import { RetryLater } from '../deliver/outcomes.ts';
import { batchHandler, Rig, settle } from '../../test/dispatch-rig.ts';

describe('dispatch of batches', () => {
  test('batches of which some events fail leave the breaker closed, and those of which all do open it', async () => {
    let all = false;
    const poor = batchHandler(
      'h',
      (batch) => {
        if (all) throw new Error('down');
        for (const event of batch.events.slice(0, 2)) batch.fail(event, new Error('this one'));
      },
      { retry: never(), breaker: { failures: 2, openMs: 1000, probes: 1 } },
    );
    const rig = await new Rig([poor]).start();
    const { circuit } = rig.dispatcher.lanes.get('h')?.pace ?? assert.fail();
    for (let batch = 0; batch < 5; batch++) await rig.send(3);
    await settle();
    assert.deepEqual([circuit.state, (await rig.states()).filter((state) => state === 'dead').length], ['closed', 10]);
    all = true;
    for (let batch = 0; batch < 2; batch++) await rig.send(3);
    await settle();
    assert.equal(circuit.state, 'open');
    await rig.advance(1000);
    assert.equal(circuit.state, 'half-open');
    all = false;
    await rig.send(3);
    await settle();
    assert.equal(circuit.state, 'closed');
  });

  test('RetryLater in a probe that fails is tried again when it says', async () => {
    let calls = 0;
    const code = batchHandler(
      'h',
      (batch) => {
        calls++;
        const [first] = batch.events;
        if (calls > 1 && first !== undefined) batch.fail(first, new RetryLater('10m'));
        throw new Error('down');
      },
      { batch: { size: 2, withinMs: 100 }, breaker: { failures: 1, openMs: 1000, probes: 1 } },
    );
    const rig = await new Rig([code]).start();
    await rig.send(2);
    await rig.advance(1000);
    await rig.advance(200);
    assert.equal(calls, 2);
    const [later, spared] = await rig.deliveries();
    assert.deepEqual([later?.attempts, spared?.attempts], [2, 1]);
    assert.ok((later?.dueAt ?? 0) - rig.clock.now() > 500_000);
  });

  test('fills batches that are larger than what is claimed at once from a backlog', async () => {
    const sizes: number[] = [];
    const rig = await new Rig([
      batchHandler('h', ({ events }) => void sizes.push(events.length), {
        batch: { size: 1000, withinMs: 60_000 },
        concurrency: { min: 1, max: 1 },
      }),
    ]).start();
    rig.dispatcher.lanes.get('h')?.pause();
    await rig.send(2500);
    rig.dispatcher.lanes.get('h')?.resume();
    await rig.advance(1000);
    assert.deepEqual(sizes, [1000, 1000]);
    await rig.advance(60_000);
    assert.deepEqual(sizes, [1000, 1000, 500]);
  });

  test('claims no more for a batch than there is memory for', async () => {
    let handled = 0;
    const large = { batch: { size: 1000, withinMs: 60_000 }, concurrency: { min: 1, max: 1 } };
    const rig = await new Rig([batchHandler('h', ({ events }) => void (handled += events.length), large)], {
      handOffBytesMax: 10_000,
    }).start();
    rig.dispatcher.lanes.get('h')?.pause();
    await rig.send(900, { body: JSON.stringify('x'.repeat(1000)) });
    rig.dispatcher.lanes.get('h')?.resume();
    await rig.advance(1000);
    assert.ok((rig.dispatcher.lanes.get('h')?.queued ?? 0) < 600);
    await rig.advance(300_000);
    assert.equal(handled, 900);
  });
});
