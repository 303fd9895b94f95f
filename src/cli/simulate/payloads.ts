/**
 * What `simulate` sends, by provider (or name of a source) and type. Where there is nothing of its own it sends
 * {@link genericPayload}: the source's type and keys are then put where the source reads them.
 */

export interface Payload {
  readonly contentType: string;
  readonly headers?: readonly string[];
  /** Text that is laid out where the source reads its values, or bytes that are sent as they are. */
  readonly body: string | Uint8Array;
}

/** The payloads of one provider, and the order in which `simulate` without a type sends them. */
export interface ProviderPayloads {
  readonly types: Readonly<Record<string, Payload>>;
  readonly mix: readonly string[];
}

const json = (value: unknown): Payload => ({ contentType: 'application/json', body: JSON.stringify(value) });

/** The type that always fails at the playground's handler. */
export const POISON = 'demo.poison';

/** One in 25 is poison, so that a burst of 50 leaves two dead letters to look at. */
const demoMix = Array.from({ length: 25 }, (_, index) =>
  index === 11 ? POISON : (['order.created', 'order.paid', 'order.shipped', 'customer.updated'][index % 4] ?? ''),
);

export const payloads: Readonly<Record<string, ProviderPayloads>> = {
  demo: {
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
    mix: demoMix,
  },
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
