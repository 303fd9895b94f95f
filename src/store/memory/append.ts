/** Appending events: deduplication, what they owe, hand-off. */
import { createHash } from 'node:crypto';
import type { StoredEvent } from '../../core/event.ts';
import type {
  Append,
  AppendAnswer,
  Claim,
  CommitBatch,
  DuplicateEvent,
  EventAnswer,
  NewDelivery,
  NewEvent,
  RefusedReason,
} from '../store.ts';
import type { DedupeRow, EventRow } from './rows.ts';
import type { DeliveryBirth, Tables } from './tables.ts';

/** Repeats of an event that are kept one by one; all of them are counted. */
const DUPLICATES_KEPT = 10;

/** All events of an append, or none and why. */
export function append(tables: Tables, batch: CommitBatch, item: Append): AppendAnswer {
  const reason = whyRefused(tables, item.events);
  if (reason !== null) return { status: 'refused', reason };
  return { status: 'committed', events: appendEvents(tables, batch, item.events) };
}

/** Why these events cannot be committed together; found before any of them is. */
export function whyRefused(tables: Tables, items: readonly NewEvent[]): RefusedReason | null {
  const ids = new Set<string>();
  for (const { event } of items) {
    if ((event.body?.length ?? 0) > tables.rowBytesMax) return 'too_large';
    if (tables.events.has(event.id) || ids.has(event.id)) return 'conflict';
    ids.add(event.id);
  }
  return null;
}

/** Appends events that nothing speaks against. */
export function appendEvents(tables: Tables, batch: CommitBatch, items: readonly NewEvent[]): EventAnswer[] {
  return items.map((item) => {
    const name = dedupeName(item);
    const known = name === null ? undefined : tables.dedupe.get(name);
    if (known !== undefined && item.event.receivedAt < known.until) return appendDuplicate(tables, item.event, known);
    if (name !== null) remember(tables, name, item);
    return appendNew(tables, batch, item);
  });
}

function appendNew(tables: Tables, batch: CommitBatch, item: NewEvent): EventAnswer {
  const row = tables.addEvent(item.event, item.deliveries.length);
  tables.countEvent(item.event.source, 'accepted');
  for (const delivery of item.deliveries) tables.addDelivery(row, birthOf(delivery), batch.now);
  const claims = item.deliveries.map((delivery, index) => handOff(tables, batch, { row, index, delivery }));
  const offers = item.deliveries.map((delivery, index) =>
    claims[index] === null && mayBeClaimed(delivery, batch.now) ? (row.deliveries[index]?.id ?? null) : null,
  );
  return { status: 'committed', eventId: item.event.id, claims, offers };
}

function mayBeClaimed({ dead, dueAt }: NewDelivery, now: number): boolean {
  return dead === null && (dueAt === null || dueAt <= now);
}

function birthOf({ destination, orderKey, dueAt, dead }: NewDelivery): DeliveryBirth {
  return { destination, orderKey, dueAt, dead, replayOf: null, replayId: null, place: null };
}

/** Claims what was just made, if that was asked for and it is ready. */
function handOff(
  tables: Tables,
  batch: CommitBatch,
  made: { readonly row: EventRow; readonly index: number; readonly delivery: NewDelivery },
): Claim | null {
  const row = made.row.deliveries[made.index];
  if (row === undefined || made.delivery.handOff === 'no') return null;
  if (tables.lanes.stateOf(row, batch.now) !== 'ready') return null;
  const claim = tables.claim(row, batch.leaseMs);
  if (made.delivery.handOff === 'start') tables.update(row, { started: true });
  return claim;
}

/** A repeat owes nothing. With the same body it is counted; with another it is kept as an event as well. */
function appendDuplicate(tables: Tables, event: StoredEvent, known: DedupeRow): DuplicateEvent {
  const differs = digest(event) !== known.digest;
  const first = tables.events.get(known.eventId);
  tables.countEvent(event.source, differs ? 'differing' : 'duplicate');
  if (differs) tables.addEvent({ ...event, duplicateOf: known.eventId }, 0);
  if (first !== undefined) {
    const { count, newest } = first.duplicates;
    const one = { receivedAt: event.receivedAt, differs, correlationId: event.correlationId };
    const kept = [one, ...newest].slice(0, DUPLICATES_KEPT);
    tables.journal.change(first, { duplicates: { count: count + 1, newest: kept } });
  }
  return { status: 'duplicate', eventId: known.eventId, differs, answer: first?.answer ?? null };
}

function remember(tables: Tables, name: string, { event, dedupeWindowMs }: NewEvent): void {
  const row = { eventId: event.id, digest: digest(event), until: event.receivedAt + dedupeWindowMs };
  tables.journal.set(tables.dedupe, name, row);
}

/** Within what a dedupe key counts; `null`: this event is not deduplicated. */
function dedupeName({ event, dedupeWindowMs }: NewEvent): string | null {
  if (event.dedupeKey === null || dedupeWindowMs <= 0) return null;
  return JSON.stringify([event.source, event.tenant, event.type, event.dedupeKey]);
}

function digest(event: StoredEvent): string {
  return createHash('sha256')
    .update(event.body ?? new Uint8Array())
    .digest('hex');
}
