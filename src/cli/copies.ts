/**
 * Backups of an embedded store: a copy of the file as one moment had it, and a copy put in the file's place.
 * SQLite's own online backup makes it (https://www.sqlite.org/backup.html), so a gateway may run meanwhile.
 */
import { existsSync, statSync } from 'node:fs';
import { copyFile, chmod, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { HoldfastError } from '../errors.ts';
import { holdStore } from '../gateway/stores.ts';

/** Pages copied between two looks at how far it is. */
const PAGES_PER_STEP = 1024;
const OWNER_ONLY = 0o600;
/** What SQLite keeps beside a file. */
const SIDES = ['-wal', '-shm', '-journal'];

export interface CopyProgress {
  readonly copied: number;
  readonly total: number;
}

/**
 * Copies the store at `from` to the new file `to`, and checks the copy. Crash: at most a `.part` file is left behind.
 * @throws HoldfastError invalid_input when `to` exists, store_corrupt when the copy is not whole
 */
export async function copyStore(from: string, to: string, progressed: (progress: CopyProgress) => void): Promise<void> {
  if (existsSync(to))
    throw new HoldfastError('invalid_input', { detail: `${to} exists; a backup never replaces a file.` });
  const part = `${to}.part`;
  await mkdir(dirname(to), { recursive: true });
  await removeWithSides(part);
  try {
    await copyWhole(from, part, progressed);
    await chmod(part, OWNER_ONLY);
    checkWhole(part);
    await syncFile(part);
    await rename(part, to);
    await syncFile(dirname(to));
  } catch (error) {
    await removeWithSides(part);
    throw error;
  }
}

async function copyWhole(from: string, part: string, progressed: (progress: CopyProgress) => void): Promise<void> {
  const source = new DatabaseSync(from, { readOnly: true });
  try {
    // One read transaction for all steps: what is written meanwhile neither gets into the copy nor starts it again.
    source.exec('BEGIN');
    source.prepare('SELECT count(*) FROM sqlite_schema').get();
    await backup(source, part, {
      rate: PAGES_PER_STEP,
      progress: ({ totalPages, remainingPages }) =>
        progressed({ copied: totalPages - remainingPages, total: totalPages }),
    });
  } catch (error) {
    if (isDamage(error))
      throw new HoldfastError('store_corrupt', { detail: `${from}: ${reasonOf(error)}`, cause: error });
    throw new HoldfastError('invalid_input', {
      detail: `${part} could not be written: ${reasonOf(error)}.`,
      cause: error,
    });
  } finally {
    source.close();
  }
}

/** Whether SQLite says of what it read that it is damaged (SQLITE_CORRUPT), or no database (SQLITE_NOTADB). */
function isDamage(error: unknown): boolean {
  const code = (error as { readonly errcode?: number }).errcode ?? 0;
  return (code & 0xff) === 11 || (code & 0xff) === 26;
}

/** @throws HoldfastError store_corrupt */
function checkWhole(file: string): void {
  const copy = new DatabaseSync(file);
  try {
    const verdict = Object.values(copy.prepare('PRAGMA quick_check(1)').get() ?? {})[0];
    if (verdict !== 'ok') throw new Error(String(verdict));
  } catch (error) {
    throw new HoldfastError('store_corrupt', { detail: `${file}: ${reasonOf(error)}`, cause: error });
  } finally {
    copy.close();
  }
}

/** Where a restore puts things. */
export interface Restoring {
  /** The backup. */
  readonly from: string;
  /** The store's file. */
  readonly to: string;
  /** Opens and closes a copy as the store would. @throws HoldfastError when it is none */
  readonly check: (copy: string) => Promise<void>;
  readonly now: number;
}

/**
 * Puts a copy of a backup in the place of a store that nobody has open, nor can open meanwhile. What was there is moved
 * aside, never deleted. Crash: the next start finds the old store or the new one, whole.
 * @returns where the old file is now; `null` when there was none
 * @throws HoldfastError store_owned, and what `check` throws
 */
export async function restoreStore({ from, to, check, now }: Restoring): Promise<string | null> {
  const held = await holdStore(to);
  try {
    const { path } = held;
    const staged = `${path}.restoring`;
    await removeWithSides(staged);
    try {
      await stage(from, staged);
      await chmod(staged, OWNER_ONLY);
      assertStore(staged);
      await check(staged);
    } catch (error) {
      await removeWithSides(staged);
      if (!(error instanceof HoldfastError) || error.code === 'invalid_input') throw error;
      // It is the backup that is meant, not the copy of it that was looked at.
      const detail = (error.detail ?? '').replaceAll(staged, from);
      throw new HoldfastError(error.code, { detail, cause: error });
    }
    await removeSides(staged);
    const aside = `${path}.before-${new Date(now).toISOString().replaceAll(/[:.]/g, '-')}`;
    const isThere = existsSync(path);
    held.replace({ staged, aside });
    return isThere ? aside : null;
  } finally {
    held.release();
  }
}

/** A store that was not closed, one that was moved aside for example, has its newest commits in the log beside it. */
async function stage(from: string, staged: string): Promise<void> {
  const log = statSync(`${from}-wal`, { throwIfNoEntry: false })?.size ?? 0;
  if (log > 0) await copyWhole(from, staged, () => undefined);
  else await copyFile(from, staged);
}

/** Opening one that is empty would make a store of it. @throws HoldfastError store_corrupt */
function assertStore(file: string): void {
  const copy = new DatabaseSync(file, { readOnly: true });
  try {
    if (copy.prepare('SELECT 1 FROM sqlite_schema').get() !== undefined) return;
  } catch (error) {
    throw new HoldfastError('store_corrupt', { detail: `${file}: ${reasonOf(error)}`, cause: error });
  } finally {
    copy.close();
  }
  throw new HoldfastError('store_corrupt', { detail: `${file}: there is nothing in it.` });
}

async function removeWithSides(file: string): Promise<void> {
  await rm(file, { force: true });
  await removeSides(file);
}

/** Also the lock that opening it made. */
async function removeSides(file: string): Promise<void> {
  for (const side of [...SIDES, '.lock', '.lock-journal']) await rm(file + side, { force: true });
}

async function syncFile(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
