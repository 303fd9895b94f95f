import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { array, assert as assertProperty, asyncProperty, nat } from 'fast-check';
import { compareHistories, DRAWS_PER_COMMAND, historyCommands, historyDraws } from './histories.ts';
import { memoryHarness } from './memory-harness.ts';

const draws = array(array(nat(), { minLength: 2, maxLength: DRAWS_PER_COMMAND }), { maxLength: 60 });

describe('random histories', () => {
  it('find no difference between a store and itself', async () => {
    const same = asyncProperty(draws, async (numbers) => {
      await compareHistories(historyCommands(numbers), memoryHarness, memoryHarness);
    });
    await assertProperty(same, { numRuns: 60 });
  });

  it('reach every answer that a store can give', async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 80; seed++) {
      const tally = await compareHistories(historyCommands(historyDraws(seed, 60)), memoryHarness, memoryHarness);
      for (const name of tally.keys()) seen.add(name);
    }
    const expected: Readonly<Record<string, readonly string[]>> = {
      starts: ['committed', 'stale_claim'],
      settlements: ['committed', 'stale_claim'],
      releases: ['committed', 'stale_claim'],
      replays: ['committed', 'conflict', 'replay_open', 'body_purged'],
      documents: ['committed', 'conflict'],
      action: ['done', 'nothing'],
      duplicate: ['true', 'false'],
      claimed: ['suspect'],
      renewal: ['refused'],
      purged: ['bodies', 'events', 'deadLetters', 'held'],
      store: ['repeated', 'interrupted', 'crashed', 'closed'],
      ends: ['succeeded', 'skipped', 'cancelled', 'blocked', 'ready', 'crashed', 'exhausted', 'backlog_full'],
    };
    const wanted = Object.entries(expected).flatMap(([kind, names]) => names.map((name) => `${kind} ${name}`));
    assert.deepEqual(
      wanted.filter((name) => !seen.has(name)),
      [],
    );
  });

  it('are the same for the same seed', () => {
    assert.deepEqual(historyDraws(7, 5), historyDraws(7, 5));
    assert.notDeepEqual(historyDraws(7, 5), historyDraws(8, 5));
  });
});
