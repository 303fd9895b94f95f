/** What attempts come to: starts, outcomes, releases. */
import type {
  ClaimRef,
  CommitBatch,
  DestinationTotals,
  Outcome,
  Refused,
  Release,
  RowAnswer,
  SettleAnswer,
  Settlement,
} from '../store.ts';
import { appendEvents, whyRefused } from './append.ts';
import { answerDocument } from './changes.ts';
import { attemptId, type DeliveryRow, isClaimed, isUnresolved } from './delivery.ts';
import type { WorkingSet } from './working.ts';

/** Attempts of a delivery that are kept. */
export const ATTEMPTS_KEPT = 100;

const stale: Refused = { status: 'refused', reason: 'stale_claim' };
const committed: RowAnswer = { status: 'committed' };

/** The delivery that this claim is the current one of; `null`: it is stale. */
export async function claimed(set: WorkingSet, ref: ClaimRef): Promise<DeliveryRow | null> {
  const row = await set.delivery(ref.deliveryId);
  return row !== null && row.now.ended === null && isClaimed(row.now, set.now) && row.now.claim === ref.claim
    ? row
    : null;
}

/** Marks a claimed delivery as begun. Doing it again is harmless. */
export async function start(set: WorkingSet, claim: ClaimRef): Promise<RowAnswer> {
  const row = await claimed(set, claim);
  if (row === null) return stale;
  await set.change(row, { started: true });
  return committed;
}

/** Gives a claim back without an attempt. */
export async function release(set: WorkingSet, { claim, delayMs }: Release): Promise<RowAnswer> {
  const row = await claimed(set, claim);
  if (row === null) return stale;
  await set.change(row, { leaseUntil: null, started: false, dueAt: delayMs > 0 ? set.now + delayMs : null });
  return committed;
}

/** An outcome, its emits and its answer: all of it, or nothing. */
export async function settle(set: WorkingSet, batch: CommitBatch, item: Settlement): Promise<SettleAnswer> {
  const row = await claimed(set, item.claim);
  if (row === null) return stale;
  const reason = await whyRefused(set, item.emits);
  if (reason !== null) return { status: 'refused', reason };
  if (item.answer !== null) {
    const event = await set.eventRows.get(row.now.eventId);
    if (event !== null && event.now.answer === null) event.now = { ...event.now, answer: answerDocument(item.answer) };
  }
  await applyOutcome(set, row, item.outcome);
  return { status: 'committed', emits: await appendEvents(set, batch, item.emits) };
}

async function applyOutcome(set: WorkingSet, row: DeliveryRow, outcome: Outcome): Promise<void> {
  const { now } = set;
  const spent = outcome.attempt !== null && (outcome.kind !== 'retry' || outcome.spends);
  const fields = {
    leaseUntil: null,
    started: false,
    attempts: row.now.attempts + (spent ? 1 : 0),
    records: keepRecord(set, row, outcome),
  };
  const failed = { lastError: outcome.attempt?.error ?? row.now.lastError };
  switch (outcome.kind) {
    case 'succeeded':
      await set.change(row, { ...fields, ended: 'succeeded', endedAt: now });
      break;
    case 'skipped':
      await set.change(row, { ...fields, ended: 'skipped', endedAt: now, note: outcome.note });
      break;
    case 'retry':
      await set.change(row, { ...fields, ...failed, dueAt: now + outcome.delayMs });
      break;
    case 'dead': {
      const { reason, note, holdKey } = outcome;
      await set.change(row, { ...fields, ...failed, ended: 'dead', endedAt: now, reason, note, holdKey });
      break;
    }
  }
  set.count(row.now.destination, totalsOf(outcome.kind, spent));
  if (outcome.kind === 'succeeded' || outcome.kind === 'skipped') await resolveRepeated(set, row);
}

/** Keeps the record of an attempt, and the newest only; answers how many there have been. */
function keepRecord(set: WorkingSet, row: DeliveryRow, { attempt }: Outcome): number {
  const number = row.now.records + 1;
  if (attempt === null) return row.now.records;
  if (number === 1) set.firstRecords.set(row.id, attempt);
  else set.attempts.push({ _id: attemptId(row.id, number), deliveryId: row.id, number, record: attempt });
  if (number > ATTEMPTS_KEPT + 1) set.oldAttempts.push(attemptId(row.id, number - ATTEMPTS_KEPT));
  return number;
}

/** What an outcome adds to the totals of its destination. */
function totalsOf(kind: Outcome['kind'], spent: boolean): Partial<DestinationTotals> {
  const failed = spent && (kind === 'retry' || kind === 'dead') ? 1 : 0;
  return kind === 'retry' ? { failed } : { [kind]: 1, failed };
}

/** A replay that ended well resolves the dead letter it repeats, and what that one repeats in turn. */
async function resolveRepeated(set: WorkingSet, row: DeliveryRow): Promise<void> {
  for (let id = row.now.replayOf; id !== null;) {
    const original = await set.delivery(id);
    if (original === null) return;
    if (isUnresolved(original.now)) {
      await set.change(original, { resolved: { at: set.now, by: 'replay', note: 'replayed' } });
    }
    id = original.now.replayOf;
  }
}
