/**
 * Time is passed in. Everything that needs to know the time, or to wait, takes a Clock, so that tests can hold it still.
 */
export interface Clock {
  /** Wall-clock time in milliseconds since 1970. May jump. Use it for records and schedules. */
  now(): number;
  /** Milliseconds that only ever grow. Use it for leases, timeouts and durations. */
  monotonic(): number;
  /** Calls `run` once after `delayMs`. The timer never keeps the process alive by itself. */
  schedule(delayMs: number, run: () => void): Timer;
}

/** A scheduled call; `cancel` is safe to call at any time and twice. */
export interface Timer {
  cancel(): void;
}

/** The last moment that RFC 3339 can name, in milliseconds since 1970: 9999-12-31T23:59:59.999Z. */
export const TIME_MAX = 253_402_300_799_999;

/** A source of randomness in [0, 1), passed in like time. */
export type Random = () => number;
