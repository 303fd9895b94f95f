/** Which streams a list of deliveries merges: as few as hold what is asked for. */
import type { DeliveryState } from '../../core/delivery.ts';
import { idBytes } from '../../core/id.ts';
import type { DeliveryFilter } from '../store.ts';
import { ChunkStream, entryAt, type Entries, PageStream } from './page-stream.ts';
import { positionOf } from './position.ts';
import {
  allDeadRows,
  allRows,
  atOnceRows,
  blockedRows,
  deadKinds,
  deadRows,
  endedRows,
  KnownStream,
  openRows,
  putOffRows,
  replayedRows,
  rowAt,
  type RowSource,
  RowStream,
  rowsOfReplay,
} from './row-stream.ts';
import { rowStates } from './rows.ts';
import type { Listing, Range, Stream } from './stream.ts';
import { spanOf } from './times.ts';

/** More are not merged: then everything is looked through, in order. */
const STREAMS_MAX = 256;
/** Put-off rows of one destination up to which their positions are put in order in memory. */
const PUT_OFF_MAX = 256;

/** What is asked for, with its bounds. */
interface Want {
  readonly listing: Listing;
  readonly range: Range;
  /** `null`: any. */
  readonly states: ReadonlySet<DeliveryState> | null;
  readonly numbers: readonly number[];
}

/** The streams that hold all that fits the filter within `range`. */
export function streamsOf(listing: Listing, range: Range): Stream[] {
  const { filter, state } = listing;
  if (filter.replayId !== undefined) {
    return [new RowStream(listing, rowsOfReplay(idBytes(filter.replayId) ?? new Uint8Array()), range)];
  }
  const { from, to } = spanOf(state, filter);
  const main = within(range, { from, to });
  return [
    ...mainStreams(listing, main),
    ...(to === null ? [] : lateStreams(listing, { ...range, low: Math.max(range.low, main.high) })),
  ];
}

function within({ low, high }: Range, { from, to }: { from: number; to: number | null }): Range {
  const end = to === null ? high : Math.min(high, positionOf(to, 0));
  return { low: Math.max(low, positionOf(from, 0)), high: end };
}

/** What was committed after the span of time, and received in it all the same. */
function lateStreams(listing: Listing, range: Range): Stream[] {
  if (range.low >= range.high) return [];
  return [new RowStream(listing, replayedRows, range), new ChunkStream(listing, range, true)];
}

function mainStreams(listing: Listing, range: Range): Stream[] {
  if (range.low >= range.high) return [];
  const { destination } = listing.filter;
  const { destinations } = listing.state;
  const numbers = destination === undefined ? destinations.all() : destinations.numbers(destination);
  const states = statesOf(listing.filter);
  const everything = destination === undefined && states === null;
  const streams = everything ? null : streamsFor({ listing, range, states, numbers });
  return streams ?? [new RowStream(listing, allRows, range), new ChunkStream(listing, range, false)];
}

/** Only dead letters have reasons and are resolved. */
function statesOf({ states, reason, resolved }: DeliveryFilter): ReadonlySet<DeliveryState> | null {
  if (reason === undefined && resolved === undefined) return states === undefined ? null : new Set(states);
  return new Set(states === undefined || states.includes('dead') ? ['dead'] : []);
}

/** `null`: there would be too many. */
function streamsFor(want: Want): Stream[] | null {
  const { listing, range, states, numbers } = want;
  const wants: Wants = (state) => states === null || states.has(state);
  const rows: RowSource[] = [];
  const known: Stream[] = [];
  const pages: { destination: number; entries: Entries }[] = [];
  const dead = wants('dead') ? deadSources(want) : [];
  if (dead === null) return null;
  rows.push(...dead);
  for (const destination of numbers) {
    const counts = listing.state.destinations.counts(destination);
    if (counts.open_rows > 0) {
      const open = openSources(want, destination);
      rows.push(...open.rows);
      known.push(...open.known);
    }
    if (wants('succeeded') && counts.succeeded > 0) rows.push(endedRows(destination, rowStates.succeeded));
    if (wants('skipped') && counts.skipped > 0) rows.push(endedRows(destination, rowStates.skipped));
    if (wants('cancelled')) rows.push(endedRows(destination, rowStates.cancelled));
    if (wants('ready') && counts.open_paged > 0) pages.push({ destination, entries: 'open' });
    if (wants('succeeded') && counts.succeeded > 0) pages.push({ destination, entries: 'succeeded' });
    if (rows.length + known.length + pages.length > STREAMS_MAX) return null;
  }
  // Rows before pages: what has just moved is met as a row first.
  return [
    ...rows.map((source) => new RowStream(listing, source, range)),
    ...known,
    ...(wants('claimed') && !areAllOpen(wants) ? claimedStreams(want) : []),
    ...pages.map((page) => new PageStream(listing, page, range)),
  ];
}

type Wants = (state: DeliveryState) => boolean;

function areAllOpen(wants: Wants): boolean {
  return wants('blocked') && wants('due') && wants('ready');
}

function deadSources({ listing, numbers }: Want): RowSource[] | null {
  const { destination, reason, resolved } = listing.filter;
  if (destination === undefined && reason === undefined && resolved === undefined) return [allDeadRows];
  const sources: RowSource[] = [];
  const dead = numbers.filter((number) => listing.state.destinations.counts(number).dead > 0);
  for (const isResolved of resolved === undefined ? [false, true] : [resolved]) {
    const kinds =
      reason === undefined
        ? deadKinds(listing, { numbers: dead, isResolved, most: STREAMS_MAX })
        : dead.map((number) => ({ destination: number, reason }));
    if (kinds === null || sources.length + kinds.length > STREAMS_MAX)
      return destination === undefined ? [allDeadRows] : null;
    sources.push(...kinds.map((kind) => deadRows(isResolved, kind)));
  }
  return sources;
}

/** Open rows by what they wait for. */
function openSources(want: Want, destination: number): { rows: RowSource[]; known: Stream[] } {
  const { listing, states } = want;
  const wants: Wants = (state) => states === null || states.has(state);
  const [blocked, due, ready] = [wants('blocked'), wants('due'), wants('ready')];
  if (areAllOpen(wants)) return { rows: [openRows(destination)], known: [] };
  const rows: RowSource[] = [];
  if (blocked) rows.push(blockedRows(destination));
  if (ready) rows.push(atOnceRows(destination));
  if (!due && !ready) return { rows, known: [] };
  const after = ready ? 0 : listing.now;
  const until = due ? Number.MAX_VALUE : listing.now;
  const found = putOff(listing, { destination, after, until });
  if (found === null) return { rows: [...rows, putOffRows(destination)], known: [] };
  const read = (position: number) => rowAt(listing, position);
  return { rows, known: [new KnownStream(listing, found, { range: want.range, read })] };
}

/** Positions of the free rows that are due within a time; `null`: too many to put them in order here. */
function putOff(listing: Listing, at: { destination: number; after: number; until: number }): number[] | null {
  const sql = `SELECT position FROM delivery INDEXED BY delivery_ready
    WHERE state = 0 AND blocked = 0 AND destination = ? AND due > ? AND due <= ? LIMIT ?`;
  const rows = listing.state.reader.all({ sql }, at.destination, at.after, at.until, PUT_OFF_MAX + 1);
  return rows.length > PUT_OFF_MAX ? null : rows.map((row) => Number(row['position']));
}

/** What is claimed is in memory. */
function claimedStreams({ listing, range, numbers }: Want): Stream[] {
  const { slots } = listing.state;
  const wanted = new Set(numbers);
  const positions: number[] = [];
  for (const slot of slots.all()) if (wanted.has(slot.destination)) positions.push(slot.position);
  const read = (position: number) => {
    const slot = slots.get(position);
    if (slot === undefined) return null;
    return slot.row === null ? entryAt(listing, slot.destination, position) : rowAt(listing, position);
  };
  return [new KnownStream(listing, positions, { range, read })];
}
