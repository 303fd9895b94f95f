/**
 * A close look at who holds the event loop: every callback is timed, and put down to the destination whose inline code
 * set it off, however many awaits ago. Costs about half a microsecond a promise, so it is taken for seconds, on suspicion.
 */
import { type AsyncHook, AsyncLocalStorage, createHook } from 'node:async_hooks';

export interface LoopLookOptions {
  /** Milliseconds that only grow. */
  readonly monotonic: () => number;
  /** Told how long each callback of a destination's code took, in milliseconds. Must be quick. */
  readonly took: (ms: number, destination: string) => void;
}

export class LoopLook {
  readonly #owner = new AsyncLocalStorage<string>();
  readonly #hook: AsyncHook;

  /** Looks from now on. */
  constructor({ monotonic, took }: LoopLookOptions) {
    let since = 0;
    this.#hook = createHook({
      before: () => {
        since = monotonic();
      },
      after: () => {
        const destination = this.#owner.getStore();
        if (destination !== undefined) took(monotonic() - since, destination);
      },
    }).enable();
  }

  /** Runs code whose later callbacks are this destination's. */
  run<Value>(destination: string, code: () => Value): Value {
    return this.#owner.run(destination, code);
  }

  /** Looks no more. Safe twice. */
  stop(): void {
    this.#hook.disable();
    this.#owner.disable();
  }
}
