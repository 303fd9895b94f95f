import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { HoldfastError } from '../errors.ts';
import { attemptAt, batchOf, storedEvent, TestAttempt } from './fixtures/attempt.ts';
import {
  type Batch,
  type BatchContext,
  type Handler,
  type HandlerContext,
  inlineBatchRunner,
  inlineRunner,
} from './handler.ts';
import { Reject, RetryLater, Skip, Unavailable } from './outcomes.ts';
import type { Attempted } from './runner.ts';

const run = (handler: Handler, body: unknown = {}): Promise<Attempted> => inlineRunner(handler).run(attemptAt(body));
const kindsOf = (attempted: Attempted): string[] => attempted.results.map((result) => result.kind);

/** A promise that the test resolves. */
const gate = <Value = void>(): PromiseWithResolvers<Value> => Promise.withResolvers<Value>();

describe('an inline handler', () => {
  it('succeeds with what it returns or resolves to', async () => {
    assert.deepEqual(await run(() => undefined), { results: [{ kind: 'succeeded', value: undefined }], emitted: [[]] });
    assert.deepEqual((await run(() => ({ status: 202 }))).results, [{ kind: 'succeeded', value: { status: 202 } }]);
    assert.deepEqual((await run(async () => 'later')).results, [{ kind: 'succeeded', value: 'later' }]);
  });

  it('fails with whatever it throws, at once or later, and nothing escapes', async () => {
    const handlers: Handler[] = [
      () => {
        throw new Error('x');
      },
      async () => {
        throw new Error('x');
      },
      () => Promise.reject(new Error('x')),
      () => ({
        // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
        get then() {
          throw new Error('x');
        },
      }),
    ];
    for (const handler of handlers) {
      const { results } = await run(handler);
      assert.ok(results[0]?.kind === 'failed' && results[0].error.startsWith('Error: x'));
    }
  });

  it('may return any thenable', async () => {
    const thenable = { then: (resolve: (value: unknown) => void) => resolve(new Skip('from a query builder')) }; // oxlint-disable-line unicorn/no-thenable -- that is what is tested
    assert.deepEqual((await run(() => thenable)).results, [{ kind: 'skipped', note: 'from a query builder' }]);
  });

  it('costs no look at the signal when it is done within its turn', async () => {
    for (const handler of [() => undefined, async () => undefined]) {
      const attempt = attemptAt({});
      await inlineRunner(handler).run(attempt);
      await turn();
      assert.equal(attempt.looks, 0);
    }
  });

  it('knows its attempt, delivery, destination, correlation and trace', async () => {
    const attempt = new TestAttempt([storedEvent({}, { correlationId: 'cor_9', traceparent: '00-a-b-01' })], 3);
    const { results } = await inlineRunner((_event, context) => {
      const { attempt, deliveryId, destination, correlationId, traceparent } = context;
      return { attempt, deliveryId, destination, correlationId, traceparent };
    }).run(attempt);
    assert.deepEqual(results[0], {
      kind: 'succeeded',
      value: {
        attempt: 3,
        deliveryId: 'dlv_1',
        destination: 'billing',
        correlationId: 'cor_9',
        traceparent: '00-a-b-01',
      },
    });
  });
});

describe('a timeout', () => {
  it('ends the attempt at once, and a late result changes nothing', async () => {
    const late = gate<unknown>();
    const attempt = attemptAt({});
    const running = inlineRunner(() => late.promise).run(attempt);
    await turn();
    attempt.abort();
    const attempted = await running;
    assert.deepEqual(attempted, { results: [{ kind: 'timeout' }], emitted: [[]] });
    late.reject(new Error('too late, and nobody hears of it'));
    await turn();
    assert.deepEqual(attempted.results, [{ kind: 'timeout' }]);
  });

  it('counts also when it comes before anybody listened', async () => {
    const attempt = attemptAt({});
    const running = inlineRunner(() => new Promise(() => undefined)).run(attempt);
    attempt.abort();
    assert.deepEqual(kindsOf(await running), ['timeout']);
  });

  it('is seen by the handler on its signal', async () => {
    const attempt = attemptAt({});
    const seen = gate<string>();
    const running = inlineRunner((_event, { signal }) => {
      signal.addEventListener('abort', () => seen.resolve((signal.reason as Error).name));
      return new Promise(() => undefined);
    }).run(attempt);
    attempt.abort();
    assert.equal(await seen.promise, 'TimeoutError');
    await running;
  });

  it('closes the attempt: an emit after it is refused, not lost silently', async () => {
    const context = gate<HandlerContext>();
    const attempt = attemptAt({});
    const running = inlineRunner((_event, given) => {
      context.resolve(given);
      return new Promise(() => undefined);
    }).run(attempt);
    attempt.abort();
    await running;
    const { emit } = await context.promise;
    assert.throws(() => emit('late', {}), { code: 'attempt_ended' });
  });
});

describe('emit', () => {
  it('is kept with a final outcome and left behind by one that is tried again', async () => {
    const emitting = (end: () => unknown): Handler => {
      return async (_event, context) => {
        await context.emit('made', { n: 1 }, { tenant: 'acme' });
        return end();
      };
    };
    const fails = (): never => {
      throw new Error('x');
    };
    const cases = [
      [emitting(() => undefined), 1],
      [emitting(() => new Skip('s')), 1],
      [emitting(() => new Reject('r')), 1],
      [emitting(() => new RetryLater(5)), 0],
      [emitting(fails), 0],
    ] as const;
    for (const [handler, kept] of cases) assert.equal((await run(handler)).emitted[0]?.length, kept);
    const { emitted } = await run(emitting(() => undefined));
    const [made] = emitted[0] ?? [];
    assert.deepEqual(
      { ...made, body: Buffer.from(made?.body ?? []).toString() },
      { type: 'made', body: '{"n":1}', contentType: 'application/json', options: { tenant: 'acme' } },
    );
  });

  it('refuses what cannot be committed, where it is called', async () => {
    const calls: ((context: HandlerContext) => unknown)[] = [
      ({ emit }) => emit('', {}),
      ({ emit }) => emit('t'.repeat(300), {}),
      ({ emit }) => emit('t', undefined),
      ({ emit }) => emit('t', 1n),
      ({ emit }) => emit('t', {}, { at: new Date(Number.NaN) }),
      ({ emit }) => emit('t', {}, { dedupeKey: 5 as unknown as string }),
    ];
    for (const call of calls) {
      await run((_event, context) => assert.throws(() => call(context), { code: 'invalid_input' }));
    }
    const { results } = await run((_event, { emit }) => emit('t', new Uint8Array(2 ** 20 + 1)));
    assert.ok(results[0]?.kind === 'failed' && results[0].error.includes("emit('t'): 1048577 bytes, at most 1048576"));
    const flood = await run((_event, { emit }) => {
      for (let sent = 0; sent < 20; sent++) void emit('t', new Uint8Array(2 ** 20));
    });
    assert.ok(flood.results[0]?.kind === 'failed' && flood.results[0].error.includes('in one attempt'));
  });

  it('takes the bytes as they are at the call', async () => {
    const { emitted } = await run((_event, { emit }) => {
      const bytes = new Uint8Array([1]);
      void emit('t', bytes);
      bytes[0] = 2;
    });
    assert.deepEqual(emitted[0]?.[0]?.body, new Uint8Array([1]));
  });

  it('takes its options as they are at the call', async () => {
    const { emitted } = await run((_event, { emit }) => {
      const options = { dedupeKey: 'first', at: new Date(1000) };
      void emit('t', {}, options);
      options.dedupeKey = 'second';
      options.at.setTime(2000);
      void emit('t', {}, options);
    });
    const expected = [
      { dedupeKey: 'first', at: new Date(1000) },
      { dedupeKey: 'second', at: new Date(2000) },
    ];
    assert.deepEqual(
      emitted[0]?.map(({ options }) => options),
      expected,
    );
  });
});

describe('an inline batch handler', () => {
  it('settles single events; the others share what becomes of the batch', async () => {
    const attempt = batchOf('a', 'b', 'c');
    const returns = inlineBatchRunner((batch, context) => {
      const [first, second] = batch.events;
      if (first !== undefined) batch.fail(first, new RetryLater('10m'));
      if (second !== undefined) context.fail(second, 'a text');
    });
    const returned = await returns.run(attempt);
    assert.deepEqual(kindsOf(returned), ['failed', 'failed', 'succeeded']);
    assert.ok(returned.results[0]?.kind === 'failed' && returned.results[0].delayMs === 600_000);
    assert.ok(returned.results[1]?.kind === 'failed' && returned.results[1].error.startsWith('Error: a text'));
    const throws = inlineBatchRunner<string>((batch) => {
      for (const event of batch.events) if (event.body === 'b') batch.succeed(event);
      throw new Reject('the rest');
    });
    assert.deepEqual(kindsOf(await throws.run(batchOf('a', 'b', 'c'))), ['rejected', 'succeeded', 'rejected']);
  });

  it('calls code for each event as a handler of single events: what one throws or returns settles that one alone', async () => {
    const seen: string[] = [];
    const outcome = (body: string): unknown => {
      seen.push(body);
      if (body === 'reject') throw new Reject('no');
      if (body === 'later') throw new RetryLater('10m');
      if (body === 'broken') throw new Error('broken');
      return body === 'skip' ? new Skip('nothing in it') : body;
    };
    const bodies = ['a', 'reject', 'skip', 'settled', 'later', 'broken', 'b'];
    const kinds = ['succeeded', 'rejected', 'skipped', 'skipped', 'failed', 'failed', 'succeeded'];
    const first = ({ events, fail }: Batch<string>): void => {
      for (const event of events) if (event.body === 'settled') fail(event, new Skip('before'));
    };
    const inTurn = inlineBatchRunner<string>((batch) => {
      first(batch);
      batch.each(({ body }) => outcome(body));
      seen.push('behind');
    });
    const awaited = inlineBatchRunner<string>(async (batch) => {
      first(batch);
      await batch.each(async ({ body }) => {
        await turn();
        return outcome(body);
      });
      seen.push('behind');
    });
    for (const runner of [inTurn, awaited]) {
      assert.deepEqual(kindsOf(await runner.run(batchOf(...bodies))), kinds);
      assert.deepEqual(seen.splice(0), [...bodies.filter((body) => body !== 'settled'), 'behind']);
    }
    const whole = inlineBatchRunner<string>((batch) => {
      batch.each(({ body }) => outcome(body));
      throw new Unavailable('the table is locked');
    });
    assert.deepEqual(kindsOf(await whole.run(batchOf('a', 'reject'))), ['unavailable', 'rejected']);
  });

  it('calls code for no further event when the attempt is over', async () => {
    const attempt = batchOf('a', 'b');
    const seen: string[] = [];
    const over = gate();
    const ended = gate<unknown>();
    const running = inlineBatchRunner<string>((batch) => {
      const all = batch.each(async ({ body }) => {
        seen.push(body);
        attempt.abort();
        await over.promise;
      });
      all.then(ended.resolve, ended.resolve);
      return all;
    }).run(attempt);
    assert.deepEqual(kindsOf(await running), ['timeout', 'timeout']);
    over.resolve();
    assert.equal(((await ended.promise) as HoldfastError).code, 'attempt_ended');
    assert.deepEqual(seen, ['a']);
  });

  it('is heard the first time about an event, and not after the end', async () => {
    const kept = gate<BatchContext>();
    const events = gate<Parameters<BatchContext['fail']>[0]>();
    const runner = inlineBatchRunner((batch, context) => {
      const [event] = batch.events;
      assert.ok(event !== undefined);
      batch.fail(event, new Skip('first'));
      batch.fail(event, new Reject('second'));
      kept.resolve(context);
      events.resolve(event);
    });
    assert.deepEqual((await runner.run(batchOf('a'))).results, [{ kind: 'skipped', note: 'first' }]);
    const event = await events.promise;
    const { fail } = await kept.promise;
    assert.throws(() => fail(event, 'late'), { code: 'attempt_ended' });
  });

  it('keeps what it settled before a timeout', async () => {
    const attempt = batchOf('a', 'b');
    const running = inlineBatchRunner((batch) => {
      if (batch.events[0] !== undefined) batch.succeed(batch.events[0]);
      return new Promise(() => undefined);
    }).run(attempt);
    attempt.abort();
    assert.deepEqual(kindsOf(await running), ['succeeded', 'timeout']);
  });

  it('emits with the event named, else with the first that succeeded', async () => {
    const { emitted } = await inlineBatchRunner((batch, { emit }) => {
      const [first, second] = batch.events;
      assert.ok(first !== undefined && second !== undefined);
      void emit('of second', {}, { event: second });
      void emit('of all', {});
      void emit('of first', {}, { event: first });
      batch.fail(first, 'this one failed');
      assert.throws(() => emit('after it was settled', {}, { event: first }), { code: 'attempt_ended' });
    }).run(batchOf('a', 'b'));
    assert.deepEqual(
      emitted.map((list) => list.map((one) => one.type)),
      [[], ['of second', 'of all']],
    );
  });

  it('must say which event or tenant an emit of several tenants is for', async () => {
    const attempt = new TestAttempt([storedEvent('a', { tenant: 't1' }), storedEvent('b', { tenant: 't2' })]);
    const { results } = await inlineBatchRunner((batch, { emit }) => {
      void emit('named', {}, { tenant: 't1' });
      void emit('of an event', {}, batch.events[0] === undefined ? {} : { event: batch.events[0] });
      assert.throws(() => emit('of whom?', {}), { code: 'invalid_input' });
    }).run(attempt);
    assert.deepEqual(
      results.map((result) => result.kind),
      ['succeeded', 'succeeded'],
    );
  });

  it('knows each delivery, and no event of another batch', async () => {
    const foreign = gate<Parameters<BatchContext['fail']>[0]>();
    await inlineBatchRunner((batch) => foreign.resolve(batch.events[0] as never)).run(batchOf('a'));
    const other = await foreign.promise;
    const { results } = await inlineBatchRunner((batch, { delivery, destination, fail }) => {
      assert.equal(destination, 'billing');
      assert.deepEqual(batch.events.map(delivery), [
        { deliveryId: 'dlv_1', attempt: 1 },
        { deliveryId: 'dlv_2', attempt: 1 },
      ]);
      assert.throws(() => fail(other, 'x'), HoldfastError);
    }).run(batchOf('a', 'b'));
    assert.deepEqual(
      results.map((result) => result.kind),
      ['succeeded', 'succeeded'],
    );
  });

  it('is never given to a handler of single events', async () => {
    const attempted = await inlineRunner(() => undefined).run(batchOf('a', 'b'));
    assert.deepEqual(kindsOf(attempted), ['failed', 'failed']);
  });
});
