/**
 * One filter over many runs of dedupe keys: a Bloom filter per run, stored across. Word n holds bit n of 32 filters, so
 * asking all 32 runs about a key costs as many reads of memory as asking one: five on average, until no run is left.
 * At 16 bits a key and six probes, a new key is taken for an old one in 1 of 1,000 runs; the run itself then decides.
 */
import type { Digest } from './dedupe-entry.ts';

/** Runs that share a filter. */
export const COLUMNS = 32;
const BITS_PER_KEY = 16;
const PROBES = 6;

/** How many bits the filter of a run has: a power of two. */
export function filterBits(keysPerRun: number): number {
  return Math.max(256, 2 ** Math.ceil(Math.log2(keysPerRun * BITS_PER_KEY)));
}

/** The bit that a probe looks at. */
function bitAt({ b, c }: Digest, probe: number, bits: number): number {
  return (b + Math.imul(probe, c | 1)) & (bits - 1);
}

export class FilterGroup {
  readonly #words: Uint32Array;

  constructor(bits: number) {
    this.#words = new Uint32Array(bits);
  }

  /** Which runs may hold the key: bit n for column n. */
  candidates(digest: Digest): number {
    const words = this.#words;
    let columns = 0xffffffff;
    for (let probe = 0; probe < PROBES && columns !== 0; probe++) {
      columns &= words[bitAt(digest, probe, words.length)] ?? 0;
    }
    return columns;
  }

  /** Puts part of a run's filter into its column, in place of what was there: `bytes` starts at bit `from`. */
  load(column: number, from: number, bytes: Uint8Array): void {
    const words = this.#words;
    const keep = ~(1 << column);
    // Without branches: a third of the bits are set, in no order a processor could guess.
    for (let index = 0, word = from; index < bytes.length; index++) {
      const byte = bytes[index] ?? 0;
      for (let bit = 0; bit < 8; bit++, word++) {
        words[word] = ((words[word] ?? 0) & keep) | (((byte >>> bit) & 1) << column);
      }
    }
  }
}

/** The filter of one run while it is made. */
export class RunFilter {
  readonly bits: number;
  readonly bytes: Uint8Array;

  constructor(bits: number) {
    this.bits = bits;
    this.bytes = new Uint8Array(bits / 8);
  }

  add(digest: Digest): void {
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = bitAt(digest, probe, this.bits);
      this.bytes[bit >>> 3] = (this.bytes[bit >>> 3] ?? 0) | (1 << (bit & 7));
    }
  }
}
