/** The deliveries of one event, in the order of their commits, as a transaction sees them. */
import type { StoredEvent } from '../../core/event.ts';
import { formatId } from '../../core/id.ts';
import { entryOf } from './chunks.ts';
import { damaged } from './failure.ts';
import type { RowEvent } from './row-writes.ts';
import { OPEN, STARTED, SUCCEEDED } from './page.ts';
import { deliveryId, ORDINALS, positionOf } from './position.ts';
import { type DeliveryRow, rowStates, toDeliveryRow } from './rows.ts';
import type { Txn } from './txn.ts';

export interface FoundDelivery {
  readonly id: string;
  readonly position: number;
  readonly destination: string;
  readonly number: number;
  readonly orderKey: string | null;
  readonly replayOf: string | null;
  readonly isOpen: boolean;
  /** A first try has begun, or more happened. */
  readonly wasBegun: boolean;
  readonly paged: { readonly seq: number; readonly index: number } | null;
  readonly row: DeliveryRow | null;
}

export async function deliveriesOf(
  txn: Txn,
  { event, seq }: { readonly event: StoredEvent; readonly seq: number },
): Promise<FoundDelivery[]> {
  const sql = `SELECT *, EXISTS (SELECT 1 FROM attempt WHERE attempt.position = delivery.position) AS attempted
    FROM delivery WHERE position >= ? AND position < ?
    UNION SELECT *, EXISTS (SELECT 1 FROM attempt WHERE attempt.position = delivery.position)
    FROM delivery WHERE event = ? AND replay_id IS NOT NULL ORDER BY position`;
  const rows = await txn.query(sql, positionOf(seq, 0), positionOf(seq + 1, 0), seq);
  const found = new Map<number, FoundDelivery>();
  for (const delivery of inPages(txn, event, seq)) found.set(delivery.position, delivery);
  for (const row of rows) {
    const delivery = ofRow(txn, event, { row: toDeliveryRow(row), attempted: row['attempted'] === 1 });
    found.set(delivery.position, delivery);
  }
  return [...found.values()].toSorted((a, b) => a.position - b.position);
}

function ofRow(txn: Txn, event: StoredEvent, from: { row: DeliveryRow; attempted: boolean }): FoundDelivery {
  const { row, attempted } = from;
  const ended = row.state === rowStates.succeeded || row.state === rowStates.skipped;
  return {
    id: deliveryId(event.id, row.position),
    position: row.position,
    destination: txn.state.destinations.name(row.destination),
    number: row.destination,
    orderKey: row.order_key,
    replayOf: row.replay_of === null ? null : deliveryId(event.id, row.replay_of),
    isOpen: row.state === rowStates.open,
    wasBegun: txn.isClaimed(row.position) || row.started === 1 || row.crashes > 0 || attempted || ended,
    paged: null,
    row,
  };
}

function inPages(txn: Txn, event: StoredEvent, seq: number): FoundDelivery[] {
  const chunk = chunkOf(txn, seq);
  if (chunk === null) return [];
  return [...new Set(chunk.owed)].flatMap((number) => {
    const page = txn.page({ destination: number, seq: chunk.seq });
    if (page === null) return [];
    const indexes = Array.from({ length: page.count }, (_, index) => index).filter(
      (index) => page.seq(index) === seq && page.state(index) <= SUCCEEDED,
    );
    return indexes.map((index) => {
      const position = seq * ORDINALS + page.ordinal(index);
      const state = page.state(index);
      return {
        id: deliveryId(event.id, position),
        position,
        destination: txn.state.destinations.name(number),
        number,
        orderKey: null,
        replayOf: null,
        isOpen: state === OPEN || state === STARTED,
        wasBegun: txn.isClaimed(position) || state !== OPEN,
        paged: { seq: chunk.seq, index },
        row: null,
      };
    });
  });
}

/** The chunk an event is in and what it owes; from this transaction, or committed. */
function chunkOf(txn: Txn, seq: number): { readonly seq: number; readonly owed: readonly number[] } | null {
  const staged = txn.staged.at(seq);
  if (staged !== null) return { seq: staged.chunkSeq, owed: staged.owed };
  const chunk = txn.state.chunks.holding(seq);
  const entry = entryOf(chunk, seq);
  return chunk === null || entry === null ? null : { seq: chunk.seq, owed: entry.owed };
}

/** An event by its id, whole; from this transaction, or committed. */
export function findEvent(txn: Txn, id: string): { readonly event: StoredEvent; readonly seq: number } | null {
  const staged = txn.staged.find(id);
  if (staged !== null) return staged;
  const { chunks } = txn.state;
  const found = chunks.find(id);
  return found === null ? null : { event: chunks.event(found.chunk, found.entry), seq: found.entry.seq };
}

/** What a row keeps of the event with this seq. */
export function rowEvent(txn: Txn, seq: number): RowEvent {
  const staged = txn.staged.at(seq);
  if (staged !== null) return staged.event;
  const entry = txn.state.chunks.entry(seq);
  if (entry === null) throw damaged(`the event of seq ${seq}`);
  return { ...entry, id: formatId('evt', entry.idBytes) };
}
