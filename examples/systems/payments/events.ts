/** The typed events of the application: what happened, what to tell somebody, what merchants are sent. */
import { z } from 'zod';

const id = z.string().min(1).max(64);
const cents = z.int().positive();
const currency = z.string().regex(/^[A-Z]{3}$/);

const note = z.string().max(1000).optional();
const status = z.enum(['succeeded', 'failed', 'captured', 'voided', 'refunded']);
const channel = z.enum(['email', 'sms', 'push']);

/** What merchants write, by kind. `note` is theirs to keep and never leaves. */
export const kinds = {
  customer: z
    .object({ id, email: z.email(), name: z.string().max(200), note })
    .meta({ example: { id: 'cus_1', email: 'ada@example.com', name: 'Ada' } }),
  order: z
    .object({ id, customer: id, cents, currency, note })
    .meta({ example: { id: 'ord_1', customer: 'cus_1', cents: 990, currency: 'EUR' } }),
  transaction: z.object({ id, order: id, cents }).meta({ example: { id: 'tra_1', order: 'ord_1', cents: 990 } }),
  refund: z.object({ id, transaction: id, cents }).meta({ example: { id: 'ref_1', transaction: 'tra_1', cents: 990 } }),
  payment: z
    .object({ id, order: id, cents, status })
    .meta({ example: { id: 'pay_1', order: 'ord_1', cents: 990, status: 'succeeded' } }),
  notification: z
    .object({ id, channel, to: z.string().max(320), text: z.string().max(1000) })
    .meta({ example: { id: 'not_1', channel: 'email', to: 'ada@example.com', text: 'Your order is on its way.' } }),
} as const;

export type Kind = keyof typeof kinds;

/** What a merchant's endpoint is sent. */
const webhook = z.object({ type: z.string(), occurredAt: z.iso.datetime(), data: z.looseObject({ id }) });

export const emits = {
  'customer.created': kinds.customer,
  'customer.updated': kinds.customer,
  'order.created': kinds.order,
  'order.updated': kinds.order,
  'transaction.created': kinds.transaction,
  'refund.created': kinds.refund,
  'payment.succeeded': kinds.payment,
  'payment.failed': kinds.payment,
  'payment.captured': kinds.payment,
  'payment.voided': kinds.payment,
  'payment.refunded': kinds.payment,
  'notification.email': kinds.notification,
  'notification.sms': kinds.notification,
  'notification.push': kinds.notification,
  'cleanup.order': z.object({ order: id }),
  'cleanup.due': z.object({ before: z.iso.datetime() }),
  'webhook.*': webhook,
} as const;

export type Change = { readonly [K in Kind]: { readonly kind: K; readonly row: z.output<(typeof kinds)[K]> } }[Kind];

/** The type of the event that a row makes: its kind, and what happened to it. */
export function typeOf(change: Change, verb: 'created' | 'updated') {
  if (change.kind === 'payment') return `payment.${change.row.status}` as const;
  if (change.kind === 'notification') return `notification.${change.row.channel}` as const;
  if (change.kind === 'transaction' || change.kind === 'refund') return `${change.kind}.created` as const;
  return `${change.kind}.${verb}` as const;
}
