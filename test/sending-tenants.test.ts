/** Endpoints of tenants: what is one tenant's never goes to another, however it is asked for. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Inbox, Sender, until } from './sending-world.ts';

interface Planned {
  readonly plan: { readonly count: number };
}

describe('a replay to an endpoint of one tenant', () => {
  test("is refused for another tenant's event, and for one of no tenant", async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    const { id } = await sender.endpoint({ url: inbox.url, tenant: 'globex' });
    for (const tenant of ['acme', undefined]) {
      const event = await sender.gateway.emit('order.made', {}, tenant === undefined ? {} : { tenant });
      const { status, body } = await sender.call(`POST /api/events/${event}/replay`, { destinations: [id] });
      assert.deepEqual([status, body['code']], [400, 'invalid_input']);
      assert.match(String(body['detail']), /events of that tenant only/);
    }
    assert.deepEqual([await sender.deliveries(id), inbox.got], [[], []]);
  });

  test("takes that tenant's events only, and has to say so", async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    for (const tenant of ['acme', 'globex']) await sender.gateway.emit('order.made', { of: tenant }, { tenant });
    const { id } = await sender.endpoint({ url: inbox.url, tenant: 'globex', types: ['other'] });
    const replay = (tenant: object, dryRun: boolean) =>
      sender.call<Planned>('POST /api/replays', { filter: { what: 'unmatched', to: id, ...tenant }, dryRun });
    for (const tenant of [{}, { tenant: 'acme' }])
      for (const dryRun of [true, false]) assert.equal((await replay(tenant, dryRun)).status, 400);
    assert.equal((await replay({ tenant: 'globex' }, true)).body.plan.count, 1);
    assert.equal((await replay({ tenant: 'globex' }, false)).status, 202);
    await inbox.received(1);
    assert.deepEqual(
      inbox.got.map(({ body }) => String(body)),
      ['{"of":"globex"}'],
    );
  });
});

describe('an endpoint that is given to another tenant', () => {
  test('gets nothing of the one before: what waits becomes dead letters, and they stay so', async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    const { id } = await sender.endpoint({ url: inbox.url, tenant: 'acme' });
    await sender.call(`PATCH /api/endpoints/${id}`, { state: 'paused' });
    const event = await sender.gateway.emit('order.made', { of: 'acme' }, { tenant: 'acme' });
    assert.equal((await sender.call(`PATCH /api/endpoints/${id}`, { tenant: 'globex' })).status, 200);
    await sender.call(`PATCH /api/endpoints/${id}`, { state: 'active' });
    await until(async () => (await sender.deliveries(id))[0]?.state === 'dead');
    const [dead] = await sender.deliveries(id);
    assert.deepEqual([dead?.reason, dead?.attempts], ['rejected', 1]);
    assert.match(dead?.note ?? '', /^tenant: /);
    assert.doesNotMatch(dead?.note ?? '', /globex/, 'whose it is now is not for the one before');

    const again = await sender.call(`POST /api/events/${event}/replay`);
    assert.deepEqual([again.status, again.body['code']], [400, 'invalid_input']);
    const { body } = await sender.call<{ rows: { error: { code: string } | null }[] }>(
      'POST /api/dead-letters/replay',
      {
        ids: [dead?.id],
      },
    );
    assert.match(JSON.stringify(body), /invalid_input/);
    const planned = await sender.call<Planned>('POST /api/replays', { filter: { destination: id }, dryRun: true });
    assert.equal(planned.body.plan.count, 0);

    await sender.gateway.emit('order.made', { of: 'globex' }, { tenant: 'globex' });
    await inbox.received(1);
    assert.deepEqual(
      inbox.got.map(({ body: sent }) => String(sent)),
      ['{"of":"globex"}'],
    );
  });
});

describe('what an endpoint was sent', () => {
  test('is seen by its tenant with every attempt, and sent again when they ask', async () => {
    let answer = 500;
    await using inbox = await Inbox.start(() => answer);
    await using sender = await Sender.start();
    const never = { kind: 'list', delaysMs: [] } as const;
    const { id } = await sender.endpoint({ url: inbox.url, tenant: 'acme', retry: never });
    const own = sender.gateway.operations({ tenant: 'acme', by: 'ada' });
    await sender.gateway.emit('order.made', { n: 1 }, { tenant: 'acme' });
    await until(async () => (await own.endpointDeliveries(id, { state: ['dead'] })).rows.length === 1);
    const [dead] = (await own.endpointDeliveries(id)).rows;
    assert.ok(dead);
    const { attemptList } = await own.endpointDelivery(id, dead.id);
    assert.deepEqual(
      attemptList.map(({ exchange }) => exchange?.response?.status),
      [500],
    );
    answer = 200;
    await own.updateEndpoint(id, { state: 'paused' });
    const { deliveryId } = await own.replayToEndpoint(id, dead.id);
    await assert.rejects(own.replayToEndpoint(id, dead.id), { code: 'replay_open' });
    await assert.rejects(own.replayToEndpoint(id, deliveryId), { code: 'replay_open' });
    await own.updateEndpoint(id, { state: 'active' });
    await until(async () => (await own.endpointDelivery(id, deliveryId)).state === 'succeeded');
    assert.equal(inbox.got.length, 2);
    const other = sender.gateway.operations({ tenant: 'globex' });
    await assert.rejects(other.endpointDeliveries(id), { code: 'not_found' });
    await assert.rejects(other.endpointDelivery(id, dead.id), { code: 'not_found' });
    await assert.rejects(other.replayToEndpoint(id, dead.id), { code: 'not_found' });
  });
});

describe('a tenant', () => {
  test('has no more endpoints than it may have, however many ask at once; others do not notice', async () => {
    await using sender = await Sender.start({ endpointsPerTenantMax: 3 });
    const made = (tenant: string | null): Promise<{ status: number; body: Record<string, unknown> }> =>
      sender.call('POST /api/endpoints', { url: 'http://127.0.0.1:18080/hooks', tenant });
    const all = await Promise.all(Array.from({ length: 8 }, () => made('acme')));
    const refused = all.filter(({ status }) => status === 409);
    assert.equal(refused.length, 5);
    assert.deepEqual([...new Set(refused.map(({ body }) => body['code']))], ['endpoint_limit']);
    const others = await Promise.all([null, null, null, null, 'globex'].map(made));
    assert.deepEqual([...new Set(others.map(({ status }) => status))], [201]);

    const ids = [...all, ...others].map(({ body }) => (body['endpoint'] as { id: string } | undefined)?.id);
    const [mine, theirs] = [ids.find((id) => id !== undefined), ids.at(-1)];
    const moved = (): Promise<{ status: number }> => sender.call(`PATCH /api/endpoints/${theirs}`, { tenant: 'acme' });
    assert.equal((await moved()).status, 409);
    assert.equal((await sender.call(`PATCH /api/endpoints/${mine}`, { tenant: 'acme', description: 'x' })).status, 200);
    assert.equal((await sender.call(`DELETE /api/endpoints/${mine}`)).status, 204);
    await until(async () => (await moved()).status === 200);
  });
});
