/**
 * Deliveries that were marked started when a process died. Nothing else runs beside them. Whoever was there at one
 * death runs with others of whom that is true, as many as their lanes allow; whoever was there at two runs by itself. So
 * the one that ends the process is found out with the third, and no neighbour is ever there at three.
 */
import type { Claim } from '../store/store.ts';
import type { Lane } from './lane.ts';

export interface SuspectsHost {
  /** Whether nothing runs. */
  quiet(): boolean;
  /** A short while. */
  wait(): Promise<void>;
  /** Resolves when the outcomes of what has run are committed. */
  committed(): Promise<void>;
  /** There are no more: the others may start again. */
  over(): void;
}

interface Suspect {
  readonly lane: Lane;
  readonly claim: Claim;
}

/** Most attempts of one group. */
const GROUP_MAX = 64;

export class Suspects {
  readonly #host: SuspectsHost;
  #waiting: Suspect[] = [];
  #alone = false;

  constructor(host: SuspectsHost) {
    this.#host = host;
  }

  /** Whether suspects run or are about to: nothing else may start. */
  get alone(): boolean {
    return this.#alone;
  }

  add(lane: Lane, claim: Claim): void {
    this.#waiting.push({ lane, claim });
    if (!this.#alone) void this.#run();
  }

  /** What waits here, for the renewal of leases. */
  claims(): Claim[] {
    return this.#waiting.map(({ claim }) => claim);
  }

  /** Claims that are another's by now do not run here; answers those that waited. */
  lost(isLost: (claim: Claim) => boolean): Claim[] {
    const lost = this.claims().filter(isLost);
    this.#waiting = this.#waiting.filter(({ claim }) => !isLost(claim));
    return lost;
  }

  /** Those that have not run; they do not run any more. */
  giveUp(): Claim[] {
    return this.#waiting.splice(0).map(({ claim }) => claim);
  }

  async #run(): Promise<void> {
    this.#alone = true;
    while (this.#waiting.length > 0) {
      while (!this.#host.quiet()) await this.#host.wait();
      await Promise.all(this.#nextGroup().map(({ lane, claims }) => lane.runSuspects(claims)));
      await this.#host.committed();
    }
    this.#alone = false;
    this.#host.over();
  }

  /** What each attempt of the next group is made for; they leave those that wait. */
  #nextGroup(): readonly { readonly lane: Lane; readonly claims: readonly Claim[] }[] {
    const [first, ...others] = this.#waiting;
    if (first === undefined) return [];
    if (first.claim.crashes > 1) {
      this.#waiting = others;
      return [{ lane: first.lane, claims: [first.claim] }];
    }
    const group: { readonly lane: Lane; readonly claims: Claim[] }[] = [];
    this.#waiting = this.#waiting.filter(({ lane, claim }) => {
      if (claim.crashes > 1) return true;
      const ofLane = group.filter((attempt) => attempt.lane === lane);
      const last = ofLane.at(-1);
      if (last !== undefined && last.claims.length < (lane.destination.batch?.size ?? 1)) last.claims.push(claim);
      else if (ofLane.length < Math.max(1, lane.concurrency) && group.length < GROUP_MAX)
        group.push({ lane, claims: [claim] });
      else return true;
      return false;
    });
    return group;
  }
}
