/** Retention: what has come of age goes, in small steps. */
import type { Filter } from 'mongodb';
import type { PurgeAnswer, PurgeRequest, Retention } from '../store.ts';
import { bury } from './actions.ts';
import type { Collections } from './collections.ts';
import { type DeliveryRow, isUnresolved } from './delivery.ts';
import type { DeliveryDocument, EventDocument } from './documents.ts';
import type { EventRow, WorkingSet } from './working.ts';

/** How far a round of steps has come in each list of candidates: those it passed over are not looked at again. */
export type PurgeCursor = ReadonlyMap<string, Place>;

interface Step {
  readonly set: WorkingSet;
  readonly request: PurgeRequest;
  readonly cursor: Map<string, Place>;
  left: number;
  bodies: number;
  events: number;
  deadLetters: number;
  held: number;
  /** Whether some list has more candidates. */
  more: boolean;
}

/** What a step did, and where the next one goes on. */
export interface PurgeStep {
  readonly answer: PurgeAnswer;
  readonly cursor: PurgeCursor;
  readonly left: number;
}

/** Candidates of one list that are read at once. */
const PAGE = 200;

/** One step: held deliveries die, then events go, then bodies, until the limit is reached. */
export async function purge(set: WorkingSet, request: PurgeRequest, from: PurgeCursor): Promise<PurgeStep> {
  const none = { bodies: 0, events: 0, deadLetters: 0, held: 0, more: false };
  const cursor = new Map(from);
  const step: Step = { set, request, cursor, left: request.limit, ...none };
  await buryHeld(step);
  // What was buried just now is found by the next step.
  if (step.held > 0) step.more = true;
  else {
    await removeEvents(step);
    await removeBodies(step);
  }
  const { bodies, events, deadLetters, held, more } = step;
  const answer = { bodies, events, deadLetters, held, dedupeKeys: 0, more: more || step.left <= 0 };
  return { answer, cursor, left: step.left };
}

/** Forgets dedupe keys whose window has ended. Whoever still counts them would not find them in a minute either. */
export async function purgeKeys({ dedupe }: Collections, now: number, limit: number): Promise<number> {
  const over = await dedupe
    .find({ until: { $lte: now } }, { projection: { _id: 1 } })
    .sort({ until: 1 })
    .limit(limit)
    .toArray();
  if (over.length === 0) return 0;
  const gone = await dedupe.deleteMany({ _id: { $in: over.map((row) => row._id) }, until: { $lte: now } });
  return gone.deletedCount;
}

async function buryHeld(step: Step): Promise<void> {
  for (const { destination, before } of step.request.heldBefore) {
    if (step.left <= 0) return;
    const buried = await bury(step.set, { destination, reason: 'held_too_long', limit: step.left, before });
    step.held += buried;
    step.left -= buried;
  }
}

async function removeEvents(step: Step): Promise<void> {
  const { eventsMs, deadLettersMs, unmatchedMs } = step.request.retention;
  await eachDelivery(step, { name: 'kept', afterMs: eventsMs, act: removeEvent });
  await eachDelivery(step, { name: 'emptied', afterMs: eventsMs, act: removeEvent });
  await eachDelivery(step, { name: 'dead', afterMs: deadLettersMs, act: removeEvent });
  await eachBare(step, { name: 'unmatched', afterMs: unmatchedMs, act: removeEvent });
  await eachBare(step, { name: 'repeat', afterMs: eventsMs, act: removeEvent });
  await eachBare(step, { name: 'emptied', afterMs: eventsMs, act: removeEvent });
}

async function removeBodies(step: Step): Promise<void> {
  const { bodiesMs } = step.request.retention;
  await eachDelivery(step, { name: 'kept', afterMs: bodiesMs, act: removeBody });
  await eachBare(step, { name: 'repeat', afterMs: bodiesMs, act: removeBody });
}

type Act = (step: Step, event: EventRow) => Promise<void>;

async function removeEvent(step: Step, event: EventRow): Promise<void> {
  const deliveries = await step.set.ofEvent(event.id);
  const keptMs = clockOf(event, deliveries, step.request.retention);
  if (keptMs === null || ageOf(event, deliveries, step.set.now) < keptMs) return;
  step.deadLetters += deliveries.filter(({ now }) => isUnresolved(now)).length;
  await step.set.removeEvent(event.id);
  step.events++;
  step.left -= 1 + deliveries.length;
}

async function removeBody(step: Step, event: EventRow): Promise<void> {
  const deliveries = await step.set.ofEvent(event.id);
  const { bodiesMs } = step.request.retention;
  const isUsual =
    !deliveries.some(({ now }) => now.ended === null || isUnresolved(now)) && event.now.bare !== 'unmatched';
  if (bodiesMs === null || !isUsual || ageOf(event, deliveries, step.set.now) < bodiesMs) return;
  if (event.now.hasBody) {
    step.bodies++;
    step.left--;
  }
  const bare = event.now.bare === 'repeat' ? 'emptied' : event.now.bare;
  event.now = { ...event.now, hasBody: false, bare };
  for (const row of deliveries) step.set.assign(row, { emptied: true });
}

interface List<Name> {
  readonly name: Name;
  readonly afterMs: number | null;
  readonly act: Act;
}

interface Place {
  readonly at: number;
  readonly seq: number;
}

/** Some candidates of a list, and where the next ones begin; `null`: there are no more. */
interface Candidates {
  readonly events: readonly (Place & { readonly id: string })[];
  readonly isLast: boolean;
}

/** Looks at the events of ended deliveries of a lane that are old enough, the oldest first. */
async function eachDelivery(step: Step, list: List<'kept' | 'emptied' | 'dead'>): Promise<void> {
  await eachPage(step, { kind: 'deliveries', ...list }, async (before, from) => {
    const filter = { slot: null, lane: list.name, $or: after('at', before, from) } as Filter<DeliveryDocument>;
    const rows = await step.set.find(filter, { at: 1, seq: 1 }, PAGE);
    const events = rows.map(({ now, before: stored }) => ({ id: now.eventId, at: stored?.at ?? 0, seq: now.seq }));
    return { events, isLast: rows.length < PAGE };
  });
}

/** Looks at events that owe nothing. */
async function eachBare(step: Step, list: List<NonNullable<EventDocument['bare']>>): Promise<void> {
  await eachPage(step, { kind: 'events', ...list }, async (before, from) => {
    const filter = { bare: list.name, $or: after('receivedAt', before, from) } as Filter<EventDocument>;
    const found = await step.set.collections.events
      .find(filter, { projection: { receivedAt: 1, seq: 1 } })
      .sort({ receivedAt: 1, seq: 1 })
      .limit(PAGE)
      .toArray();
    return {
      events: found.map(({ _id, receivedAt, seq }) => ({ id: _id, at: receivedAt, seq })),
      isLast: found.length < PAGE,
    };
  });
}

async function eachPage<Name>(
  step: Step,
  { kind, name, afterMs, act }: List<Name> & { readonly kind: string },
  read: (before: number, from: Place | null) => Promise<Candidates>,
): Promise<void> {
  if (afterMs === null) return;
  const key = `${act.name} ${kind} ${String(name)}`;
  for (;;) {
    const { events, isLast } = await read(step.set.now - afterMs, step.cursor.get(key) ?? null);
    await step.set.eventRows.load(events.map(({ id }) => id));
    for (const { id, at, seq } of events) {
      if (step.left <= 0) {
        step.more = true;
        return;
      }
      const event = step.set.eventRows.peek(id);
      if (event !== null && !step.set.goneEvents.has(id)) await act(step, event);
      step.cursor.set(key, { at, seq });
    }
    if (isLast) return;
  }
}

/** What comes after a place, up to a time. */
function after(field: string, before: number, from: Place | null): readonly object[] {
  if (from === null) return [{ [field]: { $lte: before } }];
  return [{ [field]: { $gt: from.at, $lte: before } }, { [field]: from.at, seq: { $gt: from.seq } }];
}

/** How long an event is kept, by what became of it; `null`: it stays. */
function clockOf(event: EventRow, deliveries: readonly DeliveryRow[], retention: Retention): number | null {
  if (deliveries.some(({ now }) => now.ended === null)) return null;
  if (deliveries.some(({ now }) => isUnresolved(now))) return retention.deadLettersMs;
  return event.now.bare === 'unmatched' ? retention.unmatchedMs : retention.eventsMs;
}

/** Since it was received, or the last of its deliveries ended or was resolved. */
function ageOf(event: EventRow, deliveries: readonly DeliveryRow[], now: number): number {
  const ends = deliveries.map((row) => row.now.resolved?.at ?? row.now.endedAt ?? 0);
  return now - Math.max(event.now.receivedAt, ...ends);
}
