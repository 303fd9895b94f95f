/** A process that works off the queues, in production; start as many as you like. */
import { once } from 'node:events';
import { makeGateway } from './gateway.ts';
import { Rows } from './rows.ts';

await using rows = await Rows.open();
await using gateway = makeGateway(rows, 'worker');
const { admin } = await gateway.listen(); // /health, /ready and /metrics, for who watches over it
console.log(`worker: http://${admin.host}:${admin.port}`);

await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
