/** Holdfast in a host that speaks `Request` and `Response`; here Hono on Node. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { serve } from '@hono/node-server';
import { orderRequest, told } from './sender.ts';
// #region mount
import { getConnInfo } from '@hono/node-server/conninfo';
import { Hono } from 'hono';
import { makeGateway } from './gateway.ts';

const gateway = makeGateway();
await gateway.start();

const app = new Hono();
app.all('/webhooks/*', (context) => {
  const { address = '' } = getConnInfo(context).remote;
  return gateway.fetch(context.req.raw, { basePath: '/webhooks', remoteAddress: address });
});
// The admin API speaks the same language, and asks for its token wherever it is mounted.
app.all('/api/*', (context) => gateway.admin().fetch(context.req.raw));
// #endregion

const server = serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' });
await once(server, 'listening');
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

await told('webhook', await fetch(orderRequest(`${base}/webhooks/in/orders`, 'ord_1')));
await told('the admin API without its token', await fetch(`${base}/api/events`));

server.close();
await gateway.stop({ drain: true });
