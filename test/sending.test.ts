/** Events out to endpoints: made by the API or registered in code, signed, forwarded, disabled, deleted. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { fixed, HoldfastError, Reject } from 'holdfast';
import { Webhook } from 'standardwebhooks';
import { memoryStore } from '../src/store/memory.ts';
import type { Store } from '../src/store/store.ts';
import { Inbox, Sender, until } from './sending-world.ts';

const valueOf = (headers: Record<string, unknown>, name: string): string => String(headers[name]);

/** What a library that knows nothing of Holdfast makes of a request. */
function verified(secret: string, got: { readonly headers: Record<string, unknown>; readonly body: Buffer }): unknown {
  const named = ['webhook-id', 'webhook-timestamp', 'webhook-signature'];
  return new Webhook(secret).verify(
    got.body.toString(),
    Object.fromEntries(named.map((name) => [name, valueOf(got.headers, name)])),
  );
}

describe('an endpoint made through the API', () => {
  test('gets the emitted events of its tenant, type and filter, signed so that the receiver can tell', async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    const { id, secret } = await sender.endpoint({
      url: inbox.url,
      tenant: 'acme',
      types: ['payment.*'],
      filter: { path: 'body.amount', greater: 10 },
    });
    const send = (type: string, amount: number, tenant: string) =>
      sender.gateway.emit(type, { amount }, { tenant, correlationId: 'c-1' });
    await send('payment.failed', 5, 'acme');
    await send('payment.failed', 50, 'other');
    await send('order.made', 50, 'acme');
    const eventId = await send('payment.failed', 50, 'acme');
    const [got] = await inbox.received(1);
    assert.ok(got);
    assert.deepEqual(verified(secret, got), { amount: 50 });
    assert.equal(got.headers['webhook-id'], eventId);
    assert.equal(got.headers['x-correlation-id'], 'c-1');
    assert.equal(got.headers['holdfast-event-type'], 'payment.failed');
    await until(async () => (await sender.deliveries(id))[0]?.state === 'succeeded');
    assert.equal((await sender.deliveries(id)).length, 1);
    assert.equal(inbox.got.length, 1);
  });

  test('gets webhooks as they came, byte for byte, with Holdfast beside the provider', async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    const { secret } = await sender.endpoint({ url: inbox.url, from: ['shop'] });
    const body = Buffer.from('{ "type":"order.paid",\n"n": 1.0 }\u00e9', 'latin1');
    const signature = createHmac('sha256', 'shop-secret').update(body).digest('hex');
    const headers = {
      'X-Signature': signature,
      'content-type': 'application/json',
      'X-Odd': 'a  b',
      cookie: 'session=1',
    };
    const response = await sender.gateway.fetch(
      new Request('http://127.0.0.1/in/shop', { method: 'POST', body, headers }),
    );
    assert.equal(response.status, 200, await response.text());
    const [got] = await inbox.received(1);
    assert.ok(got);
    assert.deepEqual(got.body, body);
    assert.equal(got.headers['x-signature'], signature);
    assert.equal(got.headers['x-odd'], 'a  b');
    assert.equal(got.headers.cookie, undefined);
    const content = `${valueOf(got.headers, 'webhook-id')}.${valueOf(got.headers, 'webhook-timestamp')}.`;
    const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
    const expected = createHmac('sha256', key).update(content).update(body).digest('base64');
    assert.equal(got.headers['webhook-signature'], `v1,${expected}`);
  });

  test('is tried again with the same id, and every try is kept with what was sent and answered', async () => {
    await using inbox = await Inbox.start((_got, count) =>
      count === 1 ? { status: 503, headers: { 'retry-after': '0' }, body: 'not now' } : 204,
    );
    await using sender = await Sender.start();
    const retry = { kind: 'list', delaysMs: [10, 10], jitter: 'none' };
    const { id } = await sender.endpoint({ url: inbox.url, retry, headers: { 'X-Key': 'very-secret' } });
    await sender.gateway.emit('order.made', {});
    const [first, second] = await inbox.received(2);
    assert.ok(first && second);
    assert.equal(first.headers['webhook-id'], second.headers['webhook-id']);
    assert.equal(first.headers['x-key'], 'very-secret');
    await until(async () => (await sender.deliveries(id))[0]?.state === 'succeeded');
    const [listed] = await sender.deliveries(id);
    const delivery = await sender.delivery(listed?.id ?? '');
    assert.deepEqual(
      delivery.attemptList.map(({ status, outcome }) => [status, outcome]),
      [
        [503, 'failed'],
        [204, 'succeeded'],
      ],
    );
    const [failed] = delivery.attemptList;
    assert.equal(failed?.exchange?.response?.bodyText, 'not now');
    assert.match(failed?.exchange?.remoteAddress ?? '', /^127\.0\.0\.1:\d+$/);
    assert.ok(!JSON.stringify(delivery).includes('very-secret'));
  });

  test('that answers 410 is disabled: what comes is held, nothing is lost, and enabling lets it go on', async () => {
    let gone = true;
    await using inbox = await Inbox.start(() => (gone ? 410 : 200));
    await using sender = await Sender.start();
    const { id } = await sender.endpoint({ url: inbox.url });
    await sender.gateway.emit('order.made', { n: 1 });
    const shown = async () => (await sender.call<{ state: string; reason: string }>(`GET /api/endpoints/${id}`)).body;
    await until(async () => (await shown()).state === 'disabled');
    assert.match((await shown()).reason, /410/);
    await sender.gateway.emit('order.made', { n: 2 });
    await until(async () => (await sender.deliveries(id))[1]?.state === 'ready');
    const [dead, held] = await sender.deliveries(id);
    assert.deepEqual([dead?.state, dead?.reason], ['dead', 'rejected']);
    assert.match((await sender.delivery(held?.id ?? '')).next?.why ?? '', /^held: disabled, .*410/);
    assert.equal(inbox.got.length, 1);
    gone = false;
    await sender.call(`PATCH /api/endpoints/${id}`, { state: 'active' });
    await inbox.received(2);
    await until(async () => (await sender.deliveries(id))[1]?.state === 'succeeded');
  });

  test('that was moved meanwhile is not disabled by a 410 from where it was', async () => {
    const { promise: moved, resolve: answer } = Promise.withResolvers<void>();
    await using before = await Inbox.start(() => moved.then(() => 410));
    await using after = await Inbox.start();
    await using sender = await Sender.start();
    const { id } = await sender.endpoint({ url: before.url });
    await sender.gateway.emit('order.made', { n: 1 });
    await until(() => before.got.length === 1);
    await sender.call(`PATCH /api/endpoints/${id}`, { url: after.url });
    answer();
    await until(async () => (await sender.deliveries(id))[0]?.state === 'dead');
    assert.equal((await sender.call(`GET /api/endpoints/${id}`)).body['state'], 'active');
    await sender.gateway.emit('order.made', { n: 2 });
    await after.received(1);
  });

  test('that is paused holds what it is owed until it is resumed', async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    const { id } = await sender.endpoint({ url: inbox.url });
    await sender.call(`PATCH /api/endpoints/${id}`, { state: 'paused' });
    await sender.gateway.emit('order.made', {});
    const [held] = await sender.deliveries(id);
    assert.match((await sender.delivery(held?.id ?? '')).next?.why ?? '', /^held: paused/);
    assert.equal(inbox.got.length, 0);
    await sender.call(`PATCH /api/endpoints/${id}`, { state: 'active' });
    await inbox.received(1);
  });

  test('that is disabled and then paused lets nothing go in between', async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    const { id } = await sender.endpoint({ url: inbox.url, concurrency: 50 });
    const become = (state: string) => sender.call(`PATCH /api/endpoints/${id}`, { state });
    await become('disabled');
    for (let n = 0; n < 20; n++) await sender.gateway.emit('order.made', { n });
    assert.equal((await become('paused')).body['state'], 'paused');
    // What goes on its way goes before this event is committed and taken.
    await using other = await Inbox.start();
    await sender.endpoint({ url: other.url, types: ['last'] });
    await sender.gateway.emit('last', {});
    await other.received(1);
    assert.equal(inbox.got.length, 0);
    await become('active');
    await inbox.received(21);
  });

  test('that is deleted leaves dead letters that say so, and gets nothing more', async () => {
    await using inbox = await Inbox.start(() => 500);
    await using sender = await Sender.start();
    const { id } = await sender.endpoint({ url: inbox.url });
    await sender.gateway.emit('order.made', {});
    await inbox.received(1);
    assert.equal((await sender.call(`DELETE /api/endpoints/${id}`)).status, 204);
    await until(async () => (await sender.deliveries(id))[0]?.state === 'dead');
    assert.equal((await sender.deliveries(id))[0]?.reason, 'destination_deleted');
    assert.equal((await sender.call(`GET /api/endpoints/${id}`)).status, 404);
    await sender.gateway.emit('order.made', {});
    assert.equal((await sender.deliveries(id)).length, 1);
  });

  test('signs with both secrets while one replaces the other', async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    const { id, secret: old } = await sender.endpoint({ url: inbox.url, signing: { kind: 'standard', keys: 'both' } });
    const { body } = await sender.call<{ secret: string; publicKey: string; endpoint: { secrets: unknown[] } }>(
      `POST /api/endpoints/${id}/rotate-secret`,
    );
    await sender.gateway.emit('order.made', {});
    const [got] = await inbox.received(1);
    assert.ok(got);
    assert.deepEqual([verified(old, got), verified(body.secret, got)], [{}, {}]);
    assert.match(body.publicKey, /^whpk_/);
    assert.equal(valueOf(got.headers, 'webhook-signature').split(' ').length, 4);
    const after = await sender.call<{ secret: string }>(`POST /api/endpoints/${id}/rotate-secret`, { overlapMs: 0 });
    await sender.gateway.emit('order.made', {});
    const [, last] = await inbox.received(2);
    assert.ok(last);
    assert.deepEqual(verified(after.body.secret, last), {});
    assert.throws(() => verified(body.secret, last));
  });

  test('has a key of its own for each signature it is changed to, and takes its pause with it when it goes', async () => {
    await using inbox = await Inbox.start();
    const stores: Store[] = [];
    const store = (parts: Parameters<typeof memoryStore>[0]): Store => {
      stores.push(memoryStore(parts));
      return stores[0] ?? assert.fail();
    };
    await using sender = await Sender.start({}, { store });
    const documents = async (kind: string): Promise<number> => (await stores[0]?.registry.list(kind))?.length ?? -1;
    const { id, secret } = await sender.endpoint({ url: inbox.url });
    const { body } = await sender.call<{ secrets: { kind: string; publicKey: string | null }[] }>(
      `PATCH /api/endpoints/${id}`,
      { signing: { kind: 'standard', keys: 'both' } },
    );
    assert.deepEqual(body.secrets.map(({ kind }) => kind).toSorted(), ['v1', 'v1a']);
    await sender.gateway.emit('order.made', {});
    const [got] = await inbox.received(1);
    assert.ok(got);
    assert.deepEqual(verified(secret, got), {});
    assert.match(valueOf(got.headers, 'webhook-signature'), /v1a,/);
    await sender.call(`PATCH /api/endpoints/${id}`, { state: 'paused' });
    await sender.call(`DELETE /api/endpoints/${id}`);
    await until(async () => (await documents('endpoint')) === 0);
    assert.equal(await documents('pause'), 0);
  });

  test('is refused when its URL is blocked, or anything about it is not as it must be', async () => {
    await using sender = await Sender.start({ egressAllow: [] });
    const wrong: readonly (readonly [Record<string, unknown>, string, RegExp])[] = [
      [{ url: 'http://127.0.0.1:9000/' }, 'blocked_target', /./],
      [{ url: 'https://user:pass@example.com/' }, 'invalid_input', /./],
      [{ url: 'ftp://example.com/' }, 'blocked_target', /scheme/],
      [{ url: 'https://192.0.43.8/', filter: { path: 'x' } }, 'invalid_input', /filter/],
      [{ url: 'https://192.0.43.8/', from: ['nobody'] }, 'invalid_input', /there is no source 'nobody'/],
      [{ url: 'https://192.0.43.8/', headers: { Host: 'x' } }, 'invalid_input', /'Host' is set by Holdfast/],
      [{ url: 'https://192.0.43.8/', headers: { 'X-A': 'a\r\nb' } }, 'invalid_input', /no line breaks/],
      [{ url: 'https://192.0.43.8/', statusRules: { retry: ['1xx'] } }, 'invalid_input', /1xx/],
      [{ url: 'https://192.0.43.8/', timeoutMs: 1 }, 'invalid_input', /timeoutMs: expected 100 to/],
      [{ url: 'https://192.0.43.8/', secret: 'short' }, 'invalid_input', /whsec_/],
      [{ url: 'https://192.0.43.8/', headers: { 'X-A': '\u{1f511}' } }, 'invalid_input', /X-A.*what no header may/],
      [{ url: 'https://192.0.43.8/', auth: { kind: 'bearer', token: 'a b' } }, 'invalid_input', /visible ASCII/],
      [{ url: 'https://192.0.43.8/', signing: { kind: 'hmac', header: 'Host' } }, 'invalid_input', /signing/],
      [{ url: 'https://192.0.43.8/', tls: { key: 'no key' } }, 'invalid_input', /tls: .*cannot be read/],
      [{ url: 'https://192.0.43.8/', types: ['a.*.b'] }, 'invalid_input', /stands only at the end/],
      [{ url: 'https://192.0.43.8/', nonsense: 1 }, 'invalid_input', /nonsense/],
    ];
    for (const [input, code, detail] of wrong) {
      const { body } = await sender.call<{ code: string }>('POST /api/endpoints', input);
      assert.equal(body.code, code, JSON.stringify([input, body]));
      assert.match(JSON.stringify(body), detail);
    }
    assert.deepEqual((await sender.call<{ rows: unknown[] }>('GET /api/endpoints')).body.rows, []);
  });

  test('is not there for another tenant, whatever that one asks', async () => {
    await using sender = await Sender.start();
    const { id } = await sender.endpoint({ url: 'https://192.0.43.8/', tenant: 'acme' });
    const made = await sender.call<{ token: string }>('POST /api/tokens', {
      name: 'other',
      scopes: ['endpoints'],
      tenant: 'other',
    });
    const { token } = made.body;
    const asked = [
      `GET /api/endpoints/${id}`,
      `PATCH /api/endpoints/${id}`,
      `DELETE /api/endpoints/${id}`,
      `POST /api/endpoints/${id}/rotate-secret`,
      `POST /api/endpoints/${id}/test`,
    ];
    for (const target of asked) {
      const { status } = await sender.call(
        target,
        target.startsWith('PATCH') ? { description: 'x' } : undefined,
        token,
      );
      assert.equal(status, 404, target);
    }
    const listed = await sender.call<{ rows: unknown[] }>('GET /api/endpoints', undefined, token);
    assert.deepEqual(listed.body.rows, []);
    const own = await sender.call<{ endpoint: { tenant: string } }>(
      'POST /api/endpoints',
      { url: 'https://192.0.43.8/' },
      token,
    );
    assert.equal(own.body.endpoint.tenant, 'other');
    const stolen = await sender.call<{ code: string }>(
      'POST /api/endpoints',
      { url: 'https://192.0.43.8/', tenant: 'acme' },
      token,
    );
    assert.equal(stolen.body.code, 'forbidden');
  });

  test('is signed for with a secret that is made in the form its scheme reads', async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    for (const secretEncoding of ['utf8', 'hex', 'base64'] as const) {
      const signing = { kind: 'hmac', header: 'x-sig', secretEncoding };
      const { id, secret } = await sender.endpoint({ url: inbox.url, signing });
      const eventId = await sender.gateway.emit('order.made', { secretEncoding });
      await until(async () => (await sender.deliveries(id))[0]?.state === 'succeeded');
      const got = inbox.got.find(({ headers }) => headers['webhook-id'] === eventId);
      const key = Buffer.from(secret, secretEncoding);
      assert.equal(
        got?.headers['x-sig'],
        createHmac('sha256', key)
          .update(got?.body ?? '')
          .digest('hex'),
      );
      await sender.call(`DELETE /api/endpoints/${id}`);
    }
    const signing = { kind: 'hmac', header: 'x-sig', secretEncoding: 'hex' };
    const { body } = await sender.call('POST /api/endpoints', {
      url: inbox.url,
      signing,
      secret: 'not hex at all, but long',
    });
    assert.match(JSON.stringify(body), /at least 16 characters, in hex/);
  });

  test('keeps its secret under another signature that reads it, and is not changed to one that does not', async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    const hex = { kind: 'hmac', header: 'x-sig', secretEncoding: 'hex' };
    const standard = { kind: 'standard' };
    const { id, secret } = await sender.endpoint({ url: inbox.url });
    const change = async (signing: unknown): Promise<{ status: number; body: { detail: string } }> =>
      sender.call(`PATCH /api/endpoints/${id}`, { signing });
    const next = async () => {
      const { length } = inbox.got;
      await sender.gateway.emit('order.made', {});
      await inbox.received(length + 1);
      return inbox.got[length] ?? assert.fail();
    };
    const hmacOf = (key: Buffer, bytes: Buffer): string => createHmac('sha256', key).update(bytes).digest('hex');
    const refused = await change(hex);
    assert.deepEqual([refused.status, /in hex\. Pause .* rotate the secret/.test(refused.body.detail)], [400, true]);
    assert.deepEqual(verified(secret, await next()), {});
    // The text that the receiver has is read otherwise, and says so.
    assert.equal((await change({ kind: 'hmac', header: 'x-sig' })).status, 200);
    const text = await next();
    assert.equal(text.headers['x-sig'], hmacOf(Buffer.from(secret), text.body));
    // The way that is told.
    for (const signing of [{ kind: 'none' }, hex]) assert.equal((await change(signing)).status, 200);
    const { body } = await sender.call<{ secret: string }>(`POST /api/endpoints/${id}/rotate-secret`);
    const got = await next();
    assert.equal(got.headers['x-sig'], hmacOf(Buffer.from(body.secret, 'hex'), got.body));
    assert.match((await change(standard)).body.detail, /expects whsec_ and base64/);
  });

  test('signs with no key of a kind that it was changed from', async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    const { id, secret } = await sender.endpoint({ url: inbox.url, signing: { kind: 'standard', keys: 'both' } });
    const versions: string[] = [];
    for (const [index, keys] of ['v1', 'v1a', 'both'].entries()) {
      await sender.call(`PATCH /api/endpoints/${id}`, { signing: { kind: 'standard', keys } });
      await sender.gateway.emit('order.made', {});
      const got = (await inbox.received(index + 1))[index] ?? assert.fail();
      if (keys !== 'v1a') assert.deepEqual(verified(secret, got), {});
      versions.push(valueOf(got.headers, 'webhook-signature').replaceAll(/,\S+/g, ''));
    }
    assert.deepEqual(versions, ['v1', 'v1a', 'v1 v1a']);
  });

  test('gets a test event of its own, and nobody else does', async () => {
    await using inbox = await Inbox.start();
    await using other = await Inbox.start();
    await using sender = await Sender.start();
    const { id, secret } = await sender.endpoint({ url: inbox.url });
    await sender.endpoint({ url: other.url });
    const { body } = await sender.call<{ eventId: string }>(`POST /api/endpoints/${id}/test`);
    const [got] = await inbox.received(1);
    assert.ok(got);
    assert.equal(got.headers['webhook-id'], body.eventId);
    assert.equal((verified(secret, got) as { endpoint: string }).endpoint, id);
    await until(async () => (await sender.deliveries(id))[0]?.state === 'succeeded');
    assert.equal(other.got.length, 0);
  });
});

describe('an endpoint in code', () => {
  test('gets what it is for, transformed, signed with the secrets of the environment', async () => {
    await using inbox = await Inbox.start((_got, count) => (count === 1 ? 500 : 200));
    const environment = (name: string) => (name === 'CRM_SECRET' ? 'crm-secret-1' : undefined);
    await using sender = await Sender.start(
      {},
      {
        environment,
        register: (gateway) => {
          gateway.endpoint('crm', {
            from: 'emitted',
            url: inbox.url,
            secrets: { kind: 'secret', env: 'CRM_SECRET' },
            signing: { kind: 'hmac', header: 'x-crm-signature', prefix: 'sha256=' },
            retry: fixed([1]),
            filter: { not: { path: 'body.draft', equals: true } },
            transform: (event) => ({ body: { wrapped: event.type } }),
          });
        },
      },
    );
    await sender.gateway.emit('order.made', { draft: true });
    await sender.gateway.emit('order.paid', { draft: false });
    const [first, second] = await inbox.received(2);
    assert.ok(first && second);
    assert.equal(second.body.toString(), '{"wrapped":"order.paid"}');
    const expected = createHmac('sha256', 'crm-secret-1').update(second.body).digest('hex');
    assert.equal(second.headers['x-crm-signature'], `sha256=${expected}`);
    assert.equal((await sender.deliveries('crm')).length, 1);
  });

  test('whose URL is blocked keeps the gateway from starting, and says why', async () => {
    const register = (url: string) => (gateway: Sender['gateway']) => gateway.endpoint('crm', { from: 'shop', url });
    await assert.rejects(
      Sender.start({ egressAllow: [] }, { register: register('http://169.254.169.254/latest') }),
      (error) =>
        error instanceof HoldfastError && error.code === 'config_invalid' && /crm.*blocked/.test(error.message),
    );
    await assert.rejects(Sender.start({}, { register: register('not a URL') }), /crm/);
  });
});

describe('an event for more endpoints than one commit should make deliveries for', () => {
  test('reaches every one of them once, in the order of its key', { timeout: 60_000 }, async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    const count = 130;
    for (let made = 0; made < count; made++) await sender.endpoint({ url: inbox.url, ordered: true });
    const first = await sender.gateway.emit('order.made', { n: 1 }, { orderKey: 'k' });
    const second = await sender.gateway.emit('order.made', { n: 2 }, { orderKey: 'k' });
    await inbox.received(2 * count);
    const bySignature = Map.groupBy(inbox.got, (got) => got.headers['webhook-id']);
    assert.deepEqual([bySignature.get(first)?.length, bySignature.get(second)?.length], [count, count]);
    await until(async () => {
      const { body } = await sender.call<{ rows: { state: string }[] }>(
        `GET /api/deliveries?limit=200&state=ready,due,claimed,blocked`,
      );
      return body.rows.length === 0;
    });
    const { body } = await sender.call<{ timeline: { text: string }[] }>(`GET /api/events/${first}`);
    assert.ok(body.timeline.length > 0);
  });
});

describe('what Holdfast itself reports', () => {
  test('comes as events that a handler takes, once, and is not stored while nobody does', async () => {
    await using inbox = await Inbox.start((got) => (got.path.endsWith('gone') ? 410 : 400));
    const seen: string[] = [];
    const { promise: all, resolve: seenAll } = Promise.withResolvers<void>();
    await using sender = await Sender.start(
      {},
      {
        register: (gateway) => {
          gateway.handle('ops', { from: 'holdfast' }, (event) => {
            seen.push(event.type);
            if (seen.length === 4) seenAll();
            if (event.type === 'delivery.dead') throw new Reject('a report about a report is not made');
          });
        },
      },
    );
    const gone = await sender.endpoint({ url: inbox.url.replace('hooks', 'gone') });
    await sender.endpoint({ url: inbox.url, statusRules: { fail: ['400'] } });
    await sender.gateway.emit('order.made', {}, { correlationId: 'c-9' });
    await until(() => seen.length >= 3);
    await sender.call(`PATCH /api/endpoints/${gone.id}`, { state: 'active' });
    await sender.call(`PATCH /api/endpoints/${gone.id}`, { state: 'disabled' });
    await all;
    assert.deepEqual(seen.toSorted(), ['delivery.dead', 'delivery.dead', 'endpoint.disabled', 'endpoint.disabled']);
    const { body } = await sender.call<{ rows: { type: string; correlationId: string }[] }>(
      'GET /api/events?source=holdfast',
    );
    const dead = body.rows.filter(({ type }) => type === 'delivery.dead');
    assert.deepEqual(
      dead.map(({ correlationId }) => correlationId),
      ['c-9', 'c-9'],
    );

    await using quiet = await Sender.start();
    await quiet.endpoint({ url: inbox.url, statusRules: { fail: ['400'] } });
    await quiet.gateway.emit('order.made', {});
    await until(async () => {
      const { body: listed } = await quiet.call<{ rows: unknown[] }>('GET /api/dead-letters');
      return listed.rows.length === 1;
    });
    const stored = await quiet.call<{ rows: unknown[] }>('GET /api/events?source=holdfast');
    assert.deepEqual(stored.body.rows, []);
  });
});

describe('a Retry-After', () => {
  test('is waited for, and the retry policy waits longer where it says so', async () => {
    await using inbox = await Inbox.start((got) => ({
      status: 503,
      headers: { 'retry-after': got.path.endsWith('long') ? '3600' : '1' },
    }));
    await using sender = await Sender.start();
    const retry = { kind: 'list', delaysMs: [600_000], jitter: 'none' };
    const waits = await Promise.all(
      ['hooks', 'long'].map(async (path) => {
        const { id } = await sender.endpoint({ url: inbox.url.replace('hooks', path), retry, types: [path] });
        await sender.gateway.emit(path, {});
        await until(async () => (await sender.deliveries(id))[0]?.state === 'due');
        const [delivery] = await sender.deliveries(id);
        return Math.round((Date.parse(delivery?.dueAt ?? '') - Date.now()) / 60_000);
      }),
    );
    assert.deepEqual(waits, [10, 60]);
  });
});
