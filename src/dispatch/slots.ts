/**
 * The process-wide cap on running attempts. While slots are free everyone starts at once; when they are scarce, freed
 * slots go to the waiting lanes in proportion to their priority's weight, so that low ones are slowed, never starved.
 */
import type { Priority } from './destination.ts';

const WEIGHTS: Readonly<Record<Priority, number>> = { critical: 64, high: 16, normal: 4, low: 1 };

/** Something that wants slots: a lane. */
export interface SlotUser {
  readonly priority: Priority;
  /** Starts one attempt with the slot just granted; `false` when it has no use for it after all. */
  useSlot(): boolean;
}

export class Slots {
  readonly #max: number;
  readonly #waiting = new Set<SlotUser>();
  /** How much each waiting user has had, in units of its weight; the lowest goes next. */
  readonly #passes = new Map<SlotUser, number>();
  #running = 0;
  #pass = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get running(): number {
    return this.#running;
  }

  /** Takes a free slot if nobody has waited for it; else the user waits for its turn. */
  take(user: SlotUser): boolean {
    if (this.#running < this.#max && this.#waiting.size === 0) {
      this.#running++;
      return true;
    }
    this.#wait(user);
    return false;
  }

  /** Takes a slot beyond the cap: for a suspect, which runs while nothing else does. */
  force(): void {
    this.#running++;
  }

  /** Gives a slot back, and on to whoever is next. */
  free(): void {
    this.#running--;
    while (this.#running < this.#max && this.#waiting.size > 0) this.#grant(this.#next());
  }

  /** The user has no use for a slot any more. */
  leave(user: SlotUser): void {
    this.#waiting.delete(user);
    this.#passes.delete(user);
  }

  #wait(user: SlotUser): void {
    this.#waiting.add(user);
    // Who comes late starts at the present, not with the credit of the time it had nothing to do.
    if (!this.#passes.has(user)) this.#passes.set(user, this.#pass);
  }

  #next(): SlotUser {
    let best: SlotUser | null = null;
    let bestPass = Number.POSITIVE_INFINITY;
    for (const user of this.#waiting) {
      const pass = this.#passes.get(user) ?? 0;
      if (pass < bestPass) {
        best = user;
        bestPass = pass;
      }
    }
    if (best === null) throw new Error('Slots: asked for the next of nobody.');
    return best;
  }

  #grant(user: SlotUser): void {
    const pass = this.#passes.get(user) ?? this.#pass;
    this.#pass = pass;
    this.#passes.set(user, pass + 1 / WEIGHTS[user.priority]);
    this.#running++;
    if (user.useSlot()) return;
    this.#running--;
    this.leave(user);
  }
}
