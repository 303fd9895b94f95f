/** Orders into the table. It runs in threads: while SQLite waits for the disk, webhooks are taken all the same. */
import { type Batch, type BatchHandler, type HandlerEvent, Reject, Skip, Unavailable } from 'holdfast';
import { type Message, ordersOf } from './message.ts';
import { readSettings } from './settings.ts';
import { OrderTable } from './table.ts';

const table = new OrderTable(readSettings(process.env).ordersFile);

// #region writer
const write: BatchHandler<Message> = (batch) => {
  try {
    table.transaction(() => batch.events.forEach((event) => add(batch, event)));
  } catch (error) {
    throw isBusy(error) ? new Unavailable('The table is locked.') : error; // all of them again, without an attempt spent
  }
};

function add(batch: Batch<Message>, event: HandlerEvent<Message>): void {
  try {
    if (event.unfit !== null) throw new Reject(event.unfit);
    const orders = ordersOf(event.body);
    if (orders.length === 0) throw new Skip('There is no order in it.');
    table.add(event, orders);
  } catch (error) {
    batch.fail(event, error); // this one; the others of the batch go on
  }
}
// #endregion

/** SQLITE_BUSY (https://www.sqlite.org/rescode.html): somebody else has been writing for too long. */
function isBusy(error: unknown): boolean {
  return (error as { readonly errcode?: number }).errcode === 5;
}

export default write;
