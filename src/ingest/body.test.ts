import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { BodyBuffer } from './body.ts';

test('pieces of any size become the body, and never hold more than twice of it', () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 9000 }), { maxLength: 12 });
  fc.assert(
    fc.property(pieces, fc.boolean(), (all, announced) => {
      const body = Buffer.concat(all);
      const buffer = new BodyBuffer(1_000_000, announced ? body.length : -1);
      for (const piece of all) assert.ok(buffer.add(piece));
      assert.deepEqual(Buffer.from(buffer.bytes), body);
      assert.ok(buffer.held <= Math.max(8192, body.length * 2));
    }),
  );
});

test('a single piece is kept as it came', () => {
  const piece = Buffer.from('abc');
  const buffer = new BodyBuffer(10, -1);
  buffer.add(piece);
  assert.equal(buffer.bytes, piece);
});

test('what would be too large is not taken', () => {
  const buffer = new BodyBuffer(4, -1);
  assert.equal(buffer.add(Buffer.from('abcde')), false);
  assert.ok(buffer.add(Buffer.from('abcd')));
  assert.equal(buffer.add(Buffer.from('e')), false);
  assert.equal(Buffer.from(buffer.bytes).toString(), 'abcd');
});

test('an announced length reserves nothing before a good part of it has come', () => {
  const buffer = new BodyBuffer(1_000_000, 1_000_000);
  buffer.add(Buffer.alloc(10));
  buffer.add(Buffer.alloc(10));
  assert.ok(buffer.held <= 8192);
});
