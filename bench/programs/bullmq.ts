/** What teams glue together: Fastify verifies and adds to BullMQ, a worker in a process of its own takes it. */
import { Queue, Worker } from 'bullmq';
import { takeVerified } from './peer.ts';
import { tell } from './serve.ts';

const [, , role, redisPort = '', secret = ''] = process.argv;
const connection = { host: '127.0.0.1', port: Number(redisPort) };
let processed = 0;

if (role === 'worker') {
  const worker = new Worker('webhooks', () => Promise.resolve(void processed++), {
    connection,
    concurrency: 64,
    removeOnComplete: { count: 1000 },
  });
  await worker.waitUntilReady();
  tell(0, { processed: () => processed, stop: () => worker.close() });
} else {
  const queue = new Queue('webhooks', { connection });
  await takeVerified(secret, async ({ id, event }) => {
    await queue.add(event.event, event, {
      jobId: id,
      attempts: 5,
      backoff: { type: 'exponential', delay: 5000 },
    });
  });
}
