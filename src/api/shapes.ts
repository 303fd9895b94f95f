/** Events, deliveries and replays as they are answered. */
import { z } from '@hono/zod-openapi';
import type { AttemptRecord } from '../core/delivery.ts';
import type { HeaderList } from '../core/event.ts';
import type { Exchange } from '../core/exchange.ts';
import type { DeliveryRecord, EventRecord, EventSummary } from '../store/store.ts';
import type { ReplayFilter, ReplayStatus } from './port.ts';
import { deadReason, deliveryState, isoTime, isoTimeOrNull, time } from './schema.ts';

export const eventShape = z
  .object({
    id: z.string(),
    source: z.string(),
    type: z.string().openapi({ description: 'Empty when the source names none.' }),
    tenant: z.string().nullable(),
    dedupeKey: z.string().nullable(),
    orderKey: z.string().nullable(),
    receivedAt: time,
    correlationId: z.string(),
    bodyBytes: z.number().int(),
    unfit: z.string().nullable().openapi({ description: 'Why the body does not fit the schema of its source.' }),
    duplicateOf: z.string().nullable().openapi({ description: 'The event it repeats with another body.' }),
    owed: z
      .number()
      .int()
      .openapi({ description: 'Deliveries owed when it was committed; 0: no destination matched.' }),
  })
  .openapi('Event');

/** An event as it is listed. */
export function showEvent(event: EventSummary): z.output<typeof eventShape> {
  return { ...event, receivedAt: isoTime(event.receivedAt) };
}

/** A header as it is shown. */
export const headerShape = z.object({ name: z.string(), value: z.string() });

export const eventDetailShape = eventShape
  .extend({
    method: z.string(),
    path: z.string(),
    query: z.string(),
    headers: z.array(headerShape).openapi({ description: 'As received; headers that are credentials are redacted.' }),
    traceparent: z.string().nullable(),
    bodyKept: z.boolean().openapi({ description: 'false: retention has purged the body.' }),
    bodyText: z
      .string()
      .nullable()
      .openapi({ description: 'The body, where it is text of at most 64 KiB; else see /body.' }),
  })
  .openapi('EventDetail');

/** An event with headers and, where it is text and short, its body. */
export function showEventDetail({ event, bodyBytes, owed }: EventRecord): z.output<typeof eventDetailShape> {
  const { body, headers, receivedAt, ...same } = event;
  return {
    ...same,
    bodyBytes,
    owed,
    receivedAt: isoTime(receivedAt),
    headers: showHeaders(headers),
    bodyKept: body !== null,
    bodyText: body === null ? null : shortText(body),
  };
}

/** Headers as they are shown: in the order received. */
export function showHeaders(headers: HeaderList): z.output<typeof headerShape>[] {
  const shown = [];
  for (let index = 0; index + 1 < headers.length; index += 2) {
    shown.push({ name: headers[index] ?? '', value: headers[index + 1] ?? '' });
  }
  return shown;
}

const BODY_TEXT_BYTES_MAX = 65_536;

/** The text of a body that is text and short enough to be shown; else `null`. */
export function shortText(body: Uint8Array): string | null {
  return body.length > BODY_TEXT_BYTES_MAX ? null : textOf(body);
}

/** The text of UTF-8 bytes without binary zeros; `null` when they are something else. */
export function textOf(body: Uint8Array): string | null {
  if (body.includes(0)) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
  } catch {
    return null;
  }
}

const duration = z.number().nullable();

const exchangeShape = z
  .object({
    request: z.object({ method: z.string(), url: z.string(), headers: z.array(headerShape) }),
    response: z
      .object({
        status: z.number().int(),
        headers: z.array(headerShape),
        bodyText: z.string().nullable().openapi({ description: 'The first 16 KiB, where they are text.' }),
        bodyBase64: z.string().nullable().openapi({ description: 'The first 16 KiB, where they are not.' }),
        bodyBytes: z.number().int().openapi({ description: 'Bytes that were read.' }),
      })
      .nullable(),
    times: z.object({ dnsMs: duration, connectMs: duration, tlsMs: duration, firstByteMs: duration }),
    remoteAddress: z.string().nullable(),
    code: z.string().nullable().openapi({ description: 'What went wrong, in one word; see docs/endpoints.md.' }),
  })
  .openapi('Exchange', { description: 'What an endpoint was sent and answered; secrets are redacted.' });

function showExchange({ request, response, ...same }: Exchange): z.output<typeof exchangeShape> {
  const bytes = Buffer.from(response?.body ?? '', 'base64');
  const bodyText = textOf(bytes);
  return {
    ...same,
    request: { ...request, headers: showHeaders(request.headers) },
    response: response && {
      status: response.status,
      headers: showHeaders(response.headers),
      bodyText,
      bodyBase64: bodyText === null ? response.body : null,
      bodyBytes: response.bodyBytes,
    },
  };
}

export const attemptShape = z
  .object({
    number: z.number().int(),
    startedAt: time,
    durationMs: z.number(),
    outcome: z.enum(['succeeded', 'skipped', 'failed', 'timeout', 'rejected', 'unavailable', 'crashed']),
    status: z.number().int().nullable().openapi({ description: 'HTTP status of an endpoint; null for handlers.' }),
    error: z.string().nullable(),
    worker: z.string().openapi({ description: 'Process and release that made it.' }),
    exchange: exchangeShape.nullable().openapi({ description: 'null for handlers.' }),
  })
  .openapi('Attempt');

export function showAttempt(attempt: AttemptRecord): z.output<typeof attemptShape> {
  const { startedAt, exchange } = attempt;
  return { ...attempt, startedAt: isoTime(startedAt), exchange: exchange && showExchange(exchange) };
}

export const deliveryShape = z
  .object({
    id: z.string(),
    eventId: z.string(),
    destination: z.string(),
    source: z.string(),
    type: z.string(),
    tenant: z.string().nullable(),
    orderKey: z.string().nullable(),
    state: deliveryState,
    attempts: z.number().int().openapi({ description: 'Attempts spent.' }),
    crashes: z.number().int(),
    receivedAt: time,
    committedAt: time,
    dueAt: time.nullable(),
    endedAt: time.nullable(),
    reason: deadReason.nullable().openapi({ description: 'Why it became a dead letter.' }),
    note: z.string().nullable(),
    resolved: z.object({ at: time, by: z.string(), note: z.string() }).nullable(),
    replayOf: z.string().nullable(),
    replayId: z.string().nullable(),
    lastError: z.string().nullable(),
  })
  .openapi('Delivery');

export function showDelivery(delivery: DeliveryRecord): z.output<typeof deliveryShape> {
  const { resolved } = delivery;
  return {
    ...delivery,
    receivedAt: isoTime(delivery.receivedAt),
    committedAt: isoTime(delivery.committedAt),
    dueAt: isoTimeOrNull(delivery.dueAt),
    endedAt: isoTimeOrNull(delivery.endedAt),
    resolved: resolved === null ? null : { ...resolved, at: isoTime(resolved.at) },
  };
}

export const nextShape = z
  .object({
    at: time.nullable().openapi({ description: 'When; null: as soon as what it waits for has ended.' }),
    why: z.string(),
  })
  .openapi('Next');

export const deliveryDetailShape = deliveryShape
  .extend({
    attemptList: z.array(attemptShape).openapi({ description: 'The kept attempts, oldest first.' }),
    next: nextShape
      .nullable()
      .openapi({ description: 'The next attempt and why it is not now; null when it has ended.' }),
  })
  .openapi('DeliveryDetail');

const replayFilterShown = z.object({
  destination: z.string().optional(),
  source: z.string().optional(),
  type: z.string().optional(),
  tenant: z.string().optional(),
  since: time.optional(),
  until: time.optional(),
  what: z.enum(['dead', 'all', 'unmatched']).optional(),
  reason: deadReason.optional(),
  to: z.string().optional(),
});

export const replayShape = z
  .object({
    id: z.string(),
    state: z.enum(['running', 'done', 'cancelled']),
    filter: replayFilterShown,
    ratePerS: z.number(),
    by: z.string(),
    startedAt: time,
    endedAt: time.nullable(),
    until: time.openapi({ description: 'What was received up to this time is in it, nothing later.' }),
    planned: z.number().int(),
    made: z.number().int(),
    refused: z.number().int().openapi({ description: 'Left out: body purged, already being replayed, gone.' }),
  })
  .openapi('Replay');

export function showReplay(replay: ReplayStatus): z.output<typeof replayShape> {
  return {
    ...replay,
    filter: showFilter(replay.filter),
    startedAt: isoTime(replay.startedAt),
    endedAt: isoTimeOrNull(replay.endedAt),
    until: isoTime(replay.until),
  };
}

function showFilter({ since, until, ...filter }: ReplayFilter): z.output<typeof replayFilterShown> {
  return {
    ...filter,
    ...(since === undefined ? {} : { since: isoTime(since) }),
    ...(until === undefined ? {} : { until: isoTime(until) }),
  };
}
