/** What teams glue together: Fastify verifies and adds to BullMQ, a worker in a process of its own takes it. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Queue, Worker } from 'bullmq';
import { fastify } from 'fastify';
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
  const app = fastify();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.post('/in/bench', async (request, reply) => {
    const body = request.body as Buffer;
    const expected = createHmac('sha256', secret).update(body).digest();
    const given = Buffer.from(String(request.headers['x-signature']), 'hex');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return reply.code(401).send();
    const event = JSON.parse(body.toString()) as { id: string; event: string };
    await queue.add(event.event, event, {
      jobId: event.id,
      attempts: 5,
      backoff: { type: 'exponential', delay: 5000 },
    });
    return { id: event.id };
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const address = app.server.address();
  tell(typeof address === 'object' && address !== null ? address.port : 0, {
    processed: () => processed,
    stop: () => app.close(),
  });
}
