/** What teams write before a job queue: Fastify verifies a webhook, answers when the queue has it. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { fastify } from 'fastify';
import { tell } from './serve.ts';

export interface Webhook {
  readonly id: string;
  readonly event: { readonly event: string };
}

/** Listens, and tells the parent where. A webhook is acknowledged when `add` resolves. */
export async function takeVerified(secret: string, add: (webhook: Webhook) => Promise<void>): Promise<void> {
  const app = fastify();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.post('/in/bench', async (request, reply) => {
    const body = request.body as Buffer;
    const expected = createHmac('sha256', secret).update(body).digest();
    const given = Buffer.from(String(request.headers['x-signature']), 'hex');
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return reply.code(401).send();
    const event = JSON.parse(body.toString()) as { id: string; event: string };
    await add({ id: event.id, event });
    return { id: event.id };
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const address = app.server.address();
  tell(typeof address === 'object' && address !== null ? address.port : 0, {
    processed: () => 0,
    stop: () => app.close(),
  });
}

/** Inserts under way at once, and most webhooks of one. */
const INSERTS = 2;
const INSERT_MAX = 256;

interface Waiting {
  readonly webhook: Webhook;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

type Insert = (webhooks: readonly Webhook[]) => Promise<unknown>;

/** How webhooks get into a queue: `each` by itself, as its documentation shows, or `gathered`. */
export function adding(insert: Insert, inserting: string): (one: Webhook) => Promise<void> {
  return inserting === 'each' ? async (webhook) => void (await insert([webhook])) : gathered(insert);
}

/** Group commit for who inserts in batches: what comes while inserts are under way goes in the next one. */
function gathered(insert: Insert): (one: Webhook) => Promise<void> {
  const waiting: Waiting[] = [];
  let inserts = 0;

  function next(): void {
    while (inserts < INSERTS && waiting.length > 0) void run(waiting.splice(0, INSERT_MAX));
  }

  async function run(some: readonly Waiting[]): Promise<void> {
    inserts++;
    try {
      await insert(some.map(({ webhook }) => webhook));
      for (const { resolve } of some) resolve();
    } catch (error) {
      for (const { reject } of some) reject(error);
    } finally {
      inserts--;
      next();
    }
  }

  return (webhook) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // What one turn of the event loop brings goes together.
    if (waiting.push({ webhook, resolve, reject }) === 1) setImmediate(next);
    return promise;
  };
}
