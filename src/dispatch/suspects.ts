/**
 * Deliveries that were marked started when the process died. They run one at a time with nothing else running, so that
 * the one that ends the process is found out, and its neighbours are not blamed for it.
 */
import type { Claim } from '../store/store.ts';
import type { Lane } from './lane.ts';

export interface SuspectsHost {
  /** Whether nothing runs. */
  quiet(): boolean;
  /** A short while. */
  wait(): Promise<void>;
  /** Resolves when every outcome is committed. */
  committed(): Promise<void>;
  /** There are no more: the others may start again. */
  over(): void;
}

export class Suspects {
  readonly #host: SuspectsHost;
  readonly #waiting: { readonly lane: Lane; readonly claim: Claim }[] = [];
  #alone = false;

  constructor(host: SuspectsHost) {
    this.#host = host;
  }

  /** Whether a suspect runs or is about to: nothing else may start. */
  get alone(): boolean {
    return this.#alone;
  }

  add(lane: Lane, claim: Claim): void {
    this.#waiting.push({ lane, claim });
    if (!this.#alone) void this.#run();
  }

  /** Those that have not run; they do not run any more. */
  giveUp(): Claim[] {
    return this.#waiting.splice(0).map(({ claim }) => claim);
  }

  async #run(): Promise<void> {
    this.#alone = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      while (!this.#host.quiet()) await this.#host.wait();
      await next.lane.runAlone(next.claim);
      await this.#host.committed();
    }
    this.#alone = false;
    this.#host.over();
  }
}
