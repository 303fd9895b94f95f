/** Events: search, one with its timeline, its raw bytes, replay, emit, cancel. */
import { z } from '@hono/zod-openapi';
import { HoldfastError } from '../errors.ts';
import { findEvent } from './found.ts';
import { digestOf, withDedupeKeys } from './idempotency.ts';
import type { AdminPort, EmitRequest } from './port.ts';
import { inputError } from './problem.ts';
import { jsonRoute, rawRoute, type Route, type Tools, type ValueRoute } from './route.ts';
import {
  flag,
  given,
  idOf,
  isoTime,
  listOf,
  moment,
  momentOf,
  name,
  pageOf,
  pageQuery,
  text,
  time,
  timeOf,
  when,
} from './schema.ts';
import { deliveryDetailShape, eventDetailShape, eventShape, showEvent, showEventDetail, textOf } from './shapes.ts';
import { type Attempted, type LiveOf, showAttempted, spooledTimeline, timelineOf, timelineShape } from './timeline.ts';

const params = z.object({ id: idOf('evt') });

/** Most deliveries of one event that its page shows. */
const DELIVERIES_MAX = 100;
/** Deliveries whose attempts are read in one turn of the event loop: each may have a hundred, with what was answered. */
const READ_AT_ONCE = 8;

const list = jsonRoute({
  method: 'get',
  path: '/api/events',
  group: 'events',
  scope: 'read',
  tenants: true,
  summary: 'Lists events, newest first.',
  query: z.object({
    source: name.optional(),
    type: text.optional(),
    tenant: text.optional(),
    correlationId: text.optional(),
    dedupeKey: text.optional(),
    since: when.optional(),
    until: when.optional(),
    unmatched: flag.optional().openapi({ description: 'true: only events that no destination matched.' }),
    ...pageQuery,
  }),
  answer: listOf(eventShape),
  async handle({ query }, { port, now }) {
    const { cursor: _cursor, limit: _limit, order: _order, since, until, ...same } = query;
    const filter = given({
      ...same,
      since: since && timeOf(since, now()),
      until: until && timeOf(until, now()),
    });
    const { rows, cursor } = await port.history.events(filter, pageOf(query));
    return { rows: rows.map(showEvent), cursor };
  },
});

const one = jsonRoute({
  method: 'get',
  path: '/api/events/{id}',
  group: 'events',
  scope: 'read',
  tenants: true,
  summary: 'Shows an event with one timeline of all that happened to it.',
  params,
  answer: z.object({
    event: eventDetailShape,
    alias: z.object({ id: z.string(), receivedAt: time, correlationId: z.string() }).nullable().openapi({
      description:
        'What was asked for, when it is another id: it was acknowledged while the store was away, and repeats this event.',
    }),
    spooled: z.boolean().openapi({ description: 'It is in the spool of this gateway, and in no store yet.' }),
    duplicates: z.object({ count: z.number().int() }),
    answer: z
      .object({ status: z.number().int(), bodyText: z.string().nullable() })
      .nullable()
      .openapi({ description: 'What a sync source answered.' }),
    deliveries: z.array(deliveryDetailShape),
    timeline: z.array(timelineShape),
  }),
  errors: ['not_found'],
  async handle({ params }, { port }) {
    const { record, alias, isSpooled } = await findEvent(port, params.id);
    const attempted = isSpooled ? [] : await attemptedOf(port, record.event.id);
    const live: LiveOf = (destination) => port.destination(destination);
    const { answer } = record;
    return {
      event: showEventDetail(record),
      alias:
        alias === null
          ? null
          : { id: alias.id, receivedAt: isoTime(alias.receivedAt), correlationId: alias.correlationId },
      spooled: isSpooled,
      duplicates: { count: record.duplicates.count },
      answer: answer === null ? null : { status: answer.status, bodyText: textOf(answer.body) },
      deliveries: attempted.map((delivery) => showAttempted(delivery, live)),
      timeline: isSpooled ? spooledTimeline(record) : timelineOf(record, attempted, live),
    };
  },
});

async function attemptedOf({ history }: Tools['port'], eventId: string): Promise<Attempted[]> {
  const { rows } = await history.deliveries({ eventId }, { limit: DELIVERIES_MAX, oldestFirst: true });
  const attempted: Attempted[] = [];
  for (let from = 0; from < rows.length; from += READ_AT_ONCE) {
    const group = rows.slice(from, from + READ_AT_ONCE);
    const read = group.map(async (delivery) => ({ delivery, attempts: await history.attempts(delivery.id) }));
    attempted.push(...(await Promise.all(read)));
    await new Promise((resolve) => setImmediate(resolve));
  }
  return attempted;
}

async function bodyOf(port: AdminPort, id: string): Promise<Uint8Array> {
  const { record } = await findEvent(port, id);
  if (record.event.body === null) throw new HoldfastError('body_purged');
  return record.event.body;
}

const body = rawRoute({
  method: 'get',
  path: '/api/events/{id}/body',
  group: 'events',
  scope: 'read',
  tenants: true,
  summary: 'Gives the body, byte for byte as received, as an attachment.',
  about: 'Always plain text or octets, whatever the sender called it: it is data, and no browser may run it.',
  params,
  media: ['text/plain', 'application/octet-stream'],
  errors: ['not_found', 'body_purged'],
  async handle({ params }, { port }) {
    const body = await bodyOf(port, params.id);
    const isText = textOf(body) !== null;
    return new Response(new Uint8Array(body), {
      headers: {
        'content-type': isText ? 'text/plain; charset=utf-8' : 'application/octet-stream',
        'content-disposition': `attachment; filename="${params.id}.${isText ? 'txt' : 'bin'}"`,
        'content-security-policy': "default-src 'none'; sandbox",
      },
    });
  },
});

/** Within the process: the bytes themselves. */
const bytesRoute: ValueRoute<Uint8Array> = {
  ...body,
  ask: async (given, { port }) => bodyOf(port, params.parse(given.params).id),
};

const replay = jsonRoute({
  method: 'post',
  path: '/api/events/{id}/replay',
  group: 'events',
  scope: 'admin',
  summary: 'Makes new deliveries of an event, to where it went or to the destinations named.',
  audit: 'event.replay',
  params,
  body: z.strictObject({ destinations: z.array(name).min(1).max(100).optional() }),
  bodyOptional: true,
  answer: z.object({ deliveryIds: z.array(z.string()) }),
  errors: ['not_found', 'body_purged', 'replay_open', 'destination_unknown'],
  async handle({ params, body }, { port, by, changed }) {
    const deliveryIds = await port.replayEvent(params.id, body.destinations ?? null, by);
    changed({ note: `made ${deliveryIds.join(', ')}`, after: deliveryIds });
    return { deliveryIds };
  },
});

const emission = z
  .strictObject({
    type: text,
    data: z.unknown().openapi({ description: 'Any JSON; it becomes the body.' }),
    tenant: text.optional(),
    dedupeKey: text.optional(),
    orderKey: text.optional(),
    at: moment
      .optional()
      .openapi({ description: 'Not delivered before: ISO 8601 or milliseconds since 1970. Cancellable until then.' }),
    correlationId: z
      .string()
      .regex(/^[\x21-\x7e]{1,256}$/)
      .optional(),
  })
  .openapi('Emission');

const emitted = z
  .object({
    id: z.string(),
    duplicate: z
      .boolean()
      .openapi({ description: 'true: an event with this dedupe key was there already; the id is its.' }),
  })
  .openapi('Emitted');

/** The draft writes it as a structured text, in quotes; most clients leave them out. */
const idempotencyKey = z
  .string()
  .regex(/^"?[\x21\x23-\x7e]{1,255}"?$/, 'expected 1 to 255 characters of visible ASCII')
  .transform((given) => given.replaceAll('"', ''))
  .openapi({ type: 'string', description: "Any text that is the request's own: a repeat under it emits nothing." });

const emit = jsonRoute({
  method: 'post',
  path: '/api/events',
  group: 'events',
  scope: 'emit',
  tenants: true,
  summary: "Emits one of the application's own events, or up to 1000 in one commit.",
  about:
    'Answered after the commit, which has all events or none: one object for one event, an array for an array. ' +
    'With a catalogue (GET /api/event-types) types and bodies are held to it. A repeat of a request under its ' +
    'Idempotency-Key within seven days gets the same answer and emits nothing; another request under that key is refused.',
  headers: z.object({ 'idempotency-key': idempotencyKey.optional() }),
  body: z.union([emission, z.array(emission).min(1).max(1000)]),
  answer: z.union([emitted, z.array(emitted)]),
  errors: [
    'store_unavailable',
    'commit_unknown',
    'backlog_full',
    'disk_reserve',
    'stopping',
    'emit_unfit',
    'event_type_unknown',
    'idempotency_key_reused',
    'body_too_large',
  ],
  async handle({ body, headers }, { port, caller, idempotency }) {
    const requests = (Array.isArray(body) ? body : [body]).map(emitRequest);
    const key = headers['idempotency-key'];
    const shown =
      key === undefined
        ? (await port.emit(requests)).map(({ eventId, duplicate }) => ({ id: eventId, duplicate }))
        : await idempotency.once({ key, tenant: caller.tenant, digest: digestOf(requests), ids: requests.length }, () =>
            emitOnce({ port, key, requests }),
          );
    const [first] = shown;
    return Array.isArray(body) || first === undefined ? shown : first;
  },
});

interface Once {
  readonly port: Pick<AdminPort, 'emit'>;
  readonly key: string;
  readonly requests: readonly EmitRequest[];
}

/** An event with a dedupe key made from the key is new to the caller also when it repeats: it gets the first answer. */
async function emitOnce({ port, key, requests }: Once): Promise<z.output<typeof emitted>[]> {
  const answers = await port.emit(withDedupeKeys(requests, key));
  const isOwn = (index: number): boolean => requests[index]?.options.dedupeKey !== undefined;
  if (answers.some(({ differs }, index) => differs && !isOwn(index))) throw new HoldfastError('idempotency_key_reused');
  return answers.map(({ eventId, duplicate }, index) => ({ id: eventId, duplicate: duplicate && isOwn(index) }));
}

function emitRequest(asked: z.output<typeof emission>, index: number): EmitRequest {
  const { type, data, at, tenant, dedupeKey, orderKey, correlationId } = asked;
  return {
    type,
    body: Buffer.from(jsonText(data, index)),
    contentType: 'application/json',
    options: given({ tenant, dedupeKey, orderKey, correlationId, at: at === undefined ? at : momentOf(at) }),
  };
}

function jsonText(data: unknown, index: number): string {
  if (data === undefined) throw inputError('body', `${index}.data`, 'It is missing; an event without data has null.');
  try {
    return JSON.stringify(data);
  } catch {
    throw inputError('body', `${index}.data`, 'It is nested too deeply.');
  }
}

const cancel = jsonRoute({
  method: 'delete',
  path: '/api/events/{id}',
  group: 'events',
  scope: 'emit',
  tenants: true,
  summary: 'Cancels a delayed event that nobody has begun to attempt.',
  audit: 'event.cancel',
  params,
  answer: null,
  errors: ['not_found', 'not_cancellable'],
  async handle({ params }, { port }) {
    await port.cancel(params.id);
    return null;
  },
});

/** By name, for callers within the process. */
export const events = { list, one, body: bytesRoute, replay };

export const eventRoutes: readonly Route[] = [list, one, body, replay, emit, cancel];
