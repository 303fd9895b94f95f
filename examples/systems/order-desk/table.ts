/** The orders, in a table of the desk's own. */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { Order } from './message.ts';

export interface OrderRow extends Order {
  /** Rises with every order, in the order of commits: whoever has seen one has seen all before it. */
  readonly id: number;
  readonly receivedAt: string;
}

/** How long a writer waits for another one. */
const BUSY_MS = 5000;

export class OrderTable {
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #after: StatementSync;
  readonly #newest: StatementSync;

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: BUSY_MS });
    this.#database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS orders (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        event_id TEXT NOT NULL, position INTEGER NOT NULL, received_at TEXT NOT NULL,
        number TEXT NOT NULL, product TEXT NOT NULL, price TEXT NOT NULL, email TEXT, store TEXT,
        UNIQUE (event_id, position)
      ) STRICT`);
    // One statement: all orders of a message, or none. After a crash an event can come again: then its orders are there.
    this.#insert = this.#database.prepare(`
      INSERT INTO orders (event_id, position, received_at, number, product, price, email, store)
      SELECT ?, key, ?, value ->> 'number', value ->> 'product', value ->> 'price', value ->> 'email', value ->> 'store'
      FROM json_each(?) WHERE true ON CONFLICT (event_id, position) DO NOTHING`);
    this.#after = this.#database.prepare(`
      SELECT id, received_at AS receivedAt, number, product, price, email, store
      FROM orders WHERE id > ? ORDER BY id LIMIT ?`);
    this.#newest = this.#database.prepare('SELECT coalesce(max(id), 0) AS id FROM orders');
  }

  add({ id, receivedAt }: { readonly id: string; readonly receivedAt: Date }, orders: readonly Order[]): void {
    this.#insert.run(id, receivedAt.toISOString(), JSON.stringify(orders));
  }

  after(id: number, limit: number): readonly OrderRow[] {
    return this.#after.all(id, limit) as unknown as OrderRow[];
  }

  /** The id of the newest order; 0: there is none. */
  get newest(): number {
    return Number(this.#newest.get()?.['id']);
  }

  /** On disk when it returns. */
  transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } finally {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
    }
  }

  close(): void {
    this.#database.close();
  }
}
