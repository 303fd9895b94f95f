/**
 * How many free rows of a destination are due later. Few are counted whenever somebody asks. Many are counted a step at
 * a time, with the event loop free in between, and the sum is used again for a while that depends on what it cost: asking
 * often costs no more than asking now and then.
 */
import type { Clock } from '../../core/clock.ts';
import type { Reader } from './reader.ts';
import { inSlices } from './slices.ts';

/** Open rows up to which they are counted at once. */
const AT_ONCE_MAX = 4096;
const STEP = 2048;
/** Counting takes at most one part in so many of the time. */
const REST = 50;

interface Counted {
  readonly due: number;
  readonly until: number;
}

export class DueCounts {
  readonly #reader: Reader;
  readonly #clock: Clock;
  readonly #counted = new Map<number, Counted>();

  constructor(reader: Reader, clock: Clock) {
    this.#reader = reader;
    this.#clock = clock;
  }

  /** Those of one destination, which has `openRows` open rows; 0 when they are many and not {@link refresh}ed. */
  of(destination: number, openRows: number): number {
    if (openRows === 0) return 0;
    if (openRows > AT_ONCE_MAX) return Math.min(openRows, this.#counted.get(destination)?.due ?? 0);
    return Number(this.#reader.first('countDue', destination, this.#clock.now())?.['due'] ?? 0);
  }

  /** Counts again where there are many, unless the last sum still counts. */
  async refresh(destination: number, openRows: number): Promise<void> {
    const start = this.#clock.monotonic();
    if (openRows <= AT_ONCE_MAX) {
      this.#counted.delete(destination);
      return;
    }
    if (start < (this.#counted.get(destination)?.until ?? 0)) return;
    let due = 0;
    let from = { due: this.#clock.now(), position: Number.MAX_SAFE_INTEGER };
    await inSlices(
      () => this.#clock.monotonic(),
      () => {
        const row = this.#reader.first('dueFurther', destination, from.due, from.position, STEP - 1);
        if (row === null) {
          due += Number(this.#reader.first('countDueAfter', destination, from.due, from.position)?.['due'] ?? 0);
          return true;
        }
        due += STEP;
        from = { due: Number(row['due']), position: Number(row['position']) };
        return false;
      },
    );
    const end = this.#clock.monotonic();
    this.#counted.set(destination, { due, until: end + (end - start) * REST });
  }
}
