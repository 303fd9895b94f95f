/** The orders, in a table of the desk's own. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { HandlerEvent } from 'holdfast';
import type { Order } from './message.ts';

export interface OrderRow extends Order {
  /** Rises with every order, in the order of commits: whoever has seen one has seen all before it. */
  readonly id: number;
  readonly receivedAt: string;
}

export type OrderTable = ReturnType<typeof openTable>;

/** How long a writer waits for another one. */
const BUSY_MS = 5000;

export function openTable(directory: string) {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const database = new DatabaseSync(join(directory, 'orders.db'), { timeout: BUSY_MS });
  database.exec(`
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS orders (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      event_id TEXT NOT NULL, position INTEGER NOT NULL, received_at TEXT NOT NULL,
      number TEXT NOT NULL, product TEXT NOT NULL, price TEXT NOT NULL, email TEXT, store TEXT,
      UNIQUE (event_id, position)
    ) STRICT`);
  // One statement: all orders of a message, or none. After a crash an event can come again: then its orders are there.
  const insert = database.prepare(`
    INSERT INTO orders (event_id, position, received_at, number, product, price, email, store)
    SELECT ?, key, ?, value ->> 'number', value ->> 'product', value ->> 'price', value ->> 'email', value ->> 'store'
    FROM json_each(?) WHERE true ON CONFLICT (event_id, position) DO NOTHING`);
  const after = database.prepare(`
    SELECT id, received_at AS receivedAt, number, product, price, email, store
    FROM orders WHERE id > ? ORDER BY id LIMIT ?`);
  const newest = database.prepare('SELECT coalesce(max(id), 0) AS id FROM orders');
  return {
    add({ id, receivedAt }: HandlerEvent, orders: readonly Order[]): void {
      insert.run(id, receivedAt.toISOString(), JSON.stringify(orders));
    },

    after: (id: number, limit: number) => after.all(id, limit) as unknown as readonly OrderRow[],

    /** The id of the newest order; 0: there is none. */
    newest: () => Number(newest.get()?.['id']),

    /** On disk when it returns. */
    transaction(work: () => void): void {
      database.exec('BEGIN IMMEDIATE');
      try {
        work();
        database.exec('COMMIT');
      } finally {
        if (database.isTransaction) database.exec('ROLLBACK');
      }
    },

    close: () => database.close(),
  };
}
