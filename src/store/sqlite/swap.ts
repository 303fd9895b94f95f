/**
 * Putting another database in the place of one, by its owner. A database is several files (its log beside it), and no
 * file system renames several at once: so what is to be done is written down first, and whoever opens the database next
 * finishes it. A crash leaves the old one whole or the new one, never a file of one beside a log of the other.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { syncDirectory } from './connection.ts';
import { damaged } from './failure.ts';

/** What SQLite keeps beside a database. */
const SIDES = ['-wal', '-shm', '-journal'] as const;

/** Both lie beside the database: a rename does not leave its file system. */
export interface Swap {
  /** The database to be put in place: closed, checked, without a log. */
  readonly staged: string;
  /** Where what was there goes; its log gets the same name with `-wal`. */
  readonly aside: string;
}

function noteOf(path: string): string {
  return `${path}.swap`;
}

/** Swaps. `step` is called before each change of the file system; for tests that end the process there. */
export function swap(path: string, { staged, aside }: Swap, step: () => void = () => undefined): void {
  syncFile(staged);
  const note = noteOf(path);
  step();
  writeFileSync(`${note}.part`, JSON.stringify({ staged: basename(staged), aside: basename(aside) }), { mode: 0o600 });
  syncFile(`${note}.part`);
  step();
  // From here on it is done, by whomever.
  renameSync(`${note}.part`, note);
  syncDirectory(dirname(path));
  finishSwap(path, step);
}

/** Ends a swap that was begun. The caller owns the database, and has not opened it. */
export function finishSwap(path: string, step: () => void = () => undefined): void {
  const note = noteOf(path);
  const begun = readNote(path);
  if (begun === null) return;
  const { staged, aside } = begun;
  // As long as the new one waits, what is in the place is the old one.
  if (existsSync(staged)) {
    for (const side of [...SIDES, '']) {
      if (!existsSync(path + side)) continue;
      step();
      renameSync(path + side, aside + side);
    }
    step();
    renameSync(staged, path);
  }
  step();
  syncDirectory(dirname(path));
  rmSync(note, { force: true });
  syncDirectory(dirname(path));
}

/** @throws HoldfastError store_corrupt */
function readNote(path: string): Swap | null {
  const note = noteOf(path);
  if (!existsSync(note)) return null;
  try {
    const { staged, aside } = JSON.parse(readFileSync(note, 'utf8')) as Partial<Record<keyof Swap, unknown>>;
    if (typeof staged !== 'string' || typeof aside !== 'string') throw new TypeError('Names are missing.');
    const at = (name: string): string => join(dirname(path), basename(name));
    return { staged: at(staged), aside: at(aside) };
  } catch (error) {
    throw damaged(note, error);
  }
}

function syncFile(path: string): void {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
