/** Opening a file: migrating and checking it, reading what memory needs, recovering from an unclean stop. */
import { statSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { formatId } from '../../core/id.ts';
import { HoldfastError } from '../../errors.ts';
import { decodeChunk } from './chunks.ts';
import { pragma } from './connection.ts';
import { damaged, isDamage } from './failure.ts';
import { seqOf } from './position.ts';
import type { Reader } from './reader.ts';
import { FORMAT, migrations, OLDEST_READER } from './schema.ts';
import type { State } from './state.ts';

/** A file up to this size is checked whole on opening, which takes some ten milliseconds; of a larger one, samples. */
const CHECK_BYTES_MAX = 8 * 1024 * 1024;

/** What was found in the file. */
export interface Found {
  /** Counts how often the file was opened. */
  readonly boot: number;
  readonly unclean: boolean;
}

/**
 * Brings the file to this version's format.
 * @throws HoldfastError store_corrupt, store_format
 */
export function migrate(database: DatabaseSync): Found {
  const tables = Number(database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()?.['tables']);
  const format = tables === 0 ? 0 : Number(readMeta(database, 'format') ?? -1);
  if (format < 0) throw damaged('there are tables, but not those of Holdfast');
  const oldestReader = Number(readMetaOf(database, tables, 'oldestReader') ?? 0);
  if (oldestReader > FORMAT) {
    throw new HoldfastError('store_format', { detail: `It has format ${format}; this version reads up to ${FORMAT}.` });
  }
  if (format < FORMAT) {
    database.exec('BEGIN IMMEDIATE');
    for (const step of migrations.slice(format)) database.exec(step);
    writeMeta(database, 'format', FORMAT);
    writeMeta(database, 'oldestReader', OLDEST_READER);
    database.exec('COMMIT');
  }
  return { boot: Number(readMeta(database, 'boot') ?? 0) + 1, unclean: readMeta(database, 'clean') === 0 };
}

/**
 * Looks for damage within a bounded time: the structure of a small file as a whole, of a large one where reading
 * starts. Whatever is not looked at here has checksums and is checked when it is read.
 * @throws HoldfastError store_corrupt
 */
export function check(database: DatabaseSync, path: string): void {
  try {
    if (statSync(path).size > CHECK_BYTES_MAX) return;
    const verdict = pragma(database, 'quick_check(1)');
    if (verdict !== 'ok') throw damaged(String(verdict));
  } catch (error) {
    throw isDamage(error) && !(error instanceof HoldfastError) ? damaged('the database structure', error) : error;
  }
}

/** Reads what is held in memory. Nothing here grows with the number of events or open deliveries. */
export function load(state: State): void {
  const { reader } = state;
  state.destinations.load(reader);
  state.dedupe.load();
  const last = reader.first({ sql: 'SELECT seq, committed_at, meta FROM chunk ORDER BY seq DESC LIMIT 1' });
  const lastSeq = last === null ? 0 : (decodeChunk(last).entries.at(-1)?.seq ?? Number(last['seq']));
  const row = reader.first({ sql: 'SELECT max(position) AS position FROM delivery' });
  const lastRow = seqOf(Number(row?.['position'] ?? 0));
  state.nextSeq = Math.max(lastSeq + 1, lastRow + 1, metaNumber(reader, 'nextSeq') ?? 1);
  const high = reader.first({ sql: 'SELECT high_id FROM chunk ORDER BY high_id DESC LIMIT 1' });
  state.highId = high === null ? '' : formatId('evt', high['high_id'] as Uint8Array);
  state.chunks.purgedTo = metaNumber(reader, 'purgedTo') ?? 0;
  // Of what retention has still to come to in order. One that was noted apart and looked at since is not of these.
  const sql = `SELECT received_min FROM chunk WHERE seq >= ? AND seq NOT IN (SELECT seq FROM kept)
    ORDER BY seq DESC LIMIT 1`;
  const inOrder = reader.first({ sql }, state.chunks.purgedTo);
  state.receivedHigh = Number(inOrder?.['received_min'] ?? Number.NEGATIVE_INFINITY);
  const latest = reader.first({ sql: 'SELECT received_high FROM chunk ORDER BY seq DESC LIMIT 1' });
  state.receivedLast = Number(latest?.['received_high'] ?? Number.NEGATIVE_INFINITY);
  state.hasAnswers = reader.first({ sql: 'SELECT 1 FROM answer LIMIT 1' }) !== null;
}

/** A number of `meta`; `null` when it was never written. */
function metaNumber(reader: Reader, key: string): number | null {
  const row = reader.first({ sql: 'SELECT value FROM meta WHERE key = ?' }, key);
  return row === null ? null : Number(row['value']);
}

function readMetaOf(database: DatabaseSync, tables: number, key: string): unknown {
  return tables === 0 ? null : readMeta(database, key);
}

function readMeta(database: DatabaseSync, key: string): unknown {
  const sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'meta'";
  if (database.prepare(sql).get() === undefined) return null;
  return database.prepare('SELECT value FROM meta WHERE key = ?').get(key)?.['value'] ?? null;
}

function writeMeta(database: DatabaseSync, key: string, value: number): void {
  database.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)').run(key, value);
}
