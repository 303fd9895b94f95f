/**
 * Brings the schema to the format of this version. A migration only adds (an older version goes on working with what it
 * knows) and the version after it may remove what nobody calls any more: functions have their number in their names. The
 * schema says its format, and the oldest one that still works with it.
 */
import { HoldfastError } from '../../errors.ts';
import { actionFunctions } from './action-function.ts';
import { appendFunctions } from './append-function.ts';
import { claimFunctions } from './claim-function.ts';
import { clockFunctions } from './clock-function.ts';
import { commitFunctions } from './commit-function.ts';
import type { Connections } from './connection.ts';
import { dedupeFunctions } from './dedupe-function.ts';
import { documentFunctions } from './document-function.ts';
import { orderFunctions } from './order-function.ts';
import { purgeFunctions } from './purge-function.ts';
import { replayFunctions } from './replay-function.ts';
import { settleFunctions } from './settle-function.ts';
import { tables } from './tables.ts';

/** What leads from one format to the next, and the oldest format whose version still works after it. */
interface Step {
  readonly format: number;
  readonly oldest: number;
  readonly sql: readonly string[];
}

/** Bodies that are too large to lie in their row are compressed, where the server has the fast way to do it. */
const compression = `
DO $$ BEGIN
  ALTER TABLE event ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN others THEN
  ALTER TABLE event ALTER COLUMN body SET STORAGE EXTERNAL;
END $$;`;

const start = `
SELECT nextval('position');
SELECT make_epoch(now_ms());
SELECT make_bucket(0);
SELECT make_bucket(bucket::integer) FROM generate_series(now_ms() / 86400000, now_ms() / 86400000 + 1) bucket;`;

const steps: readonly Step[] = [
  {
    format: 1,
    oldest: 1,
    sql: [
      tables,
      compression,
      clockFunctions,
      orderFunctions,
      dedupeFunctions,
      appendFunctions,
      settleFunctions,
      replayFunctions,
      actionFunctions,
      documentFunctions,
      commitFunctions,
      claimFunctions,
      purgeFunctions,
      start,
    ],
  },
];

/** The format of this version. */
const FORMAT = 1;

const MIGRATE_MS = 120_000;

/**
 * Makes the schema, or brings it up to date; several processes may do it at once. Answers the format it has then.
 * @throws HoldfastError store_format; StoreError unavailable
 */
export async function migrate(connections: Connections, schema: string): Promise<number> {
  const found = await formatOf(connections, schema);
  refuseNewer(schema, found);
  if (found !== null && found.format >= FORMAT) return found.format;
  for (const step of steps) await connections.run([{ text: stepSql(schema, step) }], { statementMs: MIGRATE_MS });
  return FORMAT;
}

/** What the schema says of itself. */
export interface SchemaFormat {
  readonly format: number;
  /** The oldest format whose version works with it. */
  readonly oldest: number;
}

/** @throws HoldfastError store_format */
export function refuseNewer(schema: string, found: SchemaFormat | null): void {
  if (found !== null && found.oldest > FORMAT) {
    throw new HoldfastError('store_format', {
      detail: `Schema ${schema} has format ${found.format}; this version reads up to ${FORMAT}.`,
    });
  }
}

/** `null`: there is no such schema, or nothing of ours in it. @throws StoreError unavailable */
export async function formatOf(connections: Connections, schema: string): Promise<SchemaFormat | null> {
  const [there] = await connections.read('SELECT to_regclass($1) IS NOT NULL AS there', [`${quoted(schema)}.format`]);
  if (there?.['there'] !== true) return null;
  const [row] = await connections.read(
    `SELECT format, oldest FROM ${quoted(schema)}.format ORDER BY format DESC LIMIT 1`,
  );
  return row === undefined ? null : { format: Number(row['format']), oldest: Number(row['oldest']) };
}

/**
 * One step as one query, under a lock that ends with its transaction; nothing happens when somebody else has done it.
 * While it waits for the lock somebody may make the schema, and this session may remember that there is none: it hears
 * of it when it opens a table it has not opened in this transaction.
 */
function stepSql(schema: string, { format, oldest, sql }: Step): string {
  const name = quoted(schema);
  const body = `
SELECT pg_advisory_xact_lock(hashtext('holdfast migration ${schema}'));
SELECT FROM pg_catalog.pg_namespace LIMIT 0;
CREATE SCHEMA IF NOT EXISTS ${name};
SET LOCAL search_path = ${name}, pg_temp;
CREATE TABLE IF NOT EXISTS format (format integer PRIMARY KEY, oldest integer NOT NULL);`;
  const once = `
DO $migration$ BEGIN
  IF NOT EXISTS (SELECT FROM format WHERE format >= ${format}) THEN
    EXECUTE $step$ ${sql.join('\n')} $step$;
    INSERT INTO format (format, oldest) VALUES (${format}, ${oldest});
  END IF;
END $migration$;`;
  return body + once;
}

/** A name as SQL wants it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
