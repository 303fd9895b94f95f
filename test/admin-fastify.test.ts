/** The admin API inside a Fastify application. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fastify from 'fastify';
import { Sender } from './sending-world.ts';

test('the admin API is a Fastify plugin: its routes, bodies and token as on a port of its own', async (t) => {
  await using sender = await Sender.start();
  const { gateway } = sender;
  const app = fastify();
  t.after(() => app.close());
  app.get('/health', () => ({ own: true }));
  app.post('/echo', (request) => request.body);
  await app.register(gateway.admin().fastify);
  await app.register(gateway.admin().fastify, { prefix: '/ops' });
  const base = await app.listen({ port: 0, host: '127.0.0.1' });
  const authorization = `Bearer ${gateway.adminToken}`;
  const call = (path: string, init: RequestInit = {}) =>
    fetch(`${base}${path}`, {
      ...init,
      headers: { authorization, 'content-type': 'application/json' },
    });

  const ask = { method: 'POST', body: JSON.stringify({ url: 'http://127.0.0.1:8080/', tenant: 'acme' }) };
  for (const prefix of ['', '/ops']) {
    assert.equal((await fetch(`${base}${prefix}/api/queues/stats`)).status, 401);
    assert.equal((await call(`${prefix}/api/queues/stats`)).status, 200);
    assert.equal((await call(`${prefix}/api/endpoints`, ask)).status, 201);
    const list = (await (await call(`${prefix}/api/endpoints?tenant=acme&limit=10`)).json()) as { rows: unknown[] };
    assert.equal(list.rows.length, prefix === '' ? 1 : 2);
    assert.equal((await call(`${prefix}/ready`)).status, 200);
  }
  assert.deepEqual(await (await call('/health')).json(), { own: true });
  assert.equal(((await (await call('/ops/health')).json()) as { status: string }).status, 'ok');
  assert.deepEqual(await (await call('/echo', { method: 'POST', body: '{"a":1}' })).json(), { a: 1 });
});

test('whom the application knows needs no token, and gets what is of its tenant', async (t) => {
  await using sender = await Sender.start();
  const app = fastify();
  t.after(() => app.close());
  const tenants = new Map([['key-of-acme', 'acme']]);
  const admin = sender.gateway.admin({
    identify: ({ headers }) => {
      const tenant = tenants.get(headers.get('x-api-key') ?? '');
      return tenant === undefined ? null : { name: tenant, tenant };
    },
  });
  await app.register(admin.fastify);
  const base = await app.listen({ port: 0, host: '127.0.0.1' });
  const call = (path: string, key: string, init: RequestInit = {}) =>
    fetch(`${base}${path}`, { ...init, headers: { 'x-api-key': key, 'content-type': 'application/json' } });
  const body = JSON.stringify({ url: 'http://127.0.0.1:8080/' });
  assert.equal((await call('/api/endpoints', 'another', { method: 'POST', body })).status, 401);
  const made = await call('/api/endpoints', 'key-of-acme', { method: 'POST', body });
  assert.equal(((await made.json()) as { endpoint: { tenant: string } }).endpoint.tenant, 'acme');
  assert.equal((await call('/api/queues/stats', 'key-of-acme')).status, 403);
});
