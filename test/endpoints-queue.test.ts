/** Managed endpoints as one queue: what the code sets of all of them, and what an operator does to all of them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { exponential, fixed, type EndpointsOptions, type Gateway } from 'holdfast';
import { Inbox, Sender, until } from './sending-world.ts';

const QUEUE = 'webhook-delivery';

function start(options: EndpointsOptions<'emitted'> = {}): Promise<Sender> {
  return Sender.start({}, { register: (gateway: Gateway) => gateway.endpoints(QUEUE, options) });
}

interface Queue {
  readonly name: string;
  readonly status: string;
  readonly size: number;
  readonly received: number;
  readonly processed: number;
  readonly deadLetters: number;
  readonly breakersOpen?: number;
}

async function queueOf(sender: Sender): Promise<Queue> {
  const { body } = await sender.call<{ destinations: Queue[] }>('GET /api/queues/stats');
  const own = body.destinations.filter(({ name }) => !name.startsWith('~'));
  assert.deepEqual(
    own.map(({ name }) => name),
    [QUEUE],
    'endpoints are shown by the name they have together',
  );
  return own[0] as Queue;
}

describe('managed endpoints with a name together', () => {
  test('an endpoint that does not say is paced as the code says now, one that does as it says', async () => {
    const retry = exponential({ maxAttempts: 5, base: '5s' });
    await using sender = await start({ retry, concurrency: 3, timeout: '7s', priority: 'high' });
    const { id } = await sender.endpoint({ url: 'http://127.0.0.1:8080/' });
    const own = { concurrency: 1, timeoutMs: 900, retry: fixed(['1s']) };
    const { id: other } = await sender.endpoint({ url: 'http://127.0.0.1:8080/', ...own });
    const shown = async (of: string) => (await sender.call(`GET /api/endpoints/${of}`)).body;
    const paced = ({ concurrency, timeoutMs, retry: policy }: Record<string, unknown>) => ({
      concurrency,
      timeoutMs,
      retry: policy,
    });
    assert.deepEqual(paced(await shown(id)), { concurrency: 3, timeoutMs: 7000, retry });
    assert.deepEqual(paced(await shown(other)), own);
    await sender.call(`PATCH /api/endpoints/${other}`, { concurrency: null, timeoutMs: null, retry: null });
    assert.deepEqual(paced(await shown(other)), { concurrency: 3, timeoutMs: 7000, retry });
    const info = await sender.call<{ destinations: { name: string; priority: string }[] }>('GET /api/queues/info');
    assert.equal(info.body.destinations.find(({ name }) => name === QUEUE)?.priority, 'high');
  });

  test('no endpoint gets what is not offered, whatever it asks for', async () => {
    await using inbox = await Inbox.start();
    await using sender = await start({ types: ['order.*', 'payment.failed'] });
    await sender.endpoint({ url: inbox.url, tenant: 'acme' });
    await sender.endpoint({ url: inbox.url, tenant: 'acme', types: ['*'] });
    for (const types of [['internal.audit'], ['payment.succeeded'], ['order.*', 'x*']]) {
      const { status, body } = await sender.call('POST /api/endpoints', { url: inbox.url, types });
      assert.equal(status, 400, JSON.stringify(body));
    }
    const { status } = await sender.call('POST /api/endpoints', { url: inbox.url, from: ['shop'] });
    assert.equal(status, 400, 'only the sources that are offered');
    for (const type of ['internal.audit', 'payment.succeeded', 'order.created', 'payment.failed']) {
      await sender.gateway.emit(type, {}, { tenant: 'acme' });
    }
    await inbox.received(4);
    await until(async () => (await queueOf(sender)).size === 0);
    const types = inbox.got.map(({ headers }) => String(headers['holdfast-event-type']));
    assert.deepEqual(
      types.toSorted((a, b) => a.localeCompare(b)),
      ['order.created', 'order.created', 'payment.failed', 'payment.failed'],
    );
  });

  test('a pause holds all of them, also those made later; an own pause outlasts it', async () => {
    await using inbox = await Inbox.start();
    await using sender = await start();
    const { id: first } = await sender.endpoint({ url: inbox.url, tenant: 'one' });
    const { id: second } = await sender.endpoint({ url: inbox.url, tenant: 'two' });
    await sender.gateway.emit('a', {}, { tenant: 'one' });
    await inbox.received(1);
    assert.equal((await sender.call(`POST /api/queues/${QUEUE}/pause`)).status, 204);
    await sender.call(`PATCH /api/endpoints/${second}`, { state: 'paused' });
    await sender.endpoint({ url: inbox.url, tenant: 'three' });
    for (const tenant of ['one', 'two', 'three']) await sender.gateway.emit('b', {}, { tenant });
    const held = await queueOf(sender);
    assert.deepEqual([held.status, held.size], ['paused', 3]);
    assert.equal((await sender.delivery((await sender.deliveries(first))[1]?.id ?? '')).state, 'ready');
    assert.equal(inbox.got.length, 1);
    assert.equal((await sender.call(`POST /api/queues/${QUEUE}/resume`)).status, 204);
    await inbox.received(3);
    await until(async () => (await queueOf(sender)).size === 1);
    const left = await queueOf(sender);
    assert.deepEqual([left.status, left.size], ['running', 1]);
    await sender.call(`PATCH /api/endpoints/${second}`, { state: 'active' });
    await inbox.received(4);
  });

  test('cleared, its deliveries are dead letters found under its name; retried, they are delivered', async () => {
    await using inbox = await Inbox.start();
    await using sender = await start();
    for (const tenant of ['one', 'two']) await sender.endpoint({ url: inbox.url, tenant });
    await sender.call(`POST /api/queues/${QUEUE}/pause`);
    for (const tenant of ['one', 'two', 'one']) await sender.gateway.emit('a', {}, { tenant });
    const cleared = await sender.call<{ cleared: number }>(`POST /api/queues/${QUEUE}/clear`);
    assert.equal(cleared.body.cleared, 3);
    const found = await sender.call<{ rows: { reason: string }[] }>(`GET /api/dead-letters?destination=${QUEUE}`);
    assert.deepEqual(
      found.body.rows.map(({ reason }) => reason),
      ['cleared', 'cleared', 'cleared'],
    );
    assert.equal((await queueOf(sender)).deadLetters, 3);
    await sender.call(`POST /api/queues/${QUEUE}/resume`);
    const retried = await sender.call<{ replayId: string; planned: number }>(`POST /api/queues/${QUEUE}/retry`);
    assert.deepEqual([retried.status, retried.body.planned], [200, 3]);
    await inbox.received(3);
    await until(async () => (await queueOf(sender)).deadLetters === 0);
    assert.equal((await queueOf(sender)).processed, 3);
  });

  test('a breaker that opened is told of by the queue, and the gateway is not the worse for it', async () => {
    await using down = await Inbox.start(() => 500);
    await using sender = await start({ breaker: { failures: 2 } });
    await sender.endpoint({ url: down.url, tenant: 'one' });
    await sender.endpoint({ url: down.url, tenant: 'two' });
    for (let index = 0; index < 3; index++) await sender.gateway.emit('a', {}, { tenant: 'one' });
    await until(async () => (await queueOf(sender)).breakersOpen === 1);
    const { body } = await sender.call<{ status: string }>('GET /api/queues/health');
    assert.equal(body.status, 'operational');
  });

  test('its name is as good as that of any destination, and is given once', async () => {
    const register = (...names: string[]) =>
      Sender.start(
        {},
        {
          register: (gateway: Gateway) => {
            gateway.handle('ledger', { from: 'emitted' }, () => undefined);
            for (const name of names) gateway.endpoints(name);
          },
        },
      );
    await Promise.all([
      assert.rejects(register('ledger'), { code: 'destination_duplicate' }),
      assert.rejects(register('one', 'two'), { code: 'config_invalid' }),
      assert.rejects(register('no good'), { code: 'config_invalid' }),
    ]);
  });
});
