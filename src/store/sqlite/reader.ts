/** The connection that reads: claims and history see what is committed and never wait for a commit. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { toStoreError } from './failure.ts';
import type { Row } from './script.ts';
import { type StatementName, statements } from './statements.ts';

export type Query = StatementName | { readonly sql: string };
type Value = null | number | string | Uint8Array;

export class Reader {
  readonly #database: DatabaseSync;
  readonly #prepared = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** The first row; `null` when there is none. */
  first(query: Query, ...params: readonly Value[]): Row | null {
    try {
      return (this.#prepare(query).get(...params) as Row | undefined) ?? null;
    } catch (error) {
      throw toStoreError(error, true);
    }
  }

  all(query: Query, ...params: readonly Value[]): readonly Row[] {
    try {
      return this.#prepare(query).all(...params) as unknown as readonly Row[];
    } catch (error) {
      throw toStoreError(error, true);
    }
  }

  /** Runs `read` on one state of the database, whatever is committed meanwhile. */
  snapshot<Result>(read: () => Result): Result {
    if (this.#database.isTransaction) return read();
    this.#database.exec('BEGIN');
    try {
      return read();
    } finally {
      if (this.#database.isTransaction) this.#database.exec('COMMIT');
    }
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #prepare(query: Query): StatementSync {
    const sql = typeof query === 'string' ? statements[query] : query.sql;
    let statement = this.#prepared.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#prepared.set(sql, statement);
    }
    return statement;
  }
}
