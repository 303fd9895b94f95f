import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { formatId, idBytes, IdMaker, idTime, isId } from './id.ts';

const random = (bytes: Uint8Array): void => void crypto.getRandomValues(bytes);

describe('ids', () => {
  test('text and bytes say the same, and sort alike', () => {
    const bytes = fc.uint8Array({ minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const [first, second] = [formatId('evt', a), formatId('evt', b)];
        assert.deepEqual(idBytes(first), a);
        assert.equal(Math.sign(Buffer.compare(a, b)), first < second ? -1 : first > second ? 1 : 0);
      }),
    );
  });

  test('rise strictly while the clock stands still, goes on, or goes back', () => {
    let now = 1_800_000_000_000;
    const ids = new IdMaker({ now: () => now, fill: random });
    let last = '';
    for (let count = 0; count < 20_000; count++) {
      if (count % 1000 === 0) now += count % 3000 === 0 ? -5 : 2;
      const id = ids.make('evt');
      assert.ok(id > last, `${id} after ${last}`);
      last = id;
    }
  });

  test('carry the time they were made at', () => {
    const ids = new IdMaker({ now: () => 1_800_000_000_123, fill: random });
    assert.equal(idTime(ids.bytes()), 1_800_000_000_123);
  });

  test('start after what a store already has, also when the clock is behind', () => {
    const ids = new IdMaker({ now: () => 1000, fill: random });
    ids.startAfter(2_000_000);
    assert.ok(idTime(ids.bytes()) > 2_000_000);
  });

  test('are told apart from what is none', () => {
    const id = new IdMaker({ now: () => 1, fill: random }).make('evt');
    assert.ok(isId('evt', id));
    for (const other of [
      id.replace('evt', 'dlv'),
      id.slice(1),
      `${id}0`,
      id.toUpperCase(),
      'evt_',
      '',
      id.replace(/.$/, 'u'),
      `evt_z${id.slice(5)}`,
    ]) {
      assert.equal(isId('evt', other), false, other);
    }
  });
});
