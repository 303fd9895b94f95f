/**
 * Fastify and pg-boss: webhooks are inserted in batches (`insert`), under an id made of their dedupe key, so that a repeat
 * is dropped while the job is kept; a worker takes batches (`batchSize`) one after the other while they are full
 * (`burstWhenBatchFull`) and is woken by NOTIFY.
 */
import { hash } from 'node:crypto';
import { PgBoss } from 'pg-boss';
import { adding, takeVerified, type Webhook } from './peer.ts';
import { tell } from './serve.ts';

const [, , role, secret = '', connectionString = '', inserting = 'gathered'] = process.argv;
const QUEUE = 'webhooks';
const boss = new PgBoss({ connectionString, useListenNotify: role === 'worker' });
boss.on('error', (error) => console.error(error));
await boss.start();

function uuid(key: string): string {
  const hex = hash('sha256', key);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

if (role === 'worker') {
  let processed = 0;
  const options = { batchSize: 500, burstWhenBatchFull: true, localConcurrency: 2, pollingIntervalSeconds: 0.5 };
  await boss.work(QUEUE, options, (jobs) => {
    processed += jobs.length;
    return Promise.resolve();
  });
  tell(0, { processed: () => processed, stop: () => boss.stop({ timeout: 5000 }) });
} else {
  // A NOTIFY makes commits wait for each other's flush: one for many webhooks is worth it, one for each is not.
  const notify = inserting === 'gathered';
  await boss.createQueue(QUEUE, { notify, retryLimit: 5, retryDelay: 5, retryBackoff: true });
  const insert = (webhooks: readonly Webhook[]): Promise<unknown> =>
    boss.insert(
      QUEUE,
      webhooks.map(({ id, event }) => ({ id: uuid(id), data: event })),
    );
  await takeVerified(secret, adding(insert, inserting));
}
