/** What happened, read from the collections as far as the log has been applied. */
import type { Filter } from 'mongodb';
import type { AttemptRecord, DeliveryState } from '../../core/delivery.ts';
import type { DeliveryFilter, DeliveryRecord, EventFilter, EventRecord, EventSummary, Listed, Page } from '../store.ts';
import { storedAnswer, storedEvent, wholeDelivery, wholeEvent } from './changes.ts';
import type { Collections } from './collections.ts';
import { stateOf } from './delivery.ts';
import type { DeliveryDocument, EventDocument } from './documents.ts';
import { ATTEMPTS_KEPT } from './settle.ts';

export async function readEvent({ events }: Collections, id: string): Promise<EventRecord | null> {
  const found = await events.findOne({ _id: id });
  if (found === null) return null;
  const { bodyBytes, owed } = found;
  const duplicates = { count: found.duplicates, newest: found.newestDuplicates };
  return { event: storedEvent(found), bodyBytes, owed, duplicates, answer: storedAnswer(found.answer) };
}

/** Events in the order of commits, as far as this turn. */
export async function listEvents(
  { events }: Collections,
  asked: { readonly filter: EventFilter; readonly page: Page; readonly seq: number },
): Promise<Listed<EventSummary>> {
  const { filter, page, seq } = asked;
  const found = await events
    .find({ ...eventFilter(filter), seq: seqRange(page, seq) }, { projection: { headers: 0, body: 0, answer: 0 } })
    .sort({ seq: page.oldestFirst === true ? 1 : -1 })
    .limit(page.limit + 1)
    .toArray();
  return listed(found, page, eventSummary);
}

export async function readDelivery(
  { deliveries }: Collections,
  id: string,
  now: number,
): Promise<DeliveryRecord | null> {
  const found = await deliveries.findOne({ _id: id }, { projection: { first: 0 } });
  return found === null ? null : deliveryRecord(found, now);
}

/** Deliveries in the order of commits, as far as this turn. */
export async function listDeliveries(
  { deliveries }: Collections,
  asked: { readonly filter: DeliveryFilter; readonly page: Page; readonly seq: number; readonly now: number },
): Promise<Listed<DeliveryRecord>> {
  const { filter, page, seq, now } = asked;
  const found = await deliveries
    .find({ ...deliveryFilter(filter, now), seq: seqRange(page, seq) }, { projection: { first: 0 } })
    .sort({ seq: page.oldestFirst === true ? 1 : -1 })
    .limit(page.limit + 1)
    .toArray();
  return listed(found, page, (row) => deliveryRecord(row, now));
}

/** The kept attempts of a delivery, oldest first. */
export async function readAttempts(
  { deliveries, attempts }: Collections,
  id: string,
): Promise<readonly AttemptRecord[]> {
  const delivery = await deliveries.findOne({ _id: id }, { projection: { records: 1, first: 1 } });
  if (delivery === null) return [];
  const from = delivery.records - ATTEMPTS_KEPT;
  const others = await attempts.find({ deliveryId: id, number: { $gt: from, $lte: delivery.records } }).toArray();
  const records = others.toSorted((a, b) => a.number - b.number).map(({ record }) => record);
  const { first } = wholeDelivery(delivery);
  return first === null || from > 0 ? records : [first, ...records];
}

function eventSummary(read: EventDocument): EventSummary {
  const row = wholeEvent(read);
  const { _id: id, source, type, tenant, dedupeKey, orderKey, receivedAt, correlationId, unfit, duplicateOf } = row;
  const named = { id, source, type, tenant, dedupeKey, orderKey, receivedAt, correlationId };
  return { ...named, bodyBytes: row.bodyBytes, unfit, duplicateOf, owed: row.owed };
}

function deliveryRecord(read: DeliveryDocument, now: number): DeliveryRecord {
  const row = wholeDelivery(read);
  const state = stateOf(row, now);
  const isOpen = state !== 'claimed' && row.ended === null;
  return {
    id: row._id,
    eventId: row.eventId,
    destination: row.destination,
    source: row.source,
    type: row.type,
    tenant: row.tenant,
    orderKey: row.orderKey,
    state,
    attempts: row.attempts,
    crashes: row.crashes,
    receivedAt: row.receivedAt,
    committedAt: row.committedAt,
    dueAt: isOpen && row.dueAt !== null && row.dueAt > now ? row.dueAt : null,
    endedAt: row.endedAt,
    reason: row.reason,
    note: row.note,
    resolved: row.resolved,
    replayOf: row.replayOf,
    replayId: row.replayId,
    lastError: row.lastError,
  };
}

function eventFilter({ since, until, unmatched, ...same }: EventFilter): Filter<EventDocument> {
  const isUnmatched = { owed: 0, duplicateOf: null };
  return {
    ...defined(same),
    ...receivedWithin(since, until),
    ...(unmatched === true && isUnmatched),
    ...(unmatched === false && { $nor: [isUnmatched] }),
  };
}

function deliveryFilter(filter: DeliveryFilter, now: number): Filter<DeliveryDocument> {
  const { since, until, states, resolved, ...same } = filter;
  const isResolved = { ended: 'dead', resolved: resolved === true ? { $ne: null } : null };
  const all: object[] = [
    ...(states === undefined ? [] : [{ $or: [nothing, ...states.flatMap((state) => stateFilter(state, now))] }]),
    ...(resolved === undefined ? [] : [isResolved]),
  ];
  return { ...defined(same), ...receivedWithin(since, until), ...(all.length > 0 && { $and: all }) };
}

const nothing = { _id: { $in: [] } };

/** What a state is among lanes and times. */
function stateFilter(state: DeliveryState, now: number): readonly object[] {
  const lapsed = { lane: 'claimed', at: { $lte: now } };
  switch (state) {
    case 'blocked':
      return [{ lane: 'blocked' }, { ...lapsed, free: false }];
    case 'due':
      return [
        { lane: 'due', at: { $gt: now } },
        { ...lapsed, free: true, dueAt: { $gt: now } },
      ];
    case 'ready':
      return [
        { lane: 'ready' },
        { lane: 'due', at: { $lte: now } },
        { ...lapsed, free: true, $or: [{ dueAt: null }, { dueAt: { $lte: now } }] },
      ];
    case 'claimed':
      return [{ lane: 'claimed', at: { $gt: now } }];
    default:
      return [{ ended: state }];
  }
}

function receivedWithin(since: number | undefined, until: number | undefined): object {
  if (since === undefined && until === undefined) return {};
  return { receivedAt: defined({ $gte: since, $lt: until }) };
}

function seqRange(page: Page, seq: number): object {
  if (page.cursor === undefined) return { $lte: seq };
  const after = Number(page.cursor);
  return page.oldestFirst === true ? { $gt: after, $lte: seq } : { $lt: Math.min(after, seq + 1) };
}

function defined<Value extends object>(value: Value): Partial<Value> {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Partial<Value>;
}

/** One page: one row more than it has was asked for, to know whether more follow. */
function listed<Row extends { readonly seq: number }, Shown>(
  found: readonly Row[],
  page: Page,
  show: (row: Row) => Shown,
): Listed<Shown> {
  const given = found.slice(0, page.limit);
  const last = given.at(-1)?.seq ?? page.cursor;
  return { rows: given.map(show), cursor: found.length > given.length ? String(last) : null };
}
