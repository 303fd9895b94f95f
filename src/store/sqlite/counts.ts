/** Sums, from what is counted with every commit: never by a scan over events. */
import type { DestinationCounts, SourceTotals, StoreCounts } from '../store.ts';
import { oldestReady } from './claims.ts';
import { type Counts, counters, noCounts } from './destinations.ts';
import type { State } from './state.ts';

export function countAll(state: State, bytesOnDisk: number): StoreCounts {
  const claimed = new Map<number, number>();
  // Claimed before its destination was renamed onto another, it may have to wait for others now, and is claimed still.
  const waiting = new Map<number, number>();
  for (const { destination, row } of state.slots.all()) {
    claimed.set(destination, (claimed.get(destination) ?? 0) + 1);
    if (row?.blocked === 1) waiting.set(destination, (waiting.get(destination) ?? 0) + 1);
  }
  const rows = state.reader.all({ sql: 'SELECT name, accepted, duplicates, differing, kept FROM source' });
  const sources = rows.map((row): SourceTotals => {
    const [accepted, duplicates, differing] = [row['accepted'], row['duplicates'], row['differing']].map(Number);
    const source = String(row['name']);
    return { source, accepted: accepted ?? 0, duplicates: duplicates ?? 0, differing: differing ?? 0 };
  });
  return {
    destinations: state.destinations
      .names()
      .toSorted()
      .map((name) => countOne(state, name, { claimed, waiting })),
    sources: sources.toSorted((a, b) => (a.source < b.source ? -1 : 1)),
    events: rows.reduce((sum, row) => sum + Number(row['kept']), 0),
    bytesOnDisk,
  };
}

/** Claims by the number of their destination. */
interface Claims {
  readonly claimed: ReadonlyMap<number, number>;
  readonly waiting: ReadonlyMap<number, number>;
}

function countOne(state: State, destination: string, by: Claims): DestinationCounts {
  const sums: Counts = noCounts();
  const now = state.clock.now();
  let claimed = 0;
  let due = 0;
  for (const number of state.destinations.numbers(destination)) {
    const counts = state.destinations.counts(number);
    for (const counter of counters) sums[counter] += counts[counter];
    claimed += by.claimed.get(number) ?? 0;
    sums.blocked -= by.waiting.get(number) ?? 0;
    if (counts.open_rows > 0) due += Number(state.reader.first('countDue', number, now)?.['due'] ?? 0);
  }
  const { received, succeeded, skipped, failed, dead } = sums;
  const ready = sums.open_paged + sums.open_rows - sums.blocked - due - claimed;
  return {
    destination,
    blocked: sums.blocked,
    due,
    ready,
    claimed,
    dead: sums.unresolved,
    oldestReadyAt: ready > 0 ? oldestReady(state, destination, now) : null,
    totals: { received, succeeded, skipped, failed, dead },
  };
}
