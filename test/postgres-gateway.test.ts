import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe } from 'node:test';
import { createGateway, defineConfig, HoldfastError } from 'holdfast';
import { hmac } from 'holdfast/verify';
import { startPostgres } from '../scripts/services/postgres.ts';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

const here = postgresHere();

function config(store: string) {
  return defineConfig({
    store,
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

describe('a gateway on PostgreSQL', () => {
  testNeeding([postgres], 'has a signed webhook handled, and knows it again', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    await using gateway = createGateway(config(here().server.url));
    gateway.handle('till', { from: 'shop' }, (event) => resolve(event.body));
    await gateway.start();
    assert.equal(gateway.report?.driver, 'postgres');
    const send = (): Promise<Response> =>
      gateway.fetch(new Request('http://test/in/shop', signed({ id: 'o1', type: 'order.paid' })));
    const accepted = await send();
    assert.equal(accepted.status, 200, await accepted.clone().text());
    const { id } = (await accepted.json()) as { id: string };
    assert.deepEqual(await promise, { id: 'o1', type: 'order.paid' });
    assert.deepEqual(await (await send()).json(), { id });
    await gateway.stop({ drain: true });

    await using again = createGateway(config(here().server.url));
    again.handle('till', { from: 'shop' }, () => assert.fail('it was handled before'));
    await again.start();
    const headers = { authorization: `Bearer ${again.adminToken}` };
    const answer = await again.admin().fetch(new Request(`http://test/api/events/${id}`, { headers }));
    const text = await answer.text();
    assert.match(text, /"state":"succeeded"/);
    assert.match(text, /"duplicates":\{"count":1/);
  });

  testNeeding([postgres], 'gives a duplicate the answer that another gateway is still making', async () => {
    const sync = defineConfig({
      store: `${here().server.url}?schema=answers`,
      sources: {
        shop: { ...config('').sources.shop, mode: 'sync', responder: 'till', deadline: '60s', answer: { status: 202 } },
      },
    });
    const called = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<string>();
    await using one = createGateway(sync);
    one.handle('till', { from: 'shop' }, () => (called.resolve(), gate.promise));
    await one.start();
    const send = async (gateway: typeof one): Promise<string> => {
      const request = new Request('http://test/in/shop', signed({ id: 'o1', type: 'order.paid' }));
      const answer = await gateway.fetch(request);
      return `${answer.status} ${await answer.text()}`;
    };
    const first = send(one);
    await called.promise;

    await using other = createGateway(sync);
    other.handle('till', { from: 'shop' }, () => assert.fail('it is at work elsewhere'));
    await other.start();
    const again = send(other);
    let answered = false;
    void again.then(() => (answered = true));
    // It has asked the store by the time that an event sent after it is told of.
    await other.emit('later', {});
    assert.equal(answered, false);
    gate.resolve('paid');
    assert.deepEqual(await Promise.all([first, again]), ['200 paid', '200 paid']);
  });

  testNeeding([postgres], 'leaves most of a burst that it takes to the others who attempt', async () => {
    const burst = 2000;
    const store = `${here().server.url}?schema=burst`;
    const begun = [0, 0];
    const start = async (index: number) => {
      const gateway = createGateway(defineConfig({ store, logLevel: 'silent', sources: {} }));
      gateway.handle('slow', { from: 'emitted', concurrency: 10 }, async () => {
        begun[index] = (begun[index] ?? 0) + 1;
        await new Promise((resolve) => setTimeout(resolve, 10));
      });
      await gateway.start();
      return gateway;
    };
    await using one = await start(0);
    await using other = await start(1);
    const known = async (each: typeof one): Promise<number> => {
      const headers = { authorization: `Bearer ${each.adminToken}` };
      const answer = await each.admin().fetch(new Request('http://test/api/processes', { headers }));
      return ((await answer.json()) as { rows: unknown[] }).rows.length;
    };
    for (const each of [one, other])
      while ((await known(each)) < 2) await new Promise((resolve) => setTimeout(resolve, 50));
    await one.emitBatch(Array.from({ length: burst }, (_, index) => ({ type: 'any', body: index })));
    while ((begun[0] ?? 0) + (begun[1] ?? 0) < burst) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok((begun[1] ?? 0) > burst / 4, begun.join(' and '));
  });

  testNeeding([postgres], 'stops well when its server has just gone', async () => {
    const own = await startPostgres();
    try {
      const gateway = createGateway({ ...config(own.url), logLevel: 'silent' });
      gateway.handle('till', { from: 'shop' }, () => undefined);
      await gateway.start();
      await own.kill();
      await gateway.stop();
      await assert.rejects(gateway.emit('any', {}), { code: 'not_started' });
    } finally {
      await own.remove();
    }
  });

  testNeeding([postgres], 'shows no password', () => {
    const gateway = createGateway(config('postgres://ada:s3cret@db.example/webhooks'));
    assert.equal(gateway.settings['store'], 'postgres://ada:[set]@db.example/webhooks');
    const parameters = createGateway(config('postgres://db.example/webhooks?user=ada&password=p%40ss&schema=in'));
    assert.equal(parameters.settings['store'], 'postgres://db.example/webhooks?user=ada&password=[set]&schema=in');
    return Promise.resolve();
  });

  testNeeding([postgres], 'says what is wrong with a server that is not there', async () => {
    const gateway = createGateway(config('postgres://ada:s3cret@127.0.0.1:1/webhooks'));
    await assert.rejects(gateway.start(), (error: unknown) => {
      assert.ok(error instanceof HoldfastError);
      assert.equal(error.code, 'store_unavailable');
      assert.doesNotMatch(String(error), /s3cret/);
      return true;
    });
  });
});
