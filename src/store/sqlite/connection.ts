/** Opening connections: the settings a 2xx rests on are set here and read back, never assumed. */
import { accessSync, chmodSync, closeSync, constants, existsSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { HoldfastError } from '../../errors.ts';

/** How far `synchronous` goes. FULL survives a power cut; NORMAL and OFF are explicit choices. */
export type Synchronous = 'FULL' | 'NORMAL' | 'OFF';

const SYNCHRONOUS: Readonly<Record<Synchronous, number>> = { OFF: 0, NORMAL: 1, FULL: 2 };
/** 3.51.3 is the first without the WAL-reset bug, which corrupts databases (sqlite.org/wal.html#walresetbug). */
const VERSION_MIN = [3, 51, 3] as const;
/** Few pages are hot: everything is appended, and what is settled was just written. */
const CACHE_KIB = 8 * 1024;

/** @throws HoldfastError sqlite_too_old */
export function assertVersion(database: DatabaseSync): string {
  const version = String(database.prepare('SELECT sqlite_version() AS version').get()?.['version']);
  const parts = version.split('.').map(Number);
  for (const [index, least] of VERSION_MIN.entries()) {
    const part = parts[index] ?? 0;
    if (part > least) break;
    if (part < least) throw new HoldfastError('sqlite_too_old', { detail: `It is ${version}.` });
  }
  return version;
}

/**
 * Makes the file, readable by its owner only, and makes sure its name survives a power cut.
 * @throws HoldfastError config_invalid where there may be none
 */
export function createFile(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (existsSync(path)) return accessSync(path, constants.W_OK);
    closeSync(openSync(path, 'a', 0o600));
    chmodSync(path, 0o600);
    syncDirectory(dirname(path));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new HoldfastError('config_invalid', {
      detail: `store: ${path} cannot be written (${code ?? String(error)}).`,
      cause: error,
    });
  }
}

/** A new file's name is in its directory, and that has to reach the disk too. Windows has no such call. */
export function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

/** The one connection that writes. */
export function connectWriter(path: string, synchronous: Synchronous): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5000, enableForeignKeyConstraints: false });
  try {
    // Only before the first table is made, later it would write: gives freed space back in small steps.
    if (pragma(database, 'page_count') === 0) database.exec('PRAGMA auto_vacuum = INCREMENTAL');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec(`PRAGMA synchronous = ${synchronous}`);
    // macOS: a plain fsync does not empty the drive's cache.
    database.exec('PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1');
    // Checkpoints are ours to time: never in the middle of a commit somebody waits for.
    database.exec('PRAGMA wal_autocheckpoint = 0');
    common(database);
  } catch (error) {
    database.close();
    throw error;
  }
  return database;
}

/** A connection for claims, history and checkpoints of the same process. */
export function connectReader(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5000, readOnly: true });
  common(database);
  return database;
}

function common(database: DatabaseSync): void {
  // No mmap: a damaged or truncated file would be a signal instead of an error.
  database.exec(`PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -${CACHE_KIB}`);
}

/** One value of a pragma. */
export function pragma(database: DatabaseSync, name: string): string | number {
  const row: Record<string, unknown> = database.prepare(`PRAGMA ${name}`).get() ?? {};
  const value = Object.values(row)[0];
  return typeof value === 'number' ? value : String(value);
}

/**
 * The settings as SQLite says they are.
 * @throws HoldfastError store_not_durable when they are not what was asked for
 */
export function readBack(database: DatabaseSync, wanted: Synchronous): Record<string, string | number> {
  const mode = pragma(database, 'journal_mode');
  const level = pragma(database, 'synchronous');
  const full = pragma(database, 'fullfsync');
  if (mode !== 'wal' || level !== SYNCHRONOUS[wanted] || full !== 1) {
    const detail = `Asked for WAL, synchronous ${wanted}, fullfsync 1; got ${mode}, ${level}, ${full}.`;
    throw new HoldfastError('store_not_durable', { detail });
  }
  return { journal_mode: mode, synchronous: wanted, fullfsync: full };
}
