/** Counts and totals: kept with every entry of the log; only what time alone changes is counted when it is asked for. */
import type { Db } from 'mongodb';
import type { DestinationCounts, StoreCounts } from '../store.ts';
import type { Collections } from './collections.ts';
import { stateOf } from './delivery.ts';
import type { DeliveryDocument, DestinationDocument } from './documents.ts';

/** Ready deliveries that are looked at for the one that was received first. */
const OLDEST_AMONG = 1000;

export async function readCounts(
  db: Db,
  collections: Collections,
  at: { readonly now: number; readonly events: number },
): Promise<StoreCounts> {
  const [destinations, sources, stats] = await Promise.all([
    collections.destinations.find({ gone: false }).toArray(),
    collections.sources.find({}).toArray(),
    db.stats(),
  ]);
  const counted: DestinationCounts[] = [];
  for (const row of destinations) counted.push(await countsOf(collections, row, at.now));
  const size: unknown = stats['totalSize'] ?? stats['storageSize'];
  return {
    destinations: counted.toSorted((a, b) => (a.destination < b.destination ? -1 : 1)),
    sources: sources
      .map(({ _id, accepted, duplicates, differing }) => ({ source: _id, accepted, duplicates, differing }))
      .toSorted((a, b) => (a.source < b.source ? -1 : 1)),
    events: at.events,
    bytesOnDisk: typeof size === 'number' ? size : 0,
  };
}

type Ripe = Pick<DeliveryDocument, 'ended' | 'leaseUntil' | 'free' | 'dueAt' | 'receivedAt' | 'lane'>;

/** What a document leaves out. */
const noTimes = { ended: null, leaseUntil: null, dueAt: null };
const ripeFields = { ended: 1, leaseUntil: 1, free: 1, dueAt: 1, receivedAt: 1, lane: 1 };

async function countsOf(
  { deliveries }: Collections,
  { _id, lanes, ...totals }: DestinationDocument,
  now: number,
): Promise<DestinationCounts> {
  const { received, succeeded, skipped, failed, dead } = totals;
  const mayBeRipe = lanes.due + lanes.claimed > 0;
  const [ripe, first] = await Promise.all([
    mayBeRipe
      ? deliveries
          .find({ slot: _id, lane: { $in: ['due', 'claimed'] }, at: { $lte: now } })
          .project<Ripe>(ripeFields)
          .map((row) => ({ ...noTimes, ...row }))
          .toArray()
      : [],
    lanes.ready > 0
      ? deliveries
          .find({ slot: _id, lane: 'ready', at: 0 })
          .project<Ripe>(ripeFields)
          .sort({ seq: 1 })
          .limit(OLDEST_AMONG)
          .map((row) => ({ ...noTimes, ...row }))
          .toArray()
      : [],
  ]);
  const counts = { ...lanes };
  for (const row of ripe) {
    counts[row.lane as 'due' | 'claimed']--;
    counts[stateOf(row, now) as keyof typeof counts]++;
  }
  const ready = [...first, ...ripe.filter((row) => stateOf(row, now) === 'ready')];
  const oldestReadyAt = ready.reduce<number | null>(
    (old, row) => Math.min(old ?? row.receivedAt, row.receivedAt),
    null,
  );
  return { destination: _id, ...counts, oldestReadyAt, totals: { received, succeeded, skipped, failed, dead } };
}
