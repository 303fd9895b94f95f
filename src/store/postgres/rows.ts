/** From columns to what the port gives. Numbers that PostgreSQL gives as text are within 2^53 by construction. */
import type { StoredEvent } from '../../core/event.ts';
import type { StoredAnswer } from '../store.ts';
import type { Row } from './connection.ts';
import { deliveryId } from './delivery-id.ts';
import { givenJson, givenText } from './text.ts';

export function numberIn(row: Row, name: string): number {
  return Number(row[name]);
}

export function numberOrNull(row: Row, name: string): number | null {
  const value = row[name];
  return value === null || value === undefined ? null : Number(value);
}

export function textIn(row: Row, name: string): string {
  return givenText(String(row[name]));
}

export function textOrNull(row: Row, name: string): string | null {
  const value = row[name];
  return typeof value === 'string' ? givenText(value) : null;
}

/** Of a jsonb column that was asked for as text. */
export function jsonIn(row: Row, name: string): unknown {
  const value = row[name];
  return typeof value === 'string' ? givenJson(value) : null;
}

/** The columns that make a {@link StoredEvent}, of a table named `e`. */
export const EVENT_COLUMNS = `e.id, e.source, e.type, e.tenant, e.dedupe_key, e.order_key, e.received_at, e.method, e.path,
  e.query, e.headers, e.body, e.correlation_id, e.traceparent, e.unfit, e.duplicate_of`;

export function eventOf(row: Row): StoredEvent {
  const body = row['body'];
  return {
    id: textIn(row, 'id'),
    source: textIn(row, 'source'),
    type: textIn(row, 'type'),
    tenant: textOrNull(row, 'tenant'),
    dedupeKey: textOrNull(row, 'dedupe_key'),
    orderKey: textOrNull(row, 'order_key'),
    receivedAt: numberIn(row, 'received_at'),
    method: textIn(row, 'method'),
    path: textIn(row, 'path'),
    query: textIn(row, 'query'),
    headers: row['headers'] as string[],
    body: body instanceof Uint8Array ? body : null,
    correlationId: textIn(row, 'correlation_id'),
    traceparent: textOrNull(row, 'traceparent'),
    unfit: textOrNull(row, 'unfit'),
    duplicateOf: textOrNull(row, 'duplicate_of'),
  };
}

/** Of the columns `status`, `answer_headers`, `answer_body`; `null` when there is no answer. */
export function answerOf(row: Row): StoredAnswer | null {
  const status = numberOrNull(row, 'status');
  if (status === null) return null;
  return {
    status,
    headers: row['answer_headers'] as [string, string][],
    body: row['answer_body'] as Uint8Array,
  };
}

/** The order key in the text of a `key`, which is a JSON array of tenant and order key. */
export function orderKeyOf(key: unknown): string | null {
  return typeof key === 'string' ? givenText((JSON.parse(key) as [string | null, string])[1]) : null;
}

/** The id of the delivery that a row repeats. */
export function replayOfIn(row: Row): string | null {
  const seq = numberOrNull(row, 'replay_of');
  return seq === null ? null : deliveryId({ seq, committedAt: numberIn(row, 'replay_of_at') });
}
