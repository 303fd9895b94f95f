/** The worker: has replies written, sends them, and tries again what failed. Any number of them may run. */
import { startGateway } from './gateway.ts';

const { stop } = await startGateway('worker');
console.log('at work');

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void stop());
