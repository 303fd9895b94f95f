/** What an endpoint is sent: forwarded byte for byte, or an event of our own; and what is shown of it afterwards. */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { EMITTED, REDACTED } from '../src/core/event.ts';
import { hmac } from '../src/verify/hmac.ts';
import type { Verdict } from '../src/verify/verifier.ts';
import { storedEvent } from '../src/deliver/fixtures/attempt.ts';
import { answering, deliver, loopbackEgress, OK, Receiver } from './endpoint-world.ts';

const egress = loopbackEgress();
after(() => egress.close());

/** Names the sender adds or the connection needs; everything else must be the event's. */
const OURS = new Set([
  'host',
  'connection',
  'content-length',
  'webhook-id',
  'x-correlation-id',
  'traceparent',
  'accept-encoding',
  'user-agent',
]);
const foreign = (headers: readonly [string, string][]) => headers.filter(([name]) => !OURS.has(name.toLowerCase()));

describe('forwarding', () => {
  test('keeps bytes of the body and of every header: case, order, duplicates, empty values, bytes beyond ASCII', async () => {
    await using receiver = await Receiver.start(answering(OK));
    const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const headers = [
      'X-GitHub-Event',
      'push',
      'x-DUP',
      'one',
      'Content-TYPE',
      'application/octet-stream',
      'X-dup',
      'two',
      'X-Empty',
      '',
      'X-Latin',
      'caf\xe9 \xff',
      'X-Spaces',
      'a  b\tc',
      'X-Hub-Signature-256',
      'sha256=00',
      'X-Forwarded-For',
      '192.0.2.1',
      'Content-Encoding',
      'x-custom',
    ];
    await deliver({ egress, target: { url: receiver.url, forward: true }, event: storedEvent('', { headers, body }) });
    assert.deepEqual(foreign(receiver.headers).flat(), headers);
    assert.deepEqual(receiver.bodies[0], body);
    assert.equal(receiver.header('content-length'), '256');
  });

  test("lets the receiver verify the provider's own signature", async () => {
    await using receiver = await Receiver.start(answering(OK));
    const verifier = hmac({ header: 'x-signature', secrets: 'of the provider' });
    const body = Buffer.from('{"b": 1,\n "a": 2.0}');
    const made = (await verifier.sign?.({ method: 'POST', url: '/', headers: [], body }, 0)) ?? [];
    await deliver({
      egress,
      target: { url: receiver.url, forward: true },
      event: storedEvent('', { headers: made, body }),
    });
    const verdict: Verdict = await verifier.verify(
      {
        method: 'POST',
        url: '/',
        remoteAddress: '',
        headers: receiver.headers.flat(),
        body: receiver.bodies[0] ?? body,
      },
      0,
    );
    assert.equal(verdict.ok, true);
  });

  test('leaves out what belongs to the connection, what it names, and what was a credential', async () => {
    await using receiver = await Receiver.start(answering(OK));
    const headers = [
      'Host',
      'gateway.example.com',
      'Content-Length',
      '999',
      'Connection',
      'keep-alive, X-Hop',
      'connection',
      'x-other',
      'X-Hop',
      '1',
      'X-Other',
      '2',
      'Keep-Alive',
      'timeout=5',
      'Transfer-Encoding',
      'chunked',
      'TE',
      'trailers',
      'Trailer',
      'X',
      'Upgrade',
      'h2c',
      'Expect',
      '100-continue',
      'Proxy-Authorization',
      'Basic x',
      'Proxy-Connection',
      'keep-alive',
      'Authorization',
      REDACTED,
      'Cookie',
      REDACTED,
      'X-Kept',
      '3',
    ];
    const { result } = await deliver({
      egress,
      target: { url: receiver.url, forward: true },
      event: storedEvent({}, { headers }),
    });
    assert.equal(result.kind, 'succeeded');
    assert.deepEqual(foreign(receiver.headers), [['X-Kept', '3']]);
    assert.equal(receiver.header('host'), `127.0.0.1:${receiver.port}`);
    assert.equal(receiver.header('connection'), 'keep-alive');
  });

  test("goes to the endpoint's own path and query, by POST, or by the method it came with", async () => {
    await using receiver = await Receiver.start(answering(OK));
    const event = storedEvent({}, { method: 'PUT', path: '/in/orders', query: 'secret=1' });
    await deliver({ egress, target: { url: receiver.url, forward: true }, event });
    await deliver({ egress, target: { url: receiver.url, forward: true, method: 'original' }, event });
    assert.deepEqual(
      receiver.heads.map((head) => head.split('\r\n')[0]),
      ['POST /hooks?token=1 HTTP/1.1', 'PUT /hooks?token=1 HTTP/1.1'],
    );
  });

  test('adds correlation, trace and agent only where they are not there', async () => {
    await using receiver = await Receiver.start(answering(OK));
    const event = storedEvent({}, { headers: [], correlationId: 'cor_9', traceparent: '00-a-b-01' });
    await deliver({ egress, target: { url: receiver.url, forward: true }, event });
    assert.deepEqual(receiver.headers.slice(2, -1), [
      ['webhook-id', 'evt_1'],
      ['x-correlation-id', 'cor_9'],
      ['traceparent', '00-a-b-01'],
      ['user-agent', 'Holdfast/0.0.0'],
      ['accept-encoding', 'identity'],
    ]);
    const theirs = [
      'X-Correlation-ID',
      'theirs',
      'Traceparent',
      '00-c-d-01',
      'User-Agent',
      'Provider/1',
      'Accept-Encoding',
      'gzip',
    ];
    await deliver({ egress, target: { url: receiver.url, forward: true }, event: { ...event, headers: theirs } });
    assert.deepEqual(receiver.headers.slice(2, -1).flat(), [...theirs, 'webhook-id', 'evt_1']);
  });

  test("sets the endpoint's own headers instead of those of the same name", async () => {
    await using receiver = await Receiver.start(answering(OK));
    const event = storedEvent({}, { headers: ['X-Api-Key', 'theirs', 'X-Keep', '1'] });
    const target = { url: receiver.url, forward: true, headers: ['x-api-key', 'ours', 'x-api-key', 'second'] };
    await deliver({ egress, target, event });
    assert.deepEqual(foreign(receiver.headers), [
      ['X-Keep', '1'],
      ['x-api-key', 'ours'],
      ['x-api-key', 'second'],
    ]);
  });

  test('sends what came compressed as it came, and reads nothing compressed', async () => {
    const answer = Buffer.from('not really gzip');
    await using receiver = await Receiver.start(
      answering(
        `HTTP/1.1 200 OK\r\nContent-Encoding: gzip, gzip, br\r\nContent-Length: ${answer.length}\r\n\r\n${answer.toString()}`,
      ),
    );
    const { exchange } = await deliver({ egress, target: { url: receiver.url } });
    assert.equal(receiver.header('accept-encoding'), 'identity');
    assert.equal(exchange?.response?.body, answer.toString('base64'));
  });
});

describe('an event of our own', () => {
  test('goes out with its body, its content type, its id and its type', async () => {
    await using receiver = await Receiver.start(answering(OK));
    const event = storedEvent('{"a": 1}', {
      source: EMITTED,
      type: 'payment.succeeded',
      headers: ['content-type', 'application/json', 'x-internal', 'no'],
    });
    await deliver({ egress, target: { url: receiver.url }, event });
    assert.deepEqual(receiver.headers.slice(2), [
      ['content-type', 'application/json'],
      ['holdfast-event-type', 'payment.succeeded'],
      ['webhook-id', 'evt_1'],
      ['x-correlation-id', 'cor_1'],
      ['user-agent', 'Holdfast/0.0.0'],
      ['accept-encoding', 'identity'],
      ['content-length', '8'],
    ]);
    assert.equal(receiver.bodies[0]?.toString(), '{"a": 1}');
  });

  test('has the same id in every attempt and replay, and a type that is no header text is percent-encoded', async () => {
    await using receiver = await Receiver.start(answering(OK));
    for (const type of ['naïve\r\nX: 1', '\ud800', ' padded ']) {
      await deliver({ egress, target: { url: receiver.url }, event: storedEvent({}, { type }) });
      assert.equal(receiver.header('webhook-id'), 'evt_1');
      assert.equal(decodeURIComponent(receiver.header('holdfast-event-type') ?? ''), type.toWellFormed());
    }
  });

  test('may be changed by a transform, or left out', async () => {
    await using receiver = await Receiver.start(answering(OK));
    const event = storedEvent({ total: 5 });
    const send = (transform: Parameters<typeof deliver>[0]['target']['transform'], forward = false) =>
      deliver({ egress, target: { url: receiver.url, forward, transform }, event });
    await send((given) => ({ body: { text: `paid ${(given.body as { total: number }).total}` } }));
    assert.equal(receiver.bodies.at(-1)?.toString(), '{"text":"paid 5"}');
    assert.equal(receiver.header('content-type'), 'application/json');
    await send(async () => ({ body: 'plain', headers: { 'Content-Type': 'text/plain', 'X-New': '1' } }), true);
    assert.deepEqual(foreign(receiver.headers), [
      ['Content-Type', 'text/plain'],
      ['X-New', '1'],
    ]);
    await send(() => ({ body: new Uint8Array([0, 255]) }));
    assert.deepEqual(receiver.bodies.at(-1), Buffer.from([0, 255]));
    const sent = receiver.heads.length;
    assert.deepEqual((await send(() => null)).result, { kind: 'skipped', note: 'left out by the transform' });
    for (const transformed of [
      { body: undefined },
      { body: 1n },
      { body: '', headers: { Host: 'x' } },
      { body: '', headers: { a: 'b\r\nc: d' } },
    ]) {
      assert.equal((await send(() => transformed)).result.kind, 'failed');
    }
    const thrown = (await send(() => assert.fail('no such customer'))).result;
    assert.ok(thrown.kind === 'failed' && thrown.error.includes('no such customer'));
    assert.equal(receiver.heads.length, sent);
  });

  test("is sent a transform's headers instead of the endpoint's own and the event's, but not instead of a proof", async () => {
    await using receiver = await Receiver.start(answering(OK));
    const own = { url: receiver.url, headers: ['X-Key', 'own', 'X-Other', 'own'] };
    const auth = { kind: 'bearer', token: 'of-the-endpoint' } as const;
    const event = storedEvent({}, { type: 'paid', headers: ['x-key', 'of the event'] });
    const headers = { 'x-KEY': 'made', 'Holdfast-Event-Type': 'made' };
    for (const forward of [false, true]) {
      await deliver({ egress, event, target: { ...own, auth, forward, transform: () => ({ body: 'a', headers }) } });
      const all = receiver.headers.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
      const names = all.map((line) => line.split(':', 1)[0]);
      assert.equal(new Set(names).size, names.length, String(all));
      const expected = [
        'x-key: made',
        'x-other: own',
        'holdfast-event-type: made',
        'authorization: Bearer of-the-endpoint',
      ];
      for (const line of expected) assert.ok(all.includes(line), `${line} in ${String(all)}`);
    }
    const sent = receiver.heads.length;
    for (const name of ['Authorization', 'webhook-id', 'Holdfast-Webhook-Signature', 'X-Sig']) {
      const transform = () => ({ body: 'a', headers: { [name]: 'forged' } });
      const signing =
        name === 'X-Sig'
          ? ({ kind: 'hmac', header: 'x-sig', secrets: ['a-long-enough-secret'] } as const)
          : ({ kind: 'standard', secrets: [`whsec_${Buffer.alloc(32, 7).toString('base64')}`] } as const);
      const { result } = await deliver({ egress, event, target: { ...own, signing, transform } });
      assert.ok(result.kind === 'failed' && result.error.includes(`'${name}' is made by Holdfast`), name);
    }
    assert.equal(receiver.heads.length, sent);
  });

  test('whose body has been purged is rejected', async () => {
    const { result } = await deliver({
      egress,
      target: { url: 'https://example.com/' },
      event: storedEvent({}, { body: null }),
    });
    assert.equal(result.kind, 'rejected');
  });
});

describe('what is shown of an exchange', () => {
  const CANARY = 'canary-7f3a';

  test('is what was sent, without secrets', async () => {
    await using receiver = await Receiver.start(answering(OK));
    const secret = `whsec_${Buffer.from(`${CANARY}-0123456789abcdef`).toString('base64')}`;
    const auths = [
      { kind: 'bearer', token: CANARY },
      { kind: 'basic', username: 'me', password: CANARY },
    ] as const;
    for (const auth of auths) {
      const target = {
        url: receiver.url,
        headers: ['X-Api-Key', CANARY],
        auth,
        signing: { kind: 'standard', secrets: [secret] },
      } as const;
      const { exchange } = await deliver({ egress, target });
      const shown = exchange?.request.headers ?? [];
      const sent = receiver.headers.filter(([name]) => name !== 'connection').map(([name]) => name);
      assert.deepEqual(
        shown.filter((_, index) => index % 2 === 0),
        sent,
      );
      assert.equal(shown[shown.indexOf('authorization') + 1], REDACTED);
      assert.equal(shown[shown.indexOf('X-Api-Key') + 1], REDACTED);
      assert.equal(shown[shown.indexOf('webhook-signature') + 1], receiver.header('webhook-signature'));
      const text = JSON.stringify(exchange);
      assert.ok(!text.includes(CANARY) && !text.includes(Buffer.from(`me:${CANARY}`).toString('base64')));
    }
    assert.equal(receiver.header('authorization'), `Basic ${Buffer.from(`me:${CANARY}`).toString('base64')}`);
  });

  test('is bounded: 8 KiB of headers, 16 KiB of the body, and how much of it was read', async () => {
    const body = 'b'.repeat(40_000);
    const headers = Array.from({ length: 20 }, (_, index) => `X-Long-${index}: ${'v'.repeat(1000)}\r\n`).join('');
    await using receiver = await Receiver.start(
      answering(`HTTP/1.1 500 No\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`),
    );
    const { exchange } = await deliver({ egress, target: { url: receiver.url } });
    const shown = exchange?.response;
    assert.equal(shown?.headers.length, 16);
    assert.equal(Buffer.from(shown?.body ?? '', 'base64').length, 16 * 1024);
    assert.equal(shown?.bodyBytes, 40_000);
    const small = await deliver({ egress, target: { url: receiver.url, responseBytesMax: 100 } });
    assert.ok((small.exchange?.response?.bodyBytes ?? 0) >= 100);
    assert.deepEqual([small.result.kind, small.exchange?.code], ['failed', 'status']);
  });

  test('says where it went and how long each step took', async () => {
    await using receiver = await Receiver.start(answering(OK));
    await using own = loopbackEgress({ resolve: () => Promise.resolve(['127.0.0.1']) });
    const { exchange } = await deliver({
      egress: own,
      target: { url: `http://hooks.example.com:${receiver.port}/a?b=c` },
    });
    assert.equal(exchange?.request.url, `http://hooks.example.com:${receiver.port}/a?b=c`);
    assert.equal(exchange?.request.method, 'POST');
    assert.equal(exchange?.remoteAddress, `127.0.0.1:${receiver.port}`);
    const { dnsMs, connectMs, tlsMs, firstByteMs } = exchange?.times ?? {};
    for (const ms of [dnsMs, connectMs, firstByteMs]) assert.ok(typeof ms === 'number' && ms >= 0);
    assert.equal(tlsMs, null);
  });

  test('never holds the user information of a URL that was refused', async () => {
    const { exchange } = await deliver({ egress, target: { url: `https://user:${CANARY}@example.com/` } });
    assert.equal(exchange?.request.url, 'https://example.com/');
    assert.equal(exchange?.code, 'blocked_target');
  });
});
