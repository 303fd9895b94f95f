/** Emitting: the catalogue, batches, and requests under an idempotency key, through real gateways. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createGateway, defineConfig, fixed, type Gateway, HoldfastError } from 'holdfast';
import { testGateway } from 'holdfast/testing';
import { none } from 'holdfast/verify';
import { z } from 'zod';
import { IdempotencyKeys } from '../src/api/idempotency.ts';
import { systemClock } from '../src/gateway/clock.ts';

const Payment = z.object({ id: z.string(), amount: z.number().positive(), note: z.string().default('none') });

const config = defineConfig({
  store: 'memory:',
  logLevel: 'silent',
  diskReserveBytes: 0,
  sources: { shop: { verify: none(), type: 'body.type' } },
  emits: {
    'payment.succeeded': Payment,
    'payment.refunded': { schema: Payment, description: 'Money went back.' },
    'audit.*': z.object({ who: z.string() }),
    'user.created': { description: 'Anything may be in it.' },
  },
});

/** What was thrown, if it is one of ours. */
async function thrown(promise: Promise<unknown>): Promise<HoldfastError & { readonly issues?: readonly unknown[] }> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof HoldfastError) return error;
    throw error;
  }
  return assert.fail('nothing was thrown');
}

describe('a catalogue of emitted events', () => {
  test('lets what fits through, unchanged', async () => {
    const bodies: string[] = [];
    await using t = await testGateway(config, (gateway) =>
      gateway.handle('ledger', { from: 'emitted' }, (event) => void bodies.push(event.text())),
    );
    await t.gateway.emit('payment.succeeded', { id: 'pi_1', amount: 1 });
    await t.gateway.emit('audit.login', { who: 'anna' });
    await t.gateway.emit('user.created', [1, 2]);
    await t.gateway.emit('payment.refunded', Buffer.from('{"id":"pi_2", "amount":2.50}'));
    await t.settled();
    const expected = ['{"id":"pi_1","amount":1}', '{"who":"anna"}', '[1,2]', '{"id":"pi_2", "amount":2.50}'];
    assert.deepEqual(bodies, expected, 'a schema adds no defaults');
  });

  test('refuses a body that does not fit and says where', async () => {
    await using t = await testGateway(config);
    const wrong = { id: 'pi_1', amount: -1 };
    const error = await thrown(t.gateway.emit('payment.succeeded', wrong));
    assert.equal(error.code, 'emit_unfit');
    assert.match(error.message, /'payment\.succeeded': amount: /);
    const late = await thrown(
      t.gateway.emitBatch([
        { type: 'audit.x', body: { who: 'a' } },
        { type: 'payment.refunded', body: wrong },
      ]),
    );
    assert.deepEqual(
      late.issues?.map((issue) => Object.entries(issue as object).slice(0, 2)),
      [
        [
          ['index', 1],
          ['path', 'amount'],
        ],
      ],
    );
    const bytes = await thrown(t.gateway.emit('payment.succeeded', Buffer.from('no json')));
    assert.match(bytes.message, /the body is not JSON/);
    assert.equal((await t.deliveries()).length, 0);
  });

  test('refuses a type that is not in it and says which was meant', async () => {
    await using t = await testGateway(config);
    const loose = t.gateway as unknown as Gateway;
    const error = await thrown(loose.emit('payment.suceeded', { id: 'pi_1', amount: 1 }));
    assert.equal(error.code, 'event_type_unknown');
    assert.match(error.message, /Did you mean 'payment\.succeeded'/);
  });

  test('lets every type through where it says so', async () => {
    await using t = await testGateway({ ...config, emits: { '*': {}, known: Payment } });
    await t.gateway.emit('anything', null);
    assert.equal((await thrown((t.gateway as unknown as Gateway).emit('known', {}))).code, 'emit_unfit');
  });

  test('is checked before the gateway starts', () => {
    const wrong = (emits: object) => () => createGateway({ sources: {}, emits: emits as never });
    assert.throws(wrong({ 'a.b': { schema: 'no schema' } }), { code: 'config_invalid' });
    assert.throws(wrong({ '': {} }), { code: 'config_invalid' });
  });
});

describe('a handler that emits what does not fit', () => {
  test('has failed, leaves nothing behind, and is tried again', async () => {
    const amounts = [-1, 5];
    await using t = await testGateway(config, (gateway) => {
      gateway.handle('billing', { from: 'shop', retry: fixed(['1s']) }, async (_event, ctx) => {
        await ctx.emit('audit.begun', { who: 'billing' });
        await ctx.emit('payment.succeeded', { id: 'pi', amount: amounts.shift() ?? 0 });
      });
      gateway.handle('ledger', { from: 'emitted' }, () => undefined);
    });
    await t.send('shop', 'paid');
    await t.settled();
    const [delivery] = await t.deliveries({ destination: 'billing' });
    assert.match(delivery?.lastError ?? '', /does not fit the schema[\s\S]*event 1, 'payment\.succeeded': amount/);
    assert.equal((await t.deliveries({ destination: 'ledger' })).length, 0);
    await t.advance('2s');
    assert.deepEqual(await t.outcomes(), { billing: { succeeded: 1 }, ledger: { succeeded: 2 } });
  });

  test('fails also in a thread, which knows nothing of the catalogue', async () => {
    await using t = await testGateway(config, (gateway) => {
      const module = new URL('./fixtures/emits-misfit.ts', import.meta.url);
      gateway.handle('billing', { from: 'shop', run: 'thread', module, concurrency: 1 });
    });
    await t.send('shop', 'good', { id: 'pi_1', amount: 1 });
    await t.send('shop', 'bad', { id: 'pi_2' });
    await t.settled();
    const deliveries = await t.deliveries({ destination: 'billing' });
    assert.deepEqual(
      deliveries.map(({ type, attempts, state }) => [type, attempts, state]),
      [
        ['good', 1, 'succeeded'],
        ['bad', 1, 'due'],
      ],
    );
    assert.match(deliveries[1]?.lastError ?? '', /'payment\.succeeded': amount/);
  });

  test('of a batch fails the one event it emitted for', async () => {
    await using t = await testGateway(config, (gateway) => {
      gateway.handleBatch('ledger', { from: 'shop', size: 2 }, async (batch, ctx) => {
        for (const event of batch.events) {
          await ctx.emit('payment.succeeded', { id: event.id, amount: event.type === 'bad' ? 0 : 1 }, { event });
        }
      });
    });
    await Promise.all([t.send('shop', 'good'), t.send('shop', 'bad')]);
    await t.advance('1s');
    const states = (await t.deliveries({ destination: 'ledger' })).map(({ type, state }) => `${type} ${state}`);
    assert.deepEqual(states.toSorted(), ['bad due', 'good succeeded']);
  });

  test('with a schema that never answers times out', async () => {
    const { promise: never } = Promise.withResolvers<never>();
    const forever = { '~standard': { version: 1, vendor: 'test', validate: () => never } } as const;
    await using t = await testGateway({ ...config, emits: { slow: forever } }, (gateway) => {
      gateway.handle('billing', { from: 'shop', timeout: '5s' }, (_event, ctx) => ctx.emit('slow', 1));
    });
    await t.send('shop', 'x');
    await t.clock.advanceSlowly(6000);
    await t.settled();
    const [delivery] = await t.deliveries();
    assert.deepEqual([delivery?.attempts, delivery?.state], [1, 'due']);
  });
});

describe('a batch', () => {
  const plain = { ...config, emits: { '*': {} } };

  test('is committed whole, in order, and answers an id for each', async () => {
    await using t = await testGateway(plain, (gateway) => gateway.handle('all', { from: 'emitted' }, () => undefined));
    const [first, again, other] = await t.gateway.emitBatch([
      { type: 'a', body: 1, dedupeKey: 'k', tenant: 'acme' },
      { type: 'a', body: 1, dedupeKey: 'k', tenant: 'acme' },
      { type: 'b', body: { n: 2 }, orderKey: 'o' },
    ]);
    assert.equal(first, again);
    assert.notEqual(first, other);
    assert.deepEqual(await t.gateway.emitBatch([]), []);
    await t.settled();
    assert.deepEqual(
      (await t.deliveries()).map(({ eventId, tenant }) => [eventId, tenant]),
      [
        [first, 'acme'],
        [other, null],
      ],
    );
  });

  test('is refused whole when a destination of one of its events is full, and takes no place then', async () => {
    await using t = await testGateway(plain, (gateway) => {
      gateway.handle(
        'roomy',
        { from: 'emitted', types: ['roomy'], backlogMax: 2, overflow: 'refuse' },
        () => undefined,
      );
      gateway.handle('full', { from: 'emitted', types: ['full'], backlogMax: 1, overflow: 'refuse' }, () => undefined);
    });
    for (const name of ['roomy', 'full']) await pause(t.gateway, name);
    await t.gateway.emit('full', 1);
    const events = [
      { type: 'roomy', body: 1 },
      { type: 'full', body: 2 },
    ];
    for (let tries = 0; tries < 5; tries++)
      assert.equal((await thrown(t.gateway.emitBatch(events))).code, 'backlog_full');
    await t.gateway.emitBatch([
      { type: 'roomy', body: 1 },
      { type: 'roomy', body: 2 },
    ]);
    assert.equal((await t.deliveries({ destination: 'roomy' })).length, 2);
  });

  test('is bounded', async () => {
    await using t = await testGateway(plain);
    const many = Array.from({ length: 10_001 }, () => ({ type: 'a', body: 1 }));
    assert.equal((await thrown(t.gateway.emitBatch(many))).code, 'body_too_large');
    const heavy = Array.from({ length: 17 }, () => ({ type: 'a', body: 'x'.repeat(1_048_000) }));
    assert.equal((await thrown(t.gateway.emitBatch(heavy))).code, 'body_too_large');
  });
});

async function pause(gateway: { admin: Gateway['admin']; readonly adminToken: string }, name: string): Promise<void> {
  const headers = { authorization: `Bearer ${gateway.adminToken}` };
  const answer = await gateway
    .admin()
    .fetch(new Request(`http://x/api/queues/${name}/pause`, { method: 'POST', headers }));
  assert.equal(answer.status, 204);
}

interface Answered {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Asks a gateway's API in the same process. */
async function post(
  gateway: Gateway,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answered> {
  const init = {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.adminToken}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  };
  const answer = await gateway.admin().fetch(new Request('http://x/api/events', init));
  return { status: answer.status, body: (await answer.json()) as Answered['body'] };
}

describe('POST /api/events', () => {
  test('holds events to the catalogue, which GET /api/event-types lists', async () => {
    await using t = await testGateway(config);
    const gateway = t.gateway as unknown as Gateway;
    const wrong = await post(gateway, [
      { type: 'audit.x', data: { who: 'a' } },
      { type: 'payment.succeeded', data: { id: 1, amount: 1 } },
    ]);
    assert.deepEqual([wrong.status, wrong.body['code']], [422, 'emit_unfit']);
    assert.match(JSON.stringify(wrong.body['issues']), /"in":"body","name":"1\.data\.id"/);
    const unknown = await post(gateway, { type: 'payment', data: 1 });
    assert.deepEqual([unknown.status, unknown.body['code']], [422, 'event_type_unknown']);
    const headers = { authorization: `Bearer ${gateway.adminToken}` };
    const listed = (await (
      await gateway.admin().fetch(new Request('http://x/api/event-types', { headers }))
    ).json()) as {
      strict: boolean;
      rows: { type: string; description: string | null; schema: { required?: string[] } | null }[];
    };
    assert.equal(listed.strict, true);
    assert.deepEqual(
      listed.rows.map(({ type, description }) => [type, description]),
      [
        ['audit.*', null],
        ['payment.refunded', 'Money went back.'],
        ['payment.succeeded', null],
        ['user.created', 'Anything may be in it.'],
      ],
    );
    assert.deepEqual(
      listed.rows.map(({ schema }) => schema?.required),
      [['who'], ['id', 'amount'], ['id', 'amount'], undefined],
    );
  });
});

describe('an Idempotency-Key', () => {
  const plain = { ...config, emits: { '*': {} } };
  const key = (text: string): Record<string, string> => ({ 'idempotency-key': text });
  const body = { type: 'paid', data: { id: 1 } };

  async function count(gateway: Gateway): Promise<number> {
    const headers = { authorization: `Bearer ${gateway.adminToken}` };
    const answer = await gateway.admin().fetch(new Request('http://x/api/events?limit=200', { headers }));
    return ((await answer.json()) as { rows: unknown[] }).rows.length;
  }

  test('gives a repeat the same answer and emits nothing, also when both come at once', async () => {
    await using t = await testGateway(plain);
    const gateway = t.gateway as unknown as Gateway;
    const [first, second] = await Promise.all([post(gateway, body, key('k1')), post(gateway, body, key('"k1"'))]);
    assert.equal(first.status, 200);
    assert.deepEqual(second, first);
    assert.deepEqual(await post(gateway, body, key('k1')), first);
    const batch = [body, body, { ...body, tenant: 'acme' }];
    const many = await post(gateway, batch, key('k2'));
    assert.deepEqual(await post(gateway, batch, key('k2')), many);
    assert.equal(await count(gateway), 4, 'events of one request that are alike are not repeats of each other');
    assert.equal((await post(gateway, body)).status, 200);
    assert.equal(await count(gateway), 5);
  });

  test('refuses another request: another body, type, tenant or number of events', async () => {
    await using t = await testGateway(plain);
    const gateway = t.gateway as unknown as Gateway;
    await post(gateway, body, key('k'));
    for (const other of [
      { ...body, data: { id: 2 } },
      { ...body, type: 'b' },
      { ...body, tenant: 'a' },
      { ...body, orderKey: 'o' },
      [body, body],
    ]) {
      const { status, body: answered } = await post(gateway, other, key('k'));
      assert.deepEqual([status, answered['code']], [422, 'idempotency_key_reused'], JSON.stringify(other));
    }
    assert.equal(await count(gateway), 1);
  });

  test('of a batch is no other key', async () => {
    await using t = await testGateway(plain);
    const gateway = t.gateway as unknown as Gateway;
    await post(gateway, [body, body], key('order'));
    for (const other of ['order#1', '#1:order', '1:order']) {
      assert.equal((await post(gateway, body, key(other))).status, 200, other);
    }
    assert.equal(await count(gateway), 5);
  });

  test('is remembered within a bound, of keys and of the events under them', async () => {
    for (const [ids, kept] of [
      [1000, 200],
      [1, 10_000],
    ] as const) {
      const keys = new IdempotencyKeys(systemClock);
      let ran = 0;
      const ask = (number: number) =>
        keys.once({ key: `k${number}`, tenant: null, digest: 'd', ids }, async () => void ran++);
      for (let number = 0; number <= kept; number++) await ask(number);
      for (let number = 1; number <= kept; number++) await ask(number);
      assert.equal(ran, kept + 1);
      // What fails takes no room.
      await assert.rejects(
        keys.once({ key: 'f', tenant: null, digest: 'd', ids: 0 }, () => Promise.reject(new Error('no'))),
      );
      await ask(0);
      assert.equal(ran, kept + 2, 'the oldest was forgotten');
    }
  });

  test('of a request that was refused can be used again', async () => {
    await using t = await testGateway(config);
    const gateway = t.gateway as unknown as Gateway;
    const wrong = { type: 'payment.succeeded', data: { id: 'pi', amount: 0 } };
    assert.equal((await post(gateway, wrong, key('k'))).status, 422);
    assert.equal((await post(gateway, { ...wrong, data: { id: 'pi', amount: 1 } }, key('k'))).status, 200);
  });

  test('leaves an event its own dedupe key', async () => {
    await using t = await testGateway(plain);
    const gateway = t.gateway as unknown as Gateway;
    const own = { ...body, dedupeKey: 'mine' };
    const first = await post(gateway, own);
    const again = await post(gateway, own, key('k'));
    assert.deepEqual(again.body, { id: first.body['id'], duplicate: true });
  });

  test('holds over a restart: the store knows it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-emit-'));
    try {
      const durable = { ...plain, store: 'sqlite:./events.db', durability: 'full' };
      const run = async <Answer>(use: (gateway: Gateway) => Promise<Answer>): Promise<Answer> => {
        await using gateway = createGateway(durable, { directory, environment: () => undefined });
        await gateway.start();
        return await use(gateway as unknown as Gateway);
      };
      const first = await run((gateway) => post(gateway, body, key('k')));
      assert.deepEqual(await run((gateway) => post(gateway, body, key('k'))), first);
      const other = await run((gateway) => post(gateway, { ...body, data: 'other' }, key('k')));
      assert.deepEqual([other.status, other.body['code']], [422, 'idempotency_key_reused']);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test('is of a sensible length', async () => {
    await using t = await testGateway(plain);
    const gateway = t.gateway as unknown as Gateway;
    for (const wrong of ['x'.repeat(256), 'two words', '""']) {
      assert.equal((await post(gateway, body, key(wrong))).body['code'], 'invalid_input', wrong);
    }
  });
});
