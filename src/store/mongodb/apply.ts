/**
 * Writing down what an entry of the log says. Every write counts once, whoever does it and however often: what is new
 * is inserted where it is missing, what is known is changed only where no later entry has written.
 */
import {
  type AnyBulkWriteOperation,
  type Collection,
  type Document,
  MongoBulkWriteError,
  MongoServerError,
} from 'mongodb';
import type { Collections } from './collections.ts';
import type { Changes } from './documents.ts';

/** Applies the changes of the entry at this position. */
export async function applyChanges(collections: Collections, rev: number, changes: Changes): Promise<void> {
  const { events, deliveries, attempts, puts, sets, renames } = changes;
  await Promise.all([
    insertMissing(collections.events, events),
    insertMissing(collections.deliveries, deliveries),
    insertMissing(collections.attempts, attempts),
    ...(['dedupe', 'destinations', 'sources', 'documents'] as const).map((to) =>
      putAll(
        collections[to] as unknown as Collection,
        rev,
        puts.filter((put) => put.to === to),
      ),
    ),
    ...(['events', 'deliveries'] as const).map((to) =>
      setAll(
        collections[to] as unknown as Collection,
        rev,
        sets.filter((set) => set.to === to),
      ),
    ),
  ]);
  for (const { from, to } of renames) await rename(collections, rev, { from, to });
  await remove(collections, changes);
}

/** Inserts the documents that are not there. One that is there was inserted by an earlier try. */
async function insertMissing<Stored extends Document>(
  collection: Collection<Stored>,
  documents: readonly Stored[],
): Promise<void> {
  if (documents.length === 0) return;
  try {
    await collection.insertMany(documents as never, { ordered: false });
  } catch (error) {
    if (!isOnlyDuplicates(error)) throw error;
  }
}

/** A dedupe key that was known may have been purged since: it is inserted as well as replaced. */
async function putAll(collection: Collection, rev: number, puts: Changes['puts']): Promise<void> {
  await insertMissing(
    collection,
    puts.filter(({ to, isNew }) => isNew || to === 'dedupe').map(({ document }) => document),
  );
  await bulk(
    collection,
    puts
      .filter(({ isNew }) => !isNew)
      .map(({ document }) => ({
        replaceOne: { filter: { _id: document._id as never, rev: { $lt: rev } }, replacement: document },
      })),
  );
}

async function setAll(collection: Collection, rev: number, sets: Changes['sets']): Promise<void> {
  await bulk(
    collection,
    sets.map(({ ids, fields }) => ({
      updateMany: { filter: { _id: { $in: ids as never }, rev: { $lt: rev } }, update: { $set: fields } },
    })),
  );
}

async function bulk(collection: Collection, operations: readonly AnyBulkWriteOperation[]): Promise<void> {
  if (operations.length > 0) await collection.bulkWrite([...operations], { ordered: false });
}

/** Deliveries that this entry changed otherwise too have the new name already. */
async function rename(
  { deliveries }: Collections,
  rev: number,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<void> {
  const earlier = { destination: from, rev: { $lt: rev } };
  await deliveries.updateMany({ ...earlier, slot: from }, { $set: { destination: to, slot: to, rev } });
  await deliveries.updateMany({ ...earlier, slot: null }, { $set: { destination: to, rev } });
}

async function remove(collections: Collections, { goneEvents, goneAttempts, oldAttempts }: Changes): Promise<void> {
  if (oldAttempts.length > 0) await collections.attempts.deleteMany({ _id: { $in: [...oldAttempts] } });
  if (goneAttempts.length > 0) await collections.attempts.deleteMany({ deliveryId: { $in: [...goneAttempts] } });
  if (goneEvents.length === 0) return;
  await collections.deliveries.deleteMany({ eventId: { $in: [...goneEvents] } });
  await collections.events.deleteMany({ _id: { $in: [...goneEvents] } });
}

const DUPLICATE_KEY = 11_000;

/** Whether an error says only that documents are there already. */
function isOnlyDuplicates(error: unknown): boolean {
  if (error instanceof MongoBulkWriteError) {
    const errors = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors];
    return errors.length > 0 && errors.every(({ code }) => code === DUPLICATE_KEY) && !hasConcernError(error);
  }
  return isDuplicateKey(error);
}

function hasConcernError(error: MongoBulkWriteError): boolean {
  return error.result.getWriteConcernError() !== undefined;
}

export function isDuplicateKey(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === DUPLICATE_KEY;
}
