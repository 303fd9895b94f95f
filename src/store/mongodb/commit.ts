/** A commit: everything its rows ask about is read at once, then they are worked out in their order. */
import type {
  ActionAnswer,
  AppendAnswer,
  CommitAnswers,
  CommitBatch,
  DocumentAnswer,
  NewEvent,
  ReplayAnswer,
  RowAnswer,
  SettleAnswer,
} from '../store.ts';
import { act, documentId, putDocument, replay } from './actions.ts';
import { append, dedupeName } from './append.ts';
import { lineOf } from './delivery.ts';
import { readyByRename } from './rename.ts';
import { release, settle, start } from './settle.ts';
import type { WorkingSet } from './working.ts';

/** Works out the rows of a batch in the order that {@link CommitBatch} says. */
export async function commitBatch(set: WorkingSet, batch: CommitBatch): Promise<CommitAnswers> {
  await readAhead(set, batch);
  const starts: RowAnswer[] = [];
  for (const ref of batch.starts) starts.push(await start(set, ref));
  const settlements: SettleAnswer[] = [];
  for (const item of batch.settlements) settlements.push(await settle(set, batch, item));
  const releases: RowAnswer[] = [];
  for (const item of batch.releases) releases.push(await release(set, item));
  const replays: ReplayAnswer[] = [];
  for (const row of batch.replays) replays.push(await replay(set, row));
  const actions: ActionAnswer[] = [];
  for (const action of batch.actions) actions.push(await act(set, action));
  const appends: AppendAnswer[] = [];
  for (const item of batch.appends) appends.push(await append(set, batch, item));
  const documents: DocumentAnswer[] = [];
  for (const write of batch.documents) documents.push(await putDocument(set, write));
  const ready = [...new Set([...set.readyDestinations(), ...(await readyByRename(set))])].toSorted();
  return { appends, starts, settlements, releases, replays, actions, documents, ready };
}

/** Reads what the rows are sure to ask about, in few round trips. What is missing is read when it is asked about. */
async function readAhead(set: WorkingSet, batch: CommitBatch): Promise<void> {
  const events = [...batch.settlements.flatMap((item) => item.emits), ...batch.appends.flatMap((item) => item.events)];
  const names = events.flatMap((item) => dedupeName(item) ?? []);
  const refs = [
    ...batch.starts,
    ...batch.settlements.map((item) => item.claim),
    ...batch.releases.map((item) => item.claim),
  ];
  await Promise.all([
    set.deliveriesOf(refs.map((ref) => ref.deliveryId)),
    set.dedupe.load(names),
    set.eventRows.load([...events.map((item) => item.event.id), ...batch.replays.map((row) => row.eventId)]),
    set.sources.load(events.map((item) => item.event.source)),
    set.destinations.load(events.flatMap((item) => item.deliveries.map((delivery) => delivery.destination))),
    set.documents.load(batch.documents.map((write) => documentId(write.kind, write.key))),
  ]);
  await Promise.all([
    set.queues.load([...queuesOf(events), ...queuesRead(set)]),
    set.eventRows.load(names.flatMap((name) => set.dedupe.peek(name)?.eventId ?? [])),
  ]);
  await set.queues.readBehind(batch.settlements.flatMap(({ claim }) => set.deliveries.get(claim.deliveryId) ?? []));
}

function* queuesOf(events: readonly NewEvent[]): Generator<readonly [string, string]> {
  for (const { event, deliveries } of events) {
    for (const { destination, orderKey } of deliveries) {
      const line = lineOf(event.tenant, orderKey);
      if (line !== null) yield [destination, line];
    }
  }
}

function* queuesRead(set: WorkingSet): Generator<readonly [string, string]> {
  for (const { now } of set.deliveries.values()) if (now.line !== null) yield [now.destination, now.line];
}
