/** The transaction of one attempt, as its code sees it: when it may be begun, what it concludes, what it makes of the end. */
import { HoldfastError } from '../errors.ts';
import type { SqlTransaction } from './emit.ts';
import { isFinal, resultOf, resultOfThrown } from './outcomes.ts';
import type { Attempted, Result, Transact } from './runner.ts';

/** See `transaction` of a handler's context. `Tx` is the client of `pg` that it gets, as its code names it. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the code says which driver it is written for
export type RunInTransaction = <Value, Tx = SqlTransaction>(
  code: (tx: Tx) => Value | PromiseLike<Value>,
) => Promise<Value>;

/** The context it belongs to. */
export interface TransactionHost {
  /** Whether the attempt is over. */
  over(): boolean;
  /** What the attempt comes to, where `result` is that of what was not settled apart. */
  attempted(result: Result): Attempted;
  /** The way back to what is recorded now. */
  mark(): () => void;
}

export class HandlerTransaction {
  readonly #transact: Transact | undefined;
  readonly #host: TransactionHost;
  #running = false;
  /** What it commits, from when that is fixed. */
  #concluded: Attempted | null = null;
  #committed = false;
  /** What kept it from being committed although its code was done. */
  #broken: { readonly error: unknown } | null = null;

  constructor(transact: Transact | undefined, host: TransactionHost) {
    this.#transact = transact;
    this.#host = host;
  }

  /** Whether nothing that is recorded now would be committed. */
  get closed(): boolean {
    return this.#concluded !== null;
  }

  readonly run: RunInTransaction = async (code) => {
    const transact = this.#begin();
    const undo = this.#host.mark();
    this.#running = true;
    this.#broken = null;
    let done = false;
    try {
      const value = await transact(
        (tx) => code(tx as never),
        (returned) => {
          done = true;
          return this.#conclude(returned);
        },
      );
      this.#committed = true;
      return value;
    } catch (error) {
      this.#concluded = null;
      if (done) this.#broken = { error };
      undo();
      throw error;
    } finally {
      this.#running = false;
    }
  };

  /** What the attempt comes to, when its code ended so. */
  end(result: Result): Attempted {
    if (this.#committed && this.#concluded !== null) {
      const { results, emitted } = this.#concluded;
      const late = lateOf(result);
      return { results, emitted: emitted.map(() => []), ...(late !== null && { late }) };
    }
    if (!isFinal(result)) return this.#host.attempted(result);
    // Code that takes a failed commit for done has not seen that what it wrote is gone.
    if (this.#broken !== null) return this.#host.attempted(resultOfThrown(this.#broken.error));
    if (this.#running) return this.#host.attempted(resultOfThrown(new Error('ctx.transaction was not awaited')));
    return this.#host.attempted(result);
  }

  #begin(): Transact {
    if (this.#transact === undefined) {
      throw new HoldfastError('transaction_unsupported', { detail: 'ctx.transaction: this store has none.' });
    }
    if (this.#host.over() || this.#committed) throw new HoldfastError('attempt_ended', { detail: 'ctx.transaction' });
    if (this.#running)
      throw new HoldfastError('invalid_input', { detail: 'ctx.transaction: one is under way already.' });
    return this.#transact;
  }

  #conclude(returned: unknown): Attempted {
    if (this.#host.over()) throw new HoldfastError('attempt_ended', { detail: 'ctx.transaction: it was rolled back.' });
    const result = resultOf(returned);
    // `RetryLater` and `Unavailable` say that it is not done: returned or thrown, nothing stays.
    if (!isFinal(result)) throw returned;
    const { results, emitted } = this.#host.attempted(result);
    this.#concluded = { results, emitted: emitted.map((list) => [...list]) };
    return this.#concluded;
  }
}

/** How code ended that had nothing to say any more; `null`: well. */
function lateOf(result: Result): string | null {
  switch (result.kind) {
    case 'succeeded':
    case 'skipped':
      return null;
    case 'failed':
    case 'crashed':
      return result.error;
    case 'rejected':
    case 'unavailable':
      return result.reason;
    case 'timeout':
      return 'it did not end in time';
    default:
      return result satisfies never;
  }
}
