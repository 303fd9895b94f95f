/** A batch handler: many events in one call, of which single ones end otherwise than the rest. */
import { createGateway, defineConfig, Reject, RetryLater } from 'holdfast';
import { none } from 'holdfast/verify';

interface Line {
  readonly account: string;
  readonly amount: number;
}

const gateway = createGateway(
  defineConfig({
    store: 'memory:',
    logLevel: 'error',
    port: 0,
    sources: { ledger: { verify: none(), split: true } }, // a request holds an array: an event for each element
  }),
);

const written: number[] = [];
const done = Promise.withResolvers<void>();
let sizeMax = 0;

// #region batch
gateway.handleBatch('ledger', { from: 'ledger', size: 5, within: '50ms', concurrency: 1 }, (batch, context) => {
  const rows: number[] = [];
  batch.each((event) => {
    const { amount } = event.body as Line;
    const { attempt } = context.delivery(event);
    // Settled apart from the rest of its batch.
    if (amount < 0) throw new Reject('an amount below zero');
    if (amount === 7 && attempt === 1) throw new RetryLater('20ms', 'the account is locked');
    rows.push(amount);
  });
  // What is not mentioned shares what becomes of the call: a throw here would have all of `rows` tried again.
  writeAll(rows);
});
// #endregion

function writeAll(rows: readonly number[]): void {
  sizeMax = Math.max(sizeMax, rows.length);
  written.push(...rows);
  if (written.length === 11) done.resolve();
}

const { ingest } = await gateway.listen();
const lines: Line[] = Array.from({ length: 12 }, (_, index) => ({ account: 'a', amount: index === 3 ? -1 : index }));
const body = JSON.stringify(lines);
const { status } = await fetch(`http://127.0.0.1:${ingest.port}/in/ledger`, { method: 'POST', body });
await done.promise;
await gateway.stop();

console.log(`one request of ${lines.length} events: ${status}`);
console.log(`written: ${written.length}, at most ${sizeMax} at once`);
console.log(`the one that was to be tried later came last: ${written.at(-1) === 7 ? 'yes' : 'no'}`);
