/**
 * One process owns a database file. It holds an exclusive transaction on a lock database beside it, for as long as it
 * lives: the operating system lets go when the process dies, so there is no stale lock, and readers of the database
 * itself (backups, the store's own) are not locked out.
 */
import { readlinkSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { HoldfastError } from '../../errors.ts';
import { createFile } from './connection.ts';
import { isBusy } from './failure.ts';

export interface Ownership {
  release(): void;
}

/** More links than any system follows. */
const LINKS_MAX = 40;

/** The file itself behind links to it. It has one owner, one log and one place, whatever it is called by. */
export function fileBehind(path: string): string {
  let at = path;
  for (let links = 0; links < LINKS_MAX; links++) {
    try {
      at = resolve(dirname(at), readlinkSync(at));
    } catch {
      return at; // It is no link, or not there yet.
    }
  }
  return at;
}

/** @param path As {@link fileBehind} says. @throws HoldfastError store_owned, at once */
export function takeOwnership(path: string): Ownership {
  const lockPath = `${path}.lock`;
  createFile(lockPath);
  const lock = new DatabaseSync(lockPath, { timeout: 0 });
  try {
    // In WAL mode an exclusive transaction would let others in to read; the default mode lets nobody in.
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (isBusy(error)) throw new HoldfastError('store_owned', { detail: path, cause: error });
    throw error;
  }
  return { release: () => void (lock.isOpen && lock.close()) };
}
