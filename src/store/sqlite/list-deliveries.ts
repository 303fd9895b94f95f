/**
 * Deliveries by filter, in the order of their commits. What a page costs depends on the page, not on how much there
 * is: streams along the indexes are merged, and a search that finds too little in what it looks at ends early, with a
 * cursor to go on from.
 */
import type { DeliveryFilter, DeliveryRecord, Listed, Page as Cut } from '../store.ts';
import { streamsOf } from './delivery-streams.ts';
import { positionOf } from './position.ts';
import { entriesOf, ofRow, type Placed } from './records.ts';
import { toDeliveryRow } from './rows.ts';
import { SLICE_MS, inSlices } from './slices.ts';
import type { State } from './state.ts';
import { fits, type Listing, type Range, type Stream } from './stream.ts';

/** What is looked at in vain for one page. */
const MISSES_MAX = 10_000;
const AHEAD = 16;

export async function listDeliveries(state: State, filter: DeliveryFilter, cut: Cut): Promise<Listed<DeliveryRecord>> {
  state.expire();
  const oldestFirst = cut.oldestFirst ?? false;
  const listing: Listing = { state, filter, now: state.clock.now(), oldestFirst, ahead: AHEAD, misses: 0 };
  const search = new Search(listing, cut);
  if (filter.eventId !== undefined) state.reader.snapshot(() => search.addAll(ofEvent(listing, filter.eventId ?? '')));
  else if (filter.states?.length !== 0) {
    // Each slice sees one state of the store, and the next goes on behind what it has seen.
    await inSlices(
      () => state.clock.monotonic(),
      () => state.reader.snapshot(() => search.slice()),
    );
  }
  return search.answer();
}

class Search {
  readonly #listing: Listing;
  readonly #cut: Cut;
  readonly #found: Placed[] = [];
  /** What has not been looked at. */
  #rest: Range;
  #last: number | null = null;

  constructor(listing: Listing, cut: Cut) {
    this.#listing = listing;
    this.#cut = cut;
    const after = cut.cursor === undefined ? null : Number(cut.cursor);
    this.#rest = listing.oldestFirst
      ? { low: after === null ? 0 : after + 1, high: Number.MAX_SAFE_INTEGER }
      : { low: 0, high: after ?? Number.MAX_SAFE_INTEGER };
  }

  addAll(placed: readonly Placed[]): void {
    const { oldestFirst, filter } = this.#listing;
    const { low, high } = this.#rest;
    const ordered = placed.toSorted((a, b) => (oldestFirst ? a.position - b.position : b.position - a.position));
    for (const one of ordered)
      if (one.position >= low && one.position < high && fits(one, filter)) this.#found.push(one);
    this.#rest = { low: 0, high: 0 };
  }

  /** Goes on for a few milliseconds; `true`: it is enough, or all. */
  slice(): boolean {
    const { clock } = this.#listing.state;
    const until = clock.monotonic() + SLICE_MS;
    const before = this.#rest;
    const streams = streamsOf(this.#listing, before);
    for (;;) {
      const next = firstOf(streams, this.#listing.oldestFirst);
      const position = next?.peek() ?? null;
      if (next === null || position === null) {
        this.#rest = { low: 0, high: 0 };
        return true;
      }
      this.#step(next, position);
      if (this.#found.length > this.#cut.limit || this.#listing.misses > MISSES_MAX) return true;
      // Not before something has been left behind: the next slice begins where this one ends.
      if (clock.monotonic() > until && this.#rest !== before) return false;
    }
  }

  answer(): Listed<DeliveryRecord> {
    const given = this.#found.slice(0, this.#cut.limit);
    const rows = given.map(({ record }) => record);
    if (this.#found.length > given.length) return { rows, cursor: String(given.at(-1)?.position ?? this.#cut.cursor) };
    const { low, high } = this.#rest;
    if (low >= high) return { rows, cursor: null };
    return { rows, cursor: String(this.#listing.oldestFirst ? low - 1 : high) };
  }

  #step(stream: Stream, position: number): void {
    const { isExact } = stream;
    const placed = stream.take();
    if (placed !== null && position !== this.#last) this.#found.push(placed);
    if (isExact) this.#last = position;
    const { low, high } = this.#rest;
    // Where a stream has only looked, it may still find something at this very place.
    if (this.#listing.oldestFirst) this.#leave({ low: Math.max(low, isExact ? position + 1 : position), high });
    else this.#leave({ low, high: Math.min(high, isExact ? position : position + 1) });
  }

  #leave(rest: Range): void {
    if (rest.low !== this.#rest.low || rest.high !== this.#rest.high) this.#rest = rest;
  }
}

function firstOf(streams: readonly Stream[], oldestFirst: boolean): Stream | null {
  let first: Stream | null = null;
  let at = 0;
  for (const stream of streams) {
    const position = stream.peek();
    if (position === null || (first !== null && (oldestFirst ? position >= at : position <= at))) continue;
    first = stream;
    at = position;
  }
  return first;
}

function ofEvent(listing: Listing, eventId: string): Placed[] {
  const { state, now } = listing;
  const found = state.chunks.find(eventId);
  if (found === null) return [];
  const { seq } = found.entry;
  const sql = `SELECT * FROM delivery WHERE position >= ? AND position < ?
    UNION SELECT * FROM delivery WHERE event = ? AND replay_id IS NOT NULL`;
  const rows = state.reader.all({ sql }, positionOf(seq, 0), positionOf(seq + 1, 0), seq);
  const placed = new Map(entriesOf(state, found.chunk.seq, found.entry).map((one) => [one.position, one]));
  for (const row of rows) {
    const one = ofRow(state, toDeliveryRow(row), now);
    placed.set(one.position, one);
  }
  return [...placed.values()];
}
