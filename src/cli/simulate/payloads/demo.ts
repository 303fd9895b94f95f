/** What the playground's source gets, and what is sent where no provider is known. */
import { json, type Payload, type ProviderPayloads } from './payload.ts';

/** The type that always fails at the playground's handler. */
export const POISON = 'demo.poison';

/** One in 25 is poison, so that a burst of 50 leaves two dead letters to look at. */
const mix = Array.from({ length: 25 }, (_, index) =>
  index === 11 ? POISON : (['order.created', 'order.paid', 'order.shipped', 'customer.updated'][index % 4] ?? ''),
);

export const demo: ProviderPayloads = {
  types: {
    'order.created': json({
      id: '',
      type: '',
      customer: 'cus_ada',
      data: { order: 'ord_1042', total: '42.50', currency: 'EUR' },
    }),
    'order.paid': json({ id: '', type: '', customer: 'cus_grace', data: { order: 'ord_1041', method: 'card' } }),
    'order.shipped': json({ id: '', type: '', customer: 'cus_alan', data: { order: 'ord_1040', parcels: 2 } }),
    'customer.updated': json({ id: '', type: '', customer: 'cus_edsger', data: { changed: ['email'] } }),
    [POISON]: json({ id: '', type: '', customer: 'cus_mallory', data: { about: 'its handler always fails' } }),
  },
  mix,
};

/** A small JSON event of this type. */
export function genericPayload(type: string): Payload {
  return json({
    id: '',
    type,
    created: '2026-01-01T00:00:00Z',
    data: { simulated: true, text: 'sent by holdfast simulate' },
  });
}
