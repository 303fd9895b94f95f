/** Damage that shows while the gateway runs: it takes nothing new, and says so. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { createGateway, type Gateway } from '../src/index.ts';
import { scratch } from '../src/store/sqlite/harness.ts';
import { none } from '../src/verify/index.ts';

const SETTINGS = { port: 0, logLevel: 'silent', adminToken: 'a-token-of-this-test-only' } as const;

test('a claim that meets damage stops intake: 503, not ready, and the log names the place', async (t) => {
  const { path, remove } = scratch();
  const config = { ...SETTINGS, store: `sqlite:${path}`, sources: { shop: none() } };
  const send = async (gateway: Pick<Gateway, 'fetch'>, body: string): Promise<Response> =>
    gateway.fetch(new Request('http://a.test/in/shop', { method: 'POST', body }));
  const before = createGateway(config);
  const begun = Promise.withResolvers<void>();
  before.handle('till', { from: 'shop' }, () => (begun.resolve(), new Promise<void>(() => undefined)));
  await before.start();
  for (let index = 0; index < 3; index++) assert.equal((await send(before, `{"n":${index}}`)).status, 200);
  await begun.promise;
  await before.stop({ graceMs: 0 });

  const database = new DatabaseSync(path);
  database.exec('UPDATE body SET data = zeroblob(length(data))');
  database.close();

  const noted = Promise.withResolvers<string>();
  const note = (level: string, message: string): void => {
    if (level === 'error' && message.includes('Nothing new is taken')) noted.resolve(message);
  };
  let handled = 0;
  const gateway = createGateway(config, { observer: { note } });
  gateway.handle('till', { from: 'shop' }, () => void handled++);
  t.after(async () => {
    await gateway.stop({ graceMs: 0 });
    remove();
  });
  const { ingest, admin } = await gateway.listen();
  assert.match(await noted.promise, /damaged.*body/i);
  const answer = await fetch(`http://127.0.0.1:${ingest.port}/in/shop`, { method: 'POST', body: '{}' });
  assert.equal(answer.status, 503);
  assert.notEqual(answer.headers.get('retry-after'), null);
  assert.equal(((await answer.json()) as { code: string }).code, 'store_unavailable');
  const ready = await fetch(`http://127.0.0.1:${admin.port}/ready`, {
    headers: { authorization: `Bearer ${SETTINGS.adminToken}` },
  });
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /store_unavailable/);
  assert.equal(handled, 0, 'nothing that is damaged is handled');
});
