/**
 * What a handler can say besides "done" and "failed": classes it throws or returns, whichever suits its code.
 * They are recognised by a brand, not by their class, so that they work across threads, realms and two copies of the
 * package. `resultOf` and `resultOfThrown` turn whatever a handler gave into a {@link Result}.
 */
import { inspect, types } from 'node:util';
import { type Duration, durationMs } from '../core/duration.ts';
import { HoldfastError } from '../errors.ts';
import type { Result } from './runner.ts';

const BRAND = Symbol.for('holdfast.outcome');
/** Most bytes of an error, a reason or a note that are kept, in UTF-8. */
export const TEXT_BYTES_MAX = 4096;
const CAUSES_MAX = 4;

type Kind = 'retry-later' | 'reject' | 'skip' | 'unavailable';

/** Errors, so that throwing them is no special case for linters and for code in between. */
abstract class HandlerOutcome extends Error {
  abstract readonly [BRAND]: Kind;

  /** @param reason Why; kept and shown with the attempt, cut to {@link TEXT_BYTES_MAX}. */
  constructor(reason: string) {
    super(reason);
    this.name = new.target.name;
  }
}

/** Try again after this delay, instead of when the retry policy says. Spends an attempt: the last one is the last. */
export class RetryLater extends HandlerOutcome {
  readonly [BRAND] = 'retry-later';
  readonly delayMs: number;

  /**
   * @param delay Until the next attempt: milliseconds, or `'10m'`.
   * @param reason Shown with the attempt.
   * @throws TypeError when `delay` is not a duration
   */
  constructor(delay: Duration, reason = 'the handler asked to be tried again later') {
    super(reason);
    this.delayMs = durationMs(delay, 'RetryLater: delay');
  }
}

/** This event can never succeed here: a dead letter at once, without further attempts. */
export class Reject extends HandlerOutcome {
  readonly [BRAND] = 'reject';
}

/** There is nothing to do for this event: finished, with a note that says why. */
export class Skip extends HandlerOutcome {
  readonly [BRAND] = 'skip';
}

/** What the handler depends on is down: opens the destination's circuit breaker, spends no attempt. */
export class Unavailable extends HandlerOutcome {
  readonly [BRAND] = 'unavailable';
}

const SUCCEEDED: Result = { kind: 'succeeded', value: undefined };
/** The attempt's signal aborted before the handler was done. */
export const TIMEOUT: Result = { kind: 'timeout' };

/** The result of a handler that returned `value`: an outcome, or success. Never throws. */
export function resultOf(value: unknown): Result {
  if (value === undefined) return SUCCEEDED;
  return outcomeResult(value) ?? { kind: 'succeeded', value };
}

/** The result of a handler that threw `error`: an outcome, or failure. Never throws. */
export function resultOfThrown(error: unknown): Result {
  return (
    outcomeResult(error) ??
    awayResult(error) ?? { kind: 'failed', error: describeError(error), delayMs: null, status: null }
  );
}

/** The result of calling handler code: at once when it is synchronous, else the promise of it. Neither throws nor rejects. */
export function resultOfCall(call: () => unknown): Result | Promise<Result> {
  try {
    const returned = call();
    return isThenable(returned) ? Promise.resolve(returned).then(resultOf, resultOfThrown) : resultOf(returned);
  } catch (error) {
    return resultOfThrown(error);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return value instanceof Promise || ('then' in value && typeof value.then === 'function');
}

/** The store was away when the handler wanted to emit or to write with it: no fault of its event. */
function awayResult(error: unknown): Result | null {
  if (!(error instanceof HoldfastError) || error.code !== 'store_unavailable') return null;
  return { kind: 'unavailable', reason: cutText(error.message) };
}

/** Whether an attempt with this result is the last one by the handler's own word: then its emits count. */
export function isFinal(result: Result): boolean {
  return result.kind === 'succeeded' || result.kind === 'skipped' || result.kind === 'rejected';
}

/** An outcome of any copy of this package; null for everything else, and for objects that cannot be looked at. */
function outcomeResult(value: unknown): Result | null {
  if (typeof value !== 'object' || value === null) return null;
  try {
    const { [BRAND]: kind, message, delayMs } = value as { [BRAND]?: unknown; message?: unknown; delayMs?: unknown };
    return kind === undefined ? null : resultOfKind(kind, cutText(String(message)), delayMs);
  } catch {
    return null;
  }
}

function resultOfKind(kind: unknown, reason: string, delayMs: unknown): Result | null {
  switch (kind) {
    case 'retry-later':
      return { kind: 'failed', error: reason, delayMs: typeof delayMs === 'number' ? delayMs : null, status: null };
    case 'reject':
      return { kind: 'rejected', reason };
    case 'skip':
      return { kind: 'skipped', note: reason };
    case 'unavailable':
      return { kind: 'unavailable', reason };
    default:
      return null;
  }
}

/**
 * What was thrown, for people: stack and causes of an error, else the value itself; cut to {@link TEXT_BYTES_MAX}.
 * Other properties of an error are left out: clients keep request headers, and with them credentials, there.
 */
export function describeError(error: unknown): string {
  try {
    return cutText(isError(error) ? stackOf(error) : `thrown, but not an Error: ${show(error)}`);
  } catch {
    return 'an error that cannot be shown';
  }
}

function stackOf(error: Error): string {
  const parts: string[] = [];
  let next: unknown = error;
  for (let depth = 0; depth <= CAUSES_MAX && isError(next); depth++) {
    parts.push(oneStack(next));
    next = next.cause;
  }
  return parts.join('\ncaused by: ');
}

function oneStack(error: Error): string {
  const stack = typeof error.stack === 'string' && error.stack !== '' ? error.stack : `${error.name}: ${error.message}`;
  if (!(error instanceof AggregateError) || error.errors.length === 0) return stack;
  const first: unknown = error.errors[0];
  return `${stack}\nfirst of ${error.errors.length}: ${isError(first) ? oneStack(first) : show(first)}`;
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : inspect(value, { depth: 2, maxArrayLength: 20, maxStringLength: 1000 });
}

function isError(value: unknown): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

/** Text of at most {@link TEXT_BYTES_MAX} bytes, cut between characters and marked when it was longer. */
export function cutText(text: string): string {
  if (text.length * 3 <= TEXT_BYTES_MAX || Buffer.byteLength(text) <= TEXT_BYTES_MAX) return text;
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(TEXT_BYTES_MAX - 3));
  return `${text.slice(0, read)}…`;
}
