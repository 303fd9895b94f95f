/** Stripe's snapshot events, API version `2025-09-30.clover`. */
import type { Draw } from './draw.ts';
import { each, json, type Make, type ProviderPayloads } from './payload.ts';

type Fields = Readonly<Record<string, unknown>>;

function event(object: (draw: Draw) => Fields): Make {
  return (draw) =>
    json(
      {
        id: `evt_1${draw.text(23)}`,
        object: 'event',
        api_version: '2025-09-30.clover',
        created: draw.seconds(),
        data: { object: object(draw), ...previous(draw) },
        livemode: false,
        pending_webhooks: 1,
        request: { id: `req_${draw.text(14)}`, idempotency_key: draw.uuid() },
        type: draw.type,
      },
      ['User-Agent', 'Stripe/1.0 (+https://stripe.com/docs/webhooks)'],
    );
}

/** Events of a change tell what there was before. */
const previous = ({ type }: Draw): Fields =>
  type.endsWith('.updated') ? { previous_attributes: { cancel_at_period_end: true } } : {};

const amountOf = (draw: Draw): number => draw.int(499, 25_999);

function intent(draw: Draw): Fields {
  const amount = amountOf(draw);
  const failed = draw.type.endsWith('failed');
  return {
    id: `pi_3${draw.text(23)}`,
    object: 'payment_intent',
    amount,
    amount_capturable: 0,
    amount_received: failed ? 0 : amount,
    capture_method: 'automatic_async',
    client_secret: `pi_3_secret_${draw.text(25)}`,
    confirmation_method: 'automatic',
    created: draw.seconds(-8),
    currency: draw.pick(['eur', 'usd', 'gbp']),
    customer: `cus_${draw.text(14)}`,
    description: `Order A-${draw.digits(5)}`,
    last_payment_error: failed
      ? { code: 'card_declined', decline_code: 'insufficient_funds', type: 'card_error' }
      : null,
    latest_charge: `ch_3${draw.text(23)}`,
    livemode: false,
    metadata: { order_id: `A-${draw.digits(5)}` },
    payment_method: `pm_1${draw.text(23)}`,
    payment_method_types: ['card'],
    receipt_email: draw.person().email,
    status: failed ? 'requires_payment_method' : 'succeeded',
  };
}

function charge(draw: Draw): Fields {
  const amount = amountOf(draw);
  const refunded = draw.type.endsWith('refunded');
  return {
    id: `ch_3${draw.text(23)}`,
    object: 'charge',
    amount,
    amount_captured: amount,
    amount_refunded: refunded ? amount : 0,
    balance_transaction: `txn_3${draw.text(23)}`,
    billing_details: {
      address: { country: 'DE', postal_code: '10115' },
      email: draw.person().email,
      name: draw.person().name,
    },
    captured: true,
    created: draw.seconds(-5),
    currency: 'eur',
    customer: `cus_${draw.text(14)}`,
    livemode: false,
    metadata: {},
    outcome: {
      network_status: 'approved_by_network',
      risk_level: 'normal',
      risk_score: draw.int(1, 64),
      type: 'authorized',
    },
    paid: true,
    payment_intent: `pi_3${draw.text(23)}`,
    payment_method_details: {
      card: { brand: 'visa', country: 'DE', exp_month: 4, exp_year: 2031, last4: '4242' },
      type: 'card',
    },
    refunded,
    status: 'succeeded',
  };
}

function invoice(draw: Draw): Fields {
  const amount = amountOf(draw);
  const paid = !draw.type.endsWith('failed');
  const customer = draw.person();
  return {
    id: `in_1${draw.text(23)}`,
    object: 'invoice',
    account_country: 'DE',
    amount_due: amount,
    amount_paid: paid ? amount : 0,
    amount_remaining: paid ? 0 : amount,
    attempt_count: 1,
    attempted: true,
    billing_reason: 'subscription_cycle',
    collection_method: 'charge_automatically',
    created: draw.seconds(-3600),
    currency: 'eur',
    customer: `cus_${draw.text(14)}`,
    customer_email: customer.email,
    customer_name: customer.name,
    hosted_invoice_url: `https://invoice.stripe.com/i/acct_test/test_${draw.text(40)}`,
    lines: { object: 'list', data: [line(draw, amount)], has_more: false, total_count: 1 },
    livemode: false,
    metadata: {},
    number: `${draw.hex(8).toUpperCase()}-${draw.digits(4)}`,
    parent: { subscription_details: { subscription: `sub_1${draw.text(23)}` }, type: 'subscription_details' },
    period_end: draw.seconds(),
    period_start: draw.seconds(-2_592_000),
    status: paid ? 'paid' : 'open',
    status_transitions: { finalized_at: draw.seconds(-10), paid_at: paid ? draw.seconds() : null },
    subtotal: amount,
    total: amount,
  };
}

function line(draw: Draw, amount: number): Fields {
  return {
    id: `il_1${draw.text(23)}`,
    object: 'line_item',
    amount,
    currency: 'eur',
    description: '1 × Team plan (per month)',
    period: { end: draw.seconds(2_592_000), start: draw.seconds() },
    quantity: 1,
  };
}

function subscription(draw: Draw): Fields {
  return {
    id: `sub_1${draw.text(23)}`,
    object: 'subscription',
    cancel_at_period_end: false,
    canceled_at: draw.type.endsWith('deleted') ? draw.seconds() : null,
    collection_method: 'charge_automatically',
    created: draw.seconds(-7_776_000),
    currency: 'eur',
    customer: `cus_${draw.text(14)}`,
    items: {
      object: 'list',
      data: [
        {
          id: `si_${draw.text(14)}`,
          object: 'subscription_item',
          current_period_end: draw.seconds(2_592_000),
          current_period_start: draw.seconds(),
          price: {
            id: `price_1${draw.text(23)}`,
            recurring: { interval: 'month', interval_count: 1 },
            unit_amount: 2900,
          },
          quantity: draw.int(1, 40),
        },
      ],
    },
    latest_invoice: `in_1${draw.text(23)}`,
    livemode: false,
    metadata: {},
    start_date: draw.seconds(-7_776_000),
    status: draw.type.endsWith('deleted') ? 'canceled' : 'active',
  };
}

function customer(draw: Draw): Fields {
  const { name, email } = draw.person();
  return {
    id: `cus_${draw.text(14)}`,
    object: 'customer',
    address: { city: 'Berlin', country: 'DE', line1: 'Musterstraße 1', postal_code: '10115' },
    balance: 0,
    created: draw.seconds(),
    currency: 'eur',
    delinquent: false,
    email,
    invoice_prefix: draw.hex(8).toUpperCase(),
    livemode: false,
    metadata: {},
    name,
    phone: draw.phone(),
    preferred_locales: ['de'],
    tax_exempt: 'none',
  };
}

function session(draw: Draw): Fields {
  const amount = amountOf(draw);
  const { name, email } = draw.person();
  return {
    id: `cs_test_${draw.text(58)}`,
    object: 'checkout.session',
    amount_subtotal: amount,
    amount_total: amount,
    client_reference_id: `cart_${draw.digits(6)}`,
    created: draw.seconds(-240),
    currency: 'eur',
    customer: `cus_${draw.text(14)}`,
    customer_details: { email, name, phone: null, tax_exempt: 'none', tax_ids: [] },
    expires_at: draw.seconds(86_160),
    livemode: false,
    metadata: { cart: draw.digits(6) },
    mode: 'payment',
    payment_intent: `pi_3${draw.text(23)}`,
    payment_status: 'paid',
    status: 'complete',
    success_url: 'https://shop.example.com/thanks',
  };
}

export const stripe: ProviderPayloads = {
  types: {
    ...each(['payment_intent.succeeded', 'payment_intent.payment_failed'], event(intent)),
    ...each(['charge.succeeded', 'charge.refunded'], event(charge)),
    ...each(['invoice.paid', 'invoice.payment_failed'], event(invoice)),
    ...each(
      ['customer.subscription.created', 'customer.subscription.updated', 'customer.subscription.deleted'],
      event(subscription),
    ),
    'customer.created': event(customer),
    'checkout.session.completed': event(session),
  },
};
