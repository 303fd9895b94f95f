/** What happens to rows: made, moved out of a page, ended, freed when what stood before them ended. */
import { idBytes } from '../../core/id.ts';
import type { AttemptRecord } from '../../core/delivery.ts';
import type { StoredEvent } from '../../core/event.ts';
import type { Exchange } from '../../core/exchange.ts';
import { encodeExchange } from './exchange.ts';
import { damaged } from './failure.ts';
import { MOVED } from './page.ts';
import { type DeliveryRow, queueOf, rowColumns, rowStates } from './rows.ts';
import type { Slot } from './slots.ts';
import type { Txn } from './txn.ts';

type Given = Pick<DeliveryRow, 'position' | 'event' | 'destination' | 'order_key' | 'committed_at'> &
  Partial<DeliveryRow>;

/** What a row keeps of its event. */
export type RowEvent = Pick<StoredEvent, 'id' | 'source' | 'type' | 'tenant' | 'receivedAt'>;

/** A row for an event, with what is usual where nothing is given. */
export function newRow(event: RowEvent, given: Given): DeliveryRow {
  return {
    event_id: idBytes(event.id) ?? new Uint8Array(16),
    state: rowStates.open,
    blocked: 0,
    due: 0,
    queue: given.order_key === null ? null : queueOf(given.destination, event.tenant, given.order_key),
    place: given.position,
    source: event.source,
    type: event.type,
    tenant: event.tenant,
    received_at: event.receivedAt,
    attempts: 0,
    crashes: 0,
    started: 0,
    ended_at: null,
    reason: null,
    note: null,
    last_error: null,
    resolved_at: null,
    resolved_by: null,
    resolved_note: null,
    replay_of: null,
    replay_id: null,
    ...given,
  };
}

/**
 * Inserts a row, open or ended, and counts what is there now. `free` is called when it is open and nothing stands
 * before it, and says whether it claims the row; if not, the row is offered.
 */
export function insertRow(txn: Txn, row: DeliveryRow, free: () => boolean = () => false): void {
  const isOpen = row.state === rowStates.open;
  const queue = isOpen ? row.queue : null;
  txn.step({
    statement: 'insertRow',
    params: rowColumns.map((column) => (column === 'queue' ? queue : row[column])),
  });
  if (row.state === rowStates.dead) {
    txn.count(row.destination, 'dead');
    txn.count(row.destination, 'unresolved');
    if (row.queue !== null) txn.tellHead(row.queue);
  }
  if (!isOpen) return;
  txn.count(row.destination, 'open_rows');
  const offer = (): void => {
    if (!free()) offerRow(txn, row.destination, row);
  };
  if (queue === null) {
    offer();
    return;
  }
  txn.step({ statement: 'blockRest', params: [queue, row.position, row.place] }, (rows) => {
    if (rows.length === 0) offer();
    else {
      txn.count(row.destination, 'blocked');
      txn.tellHead(queue);
    }
  });
}

/** A row that is open and free: it is ready, or will be. */
export function offerRow(txn: Txn, destination: number, at: { readonly position: number; readonly due: number }): void {
  if (at.due <= txn.now) txn.offered.set(at.position, destination);
  txn.afterwards(() => txn.state.lane(destination).offerRow(at.position, at.due));
}

/** Lets the next of an order key go, if nothing holds it. */
export function freeHead(txn: Txn, queue: Uint8Array): void {
  txn.step({ statement: 'freeHead', params: [queue] }, (rows) => {
    for (const row of rows) {
      const destination = Number(row['destination']);
      txn.count(destination, 'blocked', -1);
      const slot = txn.state.slots.get(Number(row['position']));
      if (slot?.row) txn.afterwards(() => void (slot.row = slot.row && { ...slot.row, blocked: 0 }));
      offerRow(txn, destination, { position: Number(row['position']), due: Number(row['due']) });
    }
  });
}

/** A delivery leaves its page and becomes this row. */
export function moveToRow(txn: Txn, slot: Pick<Slot, 'destination' | 'paged'>, row: DeliveryRow): void {
  takeFromPage(txn, slot);
  insertRow(txn, row);
}

/** An entry of a page that is no longer there. */
export function takeFromPage(txn: Txn, { destination, paged }: Pick<Slot, 'destination' | 'paged'>): void {
  const page = paged === null ? null : txn.draft({ destination, seq: paged.seq });
  if (page === null || paged === null) throw damaged('a page that held a claim');
  if (page.isOpen(paged.index)) txn.count(destination, 'open_paged', -1);
  page.mark(paged.index, MOVED);
}

/** How a row ends. */
export interface RowEnd {
  readonly state: number;
  readonly attempts: number;
  readonly reason: string | null;
  readonly note: string | null;
  readonly lastError: string | null;
  /** Its order key stays blocked. */
  readonly holdKey: boolean;
}

/** Ends open rows, and then lets go what waited behind them: not one of their own, which would be counted twice. */
export function endRows(txn: Txn, rows: readonly (readonly [DeliveryRow, RowEnd])[]): void {
  for (const [row, end] of rows) endRow(txn, row, end);
  const free = distinct(rows.flatMap(([{ queue }, { holdKey }]) => (queue === null || holdKey ? [] : [queue])));
  for (const queue of free) freeHead(txn, queue);
  // Whoever waited behind another was not the head: that one may be ready, and was before.
  for (const queue of distinct(rows.flatMap(([row]) => (row.queue === null || row.blocked === 0 ? [] : [row.queue])))) {
    txn.tellHead(queue);
  }
}

function distinct(queues: readonly Uint8Array[]): Iterable<Uint8Array> {
  return new Map(queues.map((queue) => [Buffer.from(queue).toString('latin1'), queue])).values();
}

function endRow(txn: Txn, row: DeliveryRow, end: RowEnd): void {
  const { position, destination } = row;
  const texts = [end.reason, end.note, end.lastError];
  const params = [position, end.state, end.attempts, txn.now, ...texts, Number(end.holdKey)];
  // Whether it is blocked still: what stood before it may have ended in this very transaction.
  if (row.blocked === 1) {
    const sql = 'SELECT blocked FROM delivery WHERE position = ?';
    txn.step({ statement: { sql }, params: [position] }, ([found]) => {
      if (found?.['blocked'] === 1) txn.count(destination, 'blocked', -1);
    });
  }
  txn.step({ statement: 'endRow', params });
  txn.count(destination, 'open_rows', -1);
  if (row.due > 0) txn.afterwards(() => txn.state.lane(destination).withdraw());
  if (end.state === rowStates.dead) {
    txn.count(destination, 'dead');
    txn.count(destination, 'unresolved');
  }
}

/** Keeps the record of a try. */
export function keepAttempt(txn: Txn, position: number, attempt: AttemptRecord): void {
  const { number, startedAt, durationMs, outcome, status, error, worker, exchange } = attempt;
  const params = [position, number, startedAt, durationMs, outcome, status, error, worker];
  txn.step({ statement: 'insertAttempt', params });
  if (exchange !== null) keepExchange(txn, position, exchange);
  if (number <= 50) return;
  txn.step({ statement: 'dropOldExchanges', params: [position] });
  txn.step({ statement: 'dropOldAttempts', params: [position] });
}

/** Keeps what the newest attempt of a delivery sent and was answered. */
export function keepExchange(txn: Txn, position: number, exchange: Exchange): void {
  txn.step({ statement: 'insertExchange', params: [position, encodeExchange(exchange)] });
}
