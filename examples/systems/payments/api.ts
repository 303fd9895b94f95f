/** A process that answers HTTP. With QUEUE_DRIVER=memory it does everything; in production ROLE says what else it does. */
import { makeApp } from './app.ts';
import { makeGateway } from './gateway.ts';
import { Rows } from './rows.ts';

const rows = await Rows.open();
const gateway = makeGateway(rows, process.env['ROLE']);
await gateway.start();
const app = await makeApp(gateway, rows);
const url = await app.listen({ port: Number(process.env['PORT'] ?? 3000), host: process.env['HOST'] ?? '127.0.0.1' });
console.log(`payments: ${url}`);

async function stop(): Promise<void> {
  await app.close();
  await gateway.stop();
  await rows.close();
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop());
