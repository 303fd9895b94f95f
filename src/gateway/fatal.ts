/** What a process does whose store is lost, unless its host says otherwise. */

/**
 * EX_SOFTWARE of sysexits: a supervisor starts the process again. A failed fsync is never retried: what was
 * acknowledged is in the file, and the restart recovers it.
 */
const FATAL_EXIT = 70;
/** For the answers of the batch that failed to go out: a 503 tells its senders to come again, a reset tells nothing. */
const FATAL_LINGER_MS = 100;

/** Ends the process soon. */
export function exitFatal(): void {
  setTimeout(() => process.exit(FATAL_EXIT), FATAL_LINGER_MS);
}
