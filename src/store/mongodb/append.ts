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
import { storedAnswer } from './changes.ts';
import { type DeliveryRow, stateOf } from './delivery.ts';
import type { DedupeDocument } from './documents.ts';
import type { EventRow, WorkingSet } from './working.ts';

/** Body bytes of one event. A document may have 16 MiB; the rest is for its headers and names. */
export const ROW_BYTES_MAX = 15 * 1024 * 1024;

/** Repeats of an event that are kept one by one; all of them are counted. */
const DUPLICATES_KEPT = 10;

/** All events of an append, or none and why. */
export async function append(set: WorkingSet, batch: CommitBatch, item: Append): Promise<AppendAnswer> {
  const reason = await whyRefused(set, item.events);
  if (reason !== null) return { status: 'refused', reason };
  return { status: 'committed', events: await appendEvents(set, batch, item.events) };
}

/** Why these events cannot be committed together; found before any of them is. */
export async function whyRefused(set: WorkingSet, items: readonly NewEvent[]): Promise<RefusedReason | null> {
  const ids = new Set<string>();
  for (const { event } of items) {
    if ((event.body?.length ?? 0) > ROW_BYTES_MAX) return 'too_large';
    if ((await set.eventRows.get(event.id)) !== null || ids.has(event.id)) return 'conflict';
    ids.add(event.id);
  }
  return null;
}

/** Appends events that nothing speaks against. */
export async function appendEvents(
  set: WorkingSet,
  batch: CommitBatch,
  items: readonly NewEvent[],
): Promise<EventAnswer[]> {
  const answers: EventAnswer[] = [];
  for (const item of items) {
    const name = dedupeName(item);
    const known = name === null ? null : await set.dedupe.get(name);
    if (known !== null && item.event.receivedAt < known.until) {
      answers.push(await appendDuplicate(set, item.event, known));
      continue;
    }
    if (name !== null) remember(set, name, item);
    answers.push(await appendNew(set, batch, item));
  }
  return answers;
}

/** What its dedupe key is remembered by; `null`: this event is not deduplicated. */
export function dedupeName({ event, dedupeWindowMs }: NewEvent): string | null {
  if (event.dedupeKey === null || dedupeWindowMs <= 0) return null;
  const whole = JSON.stringify([event.source, event.tenant, event.type, event.dedupeKey]);
  return createHash('sha256').update(whole).digest('base64url');
}

async function appendNew(set: WorkingSet, batch: CommitBatch, item: NewEvent): Promise<EventAnswer> {
  const { event } = item;
  const row = await set.addEvent(event, item.deliveries.length);
  set.countEvent(event.source, 'accepted');
  const deliveries: DeliveryRow[] = [];
  for (const delivery of item.deliveries) deliveries.push(await addDelivery(set, row, delivery));
  const claims: (Claim | null)[] = [];
  for (const [index, delivery] of item.deliveries.entries()) {
    claims.push(await handOff(set, batch, { row: deliveries[index], event, delivery }));
  }
  const offers = item.deliveries.map(({ dead, dueAt }, index) => {
    const later = dead !== null || (dueAt !== null && dueAt > set.now);
    return claims[index] === null && !later ? (deliveries[index]?.id ?? null) : null;
  });
  return { status: 'committed', eventId: event.id, claims, offers };
}

async function addDelivery(set: WorkingSet, event: EventRow, delivery: NewDelivery): Promise<DeliveryRow> {
  const { destination, orderKey, dueAt, dead } = delivery;
  const birth = { destination, orderKey, dueAt, replayOf: null, replayId: null, place: null };
  const row = await set.addDelivery(event, birth);
  if (dead !== null) {
    await set.change(row, { ended: 'dead', endedAt: set.now, reason: dead });
    set.count(destination, { dead: 1 });
  }
  return row;
}

/** Claims what was just made, if that was asked for and it is ready. */
async function handOff(
  set: WorkingSet,
  batch: CommitBatch,
  { row, event, delivery }: { row: DeliveryRow | undefined; event: StoredEvent; delivery: NewDelivery },
): Promise<Claim | null> {
  if (row === undefined || delivery.handOff === 'no' || stateOf(row.now, set.now) !== 'ready') return null;
  const started = delivery.handOff === 'start';
  return claimRow(set, row, { leaseMs: batch.leaseMs, event, answered: false, started });
}

/** Claims a ready delivery for this process. */
export async function claimRow(
  set: WorkingSet,
  row: DeliveryRow,
  how: { readonly leaseMs: number; readonly event: StoredEvent; readonly answered: boolean; readonly started: boolean },
): Promise<Claim> {
  const { leaseMs, event, answered } = how;
  const lease = { claim: row.now.claim + 1, leaseUntil: set.now + leaseMs, owner: set.owner };
  // One that is marked started and yet free was given up by no process that lives: its lease ended.
  const died = row.now.started ? 1 : 0;
  await set.change(row, { ...lease, started: how.started, crashes: row.now.crashes + died });
  const { destination, claim, orderKey, attempts, crashes, committedAt, replayOf } = row.now;
  const place = { destination, orderKey, committedAt, replayOf };
  return { deliveryId: row.id, claim, ref: null, ...place, event, attempts, crashes, answered };
}

/** A repeat owes nothing. With the same body it is counted; with another it is kept as an event as well. */
async function appendDuplicate(
  set: WorkingSet,
  event: StoredEvent,
  known: Pick<DedupeDocument, 'eventId' | 'digest'>,
): Promise<DuplicateEvent> {
  const differs = digest(event) !== known.digest;
  const first = await set.eventRows.get(known.eventId);
  await set.sources.get(event.source);
  set.countEvent(event.source, differs ? 'differing' : 'duplicate');
  if (differs) await set.addEvent({ ...event, duplicateOf: known.eventId }, 0);
  if (first !== null) {
    const one = { receivedAt: event.receivedAt, differs, correlationId: event.correlationId };
    const newestDuplicates = [one, ...first.now.newestDuplicates].slice(0, DUPLICATES_KEPT);
    first.now = { ...first.now, duplicates: first.now.duplicates + 1, newestDuplicates };
  }
  return { status: 'duplicate', eventId: known.eventId, differs, answer: storedAnswer(first?.now.answer ?? null) };
}

function remember(set: WorkingSet, name: string, { event, dedupeWindowMs }: NewEvent): void {
  const until = event.receivedAt + dedupeWindowMs;
  set.dedupe.set(name, { _id: name, eventId: event.id, digest: digest(event), until });
}

function digest(event: StoredEvent): string {
  return createHash('sha256')
    .update(event.body ?? new Uint8Array())
    .digest('base64url');
}
