import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { buffer } from 'node:stream/consumers';
import { resolveSource } from '../../ingest/source.ts';
import { hmac } from '../../verify/hmac.ts';
import { standardWebhooks } from '../../verify/standard-webhooks.ts';
import type { Verifier } from '../../verify/verifier.ts';
import { sendLoad } from './load.ts';
import { makerOf, type PlanOptions } from './plan.ts';

interface Seen {
  readonly url: string;
  readonly headers: readonly string[];
  readonly body: Buffer;
}

let seen: Seen[] = [];
let connections = 0;
let server: Server;
let origin = '';
let answer: (request: IncomingMessage, response: ServerResponse) => void = ok;

function ok(_request: IncomingMessage, response: ServerResponse): void {
  response.end('{"id":"evt_00000000000000000000000000"}');
}

async function keep(request: IncomingMessage, response: ServerResponse): Promise<void> {
  seen.push({ url: request.url ?? '', headers: request.rawHeaders, body: await buffer(request) });
  answer(request, response);
}

before(async () => {
  server = createServer((request, response) => {
    void keep(request, response);
  });
  server.on('connection', () => connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => {
  server.close();
});

function planned(verifier: Verifier, options: Partial<PlanOptions> = {}) {
  const source = resolveSource('orders', verifier, { environment: () => undefined });
  seen = [];
  connections = 0;
  answer = ok;
  return {
    origin,
    verifier: source.verifier,
    make: makerOf({ source, type: null, payload: null, headers: [], run: 'ab12', now: Date.now, ...options }),
  };
}

const orders = hmac({
  header: 'x-signature',
  secrets: 's3cret',
  defaults: { type: 'body.type', dedupeKey: 'body.id' },
});

async function assertVerified(verifier: Verifier): Promise<void> {
  for (const { url, headers, body } of seen) {
    const verdict = await verifier.verify({ method: 'POST', url, headers, body }, Date.now());
    assert.deepEqual(verdict, { ok: true });
  }
}

const idsSeen = (): unknown[] => seen.map(({ body }) => (JSON.parse(body.toString()) as { id: unknown }).id);

describe('sending a load', () => {
  test('every request verifies, has a key of its own, and connections are kept alive', async () => {
    const report = await sendLoad({ ...planned(orders), count: 40, concurrency: 4 });
    assert.deepEqual([report.sent, report.statuses, report.errors], [40, { 200: 40 }, {}]);
    assert.equal(new Set(idsSeen()).size, 40);
    assert.ok(connections <= 4, String(connections));
    assert.equal(seen[0]?.url, '/in/orders');
    await assertVerified(orders);
  });

  test('signs as Standard Webhooks, with an id of its own in the header that is signed', async () => {
    const verifier = standardWebhooks({
      secrets: `whsec_${Buffer.from('0123456789abcdef01234567').toString('base64')}`,
    });
    await sendLoad({ ...planned(verifier), count: 3 });
    await assertVerified(verifier);
    const ids = seen.map(({ headers }) => headers[headers.indexOf('webhook-id') + 1]);
    assert.equal(new Set(ids).size, 3);
    assert.equal(new Set(idsSeen()).size, 3, 'the body has ids of its own too');
    assert.ok(idsSeen().every((id) => typeof id === 'string' && id !== ''));
  });

  test('repeats are the same bytes', async () => {
    const report = await sendLoad({ ...planned(orders), count: 5, repeats: 2 });
    assert.equal(report.sent, 15);
    assert.equal(new Set(seen.map(({ body }) => body.toString())).size, 5);
  });

  test('a payload is sent byte for byte first, with other keys after that', async () => {
    const body = Buffer.from('{ "id" : "mine",\n  "n": 1.0 }');
    await sendLoad({
      ...planned(orders, { payload: { contentType: 'application/json', body } }),
      count: 3,
      concurrency: 1,
    });
    assert.deepEqual(seen[0]?.body, body);
    assert.equal(new Set(idsSeen()).size, 3);
    await assertVerified(orders);
  });

  test('a type is sent where the source reads it, to every element of a split source', async () => {
    const split = hmac({
      header: 'x-signature',
      secrets: 's',
      defaults: { type: 'body.event', dedupeKey: 'body.id', split: 'body.items' },
    });
    await sendLoad({ ...planned(split, { type: 'a.b' }), count: 1 });
    const { items } = JSON.parse(seen[0]?.body.toString() ?? '') as { items: { event: string }[] };
    assert.deepEqual(
      items.map(({ event }) => event),
      ['a.b'],
    );
  });

  test('a rate spaces requests out, bursts together', async () => {
    const started: { readonly at: number; readonly turn: number }[] = [];
    // Turns of the event loop: what begins in one began together, however long the machine had something else to do.
    let turn = 0;
    let isCounting = true;
    const count = (): void => {
      turn++;
      if (isCounting) setImmediate(count);
    };
    count();
    const plan = planned(orders);
    const make = (index: number) => {
      started.push({ at: performance.now(), turn });
      return plan.make(index);
    };
    const begun = performance.now();
    const report = await sendLoad({ ...plan, make, count: 20, ratePerS: 200, burst: 10, concurrency: 20 });
    isCounting = false;
    assert.ok(report.durationMs >= 50, `${report.durationMs} ms for the second burst to be due`);
    assert.ok(started[9]?.turn === started[0]?.turn, 'the first ten begin together');
    assert.ok((started[10]?.at ?? 0) - begun >= 50, 'the eleventh waits for the second burst');
  });

  test('with a rate, latency counts from when a request was due', async () => {
    const plan = planned(orders);
    let first = true;
    answer = (request, response) => {
      if (!first) return ok(request, response);
      first = false;
      setTimeout(() => ok(request, response), 100);
    };
    const report = await sendLoad({ ...plan, count: 5, ratePerS: 1000, concurrency: 1 });
    assert.ok(
      (report.latencyMs?.p50 ?? 0) >= 90,
      `p50 ${report.latencyMs?.p50}: requests held up by the first count as late`,
    );
  });

  test('statuses and errors are counted apart', async () => {
    const plan = planned(orders);
    let number = 0;
    answer = (request, response) => {
      number++;
      if (number === 1) response.writeHead(503).end();
      else if (number === 2) request.socket.destroy();
      else ok(request, response);
    };
    const report = await sendLoad({ ...plan, count: 4, concurrency: 1 });
    assert.deepEqual(report.statuses, { 200: 2, 503: 1 });
    assert.equal(
      Object.values(report.errors).reduce((sum, count) => sum + count, 0),
      1,
    );
  });

  test('nothing listening is an error of every request, not a rejection', async () => {
    const plan = planned(orders);
    const report = await sendLoad({ ...plan, origin: 'http://127.0.0.1:1', count: 2 });
    assert.deepEqual([report.errors, report.latencyMs], [{ ECONNREFUSED: 2 }, null]);
  });

  test('a signal ends it: what is in flight is awaited', async () => {
    const controller = new AbortController();
    const plan = planned(orders);
    const report = await sendLoad({
      ...plan,
      count: 1000,
      concurrency: 2,
      signal: controller.signal,
      answered: () => controller.abort(),
    });
    assert.ok(report.sent < 10, String(report.sent));
    assert.equal(report.statuses['200'], report.sent);
  });
});
