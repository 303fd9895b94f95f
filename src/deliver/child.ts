/**
 * The two sides of a thread or process that runs a handler agree here: what they say to each other, and what the child
 * does with it. One attempt at a time; `child-main.ts` is the program, `pool.ts` the other side.
 */
import { HoldfastError } from '../errors.ts';
import { BatchRun, type Work, type WorkClaim } from './context.ts';
import { type BatchHandler, batchCall, type Call, callResult, type Handler, singleCall } from './handler.ts';
import { TIMEOUT } from './outcomes.ts';
import type { Attempted, Emitted, Result } from './runner.ts';

/** Whether the module handles single events or batches. */
export type ChildMode = 'single' | 'batch';

export type ToChild =
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly claims: readonly WorkClaim[];
      readonly numbers: readonly number[];
    }
  /** The attempt is given up: its signal aborts. The child says `done` when the code has really ended. */
  | { readonly kind: 'abort'; readonly id: number; readonly name: string; readonly message: string }
  /** Nothing more will come: exit. */
  | { readonly kind: 'close' };

export type FromChild =
  | { readonly kind: 'ready' }
  /** The module cannot be loaded; the child exits. */
  | { readonly kind: 'unready'; readonly error: string }
  /** One event of a batch was settled while the batch goes on. */
  | { readonly kind: 'settled'; readonly id: number; readonly index: number; readonly early: Early }
  /** The code ended; `null` after an abort, when nothing it says counts. */
  | { readonly kind: 'done'; readonly id: number; readonly attempted: Attempted | null }
  /** An uncaught error is about to end the child. */
  | { readonly kind: 'dying'; readonly error: string };

export interface Early {
  readonly result: Result;
  readonly emitted: readonly Emitted[];
}

/** Sends to the gateway; throws when the value cannot be carried over. */
export type Post = (said: FromChild) => void;

/** Runs attempts as they are asked for. */
export class Child {
  readonly #open: (work: Work, id: number) => Call;
  readonly #post: Post;
  #current: { readonly id: number; readonly call: Call; readonly work: ChildWork; aborted: boolean } | null = null;

  constructor(code: unknown, mode: ChildMode, post: Post) {
    this.#post = post;
    this.#open =
      mode === 'single'
        ? (work) => singleCall(code as Handler, work)
        : (work, id) => batchCall(code as BatchHandler, work, this.#batchRun(work, id));
  }

  run(asked: ToChild & { readonly kind: 'run' }): void {
    const { id } = asked;
    const work = new ChildWork(asked.claims, asked.numbers);
    const call = this.#open(work, id);
    this.#current = { id, call, work, aborted: false };
    const result = callResult(call, null);
    if (result instanceof Promise) void result.then((late) => this.#done(id, late));
    else this.#done(id, result);
  }

  abort(asked: ToChild & { readonly kind: 'abort' }): void {
    const current = this.#current;
    if (current === null || current.id !== asked.id) return;
    current.aborted = true;
    current.call.end(TIMEOUT);
    current.work.abort(new DOMException(asked.message, asked.name));
  }

  #done(id: number, result: Result): void {
    const current = this.#current;
    if (current === null || current.id !== id) return;
    this.#current = null;
    const attempted = current.aborted ? null : current.call.end(result);
    try {
      this.#post({ kind: 'done', id, attempted });
    } catch (error) {
      process.emitWarning(
        `a handler's return value cannot leave its thread or process: ${String(error)}`,
        'HoldfastWarning',
      );
      this.#post({ kind: 'done', id, attempted: attempted === null ? null : withoutValues(attempted) });
    }
  }

  #batchRun(work: Work, id: number): BatchRun {
    return new BatchRun(work, (index, result, emitted) => {
      if (!(this.#current?.aborted ?? true)) this.#post({ kind: 'settled', id, index, early: { result, emitted } });
    });
  }
}

/** What was asked for, with a signal that is made when it is first looked at. */
class ChildWork implements Work {
  readonly claims: readonly WorkClaim[];
  readonly numbers: readonly number[];
  #controller: AbortController | null = null;

  constructor(claims: readonly WorkClaim[], numbers: readonly number[]) {
    this.claims = claims;
    this.numbers = numbers;
  }

  /** What the code writes here the gateway could not commit with the outcome: the connection is not this program's. */
  readonly transact = (): Promise<never> => {
    const detail = 'ctx.transaction: the handler runs in a thread or process of its own: run it inline.';
    return Promise.reject(new HoldfastError('transaction_unsupported', { detail }));
  };

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    return this.#controller.signal;
  }

  abort(reason: DOMException): void {
    this.#controller ??= new AbortController();
    this.#controller.abort(reason);
  }
}

function withoutValues(attempted: Attempted): Attempted {
  const results = attempted.results.map((result) =>
    result.kind === 'succeeded' ? { kind: result.kind, value: undefined } : result,
  );
  return { results, emitted: attempted.emitted };
}

/**
 * The handler of a module: its export `handle`, or `handleBatch` for batches, else its default export.
 * @throws TypeError when neither is a function
 */
export function handlerOf(module: object, mode: ChildMode): unknown {
  const name = mode === 'single' ? 'handle' : 'handleBatch';
  const exported = module as Readonly<Record<string, unknown>>;
  const code = exported[name] ?? exported['default'];
  if (typeof code === 'function') return code;
  throw new TypeError(`expected a function as default export or as '${name}', got ${typeof code}`);
}
