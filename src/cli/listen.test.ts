/** What `listen` does when the gateway answers badly. The whole, with a real gateway, is in test/cli-listen.test.ts. */
import assert from 'node:assert/strict';
import dns from 'node:dns';
import { createServer, type Server } from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, mock, test } from 'node:test';
import { type AdminApi, createAdminApi } from '../api/admin.ts';
import { MemoryPort, TOKEN } from '../api/fixtures/memory-port.ts';
import { type AdminListener, adminListener } from '../api/listener.ts';
import { HoldfastError } from '../errors.ts';
import { MemoryRejections } from '../ingest/rejections.ts';
import { memoryStore } from '../store/memory.ts';
import { TestClock } from '../testing/clock.ts';
import { Client } from './client.ts';
import { captured } from './fixtures/terminal.ts';
import { listen } from './listen.ts';
import { Feed } from './listen-feed.ts';
import { Forwarder } from './listen-forward.ts';

let port: MemoryPort;
let api: AdminApi;

beforeEach(async () => {
  const clock = new TestClock();
  const store = memoryStore({ clock });
  await store.work.open();
  port = new MemoryPort(store, clock, new MemoryRejections({ countMax: 1, bytesMax: 1, perS: 1, clock }));
  api = createAdminApi(port, { clock, version: '1' });
});

const client = (): Client =>
  new Client((path, init) => api.fetch(new Request(`http://localhost${path}`, init)), {
    text: TOKEN,
    from: 'the test',
  });

describe('the feed', () => {
  const ids = (events: readonly { readonly id: string }[]): string[] => events.map(({ id }) => id);

  test('gives all news in order, however many pages they are, each once', async () => {
    const feed = new Feed({ source: undefined, types: [] });
    await port.append();
    assert.deepEqual(await feed.begin(client(), 0), []);
    const made: string[] = [];
    for (let count = 0; count < 450; count++) made.push(await port.append());
    assert.deepEqual(ids((await feed.news(client())).events), made);
    assert.deepEqual((await feed.news(client())).events, []);
    const late = await port.append();
    assert.deepEqual(ids((await feed.news(client())).events), [late]);
  });

  test('takes all that comes after it began with nothing', async () => {
    const feed = new Feed({ source: undefined, types: [] });
    await feed.begin(client(), 5);
    const made = await port.append();
    assert.deepEqual(ids((await feed.news(client())).events), [made]);
  });

  test('begins with as many as were asked for, of those that are wanted', async () => {
    const wanted: string[] = [];
    for (let count = 0; count < 60; count++) {
      wanted.push(await port.append({ type: 'order.paid' }));
      await port.append({ type: 'other' });
      await port.append({ type: 'order.paid', source: 'elsewhere' });
    }
    const feed = new Feed({ source: 'shop', types: ['order.*'] });
    assert.deepEqual(ids(await feed.begin(client(), 40)), wanted.slice(-40));
    assert.deepEqual((await feed.news(client())).events, []);
  });

  test('leaves out repeats that were kept because their body differs', async () => {
    const feed = new Feed({ source: undefined, types: [] });
    await feed.begin(client(), 0);
    const first = await port.append({ dedupeKey: 'k' });
    await port.append({ dedupeKey: 'k', body: Buffer.from('other') });
    assert.deepEqual(ids((await feed.news(client())).events), [first]);
  });
});

describe('forwarding', () => {
  let server: Server;
  let received: string[];
  let target: URL;

  beforeEach(async () => {
    received = [];
    server = createServer((incoming, response) => {
      received.push(String(incoming.headers['x-holdfast-event']));
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    target = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  /** Resolves when so many were received. */
  const has = (count: number): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (received.length >= count) resolve();
      };
      server.on('request', look);
      look();
    });

  test('goes on with the event it could not fetch, in its place', async () => {
    const refused: string[] = [];
    const asked = (request: Request): string | undefined => /\/api\/events\/(evt_\w+)$/.exec(request.url)?.[1];
    const failing: AdminApi = {
      ...api,
      fetch: (request, peer) => {
        const id = asked(request);
        if (id === undefined || refused.length >= 3) return api.fetch(request, peer);
        refused.push(id);
        return Promise.reject(new HoldfastError('store_unavailable'));
      },
    };
    const listener: AdminListener = adminListener(failing, { host: '127.0.0.1', port: 0, token: TOKEN });
    const bound = await listener.start();
    const made = [await port.append(), await port.append(), await port.append()];
    const stop = new AbortController();
    const { out } = captured();
    const listening = listen({
      out,
      json: false,
      locate: () => ({
        adminUrl: `http://127.0.0.1:${bound.port}`,
        url: null,
        token: { text: TOKEN, from: 'the test' },
      }),
      source: undefined,
      types: [],
      last: 3,
      target,
      remote: false,
      concurrency: 2,
      timeoutMs: 5000,
      signal: stop.signal,
    });
    await has(3);
    assert.deepEqual(received.toSorted(), made.toSorted());
    assert.equal(refused.length, 3);
    stop.abort();
    assert.equal(await listening, 0);
    await listener.stop();
  });

  test('does not follow a name that leads to another machine by the time of the request', async () => {
    const elsewhere = [{ address: '192.0.2.1', family: 4 }];
    const lookup = mock.method(dns, 'lookup', (...given: unknown[]) => {
      const answer = given.at(-1) as (error: null, addresses: typeof elsewhere) => void;
      answer(null, elsewhere);
    });
    syncBuiltinESMExports();
    target.hostname = 'dev.test';
    const forwarder = new Forwarder({ target, remote: false, timeoutMs: 1000 });
    const id = await port.append();
    const { event } = await client().get<{ event: never }>(`/api/events/${id}`);
    const { status, error } = await forwarder.send(event, new Uint8Array(), new AbortController().signal);
    assert.deepEqual([status, error], [null, 'dev.test is not this machine']);
    assert.equal(lookup.mock.callCount(), 1);
    await forwarder.close();
    lookup.mock.restore();
    syncBuiltinESMExports();
  });
});
