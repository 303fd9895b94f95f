/** What waits in memory for its attempt: first in, first out. */
import type { Claim } from '../store/store.ts';

export interface Queued {
  readonly claim: Claim;
  /** Bytes of the hand-off budget its event holds. */
  readonly bytes: number;
  /** Whether its start was committed with it. */
  readonly marked: boolean;
}

/** Taken from the front without moving the rest; the array is cut when its used part has grown. */
const CUT_AT = 1024;

export class Waiting {
  #items: Queued[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get first(): Queued | undefined {
    return this.#items[this.#head];
  }

  push(queued: Queued): void {
    this.#items.push(queued);
  }

  shift(most: number): Queued[] {
    const taken = this.#items.slice(this.#head, this.#head + most);
    this.#head += taken.length;
    if (this.#head === this.#items.length || this.#head > CUT_AT) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }

  claims(): Claim[] {
    return this.#items.slice(this.#head).map((queued) => queued.claim);
  }
}
