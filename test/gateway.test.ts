import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { createGateway, defineConfig, HoldfastError, Reject, RetryLater, Skip } from 'holdfast';
import { testGateway } from 'holdfast/testing';
import { hmac, none } from 'holdfast/verify';
import { z } from 'zod';
import { systemClock } from '../src/gateway/clock.ts';
import { memoryStore } from '../src/store/memory.ts';

const sms = defineConfig({
  sources: {
    sms: {
      verify: hmac({ header: 'x-signature', secrets: 'test' }),
      mode: 'sync',
      responder: 'reply',
      deadline: '2s',
      type: 'body.type',
      dedupeKey: 'body.id',
      answer: { status: 202, headers: { 'content-type': 'text/plain' }, body: 'later' },
    },
  },
});

describe('a sync source', () => {
  test('answers what its responder returns, and a duplicate the same', async () => {
    let calls = 0;
    await using t = await testGateway(sms, (gateway) => {
      gateway.handle('reply', { from: 'sms' }, () => ({
        status: 200,
        headers: { 'content-type': 'text/xml' },
        body: `<r>${++calls}</r>`,
      }));
    });
    const first = await t.send('sms', 'in', {}, { key: 'k' });
    const again = await t.send('sms', 'in', {}, { key: 'k' });
    assert.deepEqual([first.status, first.body, first.headers.get('content-type')], [200, '<r>1</r>', 'text/xml']);
    assert.deepEqual([again.status, again.body], [200, '<r>1</r>']);
    assert.equal(calls, 1);
  });

  test('answers its default when the responder is late, and delivers all the same', async () => {
    const { promise: late, resolve: finish } = Promise.withResolvers<string>();
    await using t = await testGateway(sms, (gateway) => gateway.handle('reply', { from: 'sms' }, () => late));
    const answer = t.send('sms', 'in');
    await t.clock.advanceSlowly(2100);
    assert.equal((await answer).body, 'later');
    finish('too late');
    await t.settled();
    assert.deepEqual(await t.outcomes(), { reply: { succeeded: 1 } });
  });

  test('answers its default at once when the responder fails, and loses nothing', async () => {
    await using t = await testGateway(sms, (gateway) =>
      gateway.handle('reply', { from: 'sms' }, () => Promise.reject(new Error('no'))),
    );
    assert.equal((await t.send('sms', 'in')).body, 'later');
    assert.equal((await t.deliveries())[0]?.state, 'due');
  });

  test('gives a duplicate that comes while the first still runs the same answer', async () => {
    const { promise, resolve } = Promise.withResolvers<string>();
    await using t = await testGateway(sms, (gateway) => gateway.handle('reply', { from: 'sms' }, () => promise));
    const both = [t.send('sms', 'in', {}, { key: 'k' }), t.send('sms', 'in', {}, { key: 'k' })];
    for (let turn = 0; turn < 20; turn++) await new Promise((next) => setImmediate(next));
    resolve('one answer');
    assert.deepEqual(
      (await Promise.all(both)).map(({ body }) => body),
      ['one answer', 'one answer'],
    );
  });

  test('does not wait for a responder that is paused', async () => {
    await using t = await testGateway(sms, (gateway) => gateway.handle('reply', { from: 'sms' }, () => 'never now'));
    const api = t.gateway.admin();
    const headers = { authorization: `Bearer ${t.gateway.adminToken}` };
    const paused = await api.fetch(new Request('http://test/api/queues/reply/pause', { method: 'POST', headers }));
    assert.equal(paused.ok, true, await paused.text());
    // The clock stands still: waiting for the deadline would wait for ever.
    assert.equal((await t.send('sms', 'in')).body, 'later');
  });

  test('gives a repeat the answer that came too late for the first sender', async () => {
    const { promise: late, resolve: finish } = Promise.withResolvers<string>();
    await using t = await testGateway(sms, (gateway) => gateway.handle('reply', { from: 'sms' }, () => late));
    const first = t.send('sms', 'in', {}, { key: 'k' });
    await t.clock.advanceSlowly(2100);
    assert.equal((await first).body, 'later');
    finish('the answer');
    await t.settled();
    assert.equal((await t.send('sms', 'in', {}, { key: 'k' })).body, 'the answer');
  });

  test('needs its responder to exist', async () => {
    await assert.rejects(testGateway(sms), { code: 'config_invalid', message: /no handler 'reply'/ });
  });

  const two = defineConfig({ sources: { sms: { ...sms.sources.sms, responder: ['texts', 'receipts'] } } });

  test('has a responder for each kind of event', async () => {
    await using t = await testGateway(two, (gateway) => {
      gateway.handle('texts', { from: 'sms', types: ['in', 'status'] }, () => 'a text');
      gateway.handle('receipts', { from: 'sms', types: ['sent', 'status.*'] }, (event) => `a receipt: ${event.type}`);
      gateway.handle('count', { from: 'sms' }, () => 'not an answer');
    });
    const answers = [];
    for (const type of ['in', 'status', 'sent', 'status.read', 'other']) answers.push((await t.send('sms', type)).body);
    assert.deepEqual(answers, ['a text', 'a text', 'a receipt: sent', 'a receipt: status.read', 'later']);
  });

  test('has one responder for each event', async () => {
    const overlapping: (readonly [readonly string[] | null, readonly string[] | null])[] = [
      [null, ['in']],
      [['in'], ['out', 'in']],
      [['in.*'], ['in.one']],
      [['in.one'], ['i*']],
      [['in.*'], ['in.one.*']],
    ];
    for (const [texts, receipts] of overlapping) {
      const start = testGateway(two, (gateway) => {
        gateway.handle('texts', { from: 'sms', ...(texts !== null && { types: texts }) }, () => '');
        gateway.handle('receipts', { from: 'sms', ...(receipts !== null && { types: receipts }) }, () => '');
      });
      await assert.rejects(start, { code: 'config_invalid', message: /'texts' and 'receipts' take the same types/ });
    }
  });

  test('is switched by its mode alone', async () => {
    const { sms: source } = sms.sources;
    const queued = defineConfig({ sources: { sms: { ...source, mode: 'queued' } } });
    await using t = await testGateway(queued, (gateway) => gateway.handle('reply', { from: 'sms' }, () => 'unheard'));
    const first = await t.send('sms', 'in', {}, { key: 'k' });
    await t.settled();
    const again = await t.send('sms', 'in', {}, { key: 'k' });
    assert.deepEqual([first.body, again.body], ['later', 'later']);
    assert.deepEqual(await t.outcomes(), { reply: { succeeded: 1 } });
  });
});

describe('a sync source that is split', () => {
  const config = defineConfig({
    sources: {
      mail: {
        verify: none(),
        mode: 'sync',
        responder: 'track',
        deadline: '2s',
        split: true,
        type: 'body.event',
        dedupeKey: 'body.id',
      },
    },
  });
  const elements = (...ids: string[]) => ({ method: 'POST', body: JSON.stringify(ids.map((id) => ({ id }))) });
  const turns = async (): Promise<void> => {
    for (let turn = 0; turn < 50; turn++) await new Promise((next) => setImmediate(next));
  };

  test('is answered when every element has been handled', async () => {
    const gates = new Map(['a', 'b', 'c'].map((id) => [id, Promise.withResolvers<string>()]));
    await using t = await testGateway(config, (gateway) =>
      gateway.handle('track', { from: 'mail' }, (event) => gates.get(event.dedupeKey ?? '')?.promise),
    );
    let answered = false;
    const answer = t.request('/in/mail', elements('a', 'b', 'c')).then((response) => ((answered = true), response));
    for (const [id, gate] of gates) {
      await turns();
      assert.equal(answered, false, `before ${id}`);
      gate.resolve('not the answer');
    }
    const { status, body } = await answer;
    assert.equal(status, 200);
    assert.equal((JSON.parse(body) as { ids: string[] }).ids.length, 3);
    assert.deepEqual(await t.outcomes(), { track: { succeeded: 3 } });
  });

  test('is answered with a 2xx when an element fails, which is tried again alone', async () => {
    const seen: string[] = [];
    await using t = await testGateway(config, (gateway) =>
      gateway.handle('track', { from: 'mail' }, ({ dedupeKey }, { attempt }) => {
        seen.push(`${dedupeKey} ${attempt}`);
        if (dedupeKey === 'b' && attempt === 1) throw new RetryLater('10s');
      }),
    );
    assert.equal((await t.request('/in/mail', elements('a', 'b', 'c'))).status, 200);
    assert.deepEqual(seen, ['a 1', 'b 1', 'c 1']);
    await t.advance('10s');
    assert.deepEqual(seen.at(-1), 'b 2');
    assert.deepEqual(await t.outcomes(), { track: { succeeded: 3 } });
  });

  test('is answered at its deadline, and what repeats it at once', async () => {
    const { promise: never } = Promise.withResolvers<never>();
    await using t = await testGateway(config, (gateway) =>
      gateway.handle('track', { from: 'mail' }, ({ dedupeKey }) => (dedupeKey === 'b' ? never : undefined)),
    );
    const first = t.request('/in/mail', elements('a', 'b'));
    await t.clock.advanceSlowly(2100);
    const { status, body } = await first;
    assert.equal(status, 200);
    // The clock stands still: waiting for the deadline would wait for ever.
    assert.equal((await t.request('/in/mail', elements('a', 'b'))).body, body);
  });
});

describe('emit', () => {
  const config = defineConfig({ sources: { open: { verify: none() } } });

  test('delivers a delayed event at its time, and not when it was cancelled', async () => {
    const seen: unknown[] = [];
    await using t = await testGateway(config, (gateway) =>
      gateway.handle('h', { from: 'emitted' }, (event) => void seen.push(event.body)),
    );
    await t.gateway.emit('reminder', { n: 1 }, { at: t.clock.now() + 60_000 });
    const second = await t.gateway.emit('reminder', { n: 2 }, { at: new Date(t.clock.now() + 60_000) });
    await t.advance('30s');
    assert.deepEqual(seen, []);
    await t.gateway.cancel(second);
    await t.advance('31s');
    assert.deepEqual(seen, [{ n: 1 }]);
    await assert.rejects(t.gateway.cancel(second), { code: 'not_cancellable' });
  });

  test('recognises a repeat by its dedupe key', async () => {
    await using t = await testGateway(config);
    const first = await t.gateway.emit('paid', { a: 1 }, { dedupeKey: 'pi_1' });
    assert.equal(await t.gateway.emit('paid', { a: 1 }, { dedupeKey: 'pi_1' }), first);
  });

  test('from a handler commits with its outcome, and not with a failure; the correlation id goes along', async () => {
    const seen: string[] = [];
    let fail = true;
    await using t = await testGateway(config, (gateway) => {
      gateway.handle('first', { from: 'open' }, async (event, { emit }) => {
        await emit('step', { of: event.id });
        if (fail) throw new RetryLater('1s');
      });
      gateway.handle('second', { from: 'emitted' }, (event) => void seen.push(event.correlationId));
    });
    await t.request('/in/open', { method: 'POST', headers: { 'x-correlation-id': 'abc-123' }, body: '{}' });
    await t.settled();
    assert.deepEqual(seen, []);
    fail = false;
    await t.advance('2s');
    assert.deepEqual(seen, ['abc-123']);
  });
});

describe('events and destinations', () => {
  test('stores what fits no destination, and replays it to one that takes it later', async () => {
    const config = defineConfig({ sources: { open: { verify: none(), type: 'body.type' } } });
    await using t = await testGateway(config, (gateway) =>
      gateway.handle('a', { from: 'open', types: ['a.*'] }, () => undefined),
    );
    await t.send('open', 'b.made');
    await t.send('open', 'a.made');
    await t.settled();
    assert.deepEqual(await t.outcomes(), { a: { succeeded: 1 } });
  });

  test('keeps a body that does not fit its schema, routed only where the source says so', async () => {
    const body = z.object({ amount: z.number() });
    const config = defineConfig({
      sources: { strict: { verify: none(), body }, lax: { verify: none(), body, routeUnfit: true } },
    });
    const unfit: (string | null)[] = [];
    await using t = await testGateway(config, (gateway) =>
      gateway.handle('h', { from: ['strict', 'lax'] }, (event) => void unfit.push(event.unfit)),
    );
    await t.request('/in/strict', { method: 'POST', body: '{"amount":"x"}' });
    await t.request('/in/lax', { method: 'POST', body: '{"amount":"x"}' });
    await t.request('/in/strict', { method: 'POST', body: '{"amount":1}' });
    await t.settled();
    assert.equal(unfit.length, 2);
    assert.match(unfit[0] ?? '', /amount/);
    assert.equal(unfit[1], null);
  });

  test('makes one event of each element of a split body, with the bytes of each as they came', async () => {
    const config = defineConfig({ sources: { many: { verify: none(), split: true, dedupeKey: 'body.id' } } });
    const seen: string[] = [];
    await using t = await testGateway(config, (gateway) =>
      gateway.handle('h', { from: 'many' }, (event) => void seen.push(event.text())),
    );
    await t.request('/in/many', { method: 'POST', body: '[ {"id": 1 , "n":1.0}, {"id":2} ,{"id": 1 , "n":1.0}]' });
    await t.settled();
    assert.deepEqual(seen, ['{"id": 1 , "n":1.0}', '{"id":2}']);
  });

  test('gives what a renamed destination is owed to its new name', async () => {
    const config = defineConfig({ sources: { open: { verify: none() } }, store: 'memory:' });
    const store = memoryStore({ clock: systemClock });
    const options = {
      store: () => store,
      environment: (name: string) => (name === 'HOLDFAST_LOG_LEVEL' ? 'silent' : undefined),
    };
    const before = createGateway(config, options);
    before.handle('old', { from: 'open' }, () => Promise.reject(new RetryLater('10ms')));
    await before.start();
    await before.fetch(new Request('http://test/in/open', { method: 'POST', body: '{}' }));
    await before.stop();
    const { promise: done, resolve } = Promise.withResolvers<string>();
    const after = createGateway(config, options);
    after.handle('new', { from: 'open', formerly: ['old'] }, (_event, { destination }) => resolve(destination));
    await after.start();
    assert.equal(await done, 'new');
    await after.stop();
  });

  test('keeps a renamed destination paused, and lets it be resumed by its new name', async () => {
    const config = defineConfig({ sources: { open: { verify: none() } }, store: 'memory:', logLevel: 'silent' });
    const store = memoryStore({ clock: systemClock });
    const before = createGateway(config, { store: () => store });
    before.handle('old', { from: 'open' }, () => assert.fail('it is paused'));
    await before.start();
    await before.operations({ by: 'ada' }).pause('old');
    await before.fetch(new Request('http://test/in/open', { method: 'POST', body: '{}' }));
    await before.stop();
    const { promise: done, resolve } = Promise.withResolvers<void>();
    for (const last of [false, true]) {
      let handled = false;
      await using after = createGateway(config, { store: () => store });
      after.handle('new', { from: 'open', formerly: ['old'] }, () => ((handled = true), resolve()));
      await after.start();
      await after.fetch(new Request('http://test/in/open', { method: 'POST', body: '{}' }));
      const [queue] = (await after.operations().stats()).destinations;
      assert.deepEqual([queue?.name, queue?.status, queue?.pausedBy, handled], ['new', 'paused', 'ada', false]);
      if (!last) continue;
      await after.operations().resume('new');
      await done;
    }
  });

  test('a rejected event of an ordered key lets the key go on, or holds it, as configured', async () => {
    const config = defineConfig({ sources: { open: { verify: none(), orderKey: '=k', type: 'body.type' } } });
    const seen: string[] = [];
    await using t = await testGateway(config, (gateway) => {
      gateway.handle('goes-on', { from: 'open' }, (event) => {
        if (event.type === 'bad') throw new Reject('no');
        seen.push('goes-on');
      });
      gateway.handle('holds', { from: 'open', onDead: 'hold' }, (event) => {
        if (event.type === 'bad') throw new Reject('no');
        seen.push('holds');
      });
    });
    await t.send('open', 'bad');
    await t.send('open', 'good');
    await t.settled();
    assert.deepEqual(seen, ['goes-on']);
  });
});

describe('the past', () => {
  const config = defineConfig({
    sources: { health: { verify: none(), type: 'body.type', tenant: 'body.user', dedupeKey: 'body.id' } },
  });

  test('is read in code: what came, byte for byte, and what became of it', async () => {
    await using t = await testGateway(config, (gateway) => {
      gateway.handle('wearables', { from: 'health' }, (event) => {
        if (event.tenant === 'ada') throw new Skip('User not found');
        throw new Reject('no such measurement');
      });
    });
    const body = '{"type":"sleep",  "user":"ada", "id":"1"}';
    await t.request('/in/health', { method: 'POST', body });
    await t.request('/in/health', { method: 'POST', body: '{"type":"sleep","user":"eve","id":"2"}' });
    await t.settled();
    const operations = t.gateway.operations();
    const { rows } = await operations.deliveries({ tenant: 'ada' });
    assert.deepEqual(
      rows.map(({ destination, type, state, note }) => ({ destination, type, state, note })),
      [{ destination: 'wearables', type: 'sleep', state: 'skipped', note: 'User not found' }],
    );
    assert.equal(Buffer.from(await operations.body(rows[0]?.eventId ?? '')).toString(), body);
  });

  test('is replayed in code, one tenant’s and no other’s', async () => {
    const known = new Set<string>();
    const stored: string[] = [];
    await using t = await testGateway(config, (gateway) => {
      gateway.handle('wearables', { from: 'health' }, ({ tenant }) => {
        if (!known.has(tenant ?? '')) throw new Skip('User not found');
        stored.push(tenant ?? '');
      });
    });
    for (const user of ['ada', 'eve', 'ada']) await t.send('health', 'sleep', { user });
    await t.settled();
    known.add('ada').add('eve');
    const started = await t.gateway.operations().startReplay({ destination: 'wearables', tenant: 'ada', what: 'all' });
    assert.equal(started.planned, 2);
    await t.settled();
    assert.deepEqual(stored, ['ada', 'ada']);
  });
});

describe('a configuration that is wrong is refused with what to do', () => {
  const cases: readonly (readonly [name: string, make: () => unknown, code: string, says: RegExp])[] = [
    [
      'an unknown setting',
      () => createGateway({ sources: {}, porrt: 1 } as never),
      'config_unknown_setting',
      /Did you mean 'port'/,
    ],
    [
      'a size that is none',
      () => createGateway({ sources: {}, bodyBytesMax: 'much' }),
      'config_invalid',
      /bodyBytesMax \(HOLDFAST_BODY_BYTES_MAX\)/,
    ],
    ['a source without a verifier', () => createGateway({ sources: { a: {} } } as never), 'config_invalid', /none\(\)/],
    [
      'two sources on one path',
      () => createGateway({ sources: { a: { verify: none(), path: '/x' }, b: { verify: none(), path: '/x' } } }),
      'config_invalid',
      /same path/,
    ],
    [
      'sync without a responder',
      () => createGateway({ sources: { a: { verify: none(), mode: 'sync', responder: [] } } }),
      'config_invalid',
      /needs responder/,
    ],
    [
      'an option of a source that is none',
      () => createGateway({ sources: { a: { verify: none(), dedupKey: 'body.id' } } } as never),
      'config_invalid',
      /sources\.a: there is no option 'dedupKey'\. Did you mean 'dedupeKey'\?/,
    ],
    [
      'a mode that is none',
      () => createGateway({ sources: { a: { verify: none(), mode: 'syncron' } } } as never),
      'config_invalid',
      /sources\.a: mode: expected 'queued' or 'sync', got 'syncron'/,
    ],
  ];
  for (const [name, make, code, says] of cases) {
    test(name, () => {
      assert.throws(make, (error) => error instanceof HoldfastError && error.code === code && says.test(error.message));
    });
  }

  test('a handler that takes from a source that does not exist', async () => {
    const gateway = createGateway(
      defineConfig({ sources: { open: { verify: none() } }, store: 'memory:', logLevel: 'silent' }),
    );
    gateway.handle('h', { from: 'opne' as 'open' }, () => undefined);
    await assert.rejects(gateway.start(), { code: 'config_invalid', message: /no source 'opne'/ });
  });

  const options: readonly (readonly [given: object, says: RegExp])[] = [
    [{ typs: ['a'] }, /'h': there is no option 'typs'\. Did you mean 'types'\?/],
    [{ types: 'a' }, /types: expected a list of texts, got 'a'/],
    [{ priority: 'urgent' }, /priority: expected 'critical' or 'high' or 'normal' or 'low', got 'urgent'/],
    [{ ordered: 'no' }, /ordered: expected true or false/],
    [{ ratePerS: 0 }, /ratePerS: expected a number above 0/],
    [{ retry: { maxAttempts: 3 } }, /retry: expected exponential\(…\), .*, got \{ maxAttempts: 3 \}/],
    [{ run: 'worker' }, /run: expected 'inline' or 'thread' or 'process'/],
  ];
  for (const [given, says] of options) {
    test(`a handler with ${JSON.stringify(given)}`, async () => {
      const gateway = createGateway(
        defineConfig({ sources: { open: { verify: none() } }, store: 'memory:', logLevel: 'silent' }),
      );
      gateway.handle('h', { from: 'open', ...given } as never, () => undefined);
      await assert.rejects(gateway.start(), { code: 'config_invalid', message: says });
    });
  }

  test('an endpoint with an option that is none, whose secrets nobody is shown', async () => {
    const gateway = createGateway(defineConfig({ sources: {}, store: 'memory:', logLevel: 'silent' }));
    const given = { from: 'emitted', url: 'https://hooks.example.com', secret: 'whsec_not-shown' };
    gateway.endpoint('crm', given as never);
    await assert.rejects(gateway.start(), (error) => {
      assert.ok(error instanceof HoldfastError && error.code === 'config_invalid');
      assert.match(error.message, /'crm': there is no option 'secret'\. Did you mean 'secrets'\?/);
      return !error.message.includes('not-shown');
    });
  });
});

test('below the disk reserve nothing new is taken, neither from senders nor from the application', async () => {
  const config = defineConfig({ sources: { open: { verify: none() } }, diskReserveBytes: Number.MAX_SAFE_INTEGER });
  await using t = await testGateway(config);
  const answer = await t.request('/in/open', { method: 'POST', body: '{}' });
  assert.deepEqual([answer.status, /"code":"(\w+)"/.exec(answer.body)?.[1]], [503, 'disk_reserve']);
  await assert.rejects(t.gateway.emit('paid', {}), { code: 'disk_reserve' });
});

test('a started gateway keeps its process alive for what falls due, and a stopped one lets it end', async () => {
  const program = `
    import { createGateway, fixed } from 'holdfast';
    const gateway = createGateway({ sources: {}, store: 'memory:', logLevel: 'silent' });
    gateway.handle('h', { from: 'emitted', retry: fixed(['300ms']) }, (_event, { attempt }) => {
      if (attempt === 1) throw new Error('not yet');
      process.stdout.write('attempt 2');
      void gateway.stop();
    });
    await gateway.start();
    await gateway.emit('t', {});
  `;
  const options = ['--conditions=holdfast-source', '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, options, {
    cwd: new URL('..', import.meta.url),
    timeout: 20_000,
  });
  assert.equal(stdout, 'attempt 2');
});

test('stop is safe unstarted and twice, and a gateway can be started again', async () => {
  const gateway = createGateway(
    defineConfig({ sources: { open: { verify: none() } }, store: 'memory:', logLevel: 'silent' }),
  );
  await gateway.stop();
  await gateway.start();
  await gateway.stop();
  await gateway.stop();
  await gateway.start();
  await gateway.stop();
});

test('a gateway whose handlers are in a module can be started again, also after the module failed', async () => {
  const gateway = createGateway(
    defineConfig({ store: 'memory:', logLevel: 'silent', sources: {}, handlers: 'fixtures/fails-once.ts' }),
    { directory: import.meta.dirname },
  );
  await assert.rejects(gateway.start(), /not yet/);
  for (let round = 0; round < 2; round++) {
    await gateway.start();
    assert.deepEqual(
      gateway.destinations().map(({ name }) => name),
      ['billing'],
    );
    await gateway.stop();
  }
});

test('a gateway that is asked twice to listen does so once, and no more when it has stopped', async () => {
  const gateway = createGateway(defineConfig({ store: 'memory:', logLevel: 'silent', sources: {}, port: 0 }));
  const [one, other] = await Promise.all([gateway.listen(), gateway.listen()]);
  assert.equal(one, other);
  await gateway.stop();
  await assert.rejects(fetch(`http://127.0.0.1:${one.ingest.port}/health`));
});

test('who asks a gateway to stop while it stops waits for the same', async () => {
  const gateway = createGateway(
    defineConfig({ sources: { open: { verify: none() } }, store: 'memory:', logLevel: 'silent' }),
  );
  const [begun, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  gateway.handle('slow', { from: 'emitted' }, async () => {
    begun.resolve();
    await held.promise;
  });
  await gateway.start();
  await gateway.emit('made', {});
  await begun.promise;
  const ended: string[] = [];
  const stops = ['one', 'two'].map((name) => gateway.stop().then(() => ended.push(name)));
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(ended, []);
  held.resolve();
  await Promise.all(stops);
  assert.deepEqual(ended, ['one', 'two']);
  await gateway.start();
  await gateway.stop();
});
