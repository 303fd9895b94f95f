/** Counters and histograms for the hot path: a look-up per label and an addition; read only when somebody asks. */

/** What stands for all label values beyond the bound. */
export const OTHER = 'other';

/** Most distinct values of one label below the same outer labels. */
export const LABEL_VALUES_MAX = 200;

/** A count by labels, as a tree: one level a label. Create the leaf with {@link at} and raise its `count`. */
export class Tally {
  count = 0;
  readonly #below = new Map<string, Tally>();
  readonly #valuesMax: number;

  constructor(valuesMax: number = LABEL_VALUES_MAX) {
    this.#valuesMax = valuesMax;
  }

  /** The tally below this label value; that of {@link OTHER} when the bound is reached. */
  at(value: string): Tally {
    return this.#below.get(value) ?? this.#make(value);
  }

  /** Every leaf with its label values, outermost first. */
  *leaves(above: readonly string[] = []): Generator<readonly [labels: readonly string[], count: number]> {
    if (this.#below.size === 0) yield [above, this.count];
    for (const [value, tally] of this.#below) yield* tally.leaves([...above, value]);
  }

  #make(value: string): Tally {
    const known = this.#below.size < this.#valuesMax ? value : OTHER;
    let tally = this.#below.get(known);
    if (tally === undefined) {
      tally = new Tally(this.#valuesMax);
      this.#below.set(known, tally);
    }
    return tally;
  }
}

/** How many values fell up to each bound. */
export class Buckets {
  readonly counts: Float64Array;
  readonly #bounds: readonly number[];
  sum = 0;
  count = 0;

  /** @param bounds Rising upper bounds; everything above the last is counted in `count` only. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Float64Array(bounds.length);
  }

  add(value: number): void {
    this.sum += value;
    this.count++;
    for (let index = 0; index < this.#bounds.length; index++) {
      if (value > (this.#bounds[index] ?? Infinity)) continue;
      this.counts[index] = (this.counts[index] ?? 0) + 1;
      return;
    }
  }

  /** For each bound how many values were at or below it. */
  *cumulative(): Generator<readonly [bound: number, count: number]> {
    let count = 0;
    for (const [index, bound] of this.#bounds.entries()) {
      count += this.counts[index] ?? 0;
      yield [bound, count];
    }
  }
}

/** Histograms by one label. */
export class BucketsByLabel {
  readonly byLabel = new Map<string, Buckets>();
  readonly #bounds: readonly number[];

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  at(value: string): Buckets {
    return this.byLabel.get(value) ?? this.#make(value);
  }

  #make(value: string): Buckets {
    const known = this.byLabel.size < LABEL_VALUES_MAX ? value : OTHER;
    let buckets = this.byLabel.get(known);
    if (buckets === undefined) {
      buckets = new Buckets(this.#bounds);
      this.byLabel.set(known, buckets);
    }
    return buckets;
  }
}
