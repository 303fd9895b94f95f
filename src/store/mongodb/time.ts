/**
 * The database's time. Processes whose clocks differ agree on who has a lease only if they ask one clock. It is not
 * asked for every operation: how far it is from this process's monotonic clock is measured again and again.
 */
import type { Db } from 'mongodb';
import type { Clock } from '../../core/clock.ts';

/** Where leases and due times get their time from. */
export interface StoreTime {
  /** Milliseconds since 1970, by the database's clock. */
  now(): number;
  /** Measures it again, where the last time is long ago. */
  refresh(db: Db): Promise<void>;
  /** Lets others get on: their time passes, whatever a test does to `now`. */
  pause(ms: number): Promise<void>;
}

/** How long a measurement is good for: clocks drift by far less than a millisecond in it. */
const GOOD_MS = 10_000;

/** Time by `localTime` of the server's `hello`, good to half of a round trip. */
export function databaseTime(clock: Clock): StoreTime {
  let offset = 0;
  let measuredAt = Number.NEGATIVE_INFINITY;
  let last = 0;
  return {
    now() {
      // It never goes back within a process: what was due stays due, and a lease that has ended has ended.
      last = Math.max(last, Math.floor(clock.monotonic() + offset));
      return last;
    },
    async refresh(db) {
      if (clock.monotonic() - measuredAt < GOOD_MS) return;
      const asked = clock.monotonic();
      const { localTime } = await db.command({ hello: 1 });
      const answered = clock.monotonic();
      if (!(localTime instanceof Date)) return;
      offset = localTime.getTime() - (asked + answered) / 2;
      measuredAt = answered;
    },
    pause: (ms) => new Promise((resolve) => void clock.schedule(ms, resolve)),
  };
}
