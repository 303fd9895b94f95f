/** One process: webhooks in, orders out to browsers. Ends on SIGTERM with nothing left undone that it has taken. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { passwordAccess } from './access.ts';
import { deskRoutes } from './desk.ts';
import { makeGateway } from './gateway.ts';
import { liveOrders } from './live.ts';
import { readSettings } from './settings.ts';
import { openTable } from './table.ts';

const settings = readSettings();
const access = passwordAccess(settings.DESK_PASSWORD);
const table = openTable(settings.DATA_DIRECTORY);
const gateway = makeGateway(settings, () => live.look());

const app = express().disable('x-powered-by');
app.use(gateway.middleware()); // first: nobody else touches the bytes of a webhook
app.use(deskRoutes(gateway.operations({ by: 'order desk' }), access));
const server = app.listen(settings.PORT, settings.HOST);
const live = liveOrders(table, server, access);

await once(server, 'listening');
await gateway.start(); // until then it answers 503
console.log(`order desk: http://${settings.HOST}:${(server.address() as AddressInfo).port}/`);

// #region stop
await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
const closed = once(server.close(), 'close'); // takes no new connections
await gateway.stop({ drain: true }); // answers 503 on those that are open, works off what it has taken
live.close();
server.closeAllConnections();
await closed;
table.close();
// #endregion
