/** A runner whose emitted events are checked against the catalogue, wherever its code runs. */
import type { EventTypes } from './event-types.ts';
import { describeError, TIMEOUT } from './outcomes.ts';
import type { Attempt, Attempted, Emitted, Result, Runner } from './runner.ts';

/**
 * What code in a thread or a process emits is first seen here, when the attempt ends. An attempt that emitted what does
 * not fit has failed, and leaves nothing behind; of a batch, only the event it was emitted for.
 */
export class CheckedRunner implements Runner {
  readonly #runner: Runner;
  readonly #types: EventTypes;

  constructor(runner: Runner, types: EventTypes) {
    this.#runner = runner;
    this.#types = types;
  }

  get isolation(): Runner['isolation'] {
    return this.#runner.isolation;
  }

  async run(attempt: Attempt): Promise<Attempted> {
    const attempted = await this.#runner.run(attempt);
    if (attempted.emitted.every((emitted) => emitted.length === 0)) return attempted;
    const faults = await Promise.all(attempted.emitted.map((emitted) => this.#faultOf(emitted, attempt.signal)));
    return {
      ...attempted,
      results: attempted.results.map((result, index) => faults[index] ?? result),
      emitted: attempted.emitted.map((emitted, index) => (faults[index] === null ? emitted : [])),
    };
  }

  close(): Promise<void> {
    return this.#runner.close();
  }

  /** A schema that never comes to an end times out with its attempt. */
  async #faultOf(emitted: readonly Emitted[], signal: AbortSignal): Promise<Result | null> {
    if (emitted.length === 0) return null;
    const { promise: aborted, resolve } = Promise.withResolvers<Result>();
    const abort = (): void => resolve(TIMEOUT);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    const checked = this.#types.check(emitted).then(() => null, failed);
    const fault = await Promise.race([checked, aborted]);
    signal.removeEventListener('abort', abort);
    return fault;
  }
}

function failed(error: unknown): Result {
  return { kind: 'failed', error: describeError(error), delayMs: null, status: null };
}
