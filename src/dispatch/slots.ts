/**
 * The process-wide cap on running attempts. While slots are free everyone starts at once; when they are scarce, freed
 * slots go to the waiting lanes in proportion to their priority's weight, so that low ones are slowed, never starved.
 * Granting costs the same however many lanes wait.
 */
import type { Priority } from './destination.ts';

const WEIGHTS: Readonly<Record<Priority, number>> = { critical: 64, high: 16, normal: 4, low: 1 };

/** Something that wants slots: a lane. */
export interface SlotUser {
  readonly priority: Priority;
  /** Starts one attempt with the slot just granted; `false` when it has no use for it after all. */
  useSlot(): boolean;
}

/** Those of one priority that wait: they take turns. */
class Turn {
  readonly #weight: number;
  /** In the order of their turns: a set keeps it, and whoever had its turn is added again. */
  readonly users = new Set<SlotUser>();
  /** How much its users have had, in units of their weight; the lowest goes next. */
  pass = 0;

  constructor(weight: number) {
    this.#weight = weight;
  }

  /** One of its users has had a slot: with more users each slot counts for less. */
  count(): void {
    this.pass += 1 / (this.#weight * this.users.size);
  }
}

export class Slots {
  readonly #max: number;
  readonly #turns: Readonly<Record<Priority, Turn>> = {
    critical: new Turn(WEIGHTS.critical),
    high: new Turn(WEIGHTS.high),
    normal: new Turn(WEIGHTS.normal),
    low: new Turn(WEIGHTS.low),
  };
  readonly #order = Object.values(this.#turns);
  #running = 0;
  #waiting = 0;
  /** The pass of whoever was granted last. */
  #pass = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get running(): number {
    return this.#running;
  }

  /** Takes a free slot if nobody has waited for it; else the user waits for its turn. */
  take(user: SlotUser): boolean {
    if (this.#running < this.#max && this.#waiting === 0) {
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
    while (this.#running < this.#max && this.#waiting > 0) this.#grant(this.#next());
  }

  /** The user has no use for a slot any more. */
  leave(user: SlotUser): void {
    if (this.#turns[user.priority].users.delete(user)) this.#waiting--;
  }

  #wait(user: SlotUser): void {
    const turn = this.#turns[user.priority];
    if (turn.users.has(user)) return;
    // Who comes late starts at the present, not with the credit of the time it had nothing to do.
    if (turn.users.size === 0) turn.pass = Math.max(turn.pass, this.#pass);
    turn.users.add(user);
    this.#waiting++;
  }

  #next(): Turn {
    let best: Turn | null = null;
    for (const turn of this.#order) {
      if (turn.users.size > 0 && (best === null || turn.pass < best.pass)) best = turn;
    }
    if (best === null) throw new Error('Slots: asked for the next of nobody.');
    return best;
  }

  #grant(turn: Turn): void {
    const [user] = turn.users;
    if (user === undefined) throw new Error('Slots: nobody waits for this turn.');
    this.#pass = turn.pass;
    turn.count();
    turn.users.delete(user);
    turn.users.add(user);
    this.#running++;
    if (user.useSlot()) return;
    this.#running--;
    this.leave(user);
  }
}
