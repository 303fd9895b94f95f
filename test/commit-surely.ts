import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';
import { type CommitAnswers, type CommitBatch, type Store, StoreError } from '../src/store/store.ts';

/** A server that was started again answers long before. */
const WAIT_MS_MAX = 60_000;

/** Commits until it is known what became of the batch, as the committer does. @throws the last error after a minute */
export async function commitSurely(store: Store, batch: CommitBatch): Promise<CommitAnswers> {
  const until = Date.now() + WAIT_MS_MAX;
  for (;;) {
    try {
      return await store.work.commit(batch);
    } catch (error) {
      assert.ok(error instanceof StoreError && error.failure !== 'fatal', String(error));
      if (Date.now() > until) throw error;
      await setTimeout(20);
    }
  }
}
