/**
 * The marks of a chunk: a small Bloom filter over the sources, types, tenants, dedupe keys and correlation ids in it.
 * A list with a filter skips a chunk without decoding it. It may say yes wrongly, never no.
 */

/** What is marked; the same text in two fields is two marks. */
export type MarkField = 'source' | 'type' | 'tenant' | 'dedupeKey' | 'correlationId';

const SEEDS: Readonly<Record<MarkField, number>> = {
  source: 0x1b873593,
  type: 0x2c9277b5,
  tenant: 0x3a21c3f1,
  dedupeKey: 0x4f6cdd1d,
  correlationId: 0x5bd1e995,
};

/** About 1 wrong yes in 100. */
const BITS_PER_MARK = 10;
const PROBES = 5;

/** A 32-bit hash (FNV-1a, then mixed). Not for adversaries: a chosen collision costs them a chunk decoded in vain. */
export function markOf(field: MarkField, text: string): number {
  let hash = SEEDS[field];
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

export function makeMarks(hashes: readonly number[]): Uint8Array {
  const marks = new Uint8Array(Math.max(1, Math.ceil((hashes.length * BITS_PER_MARK) / 8)));
  const bits = marks.length * 8;
  for (const hash of hashes) {
    let at = hash;
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = at % bits;
      marks[bit >>> 3] = (marks[bit >>> 3] ?? 0) | (1 << (bit & 7));
      at = next(at);
    }
  }
  return marks;
}

/** Whether `hash` may be among the marks. */
export function mayHold(marks: Uint8Array, hash: number): boolean {
  const bits = marks.length * 8;
  let at = hash;
  for (let probe = 0; probe < PROBES; probe++) {
    const bit = at % bits;
    if (((marks[bit >>> 3] ?? 0) & (1 << (bit & 7))) === 0) return false;
    at = next(at);
  }
  return true;
}

function next(hash: number): number {
  return (Math.imul(hash, 0x9e3779b1) + 0x7f4a7c15) >>> 0;
}
