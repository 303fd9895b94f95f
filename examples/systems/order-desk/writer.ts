/** Orders into the table. It runs in threads: while SQLite waits for the disk, webhooks are taken all the same. */
import { type BatchHandler, type HandlerEvent, Reject, Skip, Unavailable } from 'holdfast';
import { type Message, ordersOf } from './message.ts';
import { readSettings } from './settings.ts';
import { openTable } from './table.ts';

const table = openTable(readSettings().DATA_DIRECTORY);

// #region writer
const write: BatchHandler<Message> = (batch) => {
  try {
    table.transaction(() => batch.each(add)); // one that fails does so alone; the others of the batch go on
  } catch (error) {
    // SQLITE_BUSY (https://www.sqlite.org/rescode.html): somebody else has been writing for too long.
    const isBusy = (error as { readonly errcode?: number }).errcode === 5;
    throw isBusy ? new Unavailable('The table is locked.') : error; // all of them again, without an attempt spent
  }
};

function add(event: HandlerEvent<Message>): void {
  if (event.unfit !== null) throw new Reject(event.unfit);
  const orders = ordersOf(event.body);
  if (orders.length === 0) throw new Skip('There is no order in it.');
  table.add(event, orders);
}
// #endregion

export default write;
