/** What happened, read from the tables. */
import type { AttemptRecord } from '../../core/delivery.ts';
import type {
  DeliveryFilter,
  DeliveryRecord,
  DestinationCounts,
  EventFilter,
  EventRecord,
  EventSummary,
  HistoryStore,
  Listed,
  Page,
  StoreCounts,
} from '../store.ts';
import { type DeliveryRow, type EventRow, isUnresolved } from './rows.ts';
import type { Tables } from './tables.ts';

/** History on the tables that `use` gives, which throws while the store is not open. */
export function memoryHistory(use: () => Tables): HistoryStore {
  return {
    event: async (id) => eventRecord(use().events.get(id)),
    events: async (filter, page) => {
      const rows = [...use().events.values()].filter((row) => fitsEvent(row, filter));
      return list(rows, page, eventSummary);
    },
    delivery: async (id) => {
      const tables = use();
      const row = tables.deliveries.get(id);
      return row === undefined ? null : deliveryRecord(tables, row);
    },
    deliveries: async (filter, page) => {
      const tables = use();
      const rows = candidates(tables, filter).filter((row) => fitsDelivery(tables, row, filter));
      return list(rows, page, (row) => deliveryRecord(tables, row));
    },
    attempts: async (deliveryId): Promise<readonly AttemptRecord[]> => use().deliveries.get(deliveryId)?.records ?? [],
    counts: async () => counts(use()),
  };
}

function eventRecord(row: EventRow | undefined): EventRecord | null {
  if (row === undefined) return null;
  const { event, bodyBytes, owed, duplicates, answer } = row;
  return { event, bodyBytes, owed, duplicates, answer };
}

function eventSummary({ event, bodyBytes, owed }: EventRow): EventSummary {
  const { id, source, type, tenant, dedupeKey, orderKey, receivedAt, correlationId, unfit, duplicateOf } = event;
  const named = { id, source, type, tenant, dedupeKey, orderKey, receivedAt, correlationId };
  return { ...named, bodyBytes, unfit, duplicateOf, owed };
}

function deliveryRecord(tables: Tables, row: DeliveryRow): DeliveryRecord {
  const { event } = row.event;
  const now = tables.clock.now();
  const toCome = row.ended === null && row.leaseUntil === null && row.dueAt !== null && row.dueAt > now;
  return {
    id: row.id,
    eventId: event.id,
    destination: row.destination,
    source: event.source,
    type: event.type,
    tenant: event.tenant,
    orderKey: row.orderKey,
    state: tables.lanes.stateOf(row, now),
    attempts: row.attempts,
    crashes: row.crashes,
    receivedAt: event.receivedAt,
    committedAt: row.committedAt,
    dueAt: toCome ? row.dueAt : null,
    endedAt: row.endedAt,
    reason: row.reason,
    note: row.note,
    resolved: row.resolved,
    replayOf: row.replayOf,
    replayId: row.replayId,
    lastError: row.lastError,
  };
}

function fitsEvent(row: EventRow, filter: EventFilter): boolean {
  const { event } = row;
  if (filter.unmatched !== undefined && filter.unmatched !== (row.owed === 0 && event.duplicateOf === null))
    return false;
  return (
    is(filter.source, event.source) &&
    is(filter.type, event.type) &&
    is(filter.tenant, event.tenant) &&
    is(filter.correlationId, event.correlationId) &&
    is(filter.dedupeKey, event.dedupeKey) &&
    isWithin(event.receivedAt, filter)
  );
}

function candidates(tables: Tables, { eventId }: DeliveryFilter): readonly DeliveryRow[] {
  return eventId === undefined ? [...tables.deliveries.values()] : (tables.events.get(eventId)?.deliveries ?? []);
}

function fitsDelivery(tables: Tables, row: DeliveryRow, filter: DeliveryFilter): boolean {
  const { event } = row.event;
  if (filter.states?.includes(tables.lanes.stateOf(row, tables.clock.now())) === false) return false;
  if (filter.resolved !== undefined && (row.ended !== 'dead' || isUnresolved(row) === filter.resolved)) return false;
  return (
    is(filter.destination, row.destination) &&
    is(filter.source, event.source) &&
    is(filter.type, event.type) &&
    is(filter.tenant, event.tenant) &&
    is(filter.reason, row.reason) &&
    is(filter.replayId, row.replayId) &&
    isWithin(event.receivedAt, filter)
  );
}

function is(wanted: string | undefined, found: string | null): boolean {
  return wanted === undefined || wanted === found;
}

function isWithin(at: number, { since, until }: { readonly since?: number; readonly until?: number }): boolean {
  return (since === undefined || at >= since) && (until === undefined || at < until);
}

/** One page of rows that are in the order of commits. The cursor is the `seq` of the last row given. */
function list<Row extends { readonly seq: number }, Shown>(
  rows: readonly Row[],
  page: Page,
  show: (row: Row) => Shown,
): Listed<Shown> {
  const after = page.cursor === undefined ? null : Number(page.cursor);
  const oldestFirst = page.oldestFirst ?? false;
  const rest = rows.filter((row) => after === null || (oldestFirst ? row.seq > after : row.seq < after));
  const ordered = oldestFirst ? rest : rest.toReversed();
  const given = ordered.slice(0, page.limit);
  return { rows: given.map(show), cursor: ordered.length > given.length ? String(given.at(-1)?.seq ?? after) : null };
}

function counts(tables: Tables): StoreCounts {
  const destinations = new Map<string, DestinationCounts>();
  for (const [destination, totals] of tables.destinationTotals) {
    const none = { blocked: 0, due: 0, ready: 0, claimed: 0, dead: 0, oldestReadyAt: null };
    destinations.set(destination, { destination, ...none, totals });
  }
  for (const row of tables.deliveries.values()) {
    const counted = destinations.get(row.destination);
    if (counted !== undefined) destinations.set(row.destination, withOne(tables, counted, row));
  }
  return {
    destinations: [...destinations.values()].toSorted((a, b) => (a.destination < b.destination ? -1 : 1)),
    sources: [...tables.sourceTotals.values()].toSorted((a, b) => (a.source < b.source ? -1 : 1)),
    events: tables.events.size,
    bytesOnDisk: 0,
  };
}

function withOne(tables: Tables, counted: DestinationCounts, row: DeliveryRow): DestinationCounts {
  const state = tables.lanes.stateOf(row, tables.clock.now());
  if (state === 'dead') return isUnresolved(row) ? { ...counted, dead: counted.dead + 1 } : counted;
  if (state === 'succeeded' || state === 'skipped' || state === 'cancelled') return counted;
  const { receivedAt } = row.event.event;
  const oldestReadyAt = state === 'ready' ? Math.min(counted.oldestReadyAt ?? receivedAt, receivedAt) : null;
  return { ...counted, [state]: counted[state] + 1, oldestReadyAt: oldestReadyAt ?? counted.oldestReadyAt };
}
