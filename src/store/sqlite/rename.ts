/** All that belongs to one destination belongs to another from now on. */
import { freeHead } from './row-writes.ts';
import { queueOf, toDeliveryRow } from './rows.ts';
import type { State } from './state.ts';
import type { Txn } from './txn.ts';

/**
 * Onto a new name: the number gets another name. Onto a name that exists: both numbers have the name, and the waiting
 * deliveries with order keys line up together, by their places.
 */
export async function renameDestination(txn: Txn, from: string, to: string): Promise<number> {
  const { destinations } = txn.state;
  const numbers = destinations.numbers(from);
  if (numbers.length === 0 || from === to) return 0;
  const head = destinations.head(to);
  if (head !== null) {
    await joinQueues(txn, numbers, head);
    txn.afterwards(() => refresh(txn.state, new Set([...numbers, ...destinations.numbers(to)])));
  }
  const sql = 'UPDATE destination SET name = ?1, head = CASE WHEN ?2 THEN 0 ELSE head END WHERE name = ?3';
  txn.step({ statement: { sql }, params: [to, Number(head !== null), from] });
  // At once: what follows in this batch speaks of the new name.
  txn.onFailure(destinations.rename(from, to));
  for (const number of numbers) txn.renamed.add(number);
  return 1;
}

/** Claims know the queues of their rows, and lanes what falls due: both are other ones now. */
function refresh(state: State, numbers: ReadonlySet<number>): void {
  for (const number of numbers) state.lane(number).withdraw();
  for (const slot of state.slots.all()) {
    if (slot.row === null || !numbers.has(slot.destination)) continue;
    const row = state.reader.first('row', slot.position);
    if (row !== null) slot.row = toDeliveryRow(row);
  }
}

/** Waiting deliveries of the old numbers wait in the queues of the new one; heads that are second now are blocked. */
async function joinQueues(txn: Txn, numbers: readonly number[], head: number): Promise<void> {
  for (const number of numbers) {
    const sql = 'SELECT * FROM delivery WHERE queue IS NOT NULL AND destination = ?';
    const queues = new Map<string, Uint8Array>();
    for (const found of await txn.query(sql, number)) {
      const row = toDeliveryRow(found);
      const queue = queueOf(head, row.tenant, row.order_key ?? '');
      queues.set(Buffer.from(queue).toString('latin1'), queue);
      txn.step({
        statement: { sql: 'UPDATE delivery SET queue = ? WHERE position = ?' },
        params: [queue, row.position],
      });
    }
    for (const queue of queues.values()) await blockAllButHead(txn, queue);
  }
}

async function blockAllButHead(txn: Txn, queue: Uint8Array): Promise<void> {
  const sql = 'SELECT position, destination FROM delivery WHERE queue = ? AND state = 0 AND blocked = 0';
  for (const row of await txn.query(sql, queue)) {
    txn.step({
      statement: { sql: 'UPDATE delivery SET blocked = 1 WHERE position = ?' },
      params: [row['position'] ?? 0],
    });
    txn.count(Number(row['destination']), 'blocked');
  }
  freeHead(txn, queue);
  await txn.flush();
}
