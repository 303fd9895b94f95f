import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exponential, fixed } from '../core/retry.ts';
import { Reject, RetryLater, Skip, Unavailable } from '../deliver/outcomes.ts';
import { memoryStore } from '../store/memory.ts';
import { TestClock } from '../testing/clock.ts';
import { after, batchHandler, handler, Rig, settle } from '../../test/dispatch-rig.ts';

describe('dispatch', () => {
  test('hands a committed event to its handler and commits the outcome', async () => {
    const seen: string[] = [];
    const rig = await new Rig([handler('h', (event) => void seen.push(event.id))]).start();
    const sent = await rig.send(50);
    await settle();
    assert.deepEqual(seen, sent);
    assert.deepEqual(new Set(await rig.states()), new Set(['succeeded']));
  });

  test('retries by the policy, then buries', async () => {
    let calls = 0;
    const rig = await new Rig([handler('h', () => Promise.reject(new Error(`no ${++calls}`)))]).start();
    await rig.send(1);
    await settle();
    assert.equal(calls, 1);
    await rig.advance(1100);
    assert.equal(calls, 2);
    await rig.advance(1100);
    assert.equal(calls, 3);
    const [delivery] = await rig.deliveries();
    assert.equal(delivery?.state, 'dead');
    assert.equal(delivery.reason, 'exhausted');
    assert.match(delivery.note ?? '', /no 3/);
    assert.equal((await rig.store.history.attempts(delivery.id)).length, 3);
  });

  test('does what a handler says: later, reject, skip', async () => {
    const said = [new RetryLater('10s'), new Reject('never'), new Skip('not mine')];
    let next = 0;
    const rig = await new Rig([
      handler('h', () => {
        const outcome = said[next++];
        if (outcome !== undefined) throw outcome;
      }),
    ]).start();
    await rig.send(3);
    await settle();
    assert.deepEqual(await rig.states(), ['due', 'dead', 'skipped']);
    await rig.advance(9000);
    assert.equal(next, 3);
    await rig.advance(1200);
    assert.deepEqual(await rig.states(), ['succeeded', 'dead', 'skipped']);
  });

  test('Unavailable opens the breaker, spends no attempt, and everything ends once the world is back', async () => {
    let down = true;
    let calls = 0;
    const rig = await new Rig([
      handler(
        'h',
        () => {
          calls++;
          if (down) throw new Unavailable('database');
        },
        { concurrency: { min: 1, max: 1 } },
      ),
    ]).start();
    await rig.send(20);
    await settle();
    const before = calls;
    await rig.advance(9000);
    assert.equal(calls, before, 'nothing runs while the breaker is open');
    down = false;
    await rig.advance(60_000);
    assert.deepEqual(new Set(await rig.states()), new Set(['succeeded']));
    assert.deepEqual(new Set((await rig.deliveries()).map(({ attempts }) => attempts)), new Set([1]));
  });

  test('a probe that fails spends no attempt, but not for ever: what can never succeed still ends', async () => {
    const breaker = { failures: 1, openMs: 1000, probes: 1 };
    const policy = { retry: fixed(['0ms']), breaker, concurrency: { min: 1, max: 1 } };
    const rig = await new Rig([handler('h', () => Promise.reject(new Error('never')), policy)]).start();
    await rig.send(1);
    await rig.advance(5000);
    const [waiting] = await rig.deliveries();
    assert.equal(waiting?.attempts, 1, 'probes have spent nothing');
    await rig.advance(300_000);
    const [ended] = await rig.deliveries();
    assert.deepEqual([ended?.state, ended?.reason], ['dead', 'exhausted']);
  });

  test('RetryLater does not open the breaker', async () => {
    const later = (): never => {
      throw new RetryLater('1h');
    };
    const policy = { breaker: { failures: 2, openMs: 10_000, probes: 1 }, concurrency: { min: 1, max: 1 } };
    const rig = await new Rig([handler('h', later, policy)]).start();
    await rig.send(5);
    await settle();
    assert.equal(rig.dispatcher.lanes.get('h')?.pace.circuit.state, 'closed');
    assert.deepEqual(new Set(await rig.states()), new Set(['due']));
  });

  test('keeps the order of a key over retries, and lets other keys go on', async () => {
    const done: string[] = [];
    let failures = 2;
    const rig = await new Rig([
      handler('h', (event) => {
        if (event.orderKey === 'a' && failures-- > 0) throw new Error('not yet');
        done.push(`${event.orderKey}${done.filter((one) => one.startsWith(event.orderKey ?? '')).length}`);
      }),
    ]).start();
    await rig.send(3, { orderKey: 'a' });
    await rig.send(3, { orderKey: 'b' });
    await settle();
    assert.deepEqual(done, ['b0', 'b1', 'b2']);
    await rig.advance(5000);
    assert.deepEqual(done, ['b0', 'b1', 'b2', 'a0', 'a1', 'a2']);
  });

  test('never runs two deliveries of one key at once', async () => {
    let running = 0;
    let most = 0;
    const rig = await new Rig([
      handler('h', async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
      }),
    ]).start();
    await rig.send(20, { orderKey: 'a' });
    for (let turn = 0; turn < 40; turn++) await settle();
    assert.equal(most, 1);
    assert.deepEqual(new Set(await rig.states()), new Set(['succeeded']));
  });

  test('works off a backlog that does not fit into memory', async () => {
    let calls = 0;
    const rig = await new Rig([handler('h', () => void calls++)], { handOffBytesMax: 10 }).start();
    await rig.send(500);
    for (let turn = 0; turn < 20; turn++) await settle();
    assert.equal(calls, 500);
  });

  test('aborts an attempt that takes too long, and counts it as failed', async () => {
    const rig = await new Rig([
      handler('h', () => new Promise(() => undefined), { timeoutMs: 5000, retry: exponential({ maxAttempts: 1 }) }),
    ]).start();
    await rig.send(1);
    await rig.advance(6000);
    const [delivery] = await rig.deliveries();
    assert.equal(delivery?.reason, 'exhausted');
    assert.equal((await rig.store.history.attempts(delivery.id))[0]?.outcome, 'timeout');
  });

  test('pause holds, resume goes on, nothing is lost', async () => {
    let calls = 0;
    const rig = await new Rig([handler('h', () => void calls++)]).start();
    rig.dispatcher.lanes.get('h')?.pause();
    await rig.send(10);
    await rig.advance(10_000);
    assert.equal(calls, 0);
    rig.dispatcher.lanes.get('h')?.resume();
    await settle();
    assert.equal(calls, 10);
  });

  test('fills batches, flushes a part-filled one after its time, and settles events singly', async () => {
    const sizes: number[] = [];
    const rig = await new Rig([
      batchHandler('h', (batch) => {
        sizes.push(batch.events.length);
        const [first] = batch.events;
        if (sizes.length === 1 && first !== undefined) batch.fail(first, new Reject('bad'));
      }),
    ]).start();
    await rig.send(4);
    await settle();
    assert.deepEqual(sizes, [3]);
    await rig.advance(1100);
    assert.deepEqual(sizes, [3, 1]);
    assert.deepEqual(await rig.states(), ['dead', 'succeeded', 'succeeded', 'succeeded']);
  });

  test('a full backlog makes dead letters, or refuses, as configured', async () => {
    const stuck = (): Promise<never> => new Promise(() => undefined);
    const dead = await new Rig([handler('h', stuck, { backlogMax: 2 })]).start();
    await dead.send(3);
    assert.equal((await dead.states()).filter((state) => state === 'dead').length, 1);
    const refusing = await new Rig([handler('h', stuck, { backlogMax: 2, overflow: 'refuse' })]).start();
    await assert.rejects(refusing.send(3), { code: 'backlog_full' });
  });

  test('gives free slots to higher priorities first without starving the rest', async () => {
    const order: string[] = [];
    const code = (event: { source: string }, name: string): Promise<void> => {
      order.push(name);
      void event;
      return new Promise((resolve) => setImmediate(resolve));
    };
    const rig = await new Rig(
      [
        handler('low', (event) => code(event, 'low'), { priority: 'low' }),
        handler('critical', (event) => code(event, 'critical'), { priority: 'critical' }),
      ],
      { runningMax: 1 },
    ).start();
    await rig.send(80);
    for (let turn = 0; turn < 100; turn++) await settle();
    assert.equal(order.length, 160);
    const firstHalf = order.slice(0, 80);
    assert.ok(firstHalf.filter((name) => name === 'critical').length > 70, 'critical overtakes');
    assert.ok(firstHalf.includes('low'), 'low is not starved');
  });

  test('after a crash the delivery that ran is a suspect; three crashes bury it, and its neighbours go on', async () => {
    const first = new Rig([handler('h', () => new Promise(() => undefined))]);
    await first.start();
    await first.send(1, { type: 'poison' });
    await settle();
    let crashes = 1;
    const { clock, store } = first;
    for (; crashes < 3; crashes++) {
      store.crash();
      const again = await new Rig([handler('h', () => new Promise(() => undefined))], { clock, store }).start();
      await again.advance(100);
    }
    store.crash();
    const last = await new Rig([handler('h', () => undefined)], { clock, store }).start();
    await last.send(1, { type: 'good' });
    await last.advance(2000);
    const rows = await last.deliveries();
    assert.deepEqual(
      rows.map(({ state, reason }) => [state, reason]),
      [
        ['dead', 'crashed'],
        ['succeeded', null],
      ],
    );
  });

  test('what a sender waits for is handed over although older work waits in the store', async () => {
    const responders = { of: new Map([['s', new Set(['waited'])]]), split: new Set<string>() };
    const rig = await new Rig([handler('waited', () => 'an answer'), handler('other', () => undefined)], {
      responders,
    }).start();
    await settle();
    const { lanes } = rig.dispatcher;
    for (const name of ['waited', 'other']) lanes.get(name)?.wake();
    const handOffs = rig.dispatcher.route(rig.event()).map(({ destination, handOff }) => `${destination} ${handOff}`);
    assert.deepEqual(handOffs, ['waited start', 'other no']);
  });

  test('a stop within the grace lets running attempts end, and gives back what waits', async () => {
    let finish: () => void = () => undefined;
    const rig = await new Rig([
      handler('h', () => new Promise<void>((resolve) => (finish = resolve)), { concurrency: { min: 1, max: 1 } }),
    ]).start();
    await rig.send(3);
    await settle();
    const stopped = rig.dispatcher.stop(5000);
    await settle();
    finish();
    await rig.advance(100);
    await stopped;
    await rig.dispatcher.committer.close();
    assert.deepEqual(await rig.states(), ['succeeded', 'ready', 'ready']);
  });

  test('a drain works off what becomes ready when an outcome is committed', async () => {
    const slow = { isSlow: false };
    let handled = 0;
    const rig = await new Rig([handler('h', () => void handled++)], {
      odd: (work, clock) => ({
        async commit(batch) {
          const answers = await work.commit(batch);
          if (slow.isSlow) await after(clock, 50);
          return answers;
        },
      }),
    }).start();
    rig.dispatcher.lanes.get('h')?.pause();
    await rig.send(5, { orderKey: 'k' });
    slow.isSlow = true;
    rig.dispatcher.lanes.get('h')?.resume();
    const drained = rig.dispatcher.drain(60_000).then(() => handled);
    await rig.advance(2000);
    assert.equal(await drained, 5);
  });

  test('a stop gives back what was being claimed', async () => {
    const slow = { isSlow: false };
    const clock = new TestClock();
    const store = memoryStore({ clock, shared: true });
    const rig = await new Rig([handler('h', () => undefined)], {
      clock,
      store,
      odd: (work) => ({
        async claim(request) {
          const answer = await work.claim(request);
          if (slow.isSlow) await after(clock, 100);
          return answer;
        },
      }),
    }).start();
    rig.dispatcher.lanes.get('h')?.pause();
    await rig.send(3);
    slow.isSlow = true;
    rig.dispatcher.lanes.get('h')?.resume();
    await settle();
    assert.deepEqual(await rig.states(), ['claimed', 'claimed', 'claimed']);
    const stopped = rig.dispatcher.stop(0).then(() => rig.dispatcher.committer.close());
    await rig.advance(200);
    await stopped;
    assert.deepEqual(await rig.states(), ['ready', 'ready', 'ready']);
  });

  test('a suspect does not begin after a stop, nor after a pause, also where its start was being committed', async () => {
    for (const end of ['stop', 'pause'] as const) {
      let began = 0;
      const stuck = handler('h', () => (began++, new Promise<never>(() => undefined)));
      const first = await new Rig([stuck]).start();
      await first.send(1);
      await settle();
      first.store.crash();
      const { clock, store } = first;
      const second = await new Rig([stuck], {
        clock,
        store,
        odd: (work) => ({
          async commit(batch) {
            const answers = await work.commit(batch);
            if (batch.starts.length > 0) await after(clock, 100);
            return answers;
          },
        }),
      }).start(true);
      await second.advance(20);
      assert.deepEqual(await second.states(), ['claimed']);
      const ended = end === 'stop' ? second.dispatcher.stop(0) : second.dispatcher.lanes.get('h')?.pause();
      await second.advance(300);
      await ended;
      assert.deepEqual([began, await second.states()], [1, ['ready']], end);
    }
  });

  test('a stop beyond the grace gives the attempt back without spending it', async () => {
    const rig = await new Rig([handler('h', () => new Promise(() => undefined))]).start();
    await rig.send(1);
    await settle();
    const stopped = rig.dispatcher.stop(1000);
    await rig.advance(1500);
    await stopped;
    await rig.dispatcher.committer.close();
    const [delivery] = await rig.deliveries();
    assert.deepEqual([delivery?.state, delivery?.attempts], ['ready', 0]);
  });
});
