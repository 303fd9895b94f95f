import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { durationMs, formatBytes, formatDuration, parseBytes, parseDuration } from './duration.ts';

describe('durations and sizes', () => {
  test('are read as people write them', () => {
    const read = { '250ms': 250, '5s': 5000, '1.5h': 5_400_000, '7d': 604_800_000, ' 2 m ': 120_000 };
    for (const [text, ms] of Object.entries(read)) assert.equal(parseDuration(text), ms, text);
    assert.equal(parseDuration(42), 42);
    const sizes = { '1MiB': 1_048_576, '64kb': 64_000, '10': 10, '1.5 GiB': 1_610_612_736 };
    for (const [text, bytes] of Object.entries(sizes)) assert.equal(parseBytes(text), bytes, text);
  });

  test('refuse what is none', () => {
    for (const text of ['', '5', 'soon', '-5s', '5 parsecs', '9e9d']) assert.equal(parseDuration(text), null, text);
    for (const number of [-1, Number.NaN, Number.POSITIVE_INFINITY]) assert.equal(parseDuration(number), null);
    for (const text of ['', 'much', '-1', '1 PiB']) assert.equal(parseBytes(text), null, text);
    assert.throws(() => durationMs('soon', 'within'), /within: expected a duration such as/);
  });

  test('are written for people', () => {
    assert.deepEqual([1, 1500, 90_000, 7_200_000, 172_800_000].map(formatDuration), [
      '1 ms',
      '1.5 s',
      '1.5 min',
      '2 h',
      '2 d',
    ]);
    assert.deepEqual([12, 2048, 1_572_864, 3_221_225_472].map(formatBytes), ['12 B', '2 KiB', '1.5 MiB', '3 GiB']);
  });
});
