/** The application's own data: in PostgreSQL, or in a SQLite in memory that keeps nothing. The SQL is the same. */
import { DatabaseSync } from 'node:sqlite';
import { Pool, type PoolClient } from 'pg';
import { DRIVER } from './drivers.ts';
import type { Change, Kind } from './events.ts';

/** There is one already, or there is none to change. */
export class Conflict extends Error {}

export interface Stored {
  readonly row: Change['row'];
  /** Of an order: `open`, `expired`, or what became of its payment. */
  readonly status: string;
}

type Row = Readonly<Record<string, unknown>>;
type Query = (sql: string, values: readonly (string | number)[]) => Promise<readonly Row[]>;

interface Database {
  readonly query: Query;
  /** All of it or nothing. `tx` is the transaction as Holdfast takes it, where there is one. */
  transaction(code: (query: Query, tx?: PoolClient) => Promise<void>): Promise<void>;
  close(): Promise<void>;
}

const TABLES = `
  CREATE TABLE IF NOT EXISTS record (merchant text NOT NULL, kind text NOT NULL, id text NOT NULL,
    body text NOT NULL, status text NOT NULL DEFAULT 'open', made_at bigint NOT NULL, PRIMARY KEY (merchant, kind, id))`;

const INSERT = `INSERT INTO record (merchant, kind, id, body, made_at) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT DO NOTHING RETURNING id`;
const UPDATE = 'UPDATE record SET body = $4 WHERE merchant = $1 AND kind = $2 AND id = $3 RETURNING id';

export class Rows {
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
  }

  /** As QUEUE_DRIVER says. */
  static async open(): Promise<Rows> {
    return new Rows(DRIVER === 'memory' ? inMemory() : await inPostgres(process.env['DATABASE_URL']));
  }

  // #region transaction
  /** Writes rows and what `emit` emits: all of it, or nothing. @throws Conflict */
  write(
    merchant: string,
    changes: readonly Change[],
    { verb, emit }: { verb: 'created' | 'updated'; emit: (tx?: PoolClient) => Promise<unknown> },
  ): Promise<void> {
    return this.#database.transaction(async (query, tx) => {
      for (const { kind, row } of changes) {
        const values = [merchant, kind, row.id, JSON.stringify(row)];
        const written = verb === 'updated' ? await query(UPDATE, values) : await query(INSERT, [...values, Date.now()]);
        if (written.length === 0) throw new Conflict();
      }
      await emit(tx); // gateway.emitBatch(events, { tx })
    });
  }
  // #endregion

  async find(merchant: string, kind: Kind, id: string): Promise<Stored | null> {
    const sql = 'SELECT body, status FROM record WHERE merchant = $1 AND kind = $2 AND id = $3';
    const [found] = await this.#database.query(sql, [merchant, kind, id]);
    if (found === undefined) return null;
    return { row: JSON.parse(String(found['body'])) as Change['row'], status: String(found['status']) };
  }

  /** What became of an order. An order that was paid does not expire. */
  async settle(merchant: string, order: string, status: string): Promise<void> {
    const sql = `UPDATE record SET status = $3 WHERE merchant = $1 AND kind = 'order' AND id = $2`;
    await this.#database.query(status === 'expired' ? `${sql} AND status = 'open'` : sql, [merchant, order, status]);
  }

  /** Lets go notifications from before. */
  async forget(before: Date): Promise<void> {
    await this.#database.query(`DELETE FROM record WHERE kind = 'notification' AND made_at < $1`, [before.getTime()]);
  }

  close(): Promise<void> {
    return this.#database.close();
  }
}

async function inPostgres(url: string | undefined): Promise<Database> {
  const pool = new Pool({ connectionString: url });
  await pool.query(`SELECT pg_advisory_xact_lock(720101); ${TABLES}`); // several processes may start at once
  const queryOf =
    (on: Pool | PoolClient): Query =>
    async (sql, values) =>
      (await on.query<Row>(sql, [...values])).rows;
  return {
    query: queryOf(pool),
    async transaction(code) {
      const tx = await pool.connect();
      try {
        await tx.query('BEGIN');
        await code(queryOf(tx), tx);
        await tx.query('COMMIT');
      } catch (error) {
        await tx.query('ROLLBACK');
        throw error;
      } finally {
        tx.release();
      }
    },
    close: () => pool.end(),
  };
}

/** One connection: whoever asks while a transaction is open waits for its end. */
function inMemory(): Database {
  const database = new DatabaseSync(':memory:');
  database.exec(TABLES);
  const query: Query = async (sql, values) =>
    database.prepare(sql).all(Object.fromEntries(values.map((value, index) => [`$${index + 1}`, value])));
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <Answer>(code: () => Promise<Answer>): Promise<Answer> => {
    const answer = last.then(code);
    last = answer.catch(() => undefined);
    return answer;
  };
  return {
    query: (sql, values) => inTurn(() => query(sql, values)),
    transaction: (code) =>
      inTurn(async () => {
        database.exec('BEGIN');
        try {
          await code(query);
          database.exec('COMMIT');
        } catch (error) {
          database.exec('ROLLBACK');
          throw error;
        }
      }),
    close: async () => database.close(),
  };
}
