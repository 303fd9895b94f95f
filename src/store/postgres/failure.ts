/** What an error of PostgreSQL or of the connection means for the caller, told by codes and never by text. */
import { HoldfastError } from '../../errors.ts';
import { StoreError } from '../store.ts';

/** What an error of `pg` may carry. */
interface Coded {
  readonly code?: unknown;
  readonly severity?: unknown;
  readonly constraint?: unknown;
}

const CHECK_VIOLATION = '23514';
const UNIQUE_VIOLATION = '23505';
/** A row was moved to another partition meanwhile, and a deadlock. */
const TRANSIENT: ReadonlySet<string> = new Set(['40001', '40P01']);

/**
 * Errors after which the connection is not good any more, so that a COMMIT behind them may not have been read, or have been:
 * connections (08), authorisation (28), too many of them (53300), a server that shuts down (57P), its system and itself (58,
 * XX), and transactions that idled or took too long.
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const LOST = /^(?:08|28|53300|57P|58|XX|25P03|25P04)/;
const SQLSTATE = /^[0-9A-Z]{5}$/;

/**
 * Whether the server itself said that the transaction failed, with the connection still good: it left nothing behind. Told
 * by the code: the severity is in the server's language. Errors of sockets have codes of five letters, too, but no severity.
 */
export function isRolledBack(error: unknown): boolean {
  const { severity } = (error ?? {}) as Coded;
  const code = codeOf(error);
  if (typeof severity !== 'string' || severity === 'FATAL' || severity === 'PANIC') return false;
  return SQLSTATE.test(code) && !LOST.test(code);
}

/**
 * Whether the server takes no writes: a standby, where the name of a server led before another one was promoted, or leads to
 * no more. It answers well, and so the connection would be kept. (A standby refuses `READ WRITE` as a feature it has not.)
 */
export function takesNoWrites(error: unknown): boolean {
  const code = codeOf(error);
  return code === '25006' || code === '0A000';
}

/** The five characters of an SQLSTATE, or the code of a socket error; '' when there is none. */
export function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as Coded;
  return typeof code === 'string' ? code : '';
}

/** Whether a row had no partition: the first event of a new day. */
export function lacksPartition(error: unknown): boolean {
  return codeOf(error) === CHECK_VIOLATION;
}

/** Whether it failed by what others did at the same time, and may be asked again at once. */
export function isTransient(error: unknown): boolean {
  return TRANSIENT.has(codeOf(error));
}

/** Whether an event has the id of one that is there. */
export function repeatsEventId(error: unknown): boolean {
  const { constraint } = (error ?? {}) as Coded;
  return codeOf(error) === UNIQUE_VIOLATION && typeof constraint === 'string' && /^event_.*id/.test(constraint);
}

/**
 * What the caller is told. `sent`: a commit may have reached the server. A shared store is never `fatal`: the server
 * recovers by itself (it ends all connections when it cannot trust its disk), and this process need not end for it.
 */
export function toStoreError(error: unknown, sent: boolean): Error {
  if (error instanceof StoreError || error instanceof HoldfastError) return error;
  const code = codeOf(error);
  const text = `PostgreSQL${code === '' ? '' : ` ${code}`}: ${error instanceof Error ? error.message : String(error)}`;
  return new StoreError(sent && !isRolledBack(error) ? 'unknown' : 'unavailable', text, error);
}
