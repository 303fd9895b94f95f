/** What people and the gateway itself do: replays, actions, documents. */
import type {
  Action,
  ActionAnswer,
  CommitBatch,
  DocumentAnswer,
  DocumentWrite,
  RefusedReason,
  ReplayAnswer,
  ReplayRow,
} from '../store.ts';
import { type DeliveryRow, type EventRow, holds, isUnresolved } from './rows.ts';
import type { Tables } from './tables.ts';

/** A new delivery for a past event. */
export function replay(tables: Tables, batch: CommitBatch, row: ReplayRow): ReplayAnswer {
  const event = tables.events.get(row.eventId);
  if (event === undefined) return { status: 'refused', reason: 'not_found' };
  const original = event.deliveries.find((delivery) => delivery.id === row.of);
  const reason = whyNotReplayed(event, original, row);
  if (reason !== null) return { status: 'refused', reason };
  const orderKey = row.ordered ? (original?.orderKey ?? event.event.orderKey) : null;
  const takesPlace = original !== undefined && orderKey !== null && holds(original) && original.orderKey !== null;
  const birth = {
    destination: row.destination,
    orderKey,
    dueAt: null,
    dead: null,
    replayOf: row.of,
    replayId: row.replayId,
    place: takesPlace ? original.place : null,
  };
  return { status: 'committed', deliveryId: tables.addDelivery(event, birth, batch.now).id };
}

function whyNotReplayed(event: EventRow, original: DeliveryRow | undefined, row: ReplayRow): RefusedReason | null {
  if (row.of !== null && original?.destination !== row.destination) return 'not_found';
  if (event.event.body === null) return 'body_purged';
  if (original?.ended === null) return 'conflict';
  const repeats = event.deliveries.filter(
    ({ destination, replayId, replayOf }) =>
      destination === row.destination && replayId !== null && replayOf === row.of,
  );
  return repeats.some(({ ended, replayId }) => ended === null || replayId === row.replayId) ? 'replay_open' : null;
}

/** Does one action; `affected` says to how many deliveries. */
export function act(tables: Tables, batch: CommitBatch, action: Action): ActionAnswer {
  return { status: 'committed', affected: affect(tables, batch.now, action) };
}

function affect(tables: Tables, now: number, action: Action): number {
  if (action.kind === 'resolve') return resolve(tables, now, action);
  if (action.kind === 'bury') return bury(tables, now, action);
  if (action.kind === 'cancel') return cancel(tables, now, action.eventId);
  return rename(tables, action.from, action.to);
}

function resolve(tables: Tables, now: number, action: Action & { kind: 'resolve' }): number {
  const { by, note } = action;
  let affected = 0;
  for (const id of action.deliveryIds) {
    const row = tables.deliveries.get(id);
    if (row === undefined || !isUnresolved(row)) continue;
    tables.update(row, { resolved: { at: now, by, note } });
    affected++;
  }
  return affected;
}

function bury(tables: Tables, now: number, action: Action & { kind: 'bury' }): number {
  let affected = 0;
  for (const row of tables.deliveries.values()) {
    if (affected >= action.limit) break;
    if (row.destination !== action.destination || row.ended !== null || row.leaseUntil !== null) continue;
    tables.bury(row, action.reason, now);
    affected++;
  }
  return affected;
}

function cancel(tables: Tables, now: number, eventId: string): number {
  const deliveries = tables.events.get(eventId)?.deliveries ?? [];
  if (deliveries.some(wasBegun)) return 0;
  const open = deliveries.filter((row) => row.ended === null);
  for (const row of open) tables.update(row, { ended: 'cancelled', endedAt: now });
  return open.length;
}

function wasBegun(row: DeliveryRow): boolean {
  const marked = row.leaseUntil !== null || row.started || row.crashes > 0;
  return marked || row.records.length > 0 || row.ended === 'succeeded' || row.ended === 'skipped';
}

function rename(tables: Tables, from: string, to: string): number {
  const totals = tables.destinationTotals.get(from);
  if (totals === undefined || from === to) return 0;
  for (const row of tables.deliveries.values()) {
    if (row.destination === from) tables.update(row, { destination: to });
  }
  tables.journal.delete(tables.destinationTotals, from);
  tables.count(to, totals);
  return 1;
}

/** Writes one document, if it has the version asked for. */
export function putDocument(tables: Tables, write: DocumentWrite): DocumentAnswer {
  const { kind, key, value, ifVersion } = write;
  const old = tables.document(kind, key);
  const current = old.value === null ? 0 : old.version;
  if (ifVersion !== null && ifVersion !== current) return { status: 'refused', reason: 'conflict' };
  if (value === null && old.value === null) return { status: 'committed', version: old.version };
  return { status: 'committed', version: tables.putDocument(kind, key, value).version };
}
