/**
 * What waits in memory for its attempt: first in, first out, but for one thing. First attempts add to a credit that
 * retries use up; while it is empty they let first attempts go before, so that what keeps failing gets a part of the
 * lane, not all of it.
 */
import type { Claim } from '../store/store.ts';

export interface Queued {
  readonly claim: Claim;
  /** Bytes of the hand-off budget its event holds. */
  readonly bytes: number;
  /** Whether its start was committed with it. */
  readonly marked: boolean;
}

/** Retries that may overtake first attempts, for each first attempt (a fifth: https://sre.google/sre-book/addressing-cascading-failures/). */
const RETRIES_PER_FIRST = 0.2;
const CREDIT_MAX = 10;

export class Waiting {
  readonly #firsts = new Fifo();
  readonly #retries = new Fifo();
  #credit = CREDIT_MAX;
  #turn = 0;

  get length(): number {
    return this.#firsts.length + this.#retries.length;
  }

  /** The one that has waited longest since its commit. */
  get oldest(): Queued | undefined {
    const first = this.#firsts.head;
    const retry = this.#retries.head;
    if (first === undefined || retry === undefined) return first ?? retry;
    return retry.claim.committedAt <= first.claim.committedAt ? retry : first;
  }

  /** Whether retries without credit fill it: if first attempts wait elsewhere, they cannot get in. */
  get stuffed(): boolean {
    return this.#credit < 1 && this.#firsts.length === 0 && this.#retries.length > 0;
  }

  push(queued: Queued): void {
    this.#turn++;
    if (queued.claim.attempts === 0) this.#firsts.push(queued, this.#turn);
    else this.#retries.push(queued, this.#turn);
  }

  shift(most: number): Queued[] {
    // The usual case, at full speed: there are no retries.
    if (this.#retries.length === 0) return this.#started(this.#firsts.take(most));
    const taken: Queued[] = [];
    while (taken.length < most && this.length > 0) taken.push(...this.#next());
    return taken;
  }

  /** Everything, for giving it back. */
  clear(): Queued[] {
    return [...this.#firsts.take(this.#firsts.length), ...this.#retries.take(this.#retries.length)];
  }

  /** Takes out those whose claims are so. */
  remove(which: (claim: Claim) => boolean): Queued[] {
    return [...this.#firsts.remove(which), ...this.#retries.remove(which)];
  }

  claims(): Claim[] {
    return [...this.#firsts.all(), ...this.#retries.all()].map((queued) => queued.claim);
  }

  #next(): Queued[] {
    const retryIsNext = this.#retries.turn < this.#firsts.turn;
    const retryGoes = this.#firsts.length === 0 || (retryIsNext && this.#credit >= 1);
    if (!retryGoes) return this.#started(this.#firsts.take(1));
    this.#credit = Math.max(0, this.#credit - 1);
    return this.#retries.take(1);
  }

  #started(firsts: Queued[]): Queued[] {
    this.#credit = Math.min(CREDIT_MAX, this.#credit + RETRIES_PER_FIRST * firsts.length);
    return firsts;
  }
}

/** Taken from the front without moving the rest; the array is cut when its used part has grown. */
const CUT_AT = 1024;

class Fifo {
  /** Not there any more: taken. Under load something always waits, and what was taken would stay as long as that. */
  #items: (Queued | undefined)[] = [];
  /** When each came, by the count of all that came. */
  #turns: number[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get head(): Queued | undefined {
    return this.#items[this.#head];
  }

  /** When the head came. */
  get turn(): number {
    return this.#turns[this.#head] ?? Number.POSITIVE_INFINITY;
  }

  push(queued: Queued, turn: number): void {
    this.#items.push(queued);
    this.#turns.push(turn);
  }

  take(most: number): Queued[] {
    const taken: Queued[] = [];
    for (let item = this.head; item !== undefined && taken.length < most; item = this.head) {
      taken.push(item);
      this.#items[this.#head++] = undefined;
    }
    if (this.#head === this.#items.length || this.#head > CUT_AT) {
      this.#items = this.#items.slice(this.#head);
      this.#turns = this.#turns.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }

  remove(which: (claim: Claim) => boolean): Queued[] {
    const removed = this.all().filter(({ claim }) => which(claim));
    if (removed.length === 0) return removed;
    const kept: (readonly [Queued, number])[] = [];
    for (let index = this.#head; index < this.#items.length; index++) {
      const item = this.#items[index];
      if (item !== undefined && !which(item.claim)) kept.push([item, this.#turns[index] ?? 0]);
    }
    this.#items = kept.map(([item]) => item);
    this.#turns = kept.map(([, turn]) => turn);
    this.#head = 0;
    return removed;
  }

  all(): readonly Queued[] {
    return this.#items.slice(this.#head).filter((item) => item !== undefined);
  }
}
