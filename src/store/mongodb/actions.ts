/** What people and the gateway itself do: replays, actions, documents. */
import type {
  Action,
  ActionAnswer,
  DocumentAnswer,
  DocumentWrite,
  JsonValue,
  RefusedReason,
  ReplayAnswer,
  ReplayRow,
} from '../store.ts';
import { type DeliveryRow, holds, isClaimed, isUnresolved } from './delivery.ts';
import { rename } from './rename.ts';
import type { EventRow, WorkingSet } from './working.ts';

/** A new delivery for a past event. */
export async function replay(set: WorkingSet, row: ReplayRow): Promise<ReplayAnswer> {
  const event = await set.eventRows.get(row.eventId);
  if (event === null) return { status: 'refused', reason: 'not_found' };
  const siblings = await set.ofEvent(row.eventId);
  const original = siblings.find((delivery) => delivery.id === row.of);
  const reason = whyNotReplayed({ event, siblings, original }, row);
  if (reason !== null) return { status: 'refused', reason };
  const orderKey = row.ordered ? (original?.now.orderKey ?? event.now.orderKey) : null;
  const takesPlace = original !== undefined && orderKey !== null && holds(original.now) && original.now.line !== null;
  const made = await set.addDelivery(event, {
    destination: row.destination,
    orderKey,
    dueAt: null,
    replayOf: row.of,
    replayId: row.replayId,
    place: takesPlace ? original.now.place : null,
  });
  return { status: 'committed', deliveryId: made.id };
}

interface Replayed {
  readonly event: EventRow;
  readonly siblings: readonly DeliveryRow[];
  readonly original: DeliveryRow | undefined;
}

function whyNotReplayed({ event, siblings, original }: Replayed, row: ReplayRow): RefusedReason | null {
  if (row.of !== null && original?.now.destination !== row.destination) return 'not_found';
  if (!event.now.hasBody) return 'body_purged';
  if (original?.now.ended === null) return 'conflict';
  const isSame = ({ now }: DeliveryRow): boolean =>
    now.destination === row.destination && now.replayId !== null && now.replayOf === row.of;
  const isOpen = ({ now }: DeliveryRow): boolean => now.ended === null || now.replayId === row.replayId;
  return siblings.some((sibling) => isSame(sibling) && isOpen(sibling)) ? 'replay_open' : null;
}

/** Does one action; `affected` says to how many deliveries. */
export async function act(set: WorkingSet, action: Action): Promise<ActionAnswer> {
  return { status: 'committed', affected: await affect(set, action) };
}

async function affect(set: WorkingSet, action: Action): Promise<number> {
  if (action.kind === 'resolve') return resolve(set, action);
  if (action.kind === 'bury') {
    const { destination, reason, limit } = action;
    return bury(set, { destination, reason, limit, before: null });
  }
  if (action.kind === 'cancel') return cancel(set, action.eventId);
  return rename(set, action.from, action.to);
}

async function resolve(set: WorkingSet, action: Action & { kind: 'resolve' }): Promise<number> {
  const { by, note } = action;
  await set.deliveriesOf(action.deliveryIds);
  let affected = 0;
  for (const id of action.deliveryIds) {
    const row = await set.delivery(id);
    if (row === null || !isUnresolved(row.now)) continue;
    await set.change(row, { resolved: { at: set.now, by, note } });
    affected++;
  }
  return affected;
}

export interface Burial {
  readonly destination: string;
  readonly reason: NonNullable<DeliveryRow['now']['reason']>;
  readonly limit: number;
  /** Only what was committed before; `null`: whenever. */
  readonly before: number | null;
}

/** Open, unclaimed deliveries of a destination become dead letters, the oldest first; answers how many. */
export async function bury(set: WorkingSet, { destination, reason, limit, before }: Burial): Promise<number> {
  const slot = { $in: [...set.storedNames(destination)] };
  const age = before === null ? {} : { committedAt: { $lt: before } };
  // What is in memory may have changed, so as many more are read.
  const wanted = limit + set.deliveries.size;
  await set.find({ slot, lane: { $in: ['ready', 'blocked'] }, at: 0, ...age }, { seq: 1 }, wanted);
  await set.find({ slot, lane: 'due', ...age }, { seq: 1 }, wanted);
  await set.find({ slot, lane: 'claimed', at: { $lte: set.now }, ...age }, { seq: 1 }, wanted);
  const rows = [...set.deliveries.values()]
    .filter(({ now }) => now.destination === destination && now.ended === null && !isClaimed(now, set.now))
    .filter(({ now }) => before === null || now.committedAt < before)
    .toSorted((a, b) => a.now.seq - b.now.seq)
    .slice(0, limit);
  for (const row of rows) {
    await set.change(row, { ended: 'dead', endedAt: set.now, reason, leaseUntil: null, started: false });
    set.count(destination, { dead: 1 });
  }
  return rows.length;
}

async function cancel(set: WorkingSet, eventId: string): Promise<number> {
  const deliveries = await set.ofEvent(eventId);
  if (deliveries.some((row) => wasBegun(row, set.now))) return 0;
  const open = deliveries.filter((row) => row.now.ended === null);
  for (const row of open) await set.change(row, { ended: 'cancelled', endedAt: set.now, leaseUntil: null });
  return open.length;
}

function wasBegun({ now: row }: DeliveryRow, now: number): boolean {
  const marked = (row.ended === null && isClaimed(row, now)) || row.started || row.crashes > 0;
  return marked || row.records > 0 || row.ended === 'succeeded' || row.ended === 'skipped';
}

/** Writes one document, if it has the version asked for. */
export async function putDocument(set: WorkingSet, write: DocumentWrite): Promise<DocumentAnswer> {
  const { kind, key, value, ifVersion } = write;
  const id = documentId(kind, key);
  const old = await set.documents.get(id);
  const version = old?.version ?? 0;
  const current = old === null || old.value === null ? 0 : version;
  if (ifVersion !== null && ifVersion !== current) return { status: 'refused', reason: 'conflict' };
  if (value === null && current === 0) return { status: 'committed', version };
  const text = value === null ? null : JSON.stringify(value);
  set.documents.set(id, { _id: id, by: set.owner, kind, key, value: text, version: version + 1 });
  return { status: 'committed', version: version + 1 };
}

export function documentId(kind: string, key: string): string {
  return JSON.stringify([kind, key]);
}

export function documentValue(text: string): JsonValue {
  return JSON.parse(text) as JsonValue;
}
