/** The application's HTTP side: takes webhooks, and shows what became of them. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { createGateway } from 'holdfast';
import { webhooksOf } from './audit.ts';
import { configOf } from './config.ts';
import { cacheKey, openData } from './users.ts';
import { registerWearables } from './wearables.ts';

const CACHE_S = 60;

const data = await openData();
const gateway = createGateway(configOf('gateway'));
registerWearables(gateway, data); // it routes to the destination; attempts are the workers'
await gateway.start();

const app = express();
app.use(gateway.middleware()); // above every body parser: it needs the bytes as they came
app.use('/holdfast', gateway.admin().handler);
app.use(express.json());

app.post('/api/users', (request, response, next) => {
  const { externalId } = request.body as { externalId?: unknown };
  if (typeof externalId !== 'string' || externalId === '') response.status(400).json({ error: 'externalId' });
  else addUser(externalId).then(() => response.status(201).json({ externalId }), next);
});

app.get('/api/users/:id/wearables', ({ params: { id } }, response, next) => {
  const send = (text: string | null): unknown =>
    text === null ? response.status(404).json({ error: 'unknown user' }) : response.type('json').send(text);
  wearablesOf(id).then(send, next);
});

app.get('/api/users/:id/webhooks', ({ params: { id }, query }, response, next) => {
  const cursor = typeof query['cursor'] === 'string' ? query['cursor'] : undefined;
  webhooksOf(gateway, id, cursor).then((page) => response.json(page), next);
});

async function addUser(externalId: string): Promise<void> {
  await data.users.updateOne({ externalId }, { $setOnInsert: { externalId, wearables: {} } }, { upsert: true });
  await gateway.emit('user.created', {}, { tenant: externalId, orderKey: externalId });
}

/** From the cache, where it is there: without Redis it is slower, not wrong. */
async function wearablesOf(externalId: string): Promise<string | null> {
  const cached = await data.cache.get(cacheKey(externalId)).catch(() => null);
  if (cached !== null) return cached;
  const user = await data.users.findOne({ externalId });
  if (user === null) return null;
  const text = JSON.stringify(user.wearables);
  await data.cache.set(cacheKey(externalId), text, 'EX', CACHE_S).catch(() => null);
  return text;
}

const server = app.listen(Number(process.env['PORT'] ?? 8440), '127.0.0.1');
await once(server, 'listening');
console.log(`application: http://127.0.0.1:${(server.address() as AddressInfo).port}`);

await once(process, 'SIGTERM');
server.close();
await gateway.stop();
await data.close();
