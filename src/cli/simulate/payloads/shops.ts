/** Shops: Shopify, Square, and bots that report orders in the shape of a Discord webhook. */
import type { Draw } from './draw.ts';
import { each, headersOf, json, type Payload, type ProviderPayloads } from './payload.ts';

const SHOP = 'example-shop.myshopify.com';

/** Ids of Shopify are whole numbers beyond what JavaScript counts exactly: they are written as they are. */
function hook(draw: Draw, body: string): Payload {
  const id = draw.uuid();
  return {
    contentType: 'application/json',
    headers: headersOf({
      'User-Agent': 'Shopify-Captain-Hook',
      'X-Shopify-Topic': draw.type,
      'X-Shopify-Shop-Domain': SHOP,
      'X-Shopify-API-Version': '2026-01',
      'X-Shopify-Webhook-Id': id,
      'X-Shopify-Event-Id': draw.uuid(),
      'X-Shopify-Triggered-At': draw.iso(),
    }),
    body,
  };
}

const withId = (id: string, value: unknown): string => JSON.stringify(value).replace('"$id"', id);

function order(draw: Draw): Payload {
  const id = draw.digits(18);
  const price = draw.float(8, 240, 2).toFixed(2);
  const { first, last, email } = draw.person();
  const number = draw.int(1001, 99_999);
  return hook(
    draw,
    withId(id, {
      id: '$id',
      admin_graphql_api_id: `gid://shopify/Order/${id}`,
      cancelled_at: draw.type === 'orders/cancelled' ? draw.isoSeconds() : null,
      confirmed: true,
      contact_email: email,
      created_at: draw.isoSeconds(-2),
      currency: 'EUR',
      current_total_price: price,
      customer: { email, first_name: first, last_name: last, state: 'disabled', verified_email: true },
      email,
      financial_status: draw.type === 'orders/create' ? 'pending' : 'paid',
      fulfillment_status: draw.type === 'orders/fulfilled' ? 'fulfilled' : null,
      line_items: [
        {
          name: 'Enamel mug, blue',
          price,
          quantity: 1,
          requires_shipping: true,
          sku: 'MUG-BL',
          taxable: true,
          vendor: 'Example',
        },
      ],
      name: `#${number}`,
      order_number: number,
      shipping_address: {
        address1: 'Musterstraße 1',
        city: 'Berlin',
        country_code: 'DE',
        first_name: first,
        zip: '10115',
      },
      subtotal_price: price,
      tags: '',
      test: true,
      total_price: price,
      total_tax: '0.00',
      updated_at: draw.isoSeconds(),
    }),
  );
}

function product(draw: Draw): Payload {
  const id = draw.digits(18);
  return hook(
    draw,
    withId(id, {
      id: '$id',
      admin_graphql_api_id: `gid://shopify/Product/${id}`,
      handle: 'enamel-mug',
      product_type: 'Kitchen',
      status: 'active',
      title: 'Enamel mug',
      updated_at: draw.isoSeconds(),
      variants: [{ price: '14.00', sku: 'MUG-BL', inventory_quantity: draw.int(0, 400) }],
      vendor: 'Example',
    }),
  );
}

export const shopify: ProviderPayloads = {
  types: {
    ...each(['orders/create', 'orders/paid', 'orders/fulfilled', 'orders/cancelled'], order),
    'products/update': product,
    'app/uninstalled': (draw) =>
      hook(draw, JSON.stringify({ id: draw.int(1, 9e8), domain: SHOP, name: 'Example Shop' })),
  },
};

export const square: ProviderPayloads = {
  types: each(['payment.created', 'payment.updated', 'order.updated', 'refund.created', 'customer.created'], (draw) => {
    const [kind = 'payment'] = draw.type.split('.');
    const id = draw.text(22);
    return json(
      {
        merchant_id: `ML${draw.text(11).toUpperCase()}`,
        location_id: `L${draw.text(12).toUpperCase()}`,
        type: draw.type,
        event_id: draw.uuid(),
        created_at: draw.iso(),
        data: {
          type: kind,
          id,
          object: {
            [kind]: {
              id,
              amount_money: { amount: draw.int(200, 20_000), currency: 'EUR' },
              created_at: draw.iso(-2),
              order_id: draw.text(22),
              source_type: 'CARD',
              status: 'COMPLETED',
              updated_at: draw.iso(-1),
              version: draw.int(1, 6),
            },
          },
        },
      },
      ['User-Agent', 'Square Connect v2'],
    );
  }),
};

const field = (name: string, value: string, inline = true) => ({ name, value, inline });

/** The titles are those of the embeds that such a bot sends; the numbers of orders are spoilers, between bars. */
export const refract: ProviderPayloads = {
  types: each(['Successful Checkout!', 'Checkout Declined'], (draw) => {
    const declined = draw.type === 'Checkout Declined';
    return json({
      username: 'Refract',
      avatar_url: 'https://cdn.example.com/bot.png',
      content: null,
      embeds: [
        {
          title: draw.type,
          url: `https://shop.example.com/p/${draw.digits(6)}`,
          color: declined ? 15_548_997 : 5_763_719,
          timestamp: draw.iso(),
          fields: [
            field('Site', 'Example Shop'),
            field('Product', 'Enamel mug, blue', false),
            field('Price', `$${draw.float(9, 90, 2).toFixed(2)}`),
            field('Quantity', String(draw.int(1, 4))),
            declined ? field('Reason', 'Card declined') : field('Order Number', `||${draw.digits(13)}||`),
            field('Profile', `||home-${draw.digits(2)}||`),
          ],
          footer: { text: 'Refract v2.50.1' },
        },
      ],
    });
  }),
};
