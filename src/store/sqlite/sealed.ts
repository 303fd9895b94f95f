/**
 * Every blob on disk is sealed: an encoding byte, a checksum, then the bytes, compressed when that pays. The checksum
 * covers what the blob is and where it belongs, so a blob that turns up in the wrong row is damage too.
 */
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { damaged } from './failure.ts';

/** How the bytes after the head are written. Stays readable for ever; new ways get new numbers. */
const PLAIN = 1;
const ZSTD = 2;
const HEAD = 9;
/** Digests and filters are noise: trying to compress them is wasted. */
const COMPRESSED: ReadonlySet<SealKind> = new Set(['chunk', 'body', 'page']);

/**
 * A zstd call costs about 100 µs before it compresses anything. From this size on that is less than 4 µs an event; a
 * store whose commits are smaller is so quiet that it has disk to spare.
 */
const COMPRESS_FROM = 24 * 1024;
/** Level 1 measured smaller *and* faster than -1 and 3 on blocks of 256 JSON bodies. */
const ZSTD_PARAMS = { [constants.ZSTD_c_compressionLevel]: 1 };
/** No blob of ours comes near: a length above it is damage, and is not allocated. */
const RAW_BYTES_MAX = 1 << 30;

/** What a blob is. */
export type SealKind = 'chunk' | 'body' | 'page' | 'recent' | 'run' | 'filter';

const KIND_SEEDS: Readonly<Record<SealKind, number>> = { chunk: 1, body: 2, page: 3, recent: 4, run: 5, filter: 6 };

/** The blob to store for `raw`, belonging to row `key` (or a pair of numbers that names it). */
export function seal(kind: SealKind, key: number, raw: Uint8Array): Uint8Array {
  if (raw.length >= COMPRESS_FROM && COMPRESSED.has(kind)) {
    // Half is more than enough mostly: in one piece, instead of pieces of 16 KiB that are joined at the end.
    const packed = zstdCompressSync(raw, { params: ZSTD_PARAMS, chunkSize: raw.length >>> 2 });
    if (packed.length < raw.length * 0.9) return framed(ZSTD, raw.length, { kind, key, data: packed });
  }
  return framed(PLAIN, raw.length, { kind, key, data: raw });
}

/**
 * The bytes of a sealed blob.
 * @throws HoldfastError store_corrupt
 */
export function unseal(kind: SealKind, key: number, blob: Uint8Array): Uint8Array {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
  if (blob.length < HEAD) throw damaged(`${kind} ${key}`);
  const encoding = view.getUint8(0);
  const length = view.getUint32(5, true);
  const data = blob.subarray(HEAD);
  if (view.getUint32(1, true) !== checksum(encoding, length, { kind, key, data })) throw damaged(`${kind} ${key}`);
  if (encoding === PLAIN && length === data.length) return data;
  if (encoding !== ZSTD || length > RAW_BYTES_MAX) throw damaged(`${kind} ${key}`);
  const raw = zstdDecompressSync(data, { maxOutputLength: length });
  if (raw.length !== length) throw damaged(`${kind} ${key}`);
  // Not as a Buffer, whose `slice` copies nothing.
  return new Uint8Array(raw.buffer, raw.byteOffset, length);
}

interface Contents {
  readonly kind: SealKind;
  readonly key: number;
  readonly data: Uint8Array;
}

function framed(encoding: number, rawLength: number, contents: Contents): Uint8Array {
  const blob = new Uint8Array(HEAD + contents.data.length);
  const view = new DataView(blob.buffer);
  view.setUint8(0, encoding);
  view.setUint32(1, checksum(encoding, rawLength, contents), true);
  view.setUint32(5, rawLength, true);
  blob.set(contents.data, HEAD);
  return blob;
}

const PREFIX = new Uint8Array(14);
const PREFIX_VIEW = new DataView(PREFIX.buffer);

function checksum(encoding: number, rawLength: number, contents: Contents): number {
  PREFIX_VIEW.setUint8(0, encoding);
  PREFIX_VIEW.setUint8(1, KIND_SEEDS[contents.kind]);
  PREFIX_VIEW.setFloat64(2, contents.key, true);
  PREFIX_VIEW.setUint32(10, rawLength, true);
  return crc32(contents.data, crc32(PREFIX));
}
