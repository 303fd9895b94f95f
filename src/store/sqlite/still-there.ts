/**
 * Whether a database is still where it was opened. A file that is removed or replaced while it is in use goes on being
 * written, and is gone with the process: nothing of it may be acknowledged.
 */
import { statSync } from 'node:fs';
import type { Clock } from '../../core/clock.ts';
import { StoreError } from '../store.ts';

/** A look costs some microseconds; what was acknowledged since the last one is lost with the file. */
const LOOK_MS = 1000;

export class StillThere {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #opened: string | null;
  #nextLookAt: number;

  /** @param path Of a database that is open. */
  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.#opened = identity(path);
    this.#nextLookAt = clock.monotonic() + LOOK_MS;
  }

  /** At most once a second. @throws StoreError fatal */
  look(): void {
    const now = this.#clock.monotonic();
    if (now < this.#nextLookAt) return;
    this.#nextLookAt = now + LOOK_MS;
    if (identity(this.#path) === this.#opened) return;
    throw new StoreError(
      'fatal',
      `${this.#path} was removed or replaced while it was in use: what was written since is in no file that has a name.`,
    );
  }
}

/** Device and number of a file; `null`: there is none. */
function identity(path: string): string | null {
  const found = statSync(path, { throwIfNoEntry: false, bigint: true });
  return found === undefined ? null : `${found.dev} ${found.ino}`;
}
