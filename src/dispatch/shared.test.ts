import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as assertProperty, constant, integer, nat, oneof, property, record } from 'fast-check';
import { placeOf } from '../core/rendezvous.ts';
import { type Paced, partOf } from './shared.ts';

const whole = record({
  concurrency: integer({ min: 1, max: 40 }).map((max) => ({ min: max, max })),
  ratePerS: oneof(
    constant(null),
    integer({ min: 1, max: 400 }).map((tenths) => tenths / 10),
  ),
});

/** What each of these is given, who may see more members than there are. */
function sums(given: Paced, members: readonly string[], seenBy: (member: string) => readonly string[]) {
  const parts = members.map((member) => {
    const seen = seenBy(member);
    return partOf(given, placeOf('ep_1', member, seen), seen.length);
  });
  return {
    attempts: parts.reduce((sum, part) => sum + (part?.concurrency.max ?? 0), 0),
    ratePerS: parts.reduce((sum, part) => sum + (part?.ratePerS ?? 0), 0),
    owners: parts.filter((part) => part !== null).length,
  };
}

test('all parts together are the whole', () => {
  assertProperty(
    property(whole, integer({ min: 1, max: 30 }), (given, count) => {
      const members = Array.from({ length: count }, (_, index) => `prc_${index}`);
      const { attempts, ratePerS, owners } = sums(given, members, () => members);
      assert.equal(attempts, given.concurrency.max);
      assert.ok(Math.abs(ratePerS - (given.ratePerS ?? 0)) < 1e-9);
      const enough = Math.min(given.concurrency.max, Math.floor(given.ratePerS ?? Number.POSITIVE_INFINITY));
      assert.equal(owners, Math.max(1, Math.min(count, enough)));
    }),
  );
});

test('whoever sees members that are not there takes no more than its part', () => {
  const extras = array(array(nat(9), { maxLength: 10 }), { minLength: 12, maxLength: 12 });
  assertProperty(
    property(whole, integer({ min: 1, max: 12 }), extras, (given, count, more) => {
      const members = Array.from({ length: count }, (_, index) => `prc_${index}`);
      const seenBy = (member: string): readonly string[] => [
        ...new Set([...members, ...(more[members.indexOf(member)] ?? []).map((number) => `prc_more_${number}`)]),
      ];
      const { attempts, ratePerS } = sums(given, members, seenBy);
      assert.ok(attempts <= given.concurrency.max, `${attempts} of ${given.concurrency.max}`);
      assert.ok(ratePerS <= (given.ratePerS ?? 0) + 1e-9, `${ratePerS} of ${given.ratePerS}`);
    }),
  );
});

test('two attempts at once among three are of two of them, and one a second of one', () => {
  const members = ['a', 'b', 'c'];
  const two = { concurrency: { min: 2, max: 2 }, ratePerS: null };
  assert.deepEqual(
    sums(two, members, () => members),
    { attempts: 2, ratePerS: 0, owners: 2 },
  );
  const slow = { concurrency: { min: 10, max: 10 }, ratePerS: 1 };
  assert.deepEqual(
    sums(slow, members, () => members),
    { attempts: 10, ratePerS: 1, owners: 1 },
  );
});
