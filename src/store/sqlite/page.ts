/**
 * A page holds the deliveries that one chunk of events owes to one destination, as long as they take the short way:
 * unordered, due at once, succeeded at the first try. Committing or settling 256 of them writes one small blob instead
 * of 256 rows. A delivery that leaves the short way becomes a row (rows.ts), and its entry here says so.
 */
import type { AttemptRecord } from '../../core/delivery.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { readColumn, writeColumn } from './column.ts';
import { damaged } from './failure.ts';
import { positionOf } from './position.ts';
import { seal, unseal } from './sealed.ts';

/** The states of an entry. */
export const OPEN = 0;
export const STARTED = 1;
export const SUCCEEDED = 2;
/** It is a row now, or purged. */
export const MOVED = 3;

const VERSION = 1;
const ENTRIES_MAX = 0x10000;
const DURATION_MAX = 0xffffff;
const DELTA_MAX = 0x7fffffff;
/** HTTP status that fits beside the duration: 0 is none. */
const STATUS_BASE = 199;
const STATUS_MAX = 299;

/** What a page is called in the table `page`. */
export interface PageKey {
  /** The number of the destination. */
  readonly destination: number;
  /** The first seq of the chunk. */
  readonly seq: number;
}

/** One page, in memory. Never changed once it is shared: a commit changes its own {@link Page.copy}. */
export class Page {
  readonly key: PageKey;
  readonly committedAt: number;
  readonly count: number;
  /** Entries that are open or started. */
  open = 0;
  started = 0;
  /** Who made the first tries that are kept here; `null` before the first. */
  worker: string | null = null;
  /** Event (seq - key.seq) and ordinal of each entry; the low two bits of `marks` are its state. */
  readonly offsets: Uint16Array;
  readonly marks: Uint16Array;
  #startedAt: Int32Array | null = null;
  /** Status in the high byte, milliseconds in the rest. */
  #lasted: Uint32Array | null = null;
  #endedAt: Int32Array | null = null;

  constructor(key: PageKey, committedAt: number, entries: { offsets: Uint16Array; marks: Uint16Array }) {
    this.key = key;
    this.committedAt = committedAt;
    this.offsets = entries.offsets;
    this.marks = entries.marks;
    this.count = entries.offsets.length;
  }

  copy(): Page {
    const twin = new Page(this.key, this.committedAt, { offsets: this.offsets, marks: this.marks.slice() });
    twin.open = this.open;
    twin.started = this.started;
    twin.worker = this.worker;
    twin.#startedAt = this.#startedAt?.slice() ?? null;
    twin.#lasted = this.#lasted?.slice() ?? null;
    twin.#endedAt = this.#endedAt?.slice() ?? null;
    return twin;
  }

  seq(index: number): number {
    return this.key.seq + (this.offsets[index] ?? 0);
  }

  ordinal(index: number): number {
    return (this.marks[index] ?? 0) >>> 2;
  }

  state(index: number): number {
    return (this.marks[index] ?? 0) & 3;
  }

  isOpen(index: number): boolean {
    return this.state(index) <= STARTED;
  }

  /** The entry of a delivery; -1 when it is not here. Entries rise by event and ordinal. */
  find(seq: number, ordinal: number): number {
    const wanted = (seq - this.key.seq) * 0x4000 + ordinal;
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = (this.offsets[middle] ?? 0) * 0x4000 + this.ordinal(middle);
      if (found === wanted) return middle;
      if (found < wanted) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** The entries in this state or a lower one. */
  *entries(highest: number): Generator<number> {
    for (let index = 0; index < this.count; index++) if (this.state(index) <= highest) yield index;
  }

  /** The position of an entry. */
  position(index: number): number {
    return positionOf(this.seq(index), this.ordinal(index));
  }

  /** Sets the state of an entry and keeps the sums. Only on a copy that no one else holds yet. */
  mark(index: number, state: number): void {
    const before = this.state(index);
    this.open += Number(state <= STARTED) - Number(before <= STARTED);
    this.started += Number(state === STARTED) - Number(before === STARTED);
    this.marks[index] = ((this.marks[index] ?? 0) & ~3) | state;
  }

  /**
   * Notes a success at the first try; its exchange lies elsewhere. `false` when its record does not fit here exactly;
   * then it becomes a row.
   */
  succeed(index: number, attempt: AttemptRecord, endedAt: number): boolean {
    const startedAt = attempt.startedAt - this.committedAt;
    const ended = endedAt - this.committedAt;
    const status = attempt.status === null ? 0 : attempt.status - STATUS_BASE;
    const fits =
      attempt.number === 1 &&
      attempt.outcome === 'succeeded' &&
      attempt.error === null &&
      (this.worker === null || this.worker === attempt.worker) &&
      isDelta(startedAt) &&
      isDelta(ended) &&
      isWithin(attempt.durationMs, 0, DURATION_MAX) &&
      (attempt.status === null || isWithin(attempt.status, STATUS_BASE + 1, STATUS_MAX));
    if (!fits) return false;
    this.#startedAt ??= new Int32Array(this.count);
    this.#lasted ??= new Uint32Array(this.count);
    this.#endedAt ??= new Int32Array(this.count);
    this.worker = attempt.worker;
    this.#startedAt[index] = startedAt;
    this.#lasted[index] = status * 0x1000000 + attempt.durationMs;
    this.#endedAt[index] = ended;
    this.mark(index, SUCCEEDED);
    return true;
  }

  endedAt(index: number): number {
    return this.committedAt + (this.#endedAt?.[index] ?? 0);
  }

  /** The record of the try that succeeded, without its exchange. */
  attempt(index: number): AttemptRecord {
    const lasted = this.#lasted?.[index] ?? 0;
    const status = Math.floor(lasted / 0x1000000);
    return {
      number: 1,
      startedAt: this.committedAt + (this.#startedAt?.[index] ?? 0),
      durationMs: lasted % 0x1000000,
      outcome: 'succeeded',
      status: status === 0 ? null : status + STATUS_BASE,
      error: null,
      worker: this.worker ?? '',
      exchange: null,
    };
  }

  encode(): Uint8Array {
    const out = new ByteWriter(64 + this.count * 4);
    out.varint(VERSION);
    out.varint(this.count);
    out.number(this.committedAt);
    writeColumn(out, steps(this.offsets));
    writeColumn(out, this.marks);
    out.varint(this.worker === null ? 0 : 1);
    if (this.worker !== null && this.#startedAt !== null && this.#lasted !== null && this.#endedAt !== null) {
      const worker = Buffer.from(this.worker, 'utf8');
      out.varint(worker.length);
      out.raw(worker);
      writeColumn(out, this.#startedAt);
      writeColumn(out, this.#lasted);
      writeColumn(out, this.#endedAt);
    }
    return seal('page', sealKey(this.key), out.take());
  }

  /** @throws HoldfastError store_corrupt */
  static decode(key: PageKey, blob: Uint8Array): Page {
    const place = `page ${key.destination}/${key.seq}`;
    const from = new ByteReader(unseal('page', sealKey(key), blob), place);
    const version = from.varint();
    const count = from.varint();
    if (version !== VERSION || count > ENTRIES_MAX) throw damaged(place);
    const committedAt = from.number();
    const entries = { offsets: new Uint16Array(count), marks: new Uint16Array(count) };
    readColumn(from, entries.offsets);
    readColumn(from, entries.marks);
    sums(entries.offsets);
    const page = new Page(key, committedAt, entries);
    page.recount();
    if (from.varint() === 1) {
      page.worker = Buffer.from(from.raw(from.varint())).toString('utf8');
      readColumn(from, (page.#startedAt = new Int32Array(count)));
      readColumn(from, (page.#lasted = new Uint32Array(count)));
      readColumn(from, (page.#endedAt = new Int32Array(count)));
    }
    return page;
  }

  /** Counts again what is open and started. */
  recount(): void {
    this.open = 0;
    this.started = 0;
    for (let index = 0; index < this.count; index++) {
      if (this.isOpen(index)) this.open++;
      if (this.state(index) === STARTED) this.started++;
    }
  }

  /** The page without entries for which `drops` is true; for retention. */
  without(drops: (index: number) => boolean): Page {
    const kept = Array.from({ length: this.count }, (_, index) => index).filter((index) => !drops(index));
    const pick = <Column extends Uint16Array | Int32Array | Uint32Array>(from: Column | null, into: Column): Column => {
      kept.forEach((index, at) => (into[at] = from?.[index] ?? 0));
      return into;
    };
    const page = new Page(this.key, this.committedAt, {
      offsets: pick(this.offsets, new Uint16Array(kept.length)),
      marks: pick(this.marks, new Uint16Array(kept.length)),
    });
    page.worker = this.worker;
    page.#startedAt = this.#startedAt && pick(this.#startedAt, new Int32Array(kept.length));
    page.#lasted = this.#lasted && pick(this.#lasted, new Uint32Array(kept.length));
    page.#endedAt = this.#endedAt && pick(this.#endedAt, new Int32Array(kept.length));
    page.recount();
    return page;
  }
}

/** Both halves in one number: the seal is about the row, not about finding it. */
function sealKey(key: PageKey): number {
  return key.destination * 2 ** 20 + (key.seq % 2 ** 20) + key.seq / 2 ** 43;
}

function isDelta(value: number): boolean {
  return Number.isInteger(value) && Math.abs(value) <= DELTA_MAX;
}

function isWithin(value: number, low: number, high: number): boolean {
  return Number.isInteger(value) && value >= low && value <= high;
}

/** Offsets as steps from one to the next: all alike when every event is there. */
function steps(offsets: Uint16Array): Uint16Array {
  const out = new Uint16Array(offsets.length);
  let before = 0;
  for (let index = 0; index < offsets.length; index++) {
    const offset = offsets[index] ?? 0;
    out[index] = offset - before;
    before = offset;
  }
  return out;
}

function sums(offsets: Uint16Array): void {
  let sum = 0;
  for (let index = 0; index < offsets.length; index++) {
    sum += offsets[index] ?? 0;
    offsets[index] = sum;
  }
}
