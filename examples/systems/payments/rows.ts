/** The application's own data: in PostgreSQL, or in the memory of a process that keeps nothing. */
import { Pool, type PoolClient } from 'pg';
import type { Change, Kind } from './events.ts';

/** Writes what happened, where the rows are written: in their transaction, if there is one. */
export type Emit = (tx?: PoolClient) => Promise<unknown>;

export interface Stored {
  readonly row: Change['row'];
  /** Of an order: `open`, `expired`, or what became of its payment. */
  readonly status: string;
}

export interface Rows {
  /** Writes rows and what `emit` emits: all of it, or nothing. @throws Conflict */
  write(merchant: string, changes: readonly Change[], how: { verb: 'created' | 'updated'; emit: Emit }): Promise<void>;
  find(merchant: string, kind: Kind, id: string): Promise<Stored | null>;
  /** What became of an order. An order that was paid does not expire. */
  settle(merchant: string, order: string, status: string): Promise<void>;
  /** Lets go notifications from before. */
  forget(before: Date): Promise<void>;
  addMerchant(id: string, keyHash: string): Promise<void>;
  merchantOf(keyHash: string): Promise<string | null>;
  close(): Promise<void>;
}

/** There is one already, or there is none to change. */
export class Conflict extends Error {}

/** As QUEUE_DRIVER says. */
export function openRows(): Promise<Rows> {
  const url = process.env['DATABASE_URL'];
  const isMemory = (process.env['QUEUE_DRIVER'] ?? 'memory') === 'memory';
  return isMemory || url === undefined ? Promise.resolve(memoryRows()) : postgresRows(url);
}

const TABLES = `
  SELECT pg_advisory_xact_lock(720101);
  CREATE TABLE IF NOT EXISTS merchant (id text PRIMARY KEY, key_hash text UNIQUE NOT NULL);
  CREATE TABLE IF NOT EXISTS record (
    merchant text REFERENCES merchant, kind text, id text, row jsonb NOT NULL, status text NOT NULL DEFAULT 'open',
    made_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (merchant, kind, id));
`;

export async function postgresRows(url: string): Promise<Rows> {
  const pool = new Pool({ connectionString: url });
  await pool.query(TABLES);
  const one = async (tx: PoolClient, sql: string, values: unknown[]): Promise<void> => {
    const { rowCount } = await tx.query(sql, values);
    if (rowCount !== 1) throw new Conflict();
  };
  return {
    // #region transaction
    async write(merchant, changes, { verb, emit }) {
      const tx = await pool.connect();
      try {
        await tx.query('BEGIN');
        for (const { kind, row } of changes) {
          const values = [merchant, kind, row.id, row];
          if (verb === 'updated') await one(tx, UPDATE, values);
          else await one(tx, INSERT, values);
        }
        await emit(tx); // gateway.emitBatch(events, { tx })
        await tx.query('COMMIT');
      } catch (error) {
        await tx.query('ROLLBACK');
        throw error;
      } finally {
        tx.release();
      }
    },
    // #endregion
    async find(merchant, kind, id) {
      const { rows } = await pool.query<Stored>(
        'SELECT row, status FROM record WHERE merchant = $1 AND kind = $2 AND id = $3',
        [merchant, kind, id],
      );
      return rows[0] ?? null;
    },
    async settle(merchant, order, status) {
      await pool.query(
        `UPDATE record SET status = $3 WHERE merchant = $1 AND kind = 'order' AND id = $2
         AND ($3 <> 'expired' OR status = 'open')`,
        [merchant, order, status],
      );
    },
    async forget(before) {
      await pool.query(`DELETE FROM record WHERE kind = 'notification' AND made_at < $1`, [before]);
    },
    async addMerchant(id, keyHash) {
      const { rowCount } = await pool.query('INSERT INTO merchant VALUES ($1, $2) ON CONFLICT DO NOTHING', [
        id,
        keyHash,
      ]);
      if (rowCount !== 1) throw new Conflict();
    },
    async merchantOf(keyHash) {
      const { rows } = await pool.query<{ id: string }>('SELECT id FROM merchant WHERE key_hash = $1', [keyHash]);
      return rows[0]?.id ?? null;
    },
    close: () => pool.end(),
  };
}

const INSERT = 'INSERT INTO record (merchant, kind, id, row) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING';
const UPDATE = 'UPDATE record SET row = $4 WHERE merchant = $1 AND kind = $2 AND id = $3';

export function memoryRows(): Rows {
  const records = new Map<string, Stored & { readonly kind: Kind; readonly madeAt: number }>();
  const merchants = new Map<string, string>();
  const keyOf = (...parts: readonly string[]): string => JSON.stringify(parts);
  return {
    async write(merchant, changes, { verb, emit }) {
      const keys = changes.map(({ kind, row }) => keyOf(merchant, kind, row.id));
      const wrong = keys.some((key) => records.has(key) !== (verb === 'updated')) || new Set(keys).size < keys.length;
      if (wrong) throw new Conflict();
      const before = new Map(keys.map((key) => [key, records.get(key)]));
      const madeAt = Date.now();
      for (const { kind, row } of changes)
        records.set(keyOf(merchant, kind, row.id), {
          status: 'open',
          ...before.get(keyOf(merchant, kind, row.id)),
          kind,
          row,
          madeAt,
        });
      try {
        await emit();
      } catch (error) {
        for (const [key, row] of before) {
          if (row === undefined) records.delete(key);
          else records.set(key, row);
        }
        throw error;
      }
    },
    find: (merchant, kind, id) => Promise.resolve(records.get(keyOf(merchant, kind, id)) ?? null),
    settle(merchant, order, status) {
      const key = keyOf(merchant, 'order', order);
      const found = records.get(key);
      if (found !== undefined && (status !== 'expired' || found.status === 'open'))
        records.set(key, { ...found, status });
      return Promise.resolve();
    },
    forget(before) {
      for (const [key, { kind, madeAt }] of records)
        if (kind === 'notification' && madeAt < before.getTime()) records.delete(key);
      return Promise.resolve();
    },
    addMerchant(id, keyHash) {
      if ([...merchants.values()].includes(id)) return Promise.reject(new Conflict());
      merchants.set(keyHash, id);
      return Promise.resolve();
    },
    merchantOf: (keyHash) => Promise.resolve(merchants.get(keyHash) ?? null),
    close: () => Promise.resolve(),
  };
}
