import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { didYouMean, nearestName } from './suggest.ts';

const known = ['source', 'since', 'limit', 'correlationId'];

describe('nearestName', () => {
  test('finds the name that a slip of the pen came from', () => {
    assert.equal(nearestName('sourc', known), 'source');
    assert.equal(nearestName('SINCE', known), 'since');
    assert.equal(nearestName('correlation_id', known), 'correlationId');
  });

  test('suggests nothing for something else altogether', () => {
    assert.equal(nearestName('zzzzzzzz', known), null);
    assert.equal(nearestName('x', known), null);
    assert.equal(nearestName('a'.repeat(65), known), null);
  });

  test('reads as a sentence', () => {
    assert.equal(didYouMean('limt', known), " Did you mean 'limit'?");
    assert.equal(didYouMean('zzzzzzzz', known), '');
  });
});
