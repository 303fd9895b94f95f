/** The marks of what began: they tell, after a process has died, what it was doing. */
import type { Committer } from '../commit/committer.ts';
import type { Clock } from '../core/clock.ts';
import type { Claim, ClaimRef } from '../store/store.ts';
import type { Running } from './running.ts';

/** After an unclean stop, every start is committed before its code runs, for this long. */
const CAREFUL_MS = 60_000;

export class Starts {
  readonly #clock: Clock;
  readonly #committer: () => Pick<Committer, 'start'>;
  readonly #isShared: boolean;
  #unmarked: Running[] = [];
  #carefulUntil = 0;

  /** @param isShared other processes may have the store open: then claims are counted for each delivery */
  constructor(clock: Clock, committer: () => Pick<Committer, 'start'>, isShared: boolean) {
    this.#clock = clock;
    this.#committer = committer;
    this.#isShared = isShared;
  }

  /** The last owner of the store did not close it. */
  careful(): void {
    this.#carefulUntil = this.#clock.monotonic() + CAREFUL_MS;
  }

  /**
   * Whether the start of these must be committed before their code runs. So it must where an earlier claim came to no
   * attempt: the process that had it may have died of it before it could mark it.
   */
  first(claims: readonly Claim[]): boolean {
    if (this.#clock.monotonic() < this.#carefulUntil) return true;
    return claims.some(({ crashes, claim, attempts }) => crashes > 0 || (this.#isShared && claim > attempts + 1));
  }

  /** Resolves when the starts are committed; `false`: a claim was lost. */
  async commit(claims: readonly Claim[]): Promise<boolean> {
    try {
      const committer = this.#committer();
      const answers = await Promise.all(claims.map((claim) => committer.start(claim)));
      return answers.every((answer) => answer.status === 'committed');
    } catch {
      return false; // The committer is closed or lost: nothing starts any more.
    }
  }

  /** An attempt began without a committed start: the next commit marks it. */
  began(running: Running): void {
    this.#unmarked.push(running);
  }

  /** What is to be marked in the commit that forms now. */
  take(): readonly ClaimRef[] {
    if (this.#unmarked.length === 0) return [];
    const begun = this.#unmarked.filter((running) => !running.ended);
    this.#unmarked = [];
    return begun.flatMap((running) => running.claims);
  }
}
