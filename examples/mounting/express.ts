/** Holdfast inside an Express application. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { orderRequest, told } from './sender.ts';
// #region mount
import express from 'express';
import { makeGateway } from './gateway.ts';

const gateway = makeGateway();
await gateway.start();

const app = express();
app.use('/webhooks', gateway.middleware()); // above every body parser: it needs the bytes as they came
app.use(express.json());
app.post('/echo', (request, response) => void response.json(request.body));
// #endregion

const server = app.listen(0, '127.0.0.1');
await once(server, 'listening');
const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

await told('webhook', await fetch(orderRequest(`${base}/webhooks/in/orders`, 'ord_1')));
await told('the rest of the application', await fetch(orderRequest(`${base}/echo`, 'own_1')));

// #region stop
server.close();
await gateway.stop({ drain: true });
// #endregion
