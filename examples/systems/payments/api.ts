/** A process that answers HTTP. With QUEUE_DRIVER=memory it does everything; in production ROLE says what else it does. */
import { once } from 'node:events';
import { makeApp } from './app.ts';
import { makeGateway } from './gateway.ts';
import { Rows } from './rows.ts';

await using rows = await Rows.open();
await using gateway = makeGateway(rows, process.env['ROLE']);
await gateway.start();
await using app = await makeApp(gateway, rows);
const url = await app.listen({ port: Number(process.env['PORT'] ?? 3000), host: process.env['HOST'] ?? '127.0.0.1' });
console.log(`payments: ${url}`);

// Then they end, the last one first.
await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
