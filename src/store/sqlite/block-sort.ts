/**
 * The entries of a full bucket in the order of a run's blocks: a counting sort that goes on step by step, since sorting
 * 128 Ki entries at once holds the event loop for a tenth of a second.
 */
import type { Bucket } from './bucket.ts';
import { ENTRY_BYTES } from './dedupe-entry.ts';

export class BlockSort {
  /** The entries, once it is done: those of a block in the order in which they came. */
  readonly bytes: Uint8Array;
  /** Where each block begins, and the last ends, in entries. */
  readonly starts: Uint32Array;
  readonly #bucket: Bucket;
  readonly #bits: number;
  #next: Uint32Array | null = null;
  #counted = 0;
  #placed = 0;

  constructor(bucket: Bucket, bits: number) {
    this.#bucket = bucket;
    this.#bits = bits;
    this.bytes = new Uint8Array(bucket.count * ENTRY_BYTES);
    this.starts = new Uint32Array((1 << bits) + 1);
  }

  get isDone(): boolean {
    return this.#placed === this.#bucket.count;
  }

  /** Goes on by so many entries, each of which is looked at twice. Answers how many are left over. */
  step(entries: number): number {
    const bucket = this.#bucket;
    let left = entries;
    for (; left > 0 && this.#counted < bucket.count; left--) {
      bump(this.starts, bucket.blockOf(this.#counted++, this.#bits) + 1);
    }
    if (this.#counted < bucket.count) return left;
    this.#next ??= this.#sum();
    for (; left > 0 && this.#placed < bucket.count; left--) {
      const to = bump(this.#next, bucket.blockOf(this.#placed, this.#bits));
      bucket.copyEntry(this.#placed++, this.bytes, to * ENTRY_BYTES);
    }
    return left;
  }

  /** From how many each block has to where it begins. */
  #sum(): Uint32Array {
    const { starts } = this;
    for (let block = 1; block < starts.length; block++) starts[block] = (starts[block] ?? 0) + (starts[block - 1] ?? 0);
    return starts.slice();
  }
}

function bump(counts: Uint32Array, at: number): number {
  const before = counts[at] ?? 0;
  counts[at] = before + 1;
  return before;
}
