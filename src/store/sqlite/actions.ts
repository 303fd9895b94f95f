/** What a person or the gateway itself does to deliveries. */
import type { Action, ActionAnswer } from '../store.ts';
import { buryOpen } from './bury.ts';
import { deliveriesOf, findEvent } from './deliveries-of.ts';
import { positionIn } from './position.ts';
import { renameDestination } from './rename.ts';
import { endRows, freeHead, insertRow, newRow, takeFromPage } from './row-writes.ts';
import { rowStates, toDeliveryRow } from './rows.ts';
import { deliveryIdOf } from './claim-of.ts';
import type { Txn } from './txn.ts';

/** Does one action; `affected` says to how many deliveries. */
export async function act(txn: Txn, action: Action): Promise<ActionAnswer> {
  return { status: 'committed', affected: await affect(txn, action) };
}

function affect(txn: Txn, action: Action): Promise<number> {
  if (action.kind === 'resolve') return resolve(txn, action);
  if (action.kind === 'bury') return buryOpen(txn, { ...action, before: Number.POSITIVE_INFINITY });
  if (action.kind === 'cancel') return cancel(txn, action.eventId);
  return renameDestination(txn, action.from, action.to);
}

async function resolve(txn: Txn, action: Action & { kind: 'resolve' }): Promise<number> {
  let affected = 0;
  for (const id of action.deliveryIds) {
    const position = positionIn(id);
    const [found] = position === null ? [] : await txn.query('SELECT * FROM delivery WHERE position = ?', position);
    if (found === undefined) continue;
    const row = toDeliveryRow(found);
    if (row.state !== rowStates.dead || row.resolved_at !== null) continue;
    if (deliveryIdOf(row.event_id, row.position) !== id) continue;
    const sql = `UPDATE delivery SET resolved_at = ?, resolved_by = ?, resolved_note = ?, queue = NULL WHERE position = ?`;
    txn.step({ statement: { sql }, params: [txn.now, action.by, action.note, row.position] });
    txn.count(row.destination, 'unresolved', -1);
    if (row.queue !== null) {
      freeHead(txn, row.queue);
      txn.tellHead(row.queue);
    }
    affected++;
  }
  return affected;
}

async function cancel(txn: Txn, eventId: string): Promise<number> {
  const found = findEvent(txn, eventId);
  if (found === null) return 0;
  const deliveries = await deliveriesOf(txn, found);
  if (deliveries.some(({ wasBegun }) => wasBegun)) return 0;
  const open = deliveries.filter(({ isOpen }) => isOpen);
  const ended = { state: rowStates.cancelled, reason: null, note: null };
  const rows = open.flatMap(({ row }) => (row === null ? [] : [row]));
  endRows(
    txn,
    rows.map((row) => [row, { ...ended, attempts: 0, lastError: row.last_error, holdKey: false }]),
  );
  for (const { row, paged, number, position } of open) {
    if (row !== null) continue;
    const committed_at = txn.page({ destination: number, seq: paged?.seq ?? 0 })?.committedAt ?? txn.now;
    takeFromPage(txn, { destination: number, paged });
    const given = { position, event: found.seq, destination: number, order_key: null, committed_at };
    insertRow(txn, newRow(found.event, { ...given, ...ended, ended_at: txn.now }));
  }
  return open.length;
}
