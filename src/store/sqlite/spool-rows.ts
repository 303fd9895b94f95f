/** An append of the spool as the columns of its row: what is JSON as JSON, the bodies one after the other. */
import { crc32 } from 'node:zlib';
import type { StoredEvent } from '../../core/event.ts';
import type { SpooledAppend, SpooledEvent, SpooledRow } from '../spool.ts';
import { damaged } from './failure.ts';
import type { Param, Row } from './script.ts';

/** How `meta` and `bodies` are written: as they are. */
const PLAIN = 0;

/** An event without its body, whose length it says; `null`: it has none. */
interface WrittenEvent extends Omit<SpooledEvent, 'event'> {
  readonly event: Omit<StoredEvent, 'body'>;
  readonly bodyBytes: number | null;
}

export interface EncodedAppend {
  readonly meta: string;
  readonly bodies: Uint8Array;
  /** What it counts for against the bound. */
  readonly bytes: number;
}

export function encodeAppend({ events }: SpooledAppend): EncodedAppend {
  const bodies = new Uint8Array(events.reduce((sum, { event }) => sum + (event.body?.length ?? 0), 0));
  let at = 0;
  const written = events.map(({ event: { body, ...event }, dedupeWindowMs, dueAt }): WrittenEvent => {
    if (body !== null) bodies.set(body, at);
    at += body?.length ?? 0;
    return { event, dedupeWindowMs, dueAt, bodyBytes: body === null ? null : body.length };
  });
  const meta = JSON.stringify(written);
  return { meta, bodies, bytes: Buffer.byteLength(meta) + bodies.length };
}

/** The last columns of its row: encoding, sum, meta, bodies. */
export function columnsOf({ meta, bodies }: EncodedAppend): readonly Param[] {
  return [PLAIN, sumOf(meta, bodies), meta, bodies];
}

/** @throws HoldfastError store_corrupt when it is not what was written */
export function decodeRow(row: Row, offeredTo: number): SpooledRow {
  const place = Number(row['place']);
  const meta = String(row['meta']);
  const bodies = row['bodies'] instanceof Uint8Array ? row['bodies'] : new Uint8Array();
  if (row['encoding'] !== PLAIN || row['sum'] !== sumOf(meta, bodies)) throw damaged(`the spool, row ${place}`);
  let at = 0;
  const events = (JSON.parse(meta) as WrittenEvent[]).map(({ event, dedupeWindowMs, dueAt, bodyBytes }) => {
    const body = bodyBytes === null ? null : bodies.slice(at, (at += bodyBytes));
    return { event: { ...event, body }, dedupeWindowMs, dueAt };
  });
  return { place, events, doubtful: row['doubtful'] === 1 || place <= offeredTo };
}

function sumOf(meta: string, bodies: Uint8Array): number {
  return crc32(bodies, crc32(meta));
}
