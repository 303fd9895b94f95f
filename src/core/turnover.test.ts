import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as fc from 'fast-check';
import { Turnover } from './turnover.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as (options?: { type: 'minor' }) => void;

test('is a map, whatever is done to it', () => {
  const act = fc.tuple(fc.constantFrom('set', 'delete'), fc.integer({ min: 0, max: 9 }), fc.string());
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const model = new Map<number, string>();
      const real = new Turnover<string>();
      for (const [what, key, value] of acts) {
        if (what === 'set') {
          model.set(key, value);
          real.set(key, value);
        } else {
          assert.equal(real.delete(key), model.delete(key));
        }
        assert.deepEqual([real.get(key), real.has(key), real.size], [model.get(key), model.has(key), model.size]);
      }
      assert.deepEqual([...real.values()], [...model.values()]);
    }),
  );
});

test('what has gone is freed by the next small garbage collection, also after a full one', async () => {
  const LIVE = 64;
  const held = new Turnover<ArrayBuffer>();
  const pass = (from: number, count: number): void => {
    for (let key = from; key < from + count; key++) {
      held.set(key, new ArrayBuffer(1024));
      held.delete(key - LIVE);
    }
  };
  pass(0, 1_000);
  // What is live is old from now on.
  collectGarbage();
  const before = process.memoryUsage().arrayBuffers;
  for (let round = 0; round < 20; round++) {
    pass(1_000 * (round + 1), 1_000);
    collectGarbage({ type: 'minor' });
    await new Promise((resolve) => setImmediate(resolve));
  }
  const grown = process.memoryUsage().arrayBuffers - before;
  // A Map keeps all of the 20 MB that passed.
  assert.ok(grown < 5_000_000, `${grown} bytes more`);
});
