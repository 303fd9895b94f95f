import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { test } from 'node:test';
import { BlockSort } from './block-sort.ts';
import { Bucket } from './bucket.ts';
import { type DedupeEntry, ENTRY_BYTES, readEntry } from './dedupe-entry.ts';

const BITS = 5;

function entry(length: number): DedupeEntry {
  const [a = 0, b = 0, c = 0, d = 0] = randomFillSync(new Uint32Array(4));
  return { digest: { a, b, c, d }, id: { a: 1, b: 2, c: 3, d: 4 }, crc: 5, length, expiresAt: 1e12 };
}

test('a bucket is put into blocks a few entries at a time, each block in the order in which its keys came', () => {
  const bucket = new Bucket(1, 1000);
  const entries = Array.from({ length: 1000 }, (_, index) => entry(index));
  for (const one of entries) bucket.add(one);
  const sort = new BlockSort(bucket, BITS);
  let steps = 0;
  let left = 0;
  for (; !sort.isDone; steps++) left = sort.step(7);
  // Each entry is looked at twice, by seven.
  assert.equal(steps, Math.ceil(2000 / 7));
  assert.equal(left, steps * 7 - 2000);
  assert.equal(sort.step(7), 7);
  const view = new DataView(sort.bytes.buffer);
  for (let block = 0; block < 2 ** BITS; block++) {
    const found: DedupeEntry[] = [];
    for (let index = sort.starts[block] ?? 0; index < (sort.starts[block + 1] ?? 0); index++) {
      found.push(readEntry(view, index * ENTRY_BYTES));
    }
    assert.deepEqual(
      found,
      entries.filter(({ digest }) => digest.a >>> (32 - BITS) === block),
    );
  }
});

test('an empty bucket is done at once', () => {
  const sort = new BlockSort(new Bucket(1, 10), 0);
  assert.ok(sort.isDone);
  assert.deepEqual([...sort.starts], [0, 0]);
});
