/** The first transaction of a process: it counts up, marks the file as in use, and deals with what was running. */
import { clearUnfinished } from './dedupe.ts';
import { rowEvent } from './deliveries-of.ts';
import type { Found } from './open.ts';
import { OPEN, STARTED } from './page.ts';
import { positionOf } from './position.ts';
import { moveToRow, newRow } from './row-writes.ts';
import { toDeliveryRow } from './rows.ts';
import type { Txn } from './txn.ts';

/**
 * After an unclean stop, what was marked started is a suspect: it counts one crash more. After a proper close it is simply
 * ready again.
 */
export async function recover(txn: Txn, found: Found): Promise<void> {
  txn.step({ statement: 'setMeta', params: ['boot', found.boot] });
  txn.step({ statement: 'setMeta', params: ['clean', 0] });
  txn.step({ statement: 'setMeta', params: ['nextSeq', txn.nextSeq] });
  for (const step of clearUnfinished(txn.state.reader)) txn.step(step);
  recoverRows(txn, found.unclean);
  recoverPages(txn, found.unclean);
  await txn.commit();
}

function recoverRows(txn: Txn, unclean: boolean): void {
  for (const found of txn.state.reader.all({ sql: 'SELECT * FROM delivery WHERE started = 1' })) {
    const row = toDeliveryRow(found);
    const crashes = row.crashes + Number(unclean);
    const sql = 'UPDATE delivery SET started = 0, crashes = ? WHERE position = ?';
    txn.step({ statement: { sql }, params: [crashes, row.position] });
  }
}

function recoverPages(txn: Txn, unclean: boolean): void {
  for (const found of txn.state.reader.all({ sql: 'SELECT destination, seq FROM page WHERE started > 0' })) {
    const key = { destination: Number(found['destination']), seq: Number(found['seq']) };
    const page = txn.draft(key);
    if (page === null) continue;
    for (const index of page.entries(STARTED)) {
      if (page.state(index) !== STARTED) continue;
      if (!unclean) {
        page.mark(index, OPEN);
        continue;
      }
      const seq = page.seq(index);
      const position = positionOf(seq, page.ordinal(index));
      const given = { position, event: seq, destination: key.destination, order_key: null, crashes: 1 };
      const row = newRow(rowEvent(txn, seq), { ...given, committed_at: page.committedAt });
      moveToRow(txn, { destination: key.destination, paged: { seq: key.seq, index } }, row);
    }
  }
}
