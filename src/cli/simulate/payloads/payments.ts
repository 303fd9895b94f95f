/** Payments: Adyen, Coinbase, Paddle, PayPal, Razorpay. */
import type { Draw } from './draw.ts';
import { each, json, type Payload, type ProviderPayloads } from './payload.ts';

const euros = (draw: Draw): string => draw.float(5, 400, 2).toFixed(2);

function adyenItem(draw: Draw): Payload {
  const original = draw.type === 'AUTHORISATION' ? {} : { originalReference: draw.digits(16) };
  return json({
    live: 'false',
    notificationItems: [
      {
        NotificationRequestItem: {
          additionalData: { cardSummary: '1142', expiryDate: '03/2030', authCode: draw.digits(6) },
          amount: { currency: 'EUR', value: draw.int(500, 40_000) },
          eventCode: draw.type,
          eventDate: draw.isoSeconds().replace('Z', '+00:00'),
          merchantAccountCode: 'ExampleShopECOM',
          merchantReference: `order-${draw.digits(7)}`,
          operations: ['CANCEL', 'CAPTURE', 'REFUND'],
          ...original,
          paymentMethod: draw.pick(['visa', 'mc', 'ideal']),
          pspReference: draw.text(16).toUpperCase(),
          reason: `${draw.digits(6)}:1142:03/2030`,
          success: 'true',
        },
      },
    ],
  });
}

export const adyen: ProviderPayloads = {
  types: each(['AUTHORISATION', 'CAPTURE', 'REFUND', 'CANCELLATION', 'CHARGEBACK'], adyenItem),
};

export const adyenPlatform: ProviderPayloads = {
  types: each(
    ['balancePlatform.transfer.created', 'balancePlatform.transfer.updated', 'balancePlatform.accountHolder.updated'],
    (draw) =>
      json({
        data: {
          balancePlatform: 'ExamplePlatform',
          creationDate: draw.isoSeconds(-3),
          id: `EVJN${draw.text(26).toUpperCase()}`,
          accountHolder: { description: draw.person().name, id: `AH${draw.text(22).toUpperCase()}` },
          amount: { currency: 'EUR', value: draw.int(500, 90_000) },
          direction: 'incoming',
          reference: `payout-${draw.digits(6)}`,
          status: draw.pick(['authorised', 'booked', 'received']),
        },
        environment: 'test',
        timestamp: draw.iso(),
        type: draw.type,
      }),
  ),
};

export const coinbaseCommerce: ProviderPayloads = {
  types: each(['charge:created', 'charge:pending', 'charge:confirmed', 'charge:failed'], (draw) =>
    json({
      attempt_number: 1,
      event: {
        api_version: '2018-03-22',
        created_at: draw.isoSeconds(),
        data: {
          id: draw.uuid(),
          code: draw.text(8).toUpperCase(),
          created_at: draw.isoSeconds(-90),
          expires_at: draw.isoSeconds(3510),
          hosted_url: `https://commerce.coinbase.com/charges/${draw.text(8).toUpperCase()}`,
          metadata: { order: `A-${draw.digits(5)}` },
          name: 'Example Shop',
          pricing: { local: { amount: euros(draw), currency: 'EUR' } },
          pricing_type: 'fixed_price',
        },
        id: draw.uuid(),
        resource: 'event',
        type: draw.type,
      },
      id: draw.uuid(),
      scheduled_for: draw.isoSeconds(),
    }),
  ),
};

export const coinbaseCdp: ProviderPayloads = {
  types: each(['onchain.activity.detected', 'wallet.transaction.created', 'payments.transfers.completed'], (draw) => {
    const id = draw.uuid();
    return json(
      {
        eventId: id,
        eventType: draw.type,
        createdAt: draw.iso(),
        subscriptionId: draw.uuid(),
        data: {
          network: 'base-mainnet',
          blockNumber: draw.int(21_000_000, 29_000_000),
          transactionHash: `0x${draw.hex(64)}`,
          from: `0x${draw.hex(40)}`,
          to: `0x${draw.hex(40)}`,
          value: draw.digits(18),
        },
      },
      ['X-Event-Id', id, 'X-Event-Type', draw.type],
    );
  }),
};

export const paddle: ProviderPayloads = {
  types: each(
    [
      'transaction.completed',
      'transaction.paid',
      'subscription.created',
      'subscription.canceled',
      'adjustment.created',
    ],
    (draw) => {
      const [kind = ''] = draw.type.split('.');
      const prefix = { transaction: 'txn', subscription: 'sub', adjustment: 'adj' }[kind] ?? 'ent';
      const ulid = (): string => `01${draw.text(24).toLowerCase()}`;
      return json({
        event_id: `evt_${ulid()}`,
        event_type: draw.type,
        occurred_at: `${draw.iso().slice(0, -1)}${draw.digits(3)}Z`,
        notification_id: `ntf_${ulid()}`,
        data: {
          id: `${prefix}_${ulid()}`,
          status: draw.type.split('.')[1] ?? 'completed',
          customer_id: `ctm_${ulid()}`,
          address_id: `add_${ulid()}`,
          currency_code: 'EUR',
          origin: 'web',
          items: [{ price: { id: `pri_${ulid()}`, description: 'Team, monthly' }, quantity: draw.int(1, 20) }],
          details: { totals: { subtotal: '2417', tax: '483', total: '2900', currency_code: 'EUR' } },
          created_at: draw.iso(-30),
          updated_at: draw.iso(),
          custom_data: { order: `A-${draw.digits(5)}` },
        },
      });
    },
  ),
};

export const paypal: ProviderPayloads = {
  types: each(['PAYMENT.CAPTURE.COMPLETED', 'PAYMENT.CAPTURE.REFUNDED', 'CHECKOUT.ORDER.APPROVED'], (draw) => {
    const id = draw.text(17).toUpperCase();
    const kind = draw.type.startsWith('CHECKOUT') ? 'checkout-order' : 'capture';
    const value = euros(draw);
    return json({
      id: `WH-${draw.text(17).toUpperCase()}-${draw.text(17).toUpperCase()}`,
      event_version: '1.0',
      create_time: draw.iso(),
      resource_type: kind,
      resource_version: '2.0',
      event_type: draw.type,
      summary: `${draw.type} for € ${value} EUR`,
      resource: {
        id,
        amount: { currency_code: 'EUR', value },
        custom_id: `A-${draw.digits(5)}`,
        final_capture: true,
        seller_protection: { status: 'ELIGIBLE' },
        status: draw.type.split('.').at(-1),
        create_time: draw.isoSeconds(-4),
        update_time: draw.isoSeconds(-4),
      },
      links: [{ href: `https://api.sandbox.paypal.com/v2/payments/captures/${id}`, rel: 'self', method: 'GET' }],
    });
  }),
};

export const razorpay: ProviderPayloads = {
  types: each(['payment.captured', 'payment.failed', 'order.paid', 'refund.processed'], (draw) => {
    const [entity = 'payment'] = draw.type.split('.');
    return json(
      {
        entity: 'event',
        account_id: `acc_${draw.text(14)}`,
        event: draw.type,
        contains: [entity],
        payload: {
          [entity]: {
            entity: {
              id: `${{ payment: 'pay', order: 'order', refund: 'rfnd' }[entity] ?? 'pay'}_${draw.text(14)}`,
              entity,
              amount: draw.int(10_000, 999_900),
              currency: 'INR',
              status: draw.type.split('.')[1],
              order_id: `order_${draw.text(14)}`,
              method: draw.pick(['upi', 'card', 'netbanking']),
              email: draw.person().email,
              contact: '+910000000000',
              created_at: draw.seconds(-6),
            },
          },
        },
        created_at: draw.seconds(),
      },
      ['x-razorpay-event-id', draw.text(14)],
    );
  }),
};
