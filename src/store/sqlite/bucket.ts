/** The dedupe keys of one bucket, in memory: a table that is appended to until it is full, then frozen into a run. */
import {
  type DedupeEntry,
  type Digest,
  ENTRY_BYTES,
  clearExpiry,
  expiryAt,
  readEntry,
  writeEntry,
} from './dedupe-entry.ts';
import { hasWords } from './words.ts';

export class Bucket {
  readonly number: number;
  readonly capacity: number;
  #count = 0;
  #entries: DataView<ArrayBuffer>;
  /** Open addressing: entry + 1 at the first free slot from the digest's top bits on. At most half full. */
  #slots: Uint32Array;
  #shift: number;
  #newestExpiry = 0;

  constructor(number: number, capacity: number) {
    this.number = number;
    this.capacity = capacity;
    // As large as it will be: growing would move everything at once, and memory that is not written takes no room.
    const bits = Math.max(10, Math.ceil(Math.log2(capacity * 2)));
    this.#slots = new Uint32Array(1 << bits);
    this.#shift = 32 - bits;
    this.#entries = new DataView(new ArrayBuffer((1 << (bits - 1)) * ENTRY_BYTES));
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= this.capacity;
  }

  /** When the last of its keys is new again. */
  get newestExpiry(): number {
    return this.#newestExpiry;
  }

  /** Which entry is the newest of this key; -1: the key is not here. */
  find(digest: Digest): number {
    const mask = this.#slots.length - 1;
    let newest = 0;
    for (let slot = digest.a >>> this.#shift; ; slot = (slot + 1) & mask) {
      const index = this.#slots[slot] ?? 0;
      if (index === 0) break;
      if (index > newest && hasWords(this.#entries, (index - 1) * ENTRY_BYTES, digest)) newest = index;
    }
    return newest - 1;
  }

  entry(index: number): DedupeEntry {
    return readEntry(this.#entries, index * ENTRY_BYTES);
  }

  add(entry: DedupeEntry): void {
    if ((this.#count + 1) * 2 > this.#slots.length) this.#grow();
    const index = this.#count++;
    writeEntry(this.#entries, index * ENTRY_BYTES, entry);
    this.#newestExpiry = Math.max(this.#newestExpiry, entry.expiresAt);
    this.#place(index);
  }

  /** Entries as they were written together, on opening. */
  addAll(bytes: Uint8Array): void {
    const count = Math.floor(bytes.length / ENTRY_BYTES);
    while ((this.#count + count) * 2 > this.#slots.length) this.#grow();
    new Uint8Array(this.#entries.buffer).set(bytes.subarray(0, count * ENTRY_BYTES), this.#count * ENTRY_BYTES);
    for (const end = this.#count + count; this.#count < end;) {
      const index = this.#count++;
      this.#newestExpiry = Math.max(this.#newestExpiry, expiryAt(this.#entries, index * ENTRY_BYTES));
      this.#place(index);
    }
  }

  /** Entries before `end` that had expired at `now` count for nothing any more. */
  expire(end: number, now: number): void {
    for (let index = 0; index < Math.min(end, this.#count); index++) {
      if (expiryAt(this.#entries, index * ENTRY_BYTES) <= now) clearExpiry(this.#entries, index * ENTRY_BYTES);
    }
  }

  /** Which of 2^bits blocks an entry belongs to: by the top bits of its digest. */
  blockOf(index: number, bits: number): number {
    return Math.floor(this.#entries.getUint32(index * ENTRY_BYTES) / 2 ** (32 - bits));
  }

  copyEntry(index: number, to: Uint8Array, at: number): void {
    const from = index * ENTRY_BYTES;
    // Byte by byte: a view of each entry would be garbage of more bytes than it has.
    for (let byte = 0; byte < ENTRY_BYTES; byte++) to[at + byte] = this.#entries.getUint8(from + byte);
  }

  #place(index: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#entries.getUint32(index * ENTRY_BYTES) >>> this.#shift;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = index + 1;
  }

  #grow(): void {
    const bits = 33 - this.#shift;
    const entries = new ArrayBuffer((1 << (bits - 1)) * ENTRY_BYTES);
    new Uint8Array(entries).set(new Uint8Array(this.#entries.buffer));
    this.#entries = new DataView(entries);
    this.#slots = new Uint32Array(1 << bits);
    this.#shift = 32 - bits;
    for (let index = 0; index < this.#count; index++) this.#place(index);
  }
}
