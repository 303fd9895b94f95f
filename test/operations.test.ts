/** `gateway.operations()`: what the admin API does, from within the process. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createGateway, defineConfig, type Gateway, Reject } from 'holdfast';
import { testGateway, type TestGateway } from 'holdfast/testing';
import { headerToken, none } from 'holdfast/verify';

const config = defineConfig({
  sources: {
    open: { verify: none(), type: 'body.type' },
    shop: { verify: headerToken({ header: 'x-token', tokens: 'right' }), type: 'body.type' },
  },
});

/** A handler that refuses what its body says is bad, until `good` is set. */
async function desk(): Promise<{
  readonly t: TestGateway<typeof config>;
  readonly seen: string[];
  readonly mend: () => void;
}> {
  const seen: string[] = [];
  let mended = false;
  const t = await testGateway(config, (gateway) =>
    gateway.handle('desk', { from: ['open', 'shop', 'emitted'] }, (event) => {
      if (event.type === 'bad' && !mended) throw new Reject('it is bad');
      seen.push(event.id);
    }),
  );
  return { t, seen, mend: () => (mended = true) };
}

async function overHttp(gateway: Gateway<typeof config>, path: string): Promise<unknown> {
  const headers = { authorization: `Bearer ${gateway.adminToken}` };
  return (await gateway.admin().fetch(new Request(`http://localhost${path}`, { headers }))).json();
}

async function audited(gateway: Gateway<typeof config>): Promise<unknown[]> {
  const { rows } = (await overHttp(gateway, '/api/audit')) as { rows: Record<string, unknown>[] };
  return rows.map(({ whoId, by, action, target }) => [whoId, by, action, target]).toReversed();
}

describe('operations', () => {
  test('answer what their routes answer', async () => {
    const { t } = await desk();
    await using _ = t;
    await t.request('/in/open', { method: 'POST', body: '{"type":"good"}' });
    const eventId = (await t.send('open', 'bad')).eventId ?? '';
    await t.request('/in/shop', { method: 'POST', headers: { 'x-token': 'wrong' }, body: '{}' });
    await t.settled();
    const operations = t.gateway.operations();
    const [dead] = (await operations.deadLetters()).rows;
    const [refused] = (await operations.rejections()).rows;
    assert.ok(dead !== undefined && refused !== undefined);
    const asked = {
      '/health': operations.health(),
      '/api/queues/health': operations.queuesHealth(),
      '/api/queues/stats': operations.stats(),
      '/api/queues/info': operations.info(),
      '/api/sources': operations.sources(),
      '/api/events?type=good&limit=1&order=oldest': operations.events({ type: 'good', limit: 1, order: 'oldest' }),
      '/api/events?since=1h&unmatched=false': operations.events({ since: '1h', unmatched: false }),
      [`/api/events/${eventId}`]: operations.event(eventId),
      '/api/deliveries?state=dead,due': operations.deliveries({ state: ['dead', 'due'] }),
      [`/api/deliveries/${dead.id}`]: operations.delivery(dead.id),
      '/api/dead-letters?resolved=all': operations.deadLetters({ resolved: 'all' }),
      '/api/replays': operations.replays(),
      '/api/rejections?reason=token_mismatch': operations.rejections({ reason: 'token_mismatch' }),
      [`/api/rejections/${refused.id}`]: operations.rejection(refused.id),
      '/api/endpoints?limit=5': operations.endpoints({ limit: 5 }),
    };
    for (const [path, answer] of Object.entries(asked)) {
      assert.deepEqual(JSON.parse(JSON.stringify(await answer)), await overHttp(t.gateway, path), path);
    }
  });

  test('pause, resume and clear a destination, and the audit log has who did', async () => {
    const { t, seen } = await desk();
    await using _ = t;
    const operations = t.gateway.operations({ by: 'ada' });
    await operations.pause('desk');
    await t.send('open', 'good');
    await t.settled();
    const [queue] = (await operations.stats()).destinations;
    assert.deepEqual([seen.length, queue?.status, queue?.pausedBy, queue?.size], [0, 'paused', 'ada', 1]);
    assert.deepEqual(await operations.clear('desk'), { cleared: 1 });
    await operations.resume('desk');
    const { eventId } = await t.send('open', 'good');
    await t.settled();
    assert.deepEqual(seen, [eventId]);
    assert.deepEqual(await audited(t.gateway), [
      ['local', 'ada', 'queue.pause', 'desk'],
      ['local', 'ada', 'queue.clear', 'desk'],
      ['local', 'ada', 'queue.resume', 'desk'],
    ]);
  });

  test('pause a destination while it is cleared: it stays paused', async () => {
    const gate = Promise.withResolvers<void>();
    let handled = 0;
    await using t = await testGateway(config, (gateway) =>
      gateway.handle('desk', { from: 'emitted', concurrency: 1 }, async () => {
        handled++;
        await gate.promise;
      }),
    );
    // More than one commit clears.
    await t.gateway.emitBatch(Array.from({ length: 2500 }, () => ({ type: 'good', body: {} })));
    const operations = t.gateway.operations();
    const cleared = operations.clear('desk');
    while ((await t.deadLetters()).length === 0) await new Promise((resolve) => setImmediate(resolve));
    await operations.pause('desk');
    assert.deepEqual(await cleared, { cleared: 2499 });
    gate.resolve();
    await t.gateway.emit('good', {});
    await t.settled();
    assert.equal(handled, 1);
  });

  test('replay what is dead, singly and by filter, and resolve the rest', async () => {
    const { t, seen, mend } = await desk();
    await using _ = t;
    const ids = [];
    for (let count = 0; count < 4; count++) ids.push((await t.send('open', 'bad')).eventId ?? '');
    await t.settled();
    mend();
    const operations = t.gateway.operations();
    const [first, second] = (await operations.deadLetters({ order: 'oldest' })).rows;
    assert.equal((await operations.replayDeadLetters([first?.id ?? ''])).rows[0]?.error, null);
    assert.deepEqual(await operations.resolve([second?.id ?? ''], 'sent by hand'), { resolved: 1 });
    await operations.replayEvent(ids[2] ?? '', ['desk']);
    await t.settled();
    assert.equal((await operations.planReplay({ destination: 'desk', since: new Date(0) })).count, 1);
    const started = await operations.startReplay({ destination: 'desk' }, { ratePerS: 1000 });
    await t.advance('1s');
    await t.settled();
    assert.equal((await operations.replay(started.id)).state, 'done');
    assert.deepEqual(new Set(seen), new Set([ids[0], ids[2], ids[3]]));
    assert.equal((await operations.deadLetters()).rows.length, 0);
  });

  test('replay in vain, and a key that a dead letter holds stays held by the one that took its place', async () => {
    let good = false;
    const seen: string[] = [];
    const keyed = defineConfig({ sources: { open: { verify: none(), type: 'body.type', orderKey: '=one' } } });
    await using t = await testGateway(keyed, (gateway) =>
      gateway.handle('desk', { from: 'open', onDead: 'hold' }, (event) => {
        if (event.type === 'bad' && !good) throw new Reject('it is bad');
        seen.push(event.type);
      }),
    );
    await t.send('open', 'bad');
    await t.send('open', 'behind');
    const operations = t.gateway.operations();
    for (let round = 0; round < 3; round++) {
      await t.settled();
      const { rows } = await operations.deadLetters();
      assert.deepEqual([rows.length, seen], [1, []]);
      await operations.replayDeadLetters([rows[0]?.id ?? '']);
    }
    await t.settled();
    good = true;
    await operations.startReplay({ destination: 'desk' });
    await t.advance('1s');
    await t.settled();
    assert.deepEqual([seen, (await operations.deadLetters()).rows], [['bad', 'behind'], []]);
  });

  test('of a tenant see and change what is its own', async () => {
    const { t } = await desk();
    await using _ = t;
    const acme = await t.gateway.emit('good', {}, { tenant: 'acme' });
    const other = await t.gateway.emit('good', {}, { tenant: 'other' });
    await t.settled();
    const operations = t.gateway.operations({ tenant: 'acme', by: 'ada' });
    assert.deepEqual(
      (await operations.events()).rows.map(({ id }) => id),
      [acme],
    );
    await assert.rejects(operations.event(other), { code: 'not_found' });
    await assert.rejects(operations.pause('desk'), { code: 'forbidden' });
    await assert.rejects(operations.rejections(), { code: 'forbidden' });
    await assert.rejects(operations.info(), { code: 'forbidden' });
    const { endpoint, secret } = await operations.createEndpoint({ url: 'https://hooks.example.com/in' });
    assert.match(secret ?? '', /^whsec_/);
    assert.equal(endpoint.tenant, 'acme');
    const everyone = t.gateway.operations();
    const theirs = await everyone.createEndpoint({ url: 'https://hooks.example.com/in', tenant: 'other' });
    await assert.rejects(operations.updateEndpoint(theirs.endpoint.id, { state: 'paused' }), { code: 'not_found' });
    assert.equal((await operations.updateEndpoint(endpoint.id, { state: 'paused' })).state, 'paused');
    assert.equal((await operations.endpoints()).rows.length, 1);
    await operations.removeEndpoint(endpoint.id);
    await assert.rejects(operations.endpoint(endpoint.id), { code: 'not_found' });
  });

  test('tell the peak of a burst that was over before anybody looked', async () => {
    const go = Promise.withResolvers<void>();
    await using t = await testGateway(config, (gateway) => gateway.handle('desk', { from: 'open' }, () => go.promise));
    for (let count = 0; count < 20; count++) await t.send('open', 'good');
    go.resolve();
    await t.settled();
    const { overall, destinations } = await t.gateway.operations().stats();
    assert.deepEqual([overall.size, overall.peakSize, destinations[0]?.peakSize], [0, 20, 20]);
  });

  test('refuse what a request could not bring, and say what', async () => {
    const { t } = await desk();
    await using _ = t;
    const operations = t.gateway.operations();
    const wrong: [() => Promise<unknown>, RegExp][] = [
      [() => operations.events({ limit: 0 }), /query limit/],
      [() => operations.events({ since: new Date(Number.NaN) }), /query since: .*valid Date/],
      [() => operations.events({ source: { $ne: '' } as unknown as string }), /query source: expected text/],
      [() => operations.events({ sorce: 'open' } as Parameters<typeof operations.events>[0]), /Did you mean 'source'/],
      [() => operations.event('1'), /path id: expected an id: evt_/],
      [() => operations.resolve([], 'none'), /body ids/],
      [() => operations.startReplay({ what: 'every' as 'all' }), /body filter.what/],
    ];
    for (const [answer, message] of wrong) await assert.rejects(answer, { code: 'invalid_input', message });
    await assert.rejects(operations.pause('deks'), { code: 'destination_unknown' });
    assert.deepEqual(await audited(t.gateway), []);
  });

  test('wait for their gateway to run, and can be kept', async () => {
    const gateway = createGateway({ ...config, store: 'memory:', logLevel: 'silent' });
    const operations = gateway.operations();
    await assert.rejects(operations.stats(), { code: 'not_started' });
    await gateway.start();
    assert.equal((await operations.stats()).status, 'operational');
    await gateway.stop();
    await assert.rejects(operations.stats(), { code: 'not_started' });
  });
});
