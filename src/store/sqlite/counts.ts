/** Sums, from what is counted with every commit: never by a scan over events. */
import type { DestinationCounts, SourceTotals, StoreCounts } from '../store.ts';
import { oldestReady } from './claims.ts';
import { type Counts, counters, noCounts } from './destinations.ts';
import { giveWay, SLICE_MS } from './slices.ts';
import type { State } from './state.ts';

/** Gives way every few milliseconds: what is said of one destination is of one moment, and the next may be of another. */
export async function countAll(state: State, bytesOnDisk: number): Promise<StoreCounts> {
  for (const number of state.destinations.all()) {
    await state.dueCounts.refresh(number, state.destinations.counts(number).open_rows);
  }
  const names = state.destinations.names().toSorted();
  const destinations: DestinationCounts[] = [];
  while (destinations.length < names.length) {
    if (destinations.length > 0) await giveWay();
    const until = state.clock.monotonic() + SLICE_MS;
    state.expire();
    const by = claimsOf(state);
    do {
      const name = names[destinations.length] ?? '';
      destinations.push(state.reader.snapshot(() => countOne(state, name, by)));
    } while (destinations.length < names.length && state.clock.monotonic() < until);
  }
  const rows = state.reader.all({ sql: 'SELECT name, accepted, duplicates, differing, kept FROM source' });
  const sources = rows.map((row): SourceTotals => {
    const [accepted, duplicates, differing] = [row['accepted'], row['duplicates'], row['differing']].map(Number);
    const source = String(row['name']);
    return { source, accepted: accepted ?? 0, duplicates: duplicates ?? 0, differing: differing ?? 0 };
  });
  return {
    destinations,
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

function claimsOf(state: State): Claims {
  const claimed = new Map<number, number>();
  // Claimed before its destination was renamed onto another, it may have to wait for others now, and is claimed still.
  const waiting = new Map<number, number>();
  for (const { destination, row } of state.slots.all()) {
    claimed.set(destination, (claimed.get(destination) ?? 0) + 1);
    if (row?.blocked === 1) waiting.set(destination, (waiting.get(destination) ?? 0) + 1);
  }
  return { claimed, waiting };
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
    due += state.dueCounts.of(number, counts.open_rows);
  }
  const { received, succeeded, skipped, failed, dead } = sums;
  // What is due may have been counted a moment before the rest.
  const ready = Math.max(0, sums.open_paged + sums.open_rows - sums.blocked - due - claimed);
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
