/** Everything a store holds in memory while it is open. It always equals what is committed; transactions change it last. */
import type { Clock } from '../../core/clock.ts';
import { Chunks } from './chunks.ts';
import { Dedupe } from './dedupe.ts';
import { Destinations } from './destinations.ts';
import { DueCounts } from './due-counts.ts';
import { Lane } from './lane.ts';
import { Pages } from './pages.ts';
import { ORDINALS } from './position.ts';
import type { Reader } from './reader.ts';
import { Slots } from './slots.ts';

export interface StateOptions {
  readonly clock: Clock;
  readonly reader: Reader;
  readonly boot: number;
  readonly bucketKeys: number;
}

export class State {
  readonly clock: Clock;
  readonly reader: Reader;
  readonly destinations = new Destinations();
  readonly pages: Pages;
  readonly chunks: Chunks;
  readonly slots: Slots;
  readonly dedupe: Dedupe;
  readonly dueCounts: DueCounts;
  /** The seq the next event or replay takes. */
  nextSeq = 1;
  /** The highest event id there is, as text; '' when there is none. Texts sort like ids. */
  highId = '';
  /** Receipt of the last chunk that was in order, see `kept`. */
  receivedHigh = Number.NEGATIVE_INFINITY;
  /** The latest receipt of all, see times.ts. */
  receivedLast = Number.NEGATIVE_INFINITY;
  /** Whether any event has a stored answer: most stores never have, and then none is looked for. */
  hasAnswers = false;
  /** When retention began to go through what there is (`null` between two times), and how many chunks a step takes. */
  readonly sweep: { startedAt: number | null; chunks: number } = { startedAt: null, chunks: 4 };
  readonly #lanes = new Map<number, Lane>();

  constructor(options: StateOptions) {
    this.clock = options.clock;
    this.reader = options.reader;
    this.pages = new Pages(this.reader);
    this.chunks = new Chunks(this.reader);
    this.dueCounts = new DueCounts(this.reader, this.clock);
    this.slots = new Slots(this.clock, options.boot);
    this.dedupe = new Dedupe(this.reader, options.bucketKeys);
  }

  lane(number: number): Lane {
    let lane = this.#lanes.get(number);
    if (lane === undefined) {
      const { reader, pages, slots } = this;
      lane = new Lane(number, { reader, pages, slots, limit: () => this.nextSeq * ORDINALS });
      this.#lanes.set(number, lane);
    }
    return lane;
  }

  /** The lanes of a destination: one, or more after it was renamed onto another. */
  lanes(destination: string): Lane[] {
    return this.destinations.numbers(destination).map((number) => this.lane(number));
  }

  /** Ends the claims whose leases have ended. Before anything looks at claims. */
  expire(): void {
    this.slots.expire((slot) => this.lane(slot.destination).offer(slot.position));
  }
}
