/** Stands in for the shop that sends the webhooks: signs an order as the shop would, and posts it. */
import { createHmac } from 'node:crypto';

export const SECRET = 'a-secret-the-shop-and-we-know';

/** A signed request, to be sent or handed over. */
export function orderRequest(url: string, id: string): Request {
  const body = JSON.stringify({ id, type: 'order.created', customer: 'ada' });
  const signature = createHmac('sha256', SECRET).update(body).digest('hex');
  return new Request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-signature': signature },
    body,
  });
}

/** Says in one line how a request was answered. */
export async function told(what: string, response: Response): Promise<void> {
  const { id, code } = (await response.json()) as { id?: string; code?: string };
  console.log(`${what}: ${response.status} ${id === undefined ? code : id.slice(0, 4)}`);
}
