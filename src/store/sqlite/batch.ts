/** A batch as a transaction: every kind of row in its turn, answers in the order of the batch. */
import type { CommitAnswers, CommitBatch } from '../store.ts';
import { act } from './actions.ts';
import { Appender } from './append.ts';
import { ChunkWriter } from './chunk-writer.ts';
import { hasReady, isReady } from './claims.ts';
import { writeDocument } from './documents.ts';
import { Replayer } from './replay.ts';
import { Settler } from './settle.ts';
import type { Txn } from './txn.ts';

/** Whether a batch decides about deliveries nobody has claimed; nothing is claimed meanwhile. */
export function isWide(batch: CommitBatch): boolean {
  return batch.actions.length > 0 || batch.replays.length > 0;
}

/** Does all of a batch and makes it durable. */
export async function commitBatch(txn: Txn, batch: CommitBatch): Promise<CommitAnswers> {
  const chunks = new ChunkWriter(txn);
  const appender = new Appender(txn, chunks);
  const settler = new Settler(txn, appender);
  const starts = batch.starts.map((claim) => settler.start(claim));
  const settlements = batch.settlements.map((item) => settler.settle(item));
  const releases = batch.releases.map((item) => settler.release(item));
  if (isWide(batch)) chunks.close();
  const replayer = new Replayer(txn);
  const replays = [];
  for (const row of batch.replays) replays.push(await replayer.replay(row));
  const actions = [];
  for (const action of batch.actions) actions.push(await act(txn, action));
  const appends = batch.appends.map((item) => appender.append(item));
  const documents = [];
  for (const write of batch.documents) documents.push(await writeDocument(txn, write));
  await txn.commit();
  return { appends, starts, settlements, releases, replays, actions, documents, ready: readyNames(txn) };
}

/** Destinations that came to have ready work, by name. */
function readyNames(txn: Txn): string[] {
  const { state } = txn;
  const numbers = [...txn.ready, ...[...txn.renamed].filter((number) => hasReady(state, number, txn.now))];
  for (const [position, number] of txn.offered) {
    if (isReady(state, number, { position, now: txn.now })) numbers.push(number);
  }
  return [...new Set(numbers.map((number) => state.destinations.name(number)))].toSorted();
}
