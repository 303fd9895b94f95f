/** A process that works off the queues, in production; start as many as you like. */
import { makeGateway } from './gateway.ts';
import { Rows } from './rows.ts';

const rows = await Rows.open();
const gateway = makeGateway(rows, 'worker');
const { admin } = await gateway.listen(); // /health, /ready and /metrics, for who watches over it
console.log(`worker: http://${admin.host}:${admin.port}`);

async function stop(): Promise<void> {
  await gateway.stop();
  await rows.close();
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void stop());
