/** What attempts come to: starts, outcomes, releases. */
import type { AttemptRecord } from '../../core/delivery.ts';
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
import { type DeliveryRow, isUnresolved } from './rows.ts';
import type { Tables } from './tables.ts';

/** Attempts of a delivery that are kept. */
const ATTEMPTS_KEPT = 100;

const stale: Refused = { status: 'refused', reason: 'stale_claim' };
const committed: RowAnswer = { status: 'committed' };

/** Marks a claimed delivery as begun. Doing it again is harmless. */
export function start(tables: Tables, claim: ClaimRef): RowAnswer {
  const row = tables.claimed(claim);
  if (row === null) return stale;
  tables.update(row, { started: true });
  return committed;
}

/** Gives a claim back without an attempt. */
export function release(tables: Tables, batch: CommitBatch, { claim, delayMs }: Release): RowAnswer {
  const row = tables.claimed(claim);
  if (row === null) return stale;
  tables.update(row, { leaseUntil: null, started: false, dueAt: delayMs > 0 ? batch.now + delayMs : null });
  return committed;
}

/** An outcome, its emits and its answer: all of it, or nothing. */
export function settle(tables: Tables, batch: CommitBatch, item: Settlement): SettleAnswer {
  const row = tables.claimed(item.claim);
  if (row === null) return stale;
  const reason = whyRefused(tables, item.emits);
  if (reason !== null) return { status: 'refused', reason };
  if (item.answer !== null && row.event.answer === null) tables.journal.change(row.event, { answer: item.answer });
  applyOutcome(tables, row, { outcome: item.outcome, now: batch.now });
  return { status: 'committed', emits: appendEvents(tables, batch, item.emits) };
}

function applyOutcome(tables: Tables, row: DeliveryRow, at: { readonly outcome: Outcome; readonly now: number }): void {
  const { outcome, now } = at;
  const spent = outcome.attempt !== null && (outcome.kind !== 'retry' || outcome.spends);
  const fields = {
    leaseUntil: null,
    started: false,
    attempts: row.attempts + (spent ? 1 : 0),
    records: kept(row.records, outcome.attempt),
  };
  const failed = { lastError: outcome.attempt?.error ?? row.lastError };
  switch (outcome.kind) {
    case 'succeeded':
      tables.update(row, { ...fields, ended: 'succeeded', endedAt: now });
      break;
    case 'skipped':
      tables.update(row, { ...fields, ended: 'skipped', endedAt: now, note: outcome.note });
      break;
    case 'retry':
      tables.update(row, { ...fields, ...failed, dueAt: now + outcome.delayMs });
      break;
    case 'dead': {
      const { reason, note, holdKey } = outcome;
      tables.update(row, { ...fields, ...failed, ended: 'dead', endedAt: now, reason, note, holdKey });
      break;
    }
  }
  tables.count(row.destination, totalsOf(outcome.kind, spent));
  if (outcome.kind === 'succeeded' || outcome.kind === 'skipped') resolveRepeated(tables, row, now);
}

/** What an outcome adds to the totals of its destination. */
function totalsOf(kind: Outcome['kind'], spent: boolean): Partial<DestinationTotals> {
  const failed = spent && (kind === 'retry' || kind === 'dead') ? 1 : 0;
  return kind === 'retry' ? { failed } : { [kind]: 1, failed };
}

/** A replay that ended well resolves the dead letter it repeats, and what that one repeats in turn. */
function resolveRepeated(tables: Tables, row: DeliveryRow, now: number): void {
  for (let id = row.replayOf; id !== null;) {
    const original = tables.deliveries.get(id);
    if (original === undefined) return;
    if (isUnresolved(original)) tables.update(original, { resolved: { at: now, by: 'replay', note: 'replayed' } });
    id = original.replayOf;
  }
}

function kept(records: readonly AttemptRecord[], attempt: AttemptRecord | null): readonly AttemptRecord[] {
  return attempt === null ? records : [...records, attempt].slice(-ATTEMPTS_KEPT);
}
