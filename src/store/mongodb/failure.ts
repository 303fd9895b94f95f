/** What an error of the client means to the caller of a store. */
import {
  MongoBulkWriteError,
  MongoError,
  MongoServerError,
  MongoServerSelectionError,
  MongoWriteConcernError,
} from 'mongodb';
import { StoreError, type StoreFailure } from '../store.ts';

/** Answers of a server that is going down or is not the primary any more, without having written anything. */
const NOT_WRITTEN: ReadonlySet<number> = new Set([10107, 13435, 10058]);

/**
 * Answers of a server that was interrupted while it wrote or waited for the others, or of a router whose server did not
 * answer it: what was asked may be written. They carry a label only where the client itself repeats writes.
 * https://github.com/mongodb/specifications/blob/master/source/retryable-writes/retryable-writes.md#determining-retryable-errors
 */
const PERHAPS_WRITTEN: ReadonlySet<number> = new Set([6, 7, 50, 64, 89, 91, 189, 262, 9001, 11_600, 11_601, 11_602]);

/**
 * Does something with the database.
 * @throws StoreError when the client fails. With `writes` the failure is `unknown` unless the server is known to have
 *   written nothing; else it is `unavailable`: what was asked had no effect that a repeat would not have.
 */
export async function asking<Answer>(ask: () => Promise<Answer>, writes = false): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    throw failureOf(error, writes);
  }
}

function failureOf(error: unknown, writes: boolean): unknown {
  if (!(error instanceof MongoError)) return error;
  const failure: StoreFailure = writes && !isSurelyUnwritten(error) ? 'unknown' : 'unavailable';
  return new StoreError(failure, `MongoDB: ${error.message}`, error);
}

/** Whether nothing was written, whatever the error is about: nothing was sent, or the server refused it. */
function isSurelyUnwritten(error: MongoError): boolean {
  if (error instanceof MongoServerSelectionError) return true;
  if (error instanceof MongoWriteConcernError || error instanceof MongoBulkWriteError) return false;
  if (!(error instanceof MongoServerError)) return false;
  if (typeof error.code === 'number' && NOT_WRITTEN.has(error.code)) return true;
  if (typeof error.code === 'number' && PERHAPS_WRITTEN.has(error.code)) return false;
  return !error.hasErrorLabel('RetryableWriteError');
}
