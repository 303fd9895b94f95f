/** A body as it arrives: one piece as it is, several in one buffer that grows, so that tiny pieces cost no more. */

const EMPTY = new Uint8Array(0);
const FIRST_BYTES = 4096;

export class BodyBuffer {
  readonly #bytesMax: number;
  readonly #expected: number;
  #bytes: Uint8Array = EMPTY;
  #length = 0;
  /** Whether `#bytes` is ours to write to, and not the one piece that came. */
  #own = false;

  /** @param expected The length the sender announced; `-1` where it did not. */
  constructor(bytesMax: number, expected: number) {
    this.#bytesMax = bytesMax;
    this.#expected = expected;
  }

  /** Bytes of memory it holds. */
  get held(): number {
    return this.#bytes.length;
  }

  /** The body so far. */
  get bytes(): Uint8Array {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.#length);
  }

  /** Takes a piece; `false`, and takes nothing, when the body would be larger than it may be. */
  add(piece: Uint8Array): boolean {
    const length = this.#length + piece.length;
    if (length > this.#bytesMax) return false;
    if (this.#length === 0 && !this.#own) {
      this.#bytes = piece;
    } else {
      if (!this.#own || length > this.#bytes.length) this.#grow(length);
      this.#bytes.set(piece, this.#length);
    }
    this.#length = length;
    return true;
  }

  #grow(needed: number): void {
    const doubled = Math.min(this.#bytesMax, Math.max(FIRST_BYTES, needed, this.#bytes.length * 2));
    // What was announced is believed once a good part of it is there, so that nobody reserves memory with a number.
    const size = this.#expected >= needed && this.#expected <= doubled * 2 ? this.#expected : doubled;
    // Its own allocation: a slice of Node's shared pool would keep the pool alive as long as the event.
    const grown = Buffer.allocUnsafeSlow(size);
    grown.set(this.bytes);
    this.#bytes = grown;
    this.#own = true;
  }
}
