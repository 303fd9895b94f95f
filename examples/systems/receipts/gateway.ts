/** The gateway of both programs: the same sources, the same handler, another role. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { drizzle } from 'drizzle-orm/node-postgres';
import { createGateway, defineConfig, exponential, type Gateway, RetryLater, secret } from 'holdfast';
import { resend, telnyx } from 'holdfast/verify';
import type { PoolClient } from 'pg';
import { receiptOf, type ResendEvent, type TelnyxEvent, TYPES } from './receipt.ts';
import { known, record } from './record.ts';
import { required, wholeNumber } from './settings.ts';
import { migrate } from './tables.ts';

// #region config
function configOf(role: 'gateway' | 'worker') {
  // Telnyx signs with a key pair: what it shows as the secret of webhooks is the public half.
  const telnyxKeys = secret(
    process.env['TELNYX_WEBHOOK_SECRET'] === undefined ? 'TELNYX_PUBLIC_KEY' : 'TELNYX_WEBHOOK_SECRET',
  );
  return defineConfig({
    store: required('DATABASE_URL'),
    queue: required('NATS_URL'),
    role,
    sources: {
      telnyx: { verify: telnyx<TelnyxEvent>({ publicKeys: telnyxKeys }), path: '/telnyx' },
      resend: { verify: resend<ResendEvent>(), path: '/resend' },
    },
  });
}
// #endregion

/** Tries for some hours: what fails here is ours to mend, and no receipt is worth less for having waited. */
const retry = exponential({ maxAttempts: 20, base: '1s', cap: '15m' });

// #region handler
function register(gateway: Gateway<ReturnType<typeof configOf>>): void {
  const options = {
    from: ['telnyx', 'resend'],
    types: TYPES,
    size: wholeNumber('WEBHOOK_BATCH_SIZE', { unset: 100, min: 1 }),
    within: wholeNumber('WEBHOOK_FLUSH_INTERVAL', { unset: 1000, min: 1 }), // milliseconds
    concurrency: { min: 1, max: wholeNumber('WEBHOOK_MAX_WORKERS', { unset: 10, min: 1 }) },
    ordered: false, // a status only moves forward, whatever comes when: see record.ts
    retry,
  } as const;
  gateway.handleBatch('receipts', options, async ({ events, fail }, { transaction }) => {
    const receipts = events.map((event) => ({ event, ...receiptOf(event) }));
    await transaction(async (client: PoolClient) => {
      const tx = drizzle({ client });
      const ids = receipts.map(({ messageId }) => messageId);
      const here = await known(tx, ids);
      for (const { event, messageId } of receipts) {
        // The provider may be faster than the program that sends: its row is a moment away.
        if (!here.has(messageId)) fail(event, new RetryLater('5s', `no recipient was sent ${messageId}`));
      }
      await record(tx, receipts); // what is not known moves nothing
    });
  });
}
// #endregion

/**
 * Starts the gateway in its role, with the application's tables in place and its figures on METRICS_PORT.
 * @param metricsPort where that is not set; 0: any that is free
 */
export async function startGateway(role: 'gateway' | 'worker', metricsPort: number) {
  await migrate(required('DATABASE_URL'));
  const gateway = createGateway(configOf(role));
  register(gateway);
  await gateway.start();
  const metrics = createServer(gateway.admin().handler); // /metrics, /health, /ready and the admin API
  metrics.listen(
    wholeNumber('METRICS_PORT', { unset: metricsPort, min: 0 }),
    process.env['METRICS_HOST'] ?? '127.0.0.1',
  );
  await once(metrics, 'listening');
  const { address, port } = metrics.address() as AddressInfo;
  console.log(`metrics at http://${address}:${port}/metrics`);
  const stop = async (): Promise<void> => {
    metrics.close();
    await gateway.stop();
  };
  return { gateway, stop };
}
