/**
 * Handlers: the code a user writes, and the runner for code that runs inline, in the gateway's own thread.
 * Inline is the fastest way (a no-op costs about a microsecond), for code that awaits; what burns CPU belongs in a
 * thread, what leaks or exits in a process.
 */
import { type Batch, type BatchContext, BatchRun, type HandlerContext, SingleContext, type Work } from './context.ts';
import { EventView, type HandlerEvent } from './handler-event.ts';
import type { LoopBlame } from './loop-blame.ts';
import { resultOfCall, resultOfThrown, TIMEOUT } from './outcomes.ts';
import type { Attempt, Attempted, Result, Runner } from './runner.ts';

export type { Batch, BatchContext, BatchEmitOptions, HandlerContext } from './context.ts';
export type { HandlerEvent } from './handler-event.ts';

/**
 * Handles one event. Returning (or resolving) means succeeded, and its value is the answer of a `sync` source; throwing
 * (or rejecting) means failed. `RetryLater`, `Reject`, `Skip` and `Unavailable` say more, thrown or returned.
 */
export type Handler<Body = unknown, Emits = unknown> = (
  event: HandlerEvent<Body>,
  context: HandlerContext<Emits>,
) => unknown;

/** Handles several events at once, and settles single ones with `batch.fail` where they differ from the rest. */
export type BatchHandler<Body = unknown, Emits = unknown> = (
  batch: Batch<Body>,
  context: BatchContext<Emits>,
) => unknown;

export interface InlineOptions {
  /** Told how long the code ran synchronously. Default: not measured. */
  readonly blame?: LoopBlame;
}

/** Runs a handler of single events in this thread. */
export function inlineRunner<Body = unknown>(handler: Handler<Body>, options: InlineOptions = {}): Runner {
  return new InlineRunner((work) => singleCall(handler as Handler, work), options);
}

/** Runs a batch handler in this thread. */
export function inlineBatchRunner<Body = unknown>(handler: BatchHandler<Body>, options: InlineOptions = {}): Runner {
  return new InlineRunner((work) => batchCall(handler as BatchHandler, work), options);
}

/** One call of handler code: `start` calls it, `end` closes it. */
export interface Call {
  readonly destination: string;
  start(): unknown;
  end(result: Result): Attempted;
}

export function singleCall(handler: Handler, work: Work): Call {
  return new SingleCall(handler, new SingleContext(work));
}

export function batchCall(handler: BatchHandler, work: Work, run: BatchRun = new BatchRun(work)): Call {
  return { destination: run.destination, start: () => handler(run, run), end: (result) => run.end(result) };
}

class SingleCall implements Call {
  readonly #handler: Handler;
  readonly #context: SingleContext;

  constructor(handler: Handler, context: SingleContext) {
    this.#handler = handler;
    this.#context = context;
  }

  get destination(): string {
    return this.#context.destination;
  }

  start(): unknown {
    const handler = this.#handler;
    return handler(new EventView(this.#context.event), this.#context);
  }

  end(result: Result): Attempted {
    return this.#context.end(result);
  }
}

/** Calls the code. A result when it was synchronous, else the promise of one; neither throws nor rejects. */
export function callResult(call: Call, blame: LoopBlame | null): Result | Promise<Result> {
  const entered = blame === null ? 0 : blame.enter(call.destination);
  try {
    return resultOfCall(() => (blame === null ? call.start() : blame.follow(call)));
  } finally {
    blame?.leave(entered);
  }
}

class InlineRunner implements Runner {
  readonly isolation = 'inline';
  readonly #open: (work: Work) => Call;
  readonly #blame: LoopBlame | null;
  readonly #watch = new AbortWatch();

  constructor(open: (work: Work) => Call, options: InlineOptions) {
    this.#open = open;
    this.#blame = options.blame ?? null;
  }

  run(attempt: Attempt): Promise<Attempted> {
    let call: Call;
    try {
      call = this.#open(attempt);
    } catch (error) {
      return Promise.resolve(allOf(attempt, resultOfThrown(error)));
    }
    const result = callResult(call, this.#blame);
    if (!(result instanceof Promise)) return Promise.resolve(call.end(result));
    const pending = new Pending(attempt, call);
    void result.then(pending.settle);
    this.#watch.add(pending);
    return pending.attempted;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function allOf(attempt: Attempt, result: Result): Attempted {
  return { results: attempt.claims.map(() => result), emitted: attempt.claims.map(() => []) };
}

/** An attempt whose code has not finished: it ends with the code, or with its signal, whichever is first. */
class Pending {
  readonly attempted: Promise<Attempted>;
  readonly #attempt: Attempt;
  readonly #call: Call;
  #resolve: ((attempted: Attempted) => void) | null = null;
  #signal: AbortSignal | null = null;

  constructor(attempt: Attempt, call: Call) {
    this.#attempt = attempt;
    this.#call = call;
    this.attempted = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  readonly settle = (result: Result): void => {
    const resolve = this.#resolve;
    if (resolve === null) return;
    this.#resolve = null;
    this.#signal?.removeEventListener('abort', this.#abort);
    resolve(this.#call.end(result));
  };

  /** From now on an abort ends it. */
  watch(): void {
    if (this.#resolve === null) return;
    const { signal } = this.#attempt;
    if (signal.aborted) {
      this.settle(TIMEOUT);
      return;
    }
    this.#signal = signal;
    signal.addEventListener('abort', this.#abort, { once: true });
  }

  readonly #abort = (): void => this.settle(TIMEOUT);
}

/**
 * Looks at signals only for what is still running at the end of this turn of the event loop: a signal is made when it is
 * first asked for, and most handlers are done before that.
 */
class AbortWatch {
  #young: Pending[] = [];

  add(pending: Pending): void {
    if (this.#young.push(pending) === 1) setImmediate(this.#sweep);
  }

  readonly #sweep = (): void => {
    const young = this.#young;
    this.#young = [];
    for (const pending of young) pending.watch();
  };
}
