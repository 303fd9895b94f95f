import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe } from 'node:test';
import { createGateway, defineConfig, HoldfastError } from 'holdfast';
import { hmac } from 'holdfast/verify';
import { mongo, mongoHere } from './mongodb.ts';
import { testNeeding } from './require.ts';

function config(store: string, allowWeakerDurability = true) {
  return defineConfig({
    store,
    allowWeakerDurability,
    sources: {
      shop: { verify: hmac({ header: 'x-signature', secrets: 'test' }), type: 'body.type', dedupeKey: 'body.id' },
    },
  });
}

function signed(body: object): RequestInit {
  const text = JSON.stringify(body);
  const signature = createHmac('sha256', 'test').update(text).digest('hex');
  return { method: 'POST', body: text, headers: { 'content-type': 'application/json', 'x-signature': signature } };
}

describe('a gateway on MongoDB', () => {
  const here = mongoHere();

  testNeeding([mongo], 'has a signed webhook handled, and knows it again', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    await using gateway = createGateway(config(`${here().server.url}/gateway`));
    gateway.handle('till', { from: 'shop' }, (event) => resolve(event.body));
    await gateway.start();
    assert.equal(gateway.report?.driver, 'mongodb');
    const send = (): Promise<Response> =>
      gateway.fetch(new Request('http://test/in/shop', signed({ id: 'o1', type: 'order.paid' })));
    const accepted = await send();
    assert.equal(accepted.status, 200, await accepted.clone().text());
    const { id } = (await accepted.json()) as { id: string };
    assert.deepEqual(await promise, { id: 'o1', type: 'order.paid' });
    assert.deepEqual(await (await send()).json(), { id });
    await gateway.stop({ drain: true });

    await using again = createGateway(config(`${here().server.url}/gateway`));
    again.handle('till', { from: 'shop' }, () => assert.fail('it was handled before'));
    await again.start();
    const headers = { authorization: `Bearer ${again.adminToken}` };
    const answer = await again.admin().fetch(new Request(`http://test/api/events/${id}`, { headers }));
    const text = await answer.text();
    assert.match(text, /"state":"succeeded"/);
    assert.match(text, /"duplicates":\{"count":1/);
  });

  testNeeding([mongo], 'refuses transactions of the application, and says why', async () => {
    const refused = { name: 'HoldfastError', code: 'transaction_unsupported', message: /one log/ };
    const { promise, resolve } = Promise.withResolvers<unknown>();
    await using gateway = createGateway(config(`${here().server.url}/transactions`));
    gateway.handle('till', { from: 'emitted' }, (_event, { transaction }) =>
      transaction(() => assert.fail('nothing runs')).catch(resolve),
    );
    await gateway.start();
    const tx = { query: () => assert.fail('nothing is to be written') };
    await assert.rejects(gateway.emit('order.paid', {}, { tx }), refused);
    await gateway.emit('order.paid', {});
    const error = await promise;
    assert.throws(() => {
      throw error;
    }, refused);
  });

  testNeeding([mongo], 'does not start with less durability than it promises', async () => {
    const gateway = createGateway(config(`${here().server.url}/weak?journal=false`, false));
    await assert.rejects(gateway.start(), (error: unknown) => {
      assert.ok(error instanceof HoldfastError && error.code === 'store_not_durable', String(error));
      return true;
    });
  });

  testNeeding([mongo], 'shows no password', () => {
    const gateway = createGateway(config('mongodb+srv://ada:s3cret@db.example/webhooks'));
    assert.equal(gateway.settings['store'], 'mongodb+srv://ada:[set]@db.example/webhooks');
    return Promise.resolve();
  });
});
