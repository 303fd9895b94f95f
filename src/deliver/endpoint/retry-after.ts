/**
 * `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date in one of the three forms of RFC 9110, section 5.6.7.
 */
const SECONDS = /^\d+$/;
const DATE =
  /^(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT|\w{6,9}, \d\d-\w{3}-\d\d \d\d:\d\d:\d\d GMT|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4})$/;

/**
 * Milliseconds an answer asks to wait, at most `maxMs`; `null` where it asks for nothing that can be understood, or for
 * a time that is over: then the retry policy decides.
 *
 * @param now milliseconds since 1970
 */
export function retryAfterMs(value: string | undefined, { now, maxMs }: { now: number; maxMs: number }): number | null {
  const text = value?.trim() ?? '';
  const delayMs = SECONDS.test(text) ? Number(text) * 1000 : DATE.test(text) ? dateMs(text) - now : Number.NaN;
  return delayMs > 0 ? Math.min(Math.ceil(delayMs), maxMs) : null;
}

/** The form of C's asctime names no zone, and means GMT like the others. */
function dateMs(text: string): number {
  return Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
}
