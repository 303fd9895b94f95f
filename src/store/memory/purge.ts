/** Retention: what has come of age goes, in small steps. */
import type { PurgeAnswer, PurgeRequest, Retention } from '../store.ts';
import { type DeliveryRow, type EventRow, isUnresolved } from './rows.ts';
import type { Tables } from './tables.ts';

/** What is left to do of one step, and what was done. */
interface Step {
  readonly tables: Tables;
  readonly request: PurgeRequest;
  left: number;
  bodies: number;
  events: number;
  deadLetters: number;
  dedupeKeys: number;
  held: number;
}

/** One step: held deliveries die, then events go, then bodies, then dedupe keys, until the limit is reached. */
export function purge(tables: Tables, request: PurgeRequest): PurgeAnswer {
  const none = { bodies: 0, events: 0, deadLetters: 0, dedupeKeys: 0, held: 0 };
  const step: Step = { tables, request, left: request.limit, ...none };
  buryHeld(step);
  removeEvents(step);
  removeBodies(step);
  removeDedupeKeys(step);
  const { bodies, events, deadLetters, dedupeKeys, held } = step;
  return { bodies, events, deadLetters, dedupeKeys, held, more: step.left <= 0 };
}

function buryHeld(step: Step): void {
  const before = new Map(step.request.heldBefore.map((held) => [held.destination, held.before]));
  if (before.size === 0) return;
  for (const row of step.tables.deliveries.values()) {
    if (step.left <= 0) return;
    if (row.ended !== null || row.leaseUntil !== null) continue;
    if (row.committedAt >= (before.get(row.destination) ?? Number.NEGATIVE_INFINITY)) continue;
    step.tables.bury(row, 'held_too_long', step.request.now);
    step.held++;
    step.left--;
  }
}

function removeEvents(step: Step): void {
  for (const row of step.tables.events.values()) {
    if (step.left <= 0) return;
    const keptMs = clockOf(row, step.request.retention);
    if (keptMs === null || ageOf(row, step.request.now) < keptMs) continue;
    step.deadLetters += row.deliveries.filter(isUnresolved).length;
    step.tables.removeEvent(row);
    step.events++;
    step.left -= 1 + row.deliveries.length;
  }
}

function removeBodies(step: Step): void {
  const { retention, now } = step.request;
  if (retention.bodiesMs === null) return;
  for (const row of step.tables.events.values()) {
    if (step.left <= 0) return;
    if (row.event.body === null || !isUsual(row) || ageOf(row, now) < retention.bodiesMs) continue;
    row.event = { ...row.event, body: null };
    step.bodies++;
    step.left--;
  }
}

function removeDedupeKeys(step: Step): void {
  for (const [name, row] of step.tables.dedupe) {
    if (step.left <= 0) return;
    if (row.until > step.request.now) continue;
    step.tables.dedupe.delete(name);
    step.dedupeKeys++;
    step.left--;
  }
}

/** How long an event is kept, by what became of it; `null`: it stays. */
function clockOf(row: EventRow, retention: Retention): number | null {
  if (row.deliveries.some(isOpen)) return null;
  if (row.deliveries.some(isUnresolved)) return retention.deadLettersMs;
  return isUnmatched(row) ? retention.unmatchedMs : retention.eventsMs;
}

/** Whether the clock of all that ended well is its own. */
function isUsual(row: EventRow): boolean {
  return !row.deliveries.some((delivery) => isOpen(delivery) || isUnresolved(delivery)) && !isUnmatched(row);
}

function isOpen(row: DeliveryRow): boolean {
  return row.ended === null;
}

function isUnmatched(row: EventRow): boolean {
  return row.deliveries.length === 0 && row.event.duplicateOf === null;
}

/** Since it was received, or the last of its deliveries ended or was resolved. */
function ageOf(row: EventRow, now: number): number {
  const ends = row.deliveries.map((delivery) => delivery.resolved?.at ?? delivery.endedAt ?? 0);
  return now - Math.max(row.event.receivedAt, ...ends);
}
