/** The stored answers of sync sources. */
import type { StoredAnswer } from '../store.ts';
import type { Reader } from './reader.ts';

/** The answer stored for an event; `null`: none. */
export function readAnswer(reader: Reader, eventId: Uint8Array): StoredAnswer | null {
  const row = reader.first('answer', eventId);
  if (row === null) return null;
  const headers = JSON.parse(String(row['headers'])) as StoredAnswer['headers'];
  // A plain array: what the driver gives may be a view of something else.
  return { status: Number(row['status']), headers, body: new Uint8Array(row['body'] as Uint8Array) };
}
