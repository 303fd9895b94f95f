/** Deliveries and dead letters: search, one with its attempts, replay and resolve. */
import { z } from '@hono/zod-openapi';
import { HoldfastError } from '../errors.ts';
import type { DeliveryState } from '../core/delivery.ts';
import type { DeliveryFilter } from '../store/store.ts';
import { asHoldfastError } from './problem.ts';
import { jsonRoute, type Route } from './route.ts';
import {
  deadReason,
  deliveryState,
  flag,
  given,
  idOf,
  listOf,
  name,
  pageOf,
  pageQuery,
  text,
  timeOf,
  when,
} from './schema.ts';
import { attemptShape, deliveryDetailShape, deliveryShape, showAttempt, showDelivery } from './shapes.ts';
import { showAttempted } from './timeline.ts';

const params = z.object({ id: idOf('dlv') });

/** States of deliveries, in a query. */
export const states = z
  .string()
  .transform((list) => list.split(',').map((state) => state.trim()))
  .pipe(z.array(deliveryState).min(1))
  .openapi({ type: 'string', description: 'One or several, with commas: blocked, due, ready, claimed, succeeded, …' });

const common = {
  destination: name.optional(),
  source: name.optional(),
  type: text.optional(),
  tenant: text.optional(),
  reason: deadReason.optional(),
  since: when.optional(),
  until: when.optional(),
  replayId: idOf('rpl').optional(),
};

type Common = z.output<z.ZodObject<typeof common>>;

function commonFilter(
  { destination, source, type, tenant, reason, since, until, replayId }: Common,
  now: number,
): DeliveryFilter {
  return given({
    destination,
    source,
    type,
    tenant,
    reason,
    replayId,
    since: since && timeOf(since, now),
    until: until && timeOf(until, now),
  });
}

const list = jsonRoute({
  method: 'get',
  path: '/api/deliveries',
  group: 'deliveries',
  scope: 'read',
  tenants: true,
  summary: 'Lists deliveries, newest first.',
  about: 'since and until go by the time the event was received.',
  query: z.object({
    ...common,
    eventId: idOf('evt').optional(),
    state: states.optional(),
    resolved: flag.optional().openapi({ description: 'Of dead letters.' }),
    ...pageQuery,
  }),
  answer: listOf(deliveryShape),
  async handle({ query }, { port, now }) {
    const { eventId, state, resolved } = query;
    const filter = { ...commonFilter(query, now()), ...given({ eventId, states: state, resolved }) };
    const { rows, cursor } = await port.history.deliveries(filter, pageOf(query));
    return { rows: rows.map(showDelivery), cursor };
  },
});

const one = jsonRoute({
  method: 'get',
  path: '/api/deliveries/{id}',
  group: 'deliveries',
  scope: 'read',
  tenants: true,
  summary: 'Shows a delivery with its attempts, and when and why it is attempted next.',
  params,
  answer: deliveryDetailShape,
  errors: ['not_found'],
  async handle({ params }, { port }) {
    const delivery = await port.history.delivery(params.id);
    if (delivery === null) throw new HoldfastError('not_found');
    return showAttempted({ delivery, attempts: await port.history.attempts(params.id) }, (destination) =>
      port.destination(destination),
    );
  },
});

const attempts = jsonRoute({
  method: 'get',
  path: '/api/deliveries/{id}/attempts',
  group: 'deliveries',
  scope: 'read',
  tenants: true,
  summary: 'Lists the kept attempts of a delivery, oldest first.',
  params,
  answer: z.object({ rows: z.array(attemptShape) }),
  errors: ['not_found'],
  async handle({ params }, { port }) {
    if ((await port.history.delivery(params.id)) === null) throw new HoldfastError('not_found');
    return { rows: (await port.history.attempts(params.id)).map(showAttempt) };
  },
});

const DEAD: readonly DeliveryState[] = ['dead'];

const deadLetters = jsonRoute({
  method: 'get',
  path: '/api/dead-letters',
  group: 'dead letters',
  scope: 'read',
  tenants: true,
  summary: 'Lists dead letters, newest first: those not resolved, unless asked otherwise.',
  query: z.object({
    ...common,
    resolved: z.enum(['true', 'false', 'all']).default('false'),
    ...pageQuery,
  }),
  answer: listOf(deliveryShape),
  async handle({ query }, { port, now }) {
    const filter = { ...commonFilter(query, now()), states: DEAD };
    const resolved = query.resolved === 'all' ? {} : { resolved: query.resolved === 'true' };
    const { rows, cursor } = await port.history.deliveries({ ...filter, ...resolved }, pageOf(query));
    return { rows: rows.map(showDelivery), cursor };
  },
});

const ids = z.array(idOf('dlv')).min(1).max(1000);

const replayed = z.object({
  of: z.string(),
  deliveryId: z.string().nullable(),
  error: z.string().nullable().openapi({ description: 'Code of the error table, where there is no new delivery.' }),
});

const replay = jsonRoute({
  method: 'post',
  path: '/api/dead-letters/replay',
  group: 'dead letters',
  scope: 'admin',
  summary: 'Replays these dead letters, each by itself. For many, by filter: POST /api/replays.',
  audit: 'dead-letter.replay',
  body: z.strictObject({ ids }),
  answer: z.object({ rows: z.array(replayed) }),
  async handle({ body }, { port, by, changed }) {
    changed({ target: body.ids.join(' ') });
    const rows = [];
    for (const of of body.ids) rows.push(await replayOne(port.replayDelivery(of, by), of));
    changed({ note: `made ${rows.filter(({ error }) => error === null).length} of ${rows.length}`, after: rows });
    return { rows };
  },
});

/** One that cannot be replayed says so in its row; a store that cannot commit fails the whole. */
async function replayOne(made: Promise<string>, of: string): Promise<z.output<typeof replayed>> {
  try {
    return { of, deliveryId: await made, error: null };
  } catch (thrown) {
    const error = asHoldfastError(thrown);
    if (error.status >= 500) throw error;
    return { of, deliveryId: null, error: error.code };
  }
}

const resolve = jsonRoute({
  method: 'post',
  path: '/api/dead-letters/resolve',
  group: 'dead letters',
  scope: 'admin',
  summary: 'Marks dead letters as resolved, with a note; they are not delivered.',
  audit: 'dead-letter.resolve',
  body: z.strictObject({ ids, note: z.string().trim().min(1).max(2000) }),
  answer: z.object({ resolved: z.number().int() }),
  async handle({ body }, { port, by, changed }) {
    const resolved = await port.resolve(body.ids, body.note, by);
    const note = `resolved ${resolved} of ${body.ids.length}: ${body.note}`;
    changed({ target: body.ids.join(' '), note, after: body });
    return { resolved };
  },
});

/** By name, for callers within the process. */
export const deliveries = { list, one, attempts, deadLetters, replay, resolve };

export const deliveryRoutes: readonly Route[] = Object.values(deliveries);
