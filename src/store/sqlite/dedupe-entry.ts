/** A dedupe key as it is remembered: 46 bytes, whatever its length. */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { StoredEvent } from '../../core/event.ts';
import { readWords, type Words, writeWords } from './words.ts';

export const ENTRY_BYTES = 46;
const ID_AT = 16;
const CRC_AT = 32;
const LENGTH_AT = 36;
const EXPIRES_AT = 40;
const HIGH = 2 ** 32;

/** The first 128 bits of SHA-256 over (source, tenant, type, key). */
export type Digest = Words;

/** What is remembered of the first event with a key. */
export interface DedupeEntry {
  readonly digest: Digest;
  readonly id: Words;
  /** Of the body: enough to tell that a repeat differs. */
  readonly crc: number;
  readonly length: number;
  /** Received time from which the key is new again. */
  readonly expiresAt: number;
}

/** Every part but the last carries its length, so that no two scopes read alike. */
export function digestOf(event: StoredEvent, dedupeKey: string): Digest {
  const { source, tenant, type } = event;
  const scope = tenant === null ? '-' : `${tenant.length}:${tenant}`;
  // As latin-1 text: a third of the cost of a Buffer.
  const named = `${source.length}:${source}${scope}${type.length}:${type}${dedupeKey}`;
  const text = hash('sha256', named, 'latin1' as 'hex');
  return { a: word(text, 0), b: word(text, 4), c: word(text, 8), d: word(text, 12) };
}

export function crcOf(body: Uint8Array | null): number {
  return body === null ? 0 : crc32(body);
}

export function writeEntry(view: DataView, at: number, entry: DedupeEntry): void {
  writeWords(view, at, entry.digest);
  writeWords(view, at + ID_AT, entry.id);
  view.setUint32(at + CRC_AT, entry.crc);
  view.setUint32(at + LENGTH_AT, entry.length);
  const expiresAt = Math.max(0, Math.ceil(entry.expiresAt));
  view.setUint16(at + EXPIRES_AT, Math.min(0xffff, Math.floor(expiresAt / HIGH)));
  view.setUint32(at + EXPIRES_AT + 2, expiresAt % HIGH);
}

export function readEntry(view: DataView, at: number): DedupeEntry {
  return {
    digest: readWords(view, at),
    id: readWords(view, at + ID_AT),
    crc: view.getUint32(at + CRC_AT),
    length: view.getUint32(at + LENGTH_AT),
    expiresAt: expiryAt(view, at),
  };
}

export function expiryAt(view: DataView, at: number): number {
  return view.getUint16(at + EXPIRES_AT) * HIGH + view.getUint32(at + EXPIRES_AT + 2);
}

export function clearExpiry(view: DataView, at: number): void {
  view.setUint16(at + EXPIRES_AT, 0);
  view.setUint32(at + EXPIRES_AT + 2, 0);
}

function word(text: string, at: number): number {
  const high = (text.charCodeAt(at) << 8) | text.charCodeAt(at + 1);
  return ((high << 16) | (text.charCodeAt(at + 2) << 8) | text.charCodeAt(at + 3)) >>> 0;
}
