/** Sources that no provider's name covers: what they prove, what is read of them, and what they answer. */
import { createHmac } from 'node:crypto';
import { createGateway, defineConfig } from 'holdfast';
import { all, bearer, hmac, ipAllowList } from 'holdfast/verify';
import { z } from 'zod';

const KEY = 'a key to try out'; // secret('SHIPPING_SECRET') outside of an example
const TOKEN = 'a-token-to-try-out';

// #region shipping
const shipping = {
  verify: hmac({
    header: 'x-carrier-signature',
    prefix: 'sha256=',
    timestamp: { header: 'x-carrier-time' }, // signed with the body: a captured request is refused five minutes later
    secrets: KEY,
  }),
  type: 'body.event',
  dedupeKey: 'header.x-carrier-id',
  orderKey: 'body.parcel.id', // the events of one parcel, one after the other
  tenant: 'query.shop',
  body: z.object({ event: z.string(), parcel: z.object({ id: z.string(), weight: z.number() }) }),
};
// #endregion

// #region meters
const meters = {
  verify: all(ipAllowList({ allow: ['127.0.0.0/8', '192.0.2.0/24'] }), bearer({ tokens: TOKEN })),
  split: 'readings', // {"readings": [{…}, {…}]} is an event for each, in one commit
  type: '=reading',
  dedupeKey: 'body.meter+=:+body.at', // of the element
  answer: { status: 202, body: 'thank you' },
  ratePerS: 100,
};
// #endregion

const gateway = createGateway(
  defineConfig({ store: 'memory:', logLevel: 'error', port: 0, sources: { shipping, meters } }),
);
const { promise: handled, resolve } = Promise.withResolvers<void>();
let count = 0;
gateway.handle('parcels', { from: 'shipping' }, (event) => {
  console.log(`${event.type} of ${event.tenant}: ${event.orderKey}, ${event.body.parcel.weight} kg`); // typed by the schema
  if (++count === 3) resolve();
});
gateway.handle('readings', { from: 'meters' }, (event) => {
  console.log(`${event.type} ${event.dedupeKey}`);
  if (++count === 3) resolve();
});

const { ingest } = await gateway.listen();
const send = async (path: string, headers: Record<string, string>, body: string): Promise<string> => {
  const response = await fetch(`http://127.0.0.1:${ingest.port}${path}`, { method: 'POST', headers, body });
  return `${response.status} ${(await response.text()).replace(/evt_\w+/, 'evt_…')}`;
};

const parcel = JSON.stringify({ event: 'parcel.sent', parcel: { id: 'p1', weight: 2.5 } });
const time = String(Math.floor(Date.now() / 1000));
const signature = createHmac('sha256', KEY).update(`${time}.${parcel}`).digest('hex');
const signed = { 'x-carrier-time': time, 'x-carrier-signature': `sha256=${signature}`, 'x-carrier-id': '1' };
console.log(`signed: ${await send('/in/shipping?shop=north', signed, parcel)}`);
console.log(`changed: ${(await send('/in/shipping?shop=north', signed, parcel.replace('2.5', '9.5'))).slice(0, 3)}`);

const readings = [1, 2].map((at) => ({ meter: 'm7', at, value: 20 + at }));
console.log(
  `two at once: ${await send('/in/meters', { authorization: `Bearer ${TOKEN}` }, JSON.stringify({ readings }))}`,
);
await handled;
await gateway.stop();
