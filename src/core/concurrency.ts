/**
 * How many attempts of a destination run at once, following its lag between a lower and an upper bound. It grows by
 * half while work waits too long and every slot is in use, unless the lag falls so fast that it is over soon; it shrinks by
 * one after a while of having more slots than work. So a burst is met within seconds, and a lull does not make it swing.
 */
export interface ConcurrencyRange {
  readonly min: number;
  readonly max: number;
}

/** What is known of a destination at the moment. */
export interface LaneLoad {
  /** Deliveries that are ready and wait. */
  readonly waiting: number;
  /** Milliseconds for which the oldest of them has waited. */
  readonly lagMs: number;
  /** Attempts that run. */
  readonly running: number;
}

/** Work that waits no longer than this needs no more slots. */
const LAG_TARGET_MS = 500;
/** So many looks in a row must find slots idle before one is given up. */
const CALM_LOOKS = 5;
/** A lag that is over after so many looks, as fast as it falls, needs no more slots. One of hours may fall for hours. */
const SOON_LOOKS = 10;

export class AdaptiveConcurrency {
  readonly #range: ConcurrencyRange;
  #limit: number;
  #lagMs = 0;
  #calm = 0;

  /** Starts at `min`. `min` equal to `max` is a fixed number. */
  constructor(range: ConcurrencyRange) {
    this.#range = range;
    this.#limit = range.min;
  }

  /** Attempts that may run at once now. */
  get limit(): number {
    return this.#limit;
  }

  /** Looks at the load; to be called about once a second. Answers the new limit. */
  adapt(load: LaneLoad): number {
    const busy = load.waiting > 0 && load.running >= this.#limit;
    const soonOver = load.lagMs <= (this.#lagMs - load.lagMs) * SOON_LOOKS;
    this.#lagMs = load.lagMs;
    if (busy) {
      this.#calm = 0;
      if (load.lagMs > LAG_TARGET_MS && !soonOver) this.#grow();
    } else if (load.running < this.#limit && load.lagMs <= LAG_TARGET_MS) {
      this.#rest();
    }
    return this.#limit;
  }

  #grow(): void {
    this.#limit = Math.min(this.#range.max, this.#limit + Math.max(1, Math.floor(this.#limit / 2)));
  }

  #rest(): void {
    if (++this.#calm < CALM_LOOKS) return;
    this.#calm = 0;
    this.#limit = Math.max(this.#range.min, this.#limit - 1);
  }
}
