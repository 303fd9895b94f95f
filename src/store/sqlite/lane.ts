/**
 * The ready deliveries of one destination, lowest position first, without a scan and without writing: a cursor over
 * open pages, a cursor over rows that are free at once, and a heap of what is ready behind those cursors (given back,
 * fallen due, unblocked). All three only suggest; whoever claims checks. Claiming the next n costs the next n, however
 * much waits or is claimed.
 */
import { isDamage } from './failure.ts';
import { NumberHeap } from './heap.ts';
import type { Page } from './page.ts';
import type { Pages } from './pages.ts';
import { seqOf } from './position.ts';
import type { Reader } from './reader.ts';
import type { Slots } from './slots.ts';

const PAGES_AHEAD = 64;
const ROWS_AHEAD = 64;
const DUE_STEP = 512;
/** Fallen-due rows held in memory: 8 bytes each. Beyond, what fell due first goes first. */
const HEAP_MAX = 256 * 1024;

export interface LaneSources {
  readonly reader: Reader;
  readonly pages: Pages;
  readonly slots: Slots;
  /** Positions from here on belong to a commit that is not applied yet. */
  limit(): number;
}

/** A suggestion: a position, and where it came from. */
export interface Suggestion {
  readonly position: number;
  /** Its entry, when it came from a page; `null`: a row, or not known. */
  readonly paged: { readonly seq: number; readonly index: number } | null;
  /** Goes on behind it. */
  skip(): void;
}

export class Lane {
  readonly number: number;
  readonly #from: LaneSources;
  readonly #behind = new NumberHeap();
  #pages: number[] = [];
  #pageAt = 0;
  #index = 0;
  #pagesEnd = false;
  #pageCursor = -1;
  #rows: number[] = [];
  #rowAt = 0;
  #rowsEnd = false;
  #rowCursor = -1;
  /** What has fallen due up to here is in the heap. */
  #ripe = { due: 0, position: Number.MAX_SAFE_INTEGER };
  /** No row falls due before; `undefined`: not known yet. */
  #nextDue: number | null | undefined = undefined;

  constructor(number: number, from: LaneSources) {
    this.number = number;
    this.#from = from;
  }

  /** Something at this position may be ready now, wherever the cursors are. */
  offer(position: number): void {
    this.#behind.push(position);
  }

  /** New entries were committed in a page; they lie ahead of the cursor. */
  offerPage(): void {
    this.#pagesEnd = false;
  }

  /** A row is open and free: at once (`due` 0), or from then on. */
  offerRow(position: number, due: number): void {
    if (due > 0) this.#offerLater(position, due);
    else if (position <= Math.max(this.#rowCursor, this.#rows.at(-1) ?? -1)) this.#behind.push(position);
    else this.#rowsEnd = false;
  }

  /** A row that was to fall due will not. */
  withdraw(): void {
    this.#nextDue = undefined;
  }

  /** When the next row falls due; `null`: never. */
  nextDue(now: number): number | null {
    this.#ripen(now);
    return this.#nextDue ?? null;
  }

  /** A row turned out to be due later than `now`: the wall clock went back. */
  postpone(position: number, due: number): void {
    const ripe = this.#ripe;
    if (due < ripe.due || (due === ripe.due && position <= ripe.position)) this.#ripe = { due, position: position - 1 };
    this.#nextDue = Math.min(this.#nextDue ?? due, due);
  }

  /** The suggestion with the lowest position; `null`: nothing is ready. */
  next(now: number): Suggestion | null {
    this.#ripen(now);
    const page = this.nextEntry();
    const row = this.#nextRow();
    const behind = this.#nextBehind();
    let best = page;
    if (row !== null && (best === null || row.position < best.position)) best = row;
    if (behind !== null && (best === null || behind.position <= best.position)) best = behind;
    return best;
  }

  #offerLater(position: number, due: number): void {
    const ripe = this.#ripe;
    if (due < ripe.due || (due === ripe.due && position <= ripe.position)) this.#behind.push(position);
    else if (this.#nextDue !== undefined) this.#nextDue = Math.min(this.#nextDue ?? due, due);
  }

  /** Moves what has fallen due into the heap, each row once. */
  #ripen(now: number): void {
    if (this.#nextDue === undefined) this.#lookAhead();
    while (this.#nextDue !== null && this.#nextDue !== undefined && this.#nextDue <= now) {
      if (this.#behind.size >= HEAP_MAX) return;
      const { due, position } = this.#ripe;
      const rows = this.#from.reader.all('rowsDue', this.number, due, position, now, DUE_STEP);
      for (const row of rows) this.#behind.push(Number(row['position']));
      const last = rows.at(-1);
      if (last !== undefined) this.#ripe = { due: Number(last['due']), position: Number(last['position']) };
      if (rows.length < DUE_STEP) {
        if (this.#ripe.due < now) this.#ripe = { due: now, position: -1 };
        this.#lookAhead();
        if (this.#nextDue !== undefined && this.#nextDue !== null && this.#nextDue <= now) return;
      }
    }
  }

  #lookAhead(): void {
    const { due, position } = this.#ripe;
    const row = this.#from.reader.first('nextDue', this.number, due, position);
    this.#nextDue = row === null ? null : Number(row['due']);
  }

  /** The entry of a page with the lowest position: none of those was attempted before. */
  nextEntry(): Suggestion | null {
    for (;;) {
      const seq = this.#pages[this.#pageAt];
      if (seq === undefined) {
        if (!this.#morePages()) return null;
        continue;
      }
      const entry = this.#entryIn(this.#page(seq), seq);
      if (entry !== null) return entry;
      this.#skipPage(seq);
    }
  }

  #entryIn(page: Page | null, seq: number): Suggestion | null {
    if (page === null) return null;
    for (; this.#index < page.count; this.#index++) {
      const index = this.#index;
      const position = page.position(index);
      if (!page.isOpen(index) || this.#from.slots.has(position)) continue;
      return { position, paged: { seq, index }, skip: () => void (this.#index = index + 1) };
    }
    return null;
  }

  /** A damaged page is told once; what lies behind it can be claimed. */
  #page(seq: number): Page | null {
    try {
      return this.#from.pages.get({ destination: this.number, seq });
    } catch (error) {
      if (isDamage(error)) this.#skipPage(seq);
      throw error;
    }
  }

  #skipPage(seq: number): void {
    this.#pageCursor = seq;
    this.#pageAt++;
    this.#index = 0;
  }

  #morePages(): boolean {
    if (this.#pagesEnd) return false;
    const limit = this.#from.limit();
    const rows = this.#from.reader.all('openPages', this.number, this.#pageCursor, seqOf(limit), PAGES_AHEAD);
    this.#pages = rows.map((row) => Number(row['seq']));
    this.#pageAt = 0;
    this.#index = 0;
    this.#pagesEnd = this.#pages.length === 0;
    return !this.#pagesEnd;
  }

  #nextRow(): Suggestion | null {
    for (;;) {
      const position = this.#rows[this.#rowAt];
      if (position === undefined) {
        if (!this.#moreRows()) return null;
        continue;
      }
      if (!this.#from.slots.has(position)) return { position, paged: null, skip: () => this.#skipRow(position) };
      this.#skipRow(position);
    }
  }

  #skipRow(position: number): void {
    this.#rowCursor = position;
    this.#rowAt++;
  }

  #moreRows(): boolean {
    if (this.#rowsEnd) return false;
    const rows = this.#from.reader.all('rowsAtOnce', this.number, this.#rowCursor, this.#from.limit(), ROWS_AHEAD);
    this.#rows = rows.map((row) => Number(row['position']));
    this.#rowAt = 0;
    this.#rowsEnd = this.#rows.length === 0;
    return !this.#rowsEnd;
  }

  #nextBehind(): Suggestion | null {
    for (let position = this.#behind.peek(); position !== undefined; position = this.#behind.peek()) {
      const found = position;
      if (!this.#from.slots.has(found)) {
        return { position: found, paged: null, skip: () => void this.#behind.pop() };
      }
      this.#behind.pop();
    }
    return null;
  }
}
