/** Calls of a shared store may take long, and its leases may end meanwhile. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EMITTED } from '../core/event.ts';
import { fixed } from '../core/retry.ts';
import { inlineRunner } from '../deliver/handler.ts';
import { RetryLater } from '../deliver/outcomes.ts';
import type { Runner } from '../deliver/runner.ts';
import { StoreError } from '../store/store.ts';
import type { Destination } from './destination.ts';
import { after, base, batchHandler, handler, Rig } from '../../test/dispatch-rig.ts';

const never = (): Promise<never> => new Promise(() => undefined);

describe('with a store that is slow', () => {
  test('the neighbours of a claim that was lost when their start was committed are given back', async () => {
    let ran = 0;
    let lost = false;
    const rig = await new Rig([batchHandler('h', () => void ran++)], {
      odd: (work) => ({
        async commit(batch) {
          const answers = await work.commit(batch);
          if (batch.starts.length === 0 || lost) return answers;
          lost = true;
          const [, ...others] = answers.starts;
          return { ...answers, starts: [{ status: 'refused', reason: 'stale_claim' }, ...others] };
        },
      }),
    }).start(true);
    for (const orderKey of ['a', 'b', 'c']) await rig.send(1, { orderKey });
    await rig.advance(10_000);
    assert.deepEqual((await rig.states()).slice(1), ['succeeded', 'succeeded']);
  });

  test('an attempt whose start was committed late has its whole time, and no more', async () => {
    let slow = true;
    let calls = 0;
    const code = (): Promise<never> | undefined => (++calls === 1 ? undefined : never());
    const one = { concurrency: { min: 1, max: 1 }, timeoutMs: 1000, retry: fixed([]) };
    const rig = await new Rig([handler('h', code, one)], {
      odd: (work, clock) => ({
        async commit(batch) {
          if (slow && batch.starts.length > 0) await after(clock, 5000);
          return work.commit(batch);
        },
      }),
    }).start(true);
    // The first begins with its commit; the second waits for its turn, and is marked when that comes.
    await rig.send(2);
    await rig.advance(5900);
    assert.deepEqual(await rig.states(), ['succeeded', 'claimed']);
    slow = false;
    await rig.advance(200);
    assert.deepEqual(await rig.states(), ['succeeded', 'dead']);
  });

  test('it is asked what falls due once at a time', async () => {
    let [now, most] = [0, 0];
    const again = (): never => {
      throw new RetryLater('50ms');
    };
    const rig = await new Rig([handler('h', again)], {
      odd: (work, clock) => ({
        async wakeUps(...asked) {
          most = Math.max(most, ++now);
          await after(clock, 5000);
          now--;
          return work.wakeUps(...asked);
        },
      }),
    }).start();
    for (let count = 0; count < 100; count++) {
      await rig.send(1);
      await rig.advance(100);
    }
    assert.equal(most, 1);
  });

  test('leases that are short again are renewed in time', async () => {
    let slow = false;
    const begun: string[] = [];
    const code = (event: { readonly id: string }): Promise<never> => {
      begun.push(event.id);
      return never();
    };
    const rig = await new Rig([handler('h', code, { timeoutMs: 600_000 })], {
      odd: (work, clock) => ({
        async commit(batch) {
          if (slow) await after(clock, 40_000);
          slow = false;
          return work.commit(batch);
        },
      }),
    }).start();
    await rig.advance(15_000);
    slow = true;
    void rig.send(1);
    await rig.advance(80_000);
    await rig.send(1);
    await rig.advance(200_000);
    assert.equal(begun.length, 2, 'no attempt ended, and none was repeated');
  });

  test('an outcome that it never takes leaves no places taken by what it emits', async () => {
    let refused = 0;
    const one = handler('one', (_event, context) => void context.emit('made', {}));
    const two = handler('two', () => undefined, { from: new Set([EMITTED]) });
    const rig = await new Rig([one, two], {
      odd: (work) => ({
        commit(batch) {
          if (refused === Number.POSITIVE_INFINITY || batch.settlements.length === 0) return work.commit(batch);
          refused++;
          return Promise.reject(new StoreError('unavailable', 'something about it'));
        },
      }),
    }).start();
    await rig.send(1);
    // Its claim has ended, and it was attempted again.
    await rig.advance(90_000);
    const lane = rig.dispatcher.lanes.get('two');
    assert.ok(refused > 3);
    refused = Number.POSITIVE_INFINITY;
    await rig.advance(200_000);
    assert.deepEqual(await rig.states(), ['succeeded', 'succeeded']);
    assert.equal(lane?.inflow.count, 0);
  });

  test('an attempt whose claim was lost fails nothing: its neighbours are given back, and the breaker does not count it', async () => {
    let lost = '';
    let calls = 0;
    const code = (): Promise<never> | undefined => (++calls === 1 ? never() : undefined);
    const one = {
      batch: { size: 3, withinMs: 10 },
      timeoutMs: 600_000,
      breaker: { failures: 1, openMs: 60_000, probes: 1 },
    };
    const rig = await new Rig([batchHandler('h', code, one)], {
      // Its lease ended while the process stood still, and another has claimed it.
      odd: () => ({ renew: (held) => Promise.resolve(held.filter(({ deliveryId }) => deliveryId === lost)) }),
    }).start();
    await rig.send(3);
    await rig.advance(10);
    lost = (await rig.deliveries())[0]?.id ?? '';
    await rig.advance(31_000);
    assert.equal(rig.dispatcher.lanes.get('h')?.pace.circuit.state, 'closed');
    const [, ...neighbours] = await rig.deliveries();
    assert.deepEqual(
      neighbours.map(({ state, attempts }) => [state, attempts]),
      [
        ['succeeded', 1],
        ['succeeded', 1],
      ],
    );
    assert.equal(rig.dispatcher.budget.left, 1 << 20);
  });

  test('what waits here and was claimed by another is not attempted', async () => {
    const begun: string[] = [];
    let running = '';
    const first = Promise.withResolvers<void>();
    const code = (event: { readonly id: string }): Promise<void> | undefined =>
      begun.push(event.id) === 1 ? first.promise : undefined;
    const rig = await new Rig([handler('h', code, { timeoutMs: 600_000, concurrency: { min: 1, max: 1 } })], {
      odd: () => ({
        // Its lease had ended, and another process has claimed all but the first.
        renew: (held) => Promise.resolve(held.filter(({ deliveryId }) => deliveryId !== running)),
      }),
    }).start();
    await rig.send(3);
    running = (await rig.deliveries())[0]?.id ?? '';
    await rig.advance(21_000);
    first.resolve();
    await rig.advance(1000);
    assert.equal(begun.length, 1);
  });
});

test('the lanes of endpoints that were deleted with work under way go', async () => {
  const there = new Map<string, Destination>();
  const runner = Object.assign(inlineRunner(never), { isolation: 'endpoint' }) as unknown as Runner;
  const directory = {
    find: (name: string) => there.get(name) ?? null,
    disabledSince: (name: string) => (there.has(name) ? null : 0),
    names: () => there.keys(),
    matching: () => [...there.keys()],
    reach: () => there.size,
    mayHave: () => true,
  };
  const rig = await new Rig([], { directory }).start();
  for (const name of ['ep_1', 'ep_2']) {
    there.set(name, { ...base, name, concurrency: { min: 1, max: 1 }, timeoutMs: 500, runner });
    await rig.send(5);
    there.delete(name);
    rig.dispatcher.lanes.changed(name);
    await rig.advance(100);
  }
  await rig.advance(120_000);
  assert.equal(rig.dispatcher.lanes.size, 0);
});
