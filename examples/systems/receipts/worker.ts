/** A worker: writes receipts, in batches. Any number of them may run. */
import { startGateway } from './gateway.ts';

const { stop } = await startGateway('worker', 0);
console.log('at work');

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
