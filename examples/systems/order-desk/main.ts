/** One process: webhooks in, orders out to browsers. Ends on SIGTERM with nothing left undone that it has taken. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import express from 'express';
import { passwordAccess } from './access.ts';
import { deskRoutes } from './desk.ts';
import { makeGateway, WEBHOOKS } from './gateway.ts';
import { Live } from './live.ts';
import { readSettings } from './settings.ts';
import { OrderTable } from './table.ts';

const settings = readSettings(process.env);
const table = new OrderTable(settings.ordersFile);
const live = new Live(table);
const gateway = makeGateway(settings, () => live.look());
await gateway.start();

const access = passwordAccess(settings.password);
const app = express().disable('x-powered-by');
app.use(gateway.middleware()); // first: nobody else touches the bytes of a webhook
app.use(deskRoutes(gateway.operations({ by: 'order desk' }), access));

const server = createServer(app);
live.attach(server, `${WEBHOOKS}/live`, (request) => access.allows(request));
server.listen(settings.port, settings.host);
await once(server, 'listening');
console.log(`order desk: http://${settings.host}:${(server.address() as { port: number }).port}/`);

// #region stop
await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
const closed = once(server.close(), 'close'); // takes no new connections
await gateway.stop({ drain: true }); // answers 503 on those that are open, works off what it has taken
live.close();
server.closeAllConnections();
await closed;
table.close();
// #endregion
