/** Rejections: what was refused and why, and another try after a secret was corrected. */
import { hostname } from 'node:os';
import { z } from '@hono/zod-openapi';
import { HoldfastError } from '../errors.ts';
import type { AdminPort } from './port.ts';
import { jsonRoute, type Route } from './route.ts';
import { given, idOf, isoTime, listOf, name, pageOf, pageQuery, text, time, timeOf, when } from './schema.ts';
import { headerShape, shortText, showHeaders } from './shapes.ts';

const params = z.object({ id: idOf('rej') });

const rejectionShape = z
  .object({
    id: z.string(),
    source: z.string(),
    receivedAt: time,
    method: z.string(),
    path: z.string(),
    query: z.string(),
    remoteAddress: z
      .string()
      .openapi({ description: 'Behind trusted proxies; empty where the host does not give it.' }),
    step: z
      .enum(['handshake', 'verify', 'read', 'commit'])
      .openapi({ description: 'Where on its way it was refused.' }),
    code: z.string().openapi({ description: 'What the sender was answered, from the error table.' }),
    reason: z.string().openapi({ description: 'Why in detail; the sender was not told.' }),
    detail: z.string().nullable(),
    correlationId: z.string(),
    verifiable: z
      .boolean()
      .openapi({ description: 'false: its credential was redacted, so it cannot be verified again.' }),
    bodyBytes: z.number().int(),
  })
  .openapi('Rejection');

const list = jsonRoute({
  method: 'get',
  path: '/api/rejections',
  group: 'rejections',
  scope: 'read',
  summary: 'Lists kept rejections, newest first, with how many were not kept.',
  query: z.object({
    source: name.optional(),
    code: text.optional(),
    reason: text.optional(),
    since: when.optional(),
    until: when.optional(),
    ...pageQuery,
    cursor: idOf('rej').optional(),
  }),
  answer: listOf(rejectionShape).extend({
    kept: z.number().int(),
    dropped: z.number().int().openapi({ description: 'Refused since the start and not kept, or given way since.' }),
    process: z.string().nullable().openapi({
      description:
        'Whose these are: each process on a shared store keeps its own, in memory. null: they are kept in a file.',
    }),
  }),
  async handle({ query }, { port, now }) {
    const { cursor: _cursor, limit: _limit, order: _order, since, until, ...same } = query;
    const filter = given({ ...same, since: since && timeOf(since, now()), until: until && timeOf(until, now()) });
    const { rows, cursor } = await port.rejections.list(filter, pageOf(query));
    const { kept, dropped } = await port.rejections.counts();
    return {
      rows: rows.map((row) => ({ ...row, receivedAt: isoTime(row.receivedAt) })),
      cursor,
      kept,
      dropped,
      process: keeper(port),
    };
  },
});

/** This process, where each keeps its own. */
function keeper(port: Pick<AdminPort, 'report'>): string | null {
  return port.report()?.shared === true ? `${hostname()}:${process.pid}` : null;
}

const one = jsonRoute({
  method: 'get',
  path: '/api/rejections/{id}',
  group: 'rejections',
  scope: 'read',
  summary: 'Shows a rejected request whole, its credentials redacted.',
  params,
  answer: rejectionShape.extend({
    headers: z.array(headerShape),
    bodyText: z.string().nullable().openapi({ description: 'The body, where it is text of at most 64 KiB.' }),
  }),
  errors: ['not_found'],
  async handle({ params }, { port }) {
    const rejection = await port.rejections.get(params.id);
    if (rejection === null) throw new HoldfastError('not_found');
    const { body, headers, receivedAt, ...same } = rejection;
    return {
      ...same,
      receivedAt: isoTime(receivedAt),
      bodyBytes: body.length,
      headers: showHeaders(headers),
      bodyText: shortText(body),
    };
  },
});

const verifyAgain = jsonRoute({
  method: 'post',
  path: '/api/rejections/verify-again',
  group: 'rejections',
  scope: 'admin',
  summary: 'Tries rejected requests again as they came, through the normal path: after a secret was corrected.',
  audit: 'rejection.verify-again',
  body: z.strictObject({ source: name.optional(), ids: z.array(idOf('rej')).min(1).max(1000).optional() }),
  bodyOptional: true,
  answer: z.object({ accepted: z.number().int(), refused: z.number().int() }),
  async handle({ body }, { port, changed }) {
    changed({ target: body.source ?? body.ids?.join(' ') ?? '' });
    const answer = await port.verifyAgain(given(body));
    changed({ note: `accepted ${answer.accepted}, refused ${answer.refused}` });
    return answer;
  },
});

/** By name, for callers within the process. */
export const rejections = { list, one, verifyAgain };

export const rejectionRoutes: readonly Route[] = Object.values(rejections);
