/** The system from end to end, with real processes: in memory, and with PostgreSQL and Redis. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext } from 'node:test';
import newman from 'newman';
import { Webhook } from 'standardwebhooks';
import { kinds, startAll } from '../../../scripts/services/all.ts';
import { testNeeding } from '../../../test/require.ts';
import { type Got, Inbox, until } from '../../../test/sending-world.ts';
import { collectionOf } from './postman.ts';
import { Client, World } from './world.ts';

/** Everything shorter than in production, and few slots, so that queues compete for them. */
const HURRY = { RETRY_BASE: '100ms', BREAKER_OPEN_MS: '300', UNPAID_MS: '400', HOLDFAST_RUNNING_MAX: '4' };
const NOTIFY_MS = 20;

interface Scene {
  readonly world: World;
  readonly operator: Client;
  /** Where notifications are sent. */
  readonly provider: Inbox;
  /** Whether one process does everything. */
  readonly alone: boolean;
}

const order = (id: string = randomUUID()) => ({
  id,
  customer: 'cus_1',
  cents: 990,
  currency: 'EUR',
  note: 'for the merchant only',
});
const notification = () => ({
  kind: 'notification',
  row: { id: randomUUID(), channel: 'email', to: 'a@b.c', text: 'x' },
});
const typeOf = ({ headers }: Got): string => String(headers['holdfast-event-type']);
const idOf = ({ body }: Got): string => (JSON.parse(body.toString()) as { data: { id: string } }).data.id;
const created = async (by: Client, path: string, body: unknown): Promise<void> => {
  const told = await by.call(`POST ${path}`, body);
  assert.equal(told.status, 201, JSON.stringify(told.body));
};

type Promised = (scene: Scene) => Promise<void>;

const promises: Readonly<Record<string, Promised>> = {
  'one correlation id leads from the request to the merchant, who can tell who signed': async ({ world, operator }) => {
    await using inbox = await Inbox.start();
    const merchant = await operator.merchant('correlated');
    const { id, secret } = await world.endpoint(merchant, inbox.url);
    const told = await merchant.call('POST /orders', order('ord_c'), { 'x-correlation-id': 'trace-7' });
    assert.deepEqual([told.status, told.headers.get('x-correlation-id')], [201, 'trace-7']);
    const [got] = await inbox.received(1);
    assert.ok(got);
    assert.equal(got.headers['x-correlation-id'], 'trace-7');
    const named = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
    const headers = Object.fromEntries(named.map((name) => [name, String(got.headers[name])]));
    const { type, data } = new Webhook(secret).verify(got.body.toString(), headers) as { type: string; data: object };
    assert.deepEqual([type, data], ['order.created', { id: 'ord_c', customer: 'cus_1', cents: 990, currency: 'EUR' }]);
    await until(async () => (await merchant.deliveries(id))[0]?.state === 'succeeded');
  },

  'every change becomes the webhook of its type, and what was paid or not is known of an order': async ({
    world,
    operator,
  }) => {
    await using inbox = await Inbox.start();
    const merchant = await operator.merchant('typed');
    await world.endpoint(merchant, inbox.url);
    await created(merchant, '/customers', { id: 'cus_1', email: 'a@b.co', name: 'Ada' });
    const put = await merchant.call('PUT /customers/cus_1', { id: 'cus_1', email: 'a@b.co', name: 'Eda' });
    assert.equal(put.status, 200);
    for (const id of ['paid', 'open']) await created(merchant, '/orders', order(id));
    await created(merchant, '/transactions', { id: 'tra_1', order: 'paid', cents: 990 });
    await created(merchant, '/refunds', { id: 'ref_1', transaction: 'tra_1', cents: 990 });
    const statuses = ['failed', 'captured', 'voided', 'refunded', 'succeeded'];
    for (const status of statuses)
      await created(merchant, '/payments', { id: status, order: 'paid', cents: 990, status });
    const types = ['customer.created', 'customer.updated', 'order.created', 'order.created', 'refund.created'];
    const wanted = [...types, 'transaction.created', ...statuses.map((status) => `payment.${status}`)];
    await inbox.received(wanted.length);
    assert.deepEqual(new Set(inbox.got.map(typeOf)), new Set(wanted.map((type) => `webhook.${type}`)));
    const statusOf = async (id: string) => (await merchant.call<{ status: string }>(`GET /orders/${id}`)).body.status;
    await until(async () => (await statusOf('open')) === 'expired'); // the delayed clean-up
    assert.equal(await statusOf('paid'), 'succeeded');
  },

  'what is not written is not told: a batch with one that is there leaves nothing': async ({ world, operator }) => {
    await using inbox = await Inbox.start();
    const merchant = await operator.merchant('atomic');
    const { id } = await world.endpoint(merchant, inbox.url);
    await created(merchant, '/orders', order('first'));
    assert.equal((await merchant.call('POST /orders', order('first'))).status, 409);
    const changes = ['second', 'first', 'third'].map((one) => ({ kind: 'order', row: order(one) }));
    assert.equal((await merchant.call('POST /batches', { changes })).status, 409);
    const bad = [
      { kind: 'order', row: order('second') },
      { kind: 'order', row: { id: 'bad' } },
    ];
    assert.equal((await merchant.call('POST /batches', { changes: bad })).status, 400);
    assert.equal((await merchant.call('GET /orders/second')).status, 404);
    await created(merchant, '/batches', { changes: changes.filter(({ row }) => row.id !== 'first') });
    await inbox.received(3);
    assert.deepEqual(
      inbox.got.map(idOf).toSorted((a, b) => a.localeCompare(b)),
      ['first', 'second', 'third'],
    );
    await until(async () => (await merchant.deliveries(id)).every(({ state }) => state === 'succeeded'));
    assert.equal((await merchant.deliveries(id)).length, 3);
  },

  'a merchant sees its own endpoints and deliveries only, and points no endpoint into the network': async ({
    world,
    operator,
  }) => {
    await using inbox = await Inbox.start();
    const [one, other] = [await operator.merchant('one'), await operator.merchant('other')];
    const { id } = await world.endpoint(one, inbox.url);
    await world.endpoint(other, inbox.url);
    await created(one, '/orders', order('mine'));
    await inbox.received(1);
    const [delivery] = await one.deliveries(id);
    assert.ok(delivery);
    const shown = await one.call<{ attemptList: unknown[] }>(`GET /api/endpoints/${id}/deliveries/${delivery.id}`);
    assert.equal(shown.status, 200);
    const foreign = [
      `GET /api/endpoints/${id}`,
      `DELETE /api/endpoints/${id}`,
      `POST /api/endpoints/${id}/test`,
      `GET /api/endpoints/${id}/deliveries`,
      `GET /api/endpoints/${id}/deliveries/${delivery.id}`,
      `POST /api/endpoints/${id}/deliveries/${delivery.id}/replay`,
      'GET /orders/mine',
    ];
    for (const target of foreign) assert.equal((await other.call(target)).status, 404, target);
    assert.equal((await one.call<{ rows: unknown[] }>('GET /api/endpoints')).body.rows.length, 1);
    for (const url of [
      'http://169.254.169.254/latest',
      'http://10.0.0.1/',
      'http://[::ffff:10.0.0.1]/',
      'file:///etc/passwd',
    ]) {
      assert.equal((await one.call('POST /api/endpoints', { url })).status, 400, url);
    }
    const notTheirs = { url: inbox.url, types: ['notification.*'] };
    assert.equal((await one.call('POST /api/endpoints', notTheirs)).status, 400);
    assert.equal((await one.call('POST /api/endpoints', { url: inbox.url, tenant: 'other' })).status, 403);
    assert.equal((await one.call('POST /api/events', { type: 'payment.succeeded', data: {} })).status, 403);
    // Nor what the application's own queues made of its events.
    for (const path of ['queues/stats', 'tokens', 'deliveries', 'events'])
      assert.equal((await one.call(`GET /api/${path}`)).status, 403, path);
    assert.equal((await operator.call('GET /orders/mine')).status, 401);
    assert.equal((await new Client(world.base, 'key_unknown').call('GET /api/endpoints')).status, 401);
    assert.equal(inbox.got.length, 1);
  },

  'a merchant that is down is left alone, holds up nobody, and gets all of it when it is back': async (scene) => {
    const { world, operator, alone } = scene;
    let down = true;
    await using failing = await Inbox.start(() => (down ? 503 : 200));
    await using well = await Inbox.start();
    const [lame, sound] = [await operator.merchant('lame'), await operator.merchant('sound')];
    const { id } = await world.endpoint(lame, failing.url);
    await world.endpoint(sound, well.url);
    const changes = () => Array.from({ length: 12 }, () => ({ kind: 'order', row: order() }));
    await created(lame, '/batches', { changes: changes() });
    await failing.received(5);
    if (alone) await until(async () => (await operator.queue('webhook-delivery')).breakersOpen === 1);
    await created(sound, '/batches', { changes: changes() });
    await well.received(12);
    const held = await lame.deliveries(id);
    assert.equal(held.length, 12);
    assert.ok(held.every(({ state }) => state !== 'succeeded' && state !== 'dead'));
    assert.ok(failing.got.length < 3 * 12, `an open breaker was asked ${failing.got.length} times`);
    down = false;
    await until(async () => (await lame.deliveries(id)).every(({ state }) => state === 'succeeded'));
    assert.equal(new Set(failing.got.map(idOf)).size, 12);
    if (alone) await until(async () => (await operator.queue('webhook-delivery')).breakersOpen === 0);
  },

  'critical events overtake a flood of what can wait': async ({ world, operator, provider }) => {
    await using inbox = await Inbox.start();
    const merchant = await operator.merchant('busy');
    await world.endpoint(merchant, inbox.url);
    const before = provider.got.length;
    const flood = 300;
    await created(merchant, '/batches', { changes: Array.from({ length: flood }, notification) });
    await provider.received(before + 4);
    await created(merchant, '/batches', {
      changes: Array.from({ length: 20 }, () => ({ kind: 'order', row: order() })),
    });
    await inbox.received(20);
    const sent = provider.got.length - before;
    assert.ok(sent < flood / 2, `${sent} of ${flood} notifications were sent before the orders were told of`);
    await provider.received(before + flood);
  },

  'a queue is paused, cleared, retried and resumed by its name': async ({ world, operator, provider }) => {
    const merchant = await operator.merchant('operated');
    const name = 'notification-events';
    const told = async (action: string) =>
      operator.call<{ cleared?: number; planned?: number }>(`POST /api/queues/${name}/${action}`);
    await until(async () => (await operator.queue(name)).size === 0);
    const before = provider.got.length;
    assert.equal((await told('pause')).status, 204);
    await world.everywhere(async (each) => (await each.queue(name)).status === 'paused');
    await created(merchant, '/batches', { changes: [notification(), notification()] });
    await until(async () => (await operator.queue(name)).size === 2);
    assert.equal((await told('clear')).body.cleared, 2);
    assert.equal((await operator.queue(name)).deadLetters, 2);
    assert.equal((await told('retry')).body.planned, 2);
    assert.equal((await told('resume')).status, 204);
    await provider.received(before + 2);
    await until(async () => (await operator.queue(name)).deadLetters === 0);
  },

  'health, stats and info tell of the five queues as they are': async ({ operator, alone }) => {
    const features = { queue_based_processing: true, event_driven_architecture: true, scalable_webhook_delivery: true };
    const driver = alone ? 'memory' : 'redis';
    const health = {
      services: { queues: 'operational' },
      features,
      queues: { ready: true, driver, inMemoryMode: alone },
    };
    await until(
      async () => (await operator.call<{ status: string }>('GET /api/queues/health')).body.status === 'operational',
    );
    assert.deepEqual((await operator.call('GET /health')).body, health);
    const { body } = await operator.call<{ destinations: { name: string; priority: string }[] }>(
      'GET /api/queues/info',
    );
    const own = body.destinations
      .filter(({ name }) => !name.startsWith('~'))
      .map(({ name, priority }) => [name, priority]);
    assert.deepEqual(Object.fromEntries(own), {
      'cleanup-jobs': 'low',
      'database-events': 'critical',
      'notification-events': 'normal',
      'payment-events': 'high',
      'webhook-delivery': 'high',
    });
    const swept = await operator.queue('cleanup-jobs');
    assert.ok(swept.processed >= 1, 'the periodic clean-up was done');
    assert.equal((await operator.queue('webhook-delivery')).deadLetters, 0);
  },

  'the Postman collection made from the OpenAPI document runs, and every answer is as documented': async ({
    world,
    operator,
  }) => {
    await using inbox = await Inbox.start();
    const collection = await collectionOf(world.base);
    const variables = [
      { key: 'operatorToken', value: operator.key },
      { key: 'receiver', value: inbox.url },
    ];
    const { promise, resolve, reject } = Promise.withResolvers<newman.NewmanRunSummary>();
    newman.run({ collection, envVar: variables }, (error, summary) =>
      error === null ? resolve(summary) : reject(error),
    );
    const { run } = await promise;
    assert.deepEqual(
      run.failures.map(({ source, error }) => `${source?.name}: ${error.message}`),
      [],
    );
    assert.equal(run.stats.assertions.total, run.executions.length);
    assert.ok(run.executions.length >= 25, `${run.executions.length} requests`);
  },
};

async function keep(t: TestContext, env: Readonly<Record<string, string>>, workers: number): Promise<void> {
  await using provider = await Inbox.start(async () => {
    await new Promise((resolve) => setTimeout(resolve, NOTIFY_MS));
    return 200;
  });
  await using world = await World.start({ ...HURRY, NOTIFICATIONS_URL: provider.url, ...env }, workers);
  const scene = { world, operator: world.operator, provider, alone: workers === 0 };
  for (const [name, promised] of Object.entries(promises)) {
    // What a collection is made of does not depend on the store: running it once is enough.
    if (name.includes('Postman') && !scene.alone) continue;
    await t.test(name, { timeout: 20_000 }, () => promised(scene));
  }
}

testNeeding([], 'payments in the memory of one process', (t) => keep(t, { QUEUE_DRIVER: 'memory' }, 0));

const servers = kinds.filter(({ name }) => name === 'postgres' || name === 'redis');
testNeeding(servers, 'payments with PostgreSQL, Redis, an API and two workers', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-payments-'));
  const started = await startAll(servers, directory);
  try {
    const urlOf = (kind: string): URL => new URL(started.find(({ name }) => name === kind)?.url ?? '');
    const { hostname, port } = urlOf('redis');
    const env = { DATABASE_URL: urlOf('postgres').href, REDIS_HOST: hostname, REDIS_PORT: port };
    await keep(t, { QUEUE_DRIVER: 'redis', ROLE: 'gateway', ...env }, 2);
  } finally {
    await Promise.all(started.map((service) => service.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
});
