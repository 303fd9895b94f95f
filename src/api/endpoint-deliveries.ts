/**
 * What one endpoint is owed and was sent: for whoever the endpoint is, also where they may see nothing else. A tenant's
 * token with the scope `endpoints` sees no event, no other destination, and none of its errors.
 */
import { z } from '@hono/zod-openapi';
import { HoldfastError } from '../errors.ts';
import type { DeliveryRecord } from '../store/store.ts';
import { states } from './deliveries.ts';
import type { AdminPort } from './port.ts';
import { jsonRoute, type Route, Status } from './route.ts';
import { given, idOf, listOf, pageOf, pageQuery, text, timeOf, when } from './schema.ts';
import { deliveryDetailShape, deliveryShape, showDelivery } from './shapes.ts';
import { showAttempted } from './timeline.ts';

const shared = { group: 'endpoints', scope: 'endpoints', tenants: true } as const;
const params = z.object({ id: idOf('ep'), delivery: idOf('dlv') });

const list = jsonRoute({
  ...shared,
  method: 'get',
  path: '/api/endpoints/{id}/deliveries',
  summary: 'Lists what an endpoint is owed and was sent, newest first.',
  about: 'since and until go by the time the event was received.',
  params: z.object({ id: idOf('ep') }),
  query: z.object({
    type: text.optional(),
    state: states.optional(),
    since: when.optional(),
    until: when.optional(),
    ...pageQuery,
  }),
  answer: listOf(deliveryShape),
  errors: ['not_found'],
  async handle({ params: { id }, query }, { port, now }) {
    await port.endpoints.get(id);
    const { type, state, since, until } = query;
    const filter = given({
      type,
      states: state,
      since: since && timeOf(since, now()),
      until: until && timeOf(until, now()),
    });
    const { rows, cursor } = await port.history.deliveries({ ...filter, destination: id }, pageOf(query));
    return { rows: rows.map(showDelivery), cursor };
  },
});

const one = jsonRoute({
  ...shared,
  method: 'get',
  path: '/api/endpoints/{id}/deliveries/{delivery}',
  summary: 'Shows a delivery with its attempts, and when and why it is attempted next.',
  params,
  answer: deliveryDetailShape,
  errors: ['not_found'],
  async handle(asked, { port }) {
    const delivery = await deliveryOf(port, asked.params);
    return showAttempted({ delivery, attempts: await port.history.attempts(delivery.id) }, (destination) =>
      port.destination(destination),
    );
  },
});

const replay = jsonRoute({
  ...shared,
  method: 'post',
  path: '/api/endpoints/{id}/deliveries/{delivery}/replay',
  summary: 'Sends it again: makes a new delivery of the same event to the same endpoint.',
  audit: 'delivery.replay',
  params,
  answer: z.object({ deliveryId: z.string() }),
  statuses: [201],
  errors: ['not_found', 'body_purged', 'replay_open', 'store_unavailable'],
  async handle(asked, { port, by, changed }) {
    const { id } = await deliveryOf(port, asked.params);
    const deliveryId = await port.replayDelivery(id, by);
    changed({ target: id, note: `made ${deliveryId}` });
    return new Status(201, { deliveryId });
  },
});

/** @throws HoldfastError not_found, also where the delivery is of another destination */
async function deliveryOf(port: AdminPort, asked: z.output<typeof params>): Promise<DeliveryRecord> {
  await port.endpoints.get(asked.id);
  const delivery = await port.history.delivery(asked.delivery);
  if (delivery?.destination !== asked.id) throw new HoldfastError('not_found', { detail: asked.delivery });
  return delivery;
}

/** By name, for callers within the process. */
export const endpointDeliveries = { list, one, replay };

export const endpointDeliveryRoutes: readonly Route[] = Object.values(endpointDeliveries);
