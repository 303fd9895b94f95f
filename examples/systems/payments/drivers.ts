/** Where events are committed, how they are shared out, and where the rows are, by the environment. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { type Dialect, PostgresDialect, SqliteDialect } from 'kysely';
import { Pool } from 'pg';

const { env } = process;

export const DRIVER = env['QUEUE_DRIVER'] ?? 'memory';

// #region drivers
/** Production: committed in PostgreSQL, shared out through Redis. Development and tests: in the memory of the process. */
export function drivers(): { store: string; queue?: string } {
  if (DRIVER === 'memory') return { store: 'memory:' };
  if (DRIVER !== 'redis') throw new Error(`QUEUE_DRIVER: expected memory or redis, got '${DRIVER}'.`);
  const { DATABASE_URL, REDIS_HOST = '127.0.0.1', REDIS_PORT = '6379', REDIS_PASSWORD, REDIS_DB = '0' } = env;
  if (DATABASE_URL === undefined) throw new Error('QUEUE_DRIVER=redis needs DATABASE_URL, a PostgreSQL database.');
  const password = REDIS_PASSWORD ? `:${encodeURIComponent(REDIS_PASSWORD)}@` : '';
  return { store: DATABASE_URL, queue: `redis://${password}${REDIS_HOST}:${REDIS_PORT}/${REDIS_DB}` };
}
// #endregion

/** The application's own rows: in the PostgreSQL of the events, or in a SQLite in memory that keeps nothing. */
export function dialect(): Dialect {
  if (DRIVER === 'memory') return new SqliteDialect({ database: inMemory() });
  const pool = new Pool({ connectionString: env['DATABASE_URL'] });
  pool.on('error', (error) => console.error(`an idle connection broke: ${error.message}`)); // the pool makes another
  return new PostgresDialect({ pool });
}

/** `node:sqlite`, as kysely asks it. */
function inMemory() {
  const database = new DatabaseSync(':memory:');
  const prepare = (sql: string) => {
    const statement = database.prepare(sql);
    return {
      reader: statement.columns().length > 0,
      all: (values: readonly unknown[]) => statement.all(...(values as SQLInputValue[])),
      run: (values: readonly unknown[]) => statement.run(...(values as SQLInputValue[])),
      iterate: (values: readonly unknown[]) => statement.iterate(...(values as SQLInputValue[])),
    };
  };
  return { prepare, close: () => database.close() };
}
