/** Deliveries of a lane that are on their way into a commit: through memory, or into the store only. */
import type { NewDelivery } from '../store/store.ts';
import type { HandOffBudget } from './budget.ts';

export type HandOff = NewDelivery['handOff'];

export class Inflow {
  readonly #budget: HandOffBudget;
  #passing = 0;
  #reserved = 0;

  constructor(budget: HandOffBudget) {
    this.#budget = budget;
  }

  /** Those that the store will hold: nothing newer may overtake them through memory. */
  get passing(): number {
    return this.#passing;
  }

  /** Those that come back as claims. */
  get reserved(): number {
    return this.#reserved;
  }

  get count(): number {
    return this.#passing + this.#reserved;
  }

  /** Reserves a place in memory, if there are bytes for it. */
  reserve(bytes: number): boolean {
    if (!this.#budget.take(bytes)) return false;
    this.#reserved++;
    return true;
  }

  pass(): void {
    this.#passing++;
  }

  /** It arrived, or will not come: `bytes` are given back. */
  leave(handOff: HandOff, bytes: number): void {
    if (handOff === 'no') {
      this.#passing--;
      return;
    }
    this.#reserved--;
    this.#budget.give(bytes);
  }

  /** It left, and comes after all. */
  restore(handOff: HandOff, bytes: number): void {
    if (handOff === 'no') {
      this.#passing++;
      return;
    }
    this.#reserved++;
    this.#budget.hold(bytes);
  }
}
