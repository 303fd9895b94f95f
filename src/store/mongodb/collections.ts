/** The collections of one database, and their indexes. */
import { type Collection, type Db, type IndexDescription, MongoServerError } from 'mongodb';
import {
  type AttemptDocument,
  COLLECTIONS,
  type DedupeDocument,
  type DeliveryDocument,
  type DestinationDocument,
  type EventDocument,
  type LogDocument,
  type PartDocument,
  type RegistryDocument,
  type SourceDocument,
  type StateDocument,
} from './documents.ts';

export interface Collections {
  readonly log: Collection<LogDocument>;
  readonly parts: Collection<PartDocument>;
  readonly state: Collection<StateDocument>;
  readonly events: Collection<EventDocument>;
  readonly deliveries: Collection<DeliveryDocument>;
  readonly attempts: Collection<AttemptDocument>;
  readonly dedupe: Collection<DedupeDocument>;
  readonly destinations: Collection<DestinationDocument>;
  readonly sources: Collection<SourceDocument>;
  readonly documents: Collection<RegistryDocument>;
}

export function collectionsOf(db: Db): Collections {
  return {
    log: db.collection(COLLECTIONS.log),
    parts: db.collection(COLLECTIONS.parts),
    state: db.collection(COLLECTIONS.state),
    events: db.collection(COLLECTIONS.events),
    deliveries: db.collection(COLLECTIONS.deliveries),
    attempts: db.collection(COLLECTIONS.attempts),
    dedupe: db.collection(COLLECTIONS.dedupe),
    destinations: db.collection(COLLECTIONS.destinations),
    sources: db.collection(COLLECTIONS.sources),
    documents: db.collection(COLLECTIONS.documents),
  };
}

/** Few, and most of them grow at their right end only: each is paid for with every event. */
const indexes: readonly { readonly of: keyof typeof COLLECTIONS; readonly specs: readonly IndexDescription[] }[] = [
  { of: 'log', specs: [{ key: { at: 1 } }, { key: { token: 1 }, sparse: true }] },
  { of: 'parts', specs: [{ key: { at: 1 } }] },
  {
    of: 'events',
    specs: [
      { key: { seq: 1 } },
      { key: { correlationId: 1 } },
      { key: { bare: 1, receivedAt: 1, seq: 1 } },
      // What one tenant sees and replays.
      { key: { tenant: 1, seq: 1 } },
    ],
  },
  {
    of: 'deliveries',
    specs: [
      // What is ready, due, claimed, and for the ended: since when.
      { key: { slot: 1, lane: 1, at: 1, seq: 1 } },
      // The queues of order keys: who is in front, and who is next.
      { key: { queue: 1, destination: 1, front: 1, place: 1, seq: 1 } },
      { key: { eventId: 1 } },
      { key: { seq: 1 } },
      { key: { destination: 1, seq: 1 } },
      { key: { tenant: 1, seq: 1 } },
    ],
  },
  { of: 'attempts', specs: [{ key: { deliveryId: 1 } }] },
  { of: 'dedupe', specs: [{ key: { until: 1 } }] },
  { of: 'documents', specs: [{ key: { kind: 1 } }, { key: { rev: 1 } }] },
];

/**
 * Creates the collections and indexes that are not there yet. None is left to the first write to it: whatever becomes
 * of a commit, a server that dies under it has every collection whole.
 */
export async function createCollections(db: Db): Promise<void> {
  await Promise.all(Object.values(COLLECTIONS).map((name) => db.createCollection(name).catch(unlessThere)));
  await Promise.all(
    indexes.map(async ({ of, specs }) => {
      const collection = db.collection(COLLECTIONS[of]);
      const there = new Set((await collection.indexes()).map(({ name }) => name ?? ''));
      const missing = specs
        .map((spec) => ({ ...spec, name: Object.keys(spec.key).join('_') }))
        .filter(({ name }) => !there.has(name));
      for (const spec of missing) await collection.createIndexes([spec]);
    }),
  );
}

const NAMESPACE_EXISTS = 48;

function unlessThere(error: unknown): void {
  if (!(error instanceof MongoServerError && error.code === NAMESPACE_EXISTS)) throw error;
}
