import { describe } from 'node:test';
import { array, assert as assertProperty, asyncProperty, nat } from 'fast-check';
import { compareHistories, DRAWS_PER_COMMAND, historyCommands } from '../src/testing/histories.ts';
import { sharedMemoryHarness } from '../src/testing/memory-harness.ts';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

const draws = array(array(nat(), { minLength: 2, maxLength: DRAWS_PER_COMMAND }), { maxLength: 60 });

describe('random histories of the postgres store', () => {
  const here = postgresHere();
  testNeeding([postgres], 'are those of the memory store', async () => {
    const same = asyncProperty(draws, async (numbers) => {
      await compareHistories(historyCommands(numbers), sharedMemoryHarness, () => here().worlds.harness());
    });
    await assertProperty(same, { numRuns: 40 });
  });
});
