import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { crc32 as zlibCrc32 } from 'node:zlib';
import * as fc from 'fast-check';
import { crc32 } from './crc32.ts';
import { prepareHmac } from './prepared-hmac.ts';

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const part = fc.oneof(bytes(300), fc.string({ unit: 'grapheme', maxLength: 60 }));

test('a prepared HMAC is the HMAC, whatever the key, the parts and their number', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('sha1', 'sha256', 'sha384', 'sha512'),
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.array(fc.array(part, { maxLength: 5 }), { minLength: 1, maxLength: 4 }),
      (algorithm, key, requests) => {
        // One key for several requests: nothing of one may be left in the next.
        const mac = prepareHmac(algorithm, key);
        for (const parts of requests) {
          const expected = createHmac(algorithm, key);
          for (const piece of parts) expected.update(piece);
          assert.equal(mac(parts, 'hex'), expected.digest('hex'));
        }
      },
    ),
  );
});

test('keys of the length of a block and one beyond, and texts around the longest that is copied', () => {
  for (const algorithm of ['sha1', 'sha256', 'sha384', 'sha512'] as const) {
    for (const length of [63, 64, 65, 127, 128, 129]) {
      const key = Buffer.alloc(length, 7);
      const mac = prepareHmac(algorithm, key);
      for (const size of [0, 1, 16_383, 16_384, 16_385, 100_000]) {
        const body = Buffer.alloc(size, 'é');
        assert.equal(
          mac(['t.', body], 'base64'),
          createHmac(algorithm, key).update('t.').update(body).digest('base64'),
        );
      }
    }
  }
  const wide = '☕'.repeat(6000);
  const mac = prepareHmac('sha256', Buffer.from('key'));
  assert.equal(mac([wide], 'hex'), createHmac('sha256', 'key').update(wide).digest('hex'));
});

test('CRC-32 is that of zlib', () => {
  fc.assert(fc.property(bytes(2000), (body) => assert.equal(crc32(body), zlibCrc32(body))));
});
