/** What an error of SQLite means for the caller, told by its result code and never by its text. */
import { HoldfastError } from '../../errors.ts';
import { StoreError } from '../store.ts';

const BUSY = 5;
const NOMEM = 7;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** The primary result code of an error thrown by node:sqlite; `null` when it is something else. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}

/** Whether SQLite or a checksum of ours found damage. */
export function isDamage(error: unknown): boolean {
  if (error instanceof HoldfastError) return error.code === 'store_corrupt';
  const code = sqliteCode(error);
  return code === CORRUPT || code === NOTADB;
}

/** Whether another connection holds the lock that was asked for. */
export function isBusy(error: unknown): boolean {
  return sqliteCode(error) === BUSY;
}

/** The error for damage found at a named place. The place never holds user data. */
export function damaged(place: string, cause?: unknown): HoldfastError {
  return new HoldfastError('store_corrupt', { detail: `Damaged: ${place}.`, cause });
}

/** The same of a whole file, with what was found in it. */
export function damagedFile(path: string, cause: unknown): HoldfastError {
  const found = cause instanceof HoldfastError && cause.detail !== undefined ? cause.detail : 'the database structure.';
  return new HoldfastError('store_corrupt', { detail: `${path}: ${found}`, cause });
}

/**
 * What the caller is told. `rolledBack`: the transaction is known to have left nothing behind. An I/O error (a failed
 * fsync is one) is always fatal: pages may be marked clean that never reached the disk, so trying again could lie.
 */
export function toStoreError(error: unknown, rolledBack: boolean): Error {
  if (error instanceof StoreError || error instanceof HoldfastError) return error;
  const code = sqliteCode(error);
  if (code === null) return error instanceof Error ? error : new StoreError('fatal', String(error));
  const text = error instanceof Error ? error.message : String(error);
  if (code === CORRUPT || code === NOTADB) return damaged('the database structure', error);
  if (code === IOERR) return new StoreError('fatal', `I/O error: ${text}`, error);
  const passing = code === FULL || code === BUSY || code === NOMEM || code === READONLY || code === CANTOPEN;
  if (passing && rolledBack) return new StoreError('unavailable', `The database takes no writes now: ${text}`, error);
  return new StoreError('fatal', text, error);
}
