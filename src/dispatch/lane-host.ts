/** What a lane shares with the others. */
import type { Clock } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import type { Attempted, Transact } from '../deliver/runner.ts';
import type { Claim } from '../store/store.ts';
import type { HandOffBudget } from './budget.ts';
import type { Lane } from './lane.ts';
import type { Running } from './running.ts';
import type { Shared } from './shared.ts';
import type { Slots } from './slots.ts';
import type { Starts } from './starts.ts';

/** What a lane asks of the dispatcher. */
export interface LaneHost {
  readonly clock: Clock;
  readonly observer: Observer;
  readonly slots: Slots;
  readonly budget: HandOffBudget;
  /** Whether this process attempts what this destination is owed. */
  attempts(destination: string): boolean;
  readonly starts: Starts;
  /** What is shared with other processes. Default: nothing is. */
  readonly shared?: Shared | undefined;
  /** Whether attempts may start now: the store takes outcomes, nothing runs alone, nothing is stopping hard. */
  mayStart(): boolean;
  /** Every outcome of the attempt is on its way into a commit when this returns. */
  settle(lane: Lane, running: Running, attempted: Attempted): void;
  /** How the attempt can settle in a transaction of its code; `undefined`: not in this store. */
  transact(lane: Lane, running: Running): Transact | undefined;
  /** The lane wants work from the store. */
  hungry(lane: Lane): void;
  /** Gives claims back. */
  release(claims: readonly Claim[], delayMs: number): void;
  /**
   * Processes ended while they attempted it: it is buried when there were too many, and runs alone where it could end this one.
   * `false`: it is to be attempted like any.
   */
  crashed(lane: Lane, claim: Claim): boolean;
}
