import { describe, it } from 'node:test';
import { array, assert as assertProperty, asyncProperty, nat } from 'fast-check';
import { compareHistories, DRAWS_PER_COMMAND, historyCommands } from '../../testing/histories.ts';
import { memoryHarness } from '../../testing/memory-harness.ts';
import { sqliteHarness } from './harness.ts';

const draws = array(array(nat(), { minLength: 2, maxLength: DRAWS_PER_COMMAND }), { maxLength: 60 });

describe('random histories of the sqlite store', () => {
  it('are those of the memory store, with runs of eight dedupe keys', async () => {
    const same = asyncProperty(draws, async (numbers) => {
      await compareHistories(historyCommands(numbers), memoryHarness, () => sqliteHarness({ bucketKeys: 8 }));
    });
    await assertProperty(same, { numRuns: 60 });
  });
});
