import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runInNewContext } from 'node:vm';
import { HoldfastError } from '../errors.ts';
import type * as own from './outcomes.ts';
import {
  cutText,
  describeError,
  Reject,
  resultOf,
  resultOfThrown,
  RetryLater,
  Skip,
  TEXT_BYTES_MAX,
  Unavailable,
} from './outcomes.ts';

describe('outcomes', () => {
  it('mean the same thrown and returned', () => {
    const outcomes = [new RetryLater('1.5s', 'soon'), new Reject('bad'), new Skip('old'), new Unavailable('down')];
    for (const outcome of outcomes) assert.deepEqual(resultOf(outcome), resultOfThrown(outcome));
    assert.deepEqual(outcomes.map(resultOf), [
      { kind: 'failed', error: 'soon', delayMs: 1500, status: null },
      { kind: 'rejected', reason: 'bad' },
      { kind: 'skipped', note: 'old' },
      { kind: 'unavailable', reason: 'down' },
    ]);
  });

  it('are recognised in another copy of the package and in another realm', async () => {
    const copied: string = './outcomes.ts?copy';
    const copy = (await import(copied)) as typeof own;
    assert.ok(!(new copy.Skip('x') instanceof Skip));
    assert.deepEqual(resultOfThrown(new copy.Skip('x')), { kind: 'skipped', note: 'x' });
    const foreign: unknown = runInNewContext(`({ [Symbol.for('holdfast.outcome')]: 'reject', message: 'from afar' })`);
    assert.deepEqual(resultOf(foreign), { kind: 'rejected', reason: 'from afar' });
  });

  it('refuse a delay that is none, where it is written', () => {
    assert.throws(() => new RetryLater('soon'), /RetryLater: delay: expected a duration/);
  });

  it('are errors with a name, for whoever sees them on the way', () => {
    assert.equal(String(new Unavailable('down')), 'Unavailable: down');
  });
});

describe('a store that was away', () => {
  it('is unavailable when a handler throws it on, and no failure', () => {
    const away = new HoldfastError('store_unavailable', { detail: 'PostgreSQL is gone.' });
    const result = resultOfThrown(away);
    assert.deepEqual(result, { kind: 'unavailable', reason: away.message });
    assert.equal(resultOfThrown(new HoldfastError('claim_lost')).kind, 'failed');
  });
});

describe('what a handler returns', () => {
  it('is a success with that value, also when it is an error or looks like nothing known', () => {
    const values = [undefined, null, 0, 'text', { kind: 'failed' }, new Error('returned')];
    for (const value of values) assert.deepEqual(resultOf(value), { kind: 'succeeded', value });
  });

  it('is a success when it cannot be looked at', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    assert.equal(resultOf(proxy).kind, 'succeeded');
  });
});

describe('what a handler throws', () => {
  it('is shown with its stack and its causes', () => {
    const text = describeError(new TypeError('outer', { cause: new Error('inner', { cause: 'root' }) }));
    assert.match(text, /^TypeError: outer\n {4}at .*outcomes\.test/);
    assert.match(text, /\ncaused by: Error: inner\n/);
    assert.match(
      describeError(new AggregateError([new Error('one'), 2], 'all')),
      /AggregateError: all[^]*first of 2: Error: one/,
    );
  });

  it('is shown without the other properties of an error, where clients keep credentials', () => {
    const error = Object.assign(new Error('request failed'), {
      config: { headers: { authorization: 'Bearer s3cret' } },
    });
    assert.ok(!describeError(error).includes('s3cret'));
  });

  it('is shown for what it is when it is no error', () => {
    assert.equal(describeError('text'), 'thrown, but not an Error: text');
    assert.equal(describeError(undefined), 'thrown, but not an Error: undefined');
    assert.equal(describeError({ code: 5 }), 'thrown, but not an Error: { code: 5 }');
    assert.match(describeError(runInNewContext(`new Error('another realm')`)), /^Error: another realm/);
  });

  it('never throws itself', () => {
    const hostile = new Error('x');
    Object.defineProperty(hostile, 'stack', {
      get() {
        throw new Error('not even this');
      },
    });
    assert.equal(describeError(hostile), 'an error that cannot be shown');
    const circular = new Error('round');
    circular.cause = circular;
    assert.match(describeError(circular), /round/);
  });

  it('is cut to 4 KiB between characters', () => {
    for (const character of ['x', 'é', '€', '😀']) {
      const cut = cutText(character.repeat(5000));
      assert.ok(Buffer.byteLength(cut) <= TEXT_BYTES_MAX && Buffer.byteLength(cut) > TEXT_BYTES_MAX - 8);
      assert.match(cut, /…$/);
      assert.equal(Buffer.from(cut).toString(), cut);
    }
    assert.equal(cutText('x'.repeat(TEXT_BYTES_MAX)).length, TEXT_BYTES_MAX);
    const { error } = resultOfThrown(new Error('y'.repeat(100_000))) as { error: string };
    assert.ok(Buffer.byteLength(error) <= TEXT_BYTES_MAX);
    assert.ok(
      Buffer.byteLength((resultOf(new Reject('z'.repeat(100_000))) as { reason: string }).reason) <= TEXT_BYTES_MAX,
    );
  });
});
