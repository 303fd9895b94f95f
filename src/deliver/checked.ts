/** A runner whose emitted events are checked against the catalogue, wherever its code runs. */
import type { EventTypes } from './event-types.ts';
import { describeError, TIMEOUT } from './outcomes.ts';
import type { Attempt, Attempted, Emitted, Result, Runner, Transact } from './runner.ts';

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
    const attempted = await this.#runner.run(this.#checkedIn(attempt));
    if (attempted.emitted.every((emitted) => emitted.length === 0)) return attempted;
    const faults = await Promise.all(attempted.emitted.map((emitted) => this.#faultOf(emitted, attempt.signal)));
    return {
      ...attempted,
      results: attempted.results.map((result, index) => faults[index] ?? result),
      emitted: attempted.emitted.map((emitted, index) => (faults[index] === null ? emitted : [])),
    };
  }

  /** What is committed in a transaction of the code is checked before it is; an error rolls it back. */
  #checkedIn(attempt: Attempt): Attempt {
    const { transact } = attempt;
    if (transact === undefined) return attempt;
    const checked: Transact = (code, conclude) =>
      transact(code, async (value) => {
        const attempted = await conclude(value);
        await this.#types.check(attempted.emitted.flat());
        return attempted;
      });
    return new CheckedAttempt(attempt, checked);
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

/** The same attempt with another way to commit. What it makes only when it is looked at stays so. */
class CheckedAttempt implements Attempt {
  readonly transact: Transact;
  readonly #attempt: Attempt;

  constructor(attempt: Attempt, transact: Transact) {
    this.#attempt = attempt;
    this.transact = transact;
  }

  get claims(): Attempt['claims'] {
    return this.#attempt.claims;
  }

  get numbers(): Attempt['numbers'] {
    return this.#attempt.numbers;
  }

  get signal(): AbortSignal {
    return this.#attempt.signal;
  }

  get abortable(): Attempt['abortable'] {
    return this.#attempt.abortable;
  }

  get timeoutMs(): number {
    return this.#attempt.timeoutMs;
  }
}

function failed(error: unknown): Result {
  return { kind: 'failed', error: describeError(error), delayMs: null, status: null };
}
