import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TokenBucket } from './limiter.ts';

describe('a token bucket', () => {
  test('gives its burst at once, then its rate', () => {
    let now = 0;
    const bucket = new TokenBucket(10, 5, { monotonic: () => now });
    assert.deepEqual(
      [1, 2, 3, 4, 5, 6].map(() => bucket.take(1)),
      [true, true, true, true, true, false],
    );
    assert.equal(bucket.waitMs(1), 100);
    now = 100;
    assert.equal(bucket.take(1), true);
    assert.equal(bucket.take(1), false);
  });

  test('never holds more than its burst', () => {
    let now = 0;
    const bucket = new TokenBucket(1000, 3, { monotonic: () => now });
    now = 1e9;
    assert.deepEqual(
      [1, 2, 3, 4].map(() => bucket.take(1)),
      [true, true, true, false],
    );
  });
});
