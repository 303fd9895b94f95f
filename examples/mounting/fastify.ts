/** Holdfast inside a Fastify application. */
import { orderRequest, told } from './sender.ts';
// #region mount
import fastify from 'fastify';
import { makeGateway } from './gateway.ts';

const gateway = makeGateway();
await gateway.start();

const app = fastify();
app.register(gateway.fastify(), { prefix: '/webhooks' }); // the parsers of the application stay as they are
app.post('/echo', (request) => request.body);
app.addHook('onClose', () => gateway.stop());
// #endregion

const base = await app.listen({ port: 0, host: '127.0.0.1' });

await told('webhook', await fetch(orderRequest(`${base}/webhooks/in/orders`, 'ord_1')));
await told('the rest of the application', await fetch(orderRequest(`${base}/echo`, 'own_1')));

await app.close();
