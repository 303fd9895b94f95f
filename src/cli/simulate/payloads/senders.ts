/** Senders of any kind that sign as Standard Webhooks, as Svix, or with an HMAC of their own. */
import { each, json, type Make, type ProviderPayloads } from './payload.ts';

const types = ['order.created', 'order.paid', 'order.shipped', 'user.created'];

function senderOf(idHeader: string | null): ProviderPayloads {
  const make: Make = (draw) => {
    const { name, email } = draw.person();
    const id = draw.text(27);
    const data = draw.type.startsWith('user')
      ? { id: `usr_${draw.text(20)}`, name, email }
      : {
          id: `ord_${draw.text(20)}`,
          customer: email,
          currency: 'EUR',
          total: draw.float(5, 300, 2).toFixed(2),
          items: draw.int(1, 9),
        };
    return json(
      { ...(idHeader === null && { id: `evt_${id}` }), type: draw.type, timestamp: draw.iso(), data },
      idHeader === null ? [] : [idHeader, `msg_${id}`],
    );
  };
  return { types: each(types, make) };
}

export const standardWebhooks = senderOf('webhook-id');
export const svix = senderOf('svix-id');
export const generic = senderOf(null);
