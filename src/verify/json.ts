/**
 * Reading fields of a JSON body, for schemes that sign or compare fields instead of bytes. A field of another type
 * than expected is no field: nothing is converted on the way to a comparison.
 */
import { Buffer } from 'node:buffer';
import { hashOnce } from './one-shot.ts';

/** A JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** The parsed body, or `undefined` when it is not JSON in UTF-8. */
export function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    return undefined;
  }
}

/** The value as an object; an empty one where it is something else. */
export function asObject(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** The value as an array; an empty one where it is something else. */
export function asArray(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A field that is text and not empty; else `null`. */
export function textOf(object: JsonObject, name: string): string | null {
  const value = object[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

/** SHA-256 in hex, for keys made of more than a key should hold. Text is taken as UTF-8. */
export function digestOf(data: string | Uint8Array): string {
  return hashOnce('sha256', data, 'hex');
}

/** JSON with the keys of every object in order, so that equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return item;
    return Object.fromEntries(Object.entries(item).toSorted(([left], [right]) => (left < right ? -1 : 1)));
  });
}
