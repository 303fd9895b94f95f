/** A gateway: takes webhooks and commits them. Any number of them may run. */
import fastify from 'fastify';
import { startGateway } from './gateway.ts';
import { wholeNumber } from './settings.ts';

const { gateway, stop } = await startGateway('gateway', 6001);

// #region mount
const app = fastify();
app.register(gateway.fastify(), { prefix: '/webhooks' });
app.addHook('onClose', () => stop());
// #endregion

const address = await app.listen({
  port: wholeNumber('PORT', { unset: 8080, min: 0 }),
  host: process.env['HOST'] ?? '127.0.0.1',
});
console.log(`webhooks at ${address}/webhooks/telnyx and …/resend`);

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void app.close());
