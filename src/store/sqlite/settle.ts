/** What attempts come to: starts, outcomes, releases. */
import { idBytes } from '../../core/id.ts';
import type {
  ClaimRef,
  Outcome,
  Refused,
  Release,
  RowAnswer,
  SettleAnswer,
  Settlement,
  StoredAnswer,
} from '../store.ts';
import type { Appender } from './append.ts';
import { damaged } from './failure.ts';
import { OPEN, type Page, STARTED } from './page.ts';
import { seqOf } from './position.ts';
import {
  endRows,
  freeHead,
  keepAttempt,
  keepExchange,
  moveToRow,
  newRow,
  offerRow,
  type RowEnd,
  takeFromPage,
  insertRow,
} from './row-writes.ts';
import { type DeliveryRow, rowStates } from './rows.ts';
import type { Slot } from './slots.ts';
import type { Txn } from './txn.ts';

const stale: Refused = { status: 'refused', reason: 'stale_claim' };
const committed: RowAnswer = { status: 'committed' };

export class Settler {
  readonly #txn: Txn;
  readonly #appender: Appender;

  constructor(txn: Txn, appender: Appender) {
    this.#txn = txn;
    this.#appender = appender;
  }

  /** Marks a claimed delivery as begun. Doing it again is harmless. */
  start(claim: ClaimRef): RowAnswer {
    const slot = this.#current(claim);
    if (slot === null) return stale;
    if (slot.row !== null && slot.row.blocked === 1 && slot.row.queue !== null) this.#txn.tellHead(slot.row.queue);
    if (slot.paged === null) this.#txn.step({ statement: 'startRow', params: [slot.position] });
    else if (this.#page(slot).state(slot.paged.index) === OPEN) this.#draft(slot).mark(slot.paged.index, STARTED);
    return committed;
  }

  /** Gives a claim back without an attempt. */
  release({ claim, delayMs }: Release): RowAnswer {
    const txn = this.#txn;
    const slot = this.#current(claim);
    if (slot === null) return stale;
    const { position, destination, paged, row } = slot;
    const due = delayMs > 0 ? txn.now + delayMs : 0;
    txn.release(slot);
    if (row !== null) {
      txn.step({ statement: 'releaseRow', params: [position, due] });
      this.#offer(slot, due);
    } else if (due > 0) {
      moveToRow(txn, slot, { ...this.#rowOf(slot), due });
    } else if (paged !== null) {
      if (this.#page(slot).state(paged.index) === STARTED) this.#draft(slot).mark(paged.index, OPEN);
      txn.offered.set(position, destination);
      txn.afterwards(() => txn.state.lane(destination).offer(position));
    }
    return committed;
  }

  /** An outcome, its emits and its answer: all of it, or nothing. */
  settle(item: Settlement): SettleAnswer {
    const slot = this.#current(item.claim);
    if (slot === null) return stale;
    const reason = this.#appender.whyRefused(item.emits);
    if (reason !== null) return { status: 'refused', reason };
    if (item.answer !== null) this.#answer(slot, item.answer);
    this.#txn.release(slot);
    this.#apply(slot, item.outcome);
    return { status: 'committed', emits: this.#appender.appendAll(item.emits) };
  }

  #answer({ event }: Slot, answer: StoredAnswer): void {
    const { status, headers, body } = answer;
    const id = idBytes(event.id);
    if (!this.#txn.answers.has(event.id)) this.#txn.answers.set(event.id, answer);
    this.#txn.step({ statement: 'insertAnswer', params: [id, status, JSON.stringify(headers), body] });
    this.#txn.afterwards(() => void (this.#txn.state.hasAnswers = true));
  }

  #apply(slot: Slot, outcome: Outcome): void {
    const { destination } = slot;
    const txn = this.#txn;
    const spent = outcome.attempt !== null && (outcome.kind !== 'retry' || outcome.spends);
    if (spent && (outcome.kind === 'retry' || outcome.kind === 'dead')) txn.count(destination, 'failed');
    if (outcome.kind === 'succeeded' || outcome.kind === 'skipped') txn.count(destination, outcome.kind);
    if (outcome.kind === 'succeeded' && this.#succeedInPage(slot, outcome)) return;
    const before = slot.row ?? this.#rowOf(slot);
    const attempts = before.attempts + (spent ? 1 : 0);
    if (outcome.kind === 'retry') this.#retry(slot, { ...before, attempts }, outcome);
    else this.#end(slot, { ...before, attempts }, outcome);
    if (outcome.attempt !== null) keepAttempt(txn, slot.position, outcome.attempt);
    if (before.replay_of !== null && outcome.kind !== 'retry' && outcome.kind !== 'dead') {
      this.#resolveRepeated(before.replay_of);
    }
  }

  /** The short way: the whole life of a delivery in one entry of its page. */
  #succeedInPage(slot: Slot, { attempt }: Outcome & { kind: 'succeeded' }): boolean {
    if (slot.paged === null) return false;
    if (!this.#draft(slot).succeed(slot.paged.index, attempt, this.#txn.now)) return false;
    if (attempt.exchange !== null) keepExchange(this.#txn, slot.position, attempt.exchange);
    this.#txn.count(slot.destination, 'open_paged', -1);
    return true;
  }

  #retry(slot: Slot, before: DeliveryRow, outcome: Outcome & { kind: 'retry' }): void {
    const txn = this.#txn;
    const due = outcome.delayMs > 0 ? txn.now + outcome.delayMs : 0;
    const last_error = outcome.attempt.error ?? before.last_error;
    if (slot.row === null) {
      moveToRow(txn, slot, { ...before, due, last_error });
      return;
    }
    txn.step({ statement: 'retryRow', params: [slot.position, due, before.attempts, last_error] });
    this.#offer(slot, due);
  }

  /** A row that is open again. Since it was claimed it may have come behind others, by a rename. */
  #offer({ position, destination, row }: Slot, due: number): void {
    if (row?.blocked !== 1) offerRow(this.#txn, destination, { position, due });
    else if (row.queue !== null) this.#txn.tellHead(row.queue);
  }

  #end(slot: Slot, before: DeliveryRow, outcome: Exclude<Outcome, { kind: 'retry' }>): void {
    const txn = this.#txn;
    const isDead = outcome.kind === 'dead';
    const note = outcome.kind === 'succeeded' ? null : outcome.note;
    const end: RowEnd = {
      state: rowStates[outcome.kind],
      attempts: before.attempts,
      reason: isDead ? outcome.reason : null,
      note,
      lastError: isDead ? (outcome.attempt?.error ?? before.last_error) : before.last_error,
      holdKey: isDead && outcome.holdKey,
    };
    if (slot.row !== null) {
      endRows(txn, [[before, end]]);
      return;
    }
    takeFromPage(txn, slot);
    const ended = { state: end.state, ended_at: txn.now, reason: isDead ? outcome.reason : null, note };
    insertRow(txn, { ...before, ...ended, last_error: end.lastError });
  }

  /** A replay that ended well resolves the dead letter it repeats, and what that one repeats in turn. */
  #resolveRepeated(position: number): void {
    const txn = this.#txn;
    txn.step({ statement: 'resolveRepeated', params: [position, txn.now] }, (rows) => {
      for (const row of rows) {
        txn.count(Number(row['destination']), 'unresolved', -1);
        const queue = row['queue'];
        if (!(queue instanceof Uint8Array)) continue;
        txn.step({ statement: 'leaveQueue', params: [Number(row['position'])] });
        freeHead(txn, queue);
      }
    });
  }

  /** The slot of a claim that is current and that this transaction has not ended. */
  #current(claim: ClaimRef): Slot | null {
    const slot = this.#txn.state.slots.current(claim);
    if (slot === null || this.#txn.released.has(slot.position)) return null;
    this.#txn.pin(slot);
    return slot;
  }

  /** A delivery of a page as the row it would be. */
  #rowOf(slot: Slot): DeliveryRow {
    const { position, destination, event } = slot;
    const committed_at = this.#page(slot).committedAt;
    return newRow(event, { position, event: seqOf(position), destination, order_key: null, committed_at });
  }

  #page(slot: Slot): Page {
    const page = slot.paged === null ? null : this.#txn.page({ destination: slot.destination, seq: slot.paged.seq });
    if (page === null) throw damaged('a page that held a claim');
    return page;
  }

  #draft(slot: Slot): Page {
    const page = slot.paged === null ? null : this.#txn.draft({ destination: slot.destination, seq: slot.paged.seq });
    if (page === null) throw damaged('a page that held a claim');
    return page;
  }
}
