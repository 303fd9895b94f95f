/** The application's own data. */
import type { SqlTransaction } from 'holdfast';
import { CompiledQuery, Kysely, sql } from 'kysely';
import { dialect, DRIVER } from './drivers.ts';
import type { Change, Kind } from './events.ts';

/** There is one already, or there is none to change. */
export class Conflict extends Error {
  readonly code = 'conflict';
  readonly status = 409;
}

export interface Stored {
  readonly row: Change['row'];
  /** Of an order: `open`, `expired`, or what became of its payment. */
  readonly status: string;
}

interface Writing {
  readonly verb: 'created' | 'updated';
  readonly emit: (tx: SqlTransaction | undefined) => Promise<unknown>;
}

export class Rows {
  readonly #db = new Kysely<unknown>({ dialect: dialect() });

  static async open(): Promise<Rows> {
    const rows = new Rows();
    await rows.#db.transaction().execute(async (tx) => {
      if (DRIVER !== 'memory') await sql`SELECT pg_advisory_xact_lock(720101)`.execute(tx); // several may start at once
      await sql`
        CREATE TABLE IF NOT EXISTS record (merchant text NOT NULL, kind text NOT NULL, id text NOT NULL,
          body text NOT NULL, status text NOT NULL DEFAULT 'open', made_at bigint NOT NULL,
          PRIMARY KEY (merchant, kind, id))`.execute(tx);
    });
    return rows;
  }

  // #region transaction
  /** Writes rows and what `emit` emits: all of it, or nothing. @throws Conflict */
  async write(merchant: string, changes: readonly Change[], { verb, emit }: Writing): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      for (const { kind, row } of changes) {
        const body = JSON.stringify(row);
        const written =
          verb === 'created'
            ? sql`INSERT INTO record (merchant, kind, id, body, made_at)
                VALUES (${merchant}, ${kind}, ${row.id}, ${body}, ${Date.now()}) ON CONFLICT DO NOTHING RETURNING id`
            : sql`UPDATE record SET body = ${body}
                WHERE merchant = ${merchant} AND kind = ${kind} AND id = ${row.id} RETURNING id`;
        const { rows } = await written.execute(tx);
        if (rows.length === 0) throw new Conflict(`${kind} ${row.id}`);
      }
      // As Holdfast takes it, where it commits to the same database: gateway.emitBatch(events, { tx })
      const query: SqlTransaction['query'] = (text, values) => tx.executeQuery(CompiledQuery.raw(text, values));
      await emit(DRIVER === 'memory' ? undefined : { query });
    });
  }
  // #endregion

  async find(merchant: string, kind: Kind, id: string): Promise<Stored | null> {
    const { rows } = await sql<{ readonly body: string; readonly status: string }>`SELECT body, status FROM record
      WHERE merchant = ${merchant} AND kind = ${kind} AND id = ${id}`.execute(this.#db);
    return rows[0] === undefined ? null : { row: JSON.parse(rows[0].body) as Change['row'], status: rows[0].status };
  }

  /** What became of an order. An order that was paid does not expire. */
  async settle(merchant: string | null, order: string, status: string): Promise<void> {
    await sql`UPDATE record SET status = ${status} WHERE merchant = ${merchant} AND kind = 'order' AND id = ${order}
      AND (status = 'open' OR ${status} <> 'expired')`.execute(this.#db);
  }

  /** Lets go notifications from before. */
  async forget(before: Date): Promise<void> {
    await sql`DELETE FROM record WHERE kind = 'notification' AND made_at < ${before.getTime()}`.execute(this.#db);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#db.destroy();
  }
}
