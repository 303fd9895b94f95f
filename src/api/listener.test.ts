import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { type ClientOptions, WebSocket } from 'ws';
import { HoldfastError } from '../errors.ts';
import { MemoryRejections } from '../ingest/rejections.ts';
import type { StreamOccurrence } from '../observe/stream.ts';
import { memoryStore } from '../store/memory.ts';
import { TestClock } from '../testing/clock.ts';
import { type AdminApi, createAdminApi } from './admin.ts';
import { MemoryPort, TOKEN } from './fixtures/memory-port.ts';
import { type AdminListener, adminListener, isLoopback, nodeHandler } from './listener.ts';

let clock: TestClock;
let port: MemoryPort;
let api: AdminApi;
let listener: AdminListener;

beforeEach(async () => {
  clock = new TestClock();
  const store = memoryStore({ clock });
  await store.work.open();
  port = new MemoryPort(store, clock, new MemoryRejections({ countMax: 10, bytesMax: 1e6, perS: 10, clock }));
  api = createAdminApi(port, { clock, version: '1', origins: ['https://ops.example.com'] });
  listener = adminListener(api, { host: '127.0.0.1', port: 0, token: TOKEN });
});

afterEach(() => listener.stop());

const auth = { authorization: `Bearer ${TOKEN}` };

async function base(): Promise<string> {
  const { host, port } = await listener.start();
  return `${host}:${port}`;
}

describe('the admin listener', () => {
  test('serves the API, and starts and stops twice and unstarted', async () => {
    await listener.stop();
    const at = await base();
    assert.equal(await base(), at);
    assert.equal((await fetch(`http://${at}/health`)).status, 200);
    assert.equal((await fetch(`http://${at}/api/events`)).status, 401);
    const emitted = await fetch(`http://${at}/api/events`, {
      method: 'POST',
      headers: { ...auth, 'content-type': 'application/json' },
      body: '{"type":"x","data":"ä"}',
    });
    assert.equal(emitted.status, 200);
    await listener.stop();
    await listener.stop();
    await assert.rejects(fetch(`http://${at}/health`));
  });

  test('refuses an address that others can reach without a token of some length', async () => {
    for (const token of [null, '', 'short']) {
      await using open = adminListener(api, { host: '0.0.0.0', port: 0, token });
      await assert.rejects(
        open.start(),
        (error) => error instanceof HoldfastError && error.code === 'public_admin_refused',
      );
    }
    const loopback = adminListener(api, { host: '127.0.0.1', port: 0, token: null });
    await loopback.start();
    await loopback.stop();
  });

  test('says which port is in use, and can be started again', async () => {
    const [host = '', taken] = (await base()).split(':');
    const second = adminListener(api, { host, port: Number(taken), token: TOKEN });
    await assert.rejects(second.start(), (error) => error instanceof HoldfastError && error.code === 'address_in_use');
    await listener.stop();
    await second.start();
    await second.stop();
  });

  test('a port that no machine has is named with its setting', async () => {
    const none = adminListener(api, { host: '127.0.0.1', port: 99_999, token: TOKEN });
    await assert.rejects(none.start(), {
      code: 'config_invalid',
      message: /adminPort: 127\.0\.0\.1:99999 \(ERR_SOCKET/,
    });
  });

  test('knows what is loopback', () => {
    for (const host of ['127.0.0.1', '127.8.9.1', '::1', 'localhost']) assert.ok(isLoopback(host), host);
    for (const host of ['0.0.0.0', '::', '192.168.1.1', 'example.com', '127.0.0.1.example.com', ''])
      assert.ok(!isLoopback(host), host);
  });

  test('answers requests that offer another protocol as it answers all others', async () => {
    const url = `http://${await base()}/api/events`;
    for (const method of ['GET', 'POST']) {
      const body = method === 'POST' ? '{"type":"x","data":1}' : '';
      const offer = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' };
      const length = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const offering = request(url, { method, headers: { ...auth, ...offer, ...length } }).end(body);
      const [response] = (await once(offering, 'response')) as [IncomingMessage];
      assert.equal(response.statusCode, 200);
      response.resume();
    }
  });

  test('does not replace the global Request and Response', async () => {
    const before = [globalThis.Request, globalThis.Response];
    nodeHandler(api);
    await base();
    assert.deepEqual([globalThis.Request, globalThis.Response], before);
  });

  test('can be a part of another server', async () => {
    const handle = nodeHandler(api);
    const server = createServer((request, response) => {
      if (api.handles(request.url ?? '')) handle(request, response);
      else response.writeHead(404).end();
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const at = `http://127.0.0.1:${address.port}`;
    assert.equal((await fetch(`${at}/health`)).status, 200);
    assert.equal((await fetch(`${at}/in/shop`)).status, 404);
    server.close();
    server.closeAllConnections();
  });
});

/** Opens the stream; resolves when it is open. */
async function watch(
  path = '/api/stream',
  options: ClientOptions = { headers: auth },
  protocols: string[] = [],
): Promise<WebSocket> {
  const client = new WebSocket(`ws://${await base()}${path}`, protocols, options);
  await once(client, 'open');
  return client;
}

/** The status and code that opening the stream is refused with. */
async function refusal(path: string, options: ClientOptions, protocols: string[] = []): Promise<string> {
  const client = new WebSocket(`ws://${await base()}${path}`, protocols, options);
  client.on('error', () => undefined);
  const [, response] = (await once(client, 'unexpected-response')) as [
    unknown,
    AsyncIterable<Buffer> & { statusCode: number },
  ];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const { code } = JSON.parse(Buffer.concat(chunks).toString()) as { code: string };
  return `${response.statusCode} ${code}`;
}

interface Frame {
  readonly occurrences: readonly StreamOccurrence[];
  readonly missed: number;
}

/** The next frame, once the time of one has passed. */
async function frame(client: WebSocket): Promise<Frame> {
  const next = once(client, 'message');
  clock.advance(100);
  const [data] = (await next) as [Buffer];
  return JSON.parse(data.toString()) as Frame;
}

function happen(times = 1, destination = 'billing'): void {
  for (let time = 0; time < times; time++) port.hub.observer.breaker?.(destination, 'open', 'five failures');
}

describe('the live stream', () => {
  test('tells what happens in frames', async () => {
    const client = await watch();
    happen(2);
    const { occurrences, missed } = await frame(client);
    const at = new Date(clock.now() - 100).toISOString();
    const breaker = { kind: 'breaker', at, destination: 'billing', state: 'open', reason: 'five failures' };
    assert.deepEqual([occurrences, missed], [[breaker, breaker], 0]);
  });

  test('tells only what was asked for', async () => {
    const client = await watch('/api/stream?kinds=breaker,dead&destination=crm');
    happen(1, 'billing');
    port.hub.observer.duplicate?.('shop', 'evt_1', false);
    happen(1, 'crm');
    assert.deepEqual(
      (await frame(client)).occurrences.map(({ destination }) => destination),
      ['crm'],
    );
  });

  test('counts what a frame cannot hold', async () => {
    const client = await watch();
    happen(620);
    const { occurrences, missed } = await frame(client);
    assert.deepEqual([occurrences.length, missed], [500, 120]);
    happen();
    assert.equal((await frame(client)).missed, 0);
  });

  test('takes the token from a browser as a protocol, and answers with its own', async () => {
    const token = `holdfast.bearer.${Buffer.from(TOKEN).toString('base64url')}`;
    const client = await watch('/api/stream', {}, ['holdfast.stream', token]);
    assert.equal(client.protocol, 'holdfast.stream');
  });

  test('refuses everybody else', async () => {
    assert.equal(await refusal('/api/stream', {}), '401 unauthorized');
    assert.equal(await refusal('/api/stream', { headers: { authorization: 'Bearer wrong' } }), '401 unauthorized');
    assert.equal(await refusal(`/api/stream?token=${TOKEN}`, {}), '401 unauthorized');
    assert.equal(await refusal('/api/stream', {}, ['holdfast.stream', 'holdfast.bearer.d3Jvbmc']), '401 unauthorized');
    assert.equal(await refusal(`/api/stream?token=${TOKEN}`, { headers: auth }), '400 invalid_input');
    assert.equal(await refusal('/api/other', { headers: auth }), '404 not_found');
    assert.equal(await refusal('/api/stream', { headers: auth, origin: 'https://evil.example' }), '403 forbidden');
    assert.equal(api.stream.watching, 0);
    const client = await watch('/api/stream', { headers: auth, origin: 'https://ops.example.com' });
    assert.equal(client.readyState, WebSocket.OPEN);
  });

  test('is refused without an upgrade', async () => {
    const response = await fetch(`http://${await base()}/api/stream`, { headers: auth });
    assert.equal(response.status, 400);
  });

  test('takes at most a hundred watchers', async () => {
    await Promise.all(Array.from({ length: 100 }, () => watch()));
    assert.equal(await refusal('/api/stream', { headers: auth }), '503 overloaded');
  });

  test('lets watchers go that leave, and those that do not answer', async () => {
    const leaving = await watch();
    const left = new Promise((resolve) => {
      leaving.on('close', resolve);
    });
    leaving.close();
    await left;
    const silent = await watch('/api/stream', { headers: auth, autoPong: false });
    const ended = once(silent, 'close');
    clock.advance(30_000);
    clock.advance(30_000);
    await ended;
    while (api.stream.watching > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(port.hub.watching, 0);
    assert.equal(clock.pending, 0);
  });

  test('ends with the listener and leaves nothing behind', async () => {
    const client = await watch();
    const ended = once(client, 'close');
    await listener.stop();
    assert.equal((await ended)[0], 1001);
    assert.equal(port.hub.watching, 0);
    assert.equal(clock.pending, 0);
  });

  test('survives nonsense', async () => {
    const [host = '', taken] = (await base()).split(':');
    const socket = connect(Number(taken), host);
    socket.end('GET /api/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    await once(socket.resume(), 'close');
    const client = await watch();
    client.send('x'.repeat(2000));
    assert.equal((await once(client, 'close'))[0], 1009);
  });
});
