/**
 * Timestamps of signed requests. They are checked after the signature, in both directions: a request from the future
 * is as suspicious as an old one, since it could be replayed until that time has come.
 */
import { HoldfastError } from '../errors.ts';
import type { Verdict } from './verifier.ts';
import { HELD, refuse } from './verdict.ts';

/** How a provider writes the time: seconds or milliseconds since 1970 in digits, or RFC 3339 text. */
export type TimestampUnit = 's' | 'ms' | 'rfc3339';

/** Five minutes, the window of most providers and of Standard Webhooks. */
export const TOLERANCE_MS = 300_000;

/**
 * The window, as it was given or by default.
 *
 * @throws HoldfastError `config_invalid` when it is no number of milliseconds: no age would be beyond it
 */
export function readTolerance(given: number | undefined, otherwise: number): number {
  const toleranceMs = given ?? otherwise;
  if (typeof toleranceMs === 'number' && toleranceMs >= 0) return toleranceMs;
  throw new HoldfastError('config_invalid', {
    detail: `toleranceMs: expected milliseconds from 0, or Infinity, got '${String(toleranceMs)}'.`,
  });
}

const DIGITS = /^\d{1,15}$/;
const RFC3339 = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})$/;

/** Milliseconds since 1970, or `null` where the text is not exactly a time of this kind. */
export function parseTimestamp(text: string, unit: TimestampUnit): number | null {
  if (unit === 'rfc3339') {
    const at = RFC3339.test(text) ? Date.parse(text) : Number.NaN;
    return Number.isNaN(at) ? null : at;
  }
  if (!DIGITS.test(text)) return null;
  return unit === 's' ? Number(text) * 1000 : Number(text);
}

/** How a moment is written in a unit; the inverse of {@link parseTimestamp}, cut to its precision. */
export function formatTimestamp(ms: number, unit: TimestampUnit): string {
  if (unit === 'rfc3339') return new Date(ms).toISOString();
  return String(unit === 's' ? Math.floor(ms / 1000) : ms);
}

/** Whether a timestamp lies within `toleranceMs` of now, both ends included. `Infinity` takes any well-formed one. */
export function checkTimestamp(
  text: string,
  unit: TimestampUnit,
  window: { now: number; toleranceMs: number },
): Verdict {
  // Without a window nothing rests on the timestamp but the signature, which has held.
  if (window.toleranceMs === Infinity) return HELD;
  const at = parseTimestamp(text, unit);
  if (at === null) return refuse('timestamp_malformed', `the timestamp is not ${describe(unit)}`);
  return checkMoment(at, window);
}

/** Like {@link checkTimestamp}, for a moment already read (milliseconds since 1970). */
export function checkMoment(at: number, { now, toleranceMs }: { now: number; toleranceMs: number }): Verdict {
  const ageMs = now - at;
  if (ageMs > toleranceMs) return refuse('timestamp_too_old', `${ageMs} ms old, ${toleranceMs} ms allowed`);
  if (-ageMs > toleranceMs) return refuse('timestamp_in_future', `${-ageMs} ms ahead, ${toleranceMs} ms allowed`);
  return HELD;
}

function describe(unit: TimestampUnit): string {
  if (unit === 'rfc3339') return 'an RFC 3339 time';
  return unit === 's' ? 'seconds in digits' : 'milliseconds in digits';
}
