import assert from 'node:assert/strict';
import { before, beforeEach, describe, test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import type { AttemptRecord } from '../core/delivery.ts';
import { MemoryRejections, type Rejection } from '../ingest/rejections.ts';
import { memoryStore } from '../store/memory.ts';
import { type Outcome, StoreError } from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import { type AdminApi, allRoutes, createAdminApi } from './admin.ts';
import type { Route } from './route.ts';
import { liveDestination, MemoryPort, TOKEN } from './fixtures/memory-port.ts';

const ORIGIN = 'http://127.0.0.1:8420';

const rejectionLog = (clock: TestClock): MemoryRejections =>
  new MemoryRejections({ countMax: 100, bytesMax: 1e6, perS: 100, clock });

let clock: TestClock;
let port: MemoryPort;
let api: AdminApi;
let failures: Error[];

beforeEach(async () => {
  clock = new TestClock();
  const store = memoryStore({ clock });
  await store.work.open();
  port = new MemoryPort(store, clock, rejectionLog(clock));
  failures = [];
  api = createAdminApi(port, {
    clock,
    version: '9.9.9',
    features: { playground: true },
    failed: (error) => failures.push(error),
  });
});

interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: unknown;
}

/** What stands at a path in an answer: `rows.0.id`, `timeline.last.text`. */
function get(answer: unknown, path: string): unknown {
  const step = (value: unknown, name: string): unknown => {
    if (typeof value !== 'object' || value === null) return undefined;
    return Array.isArray(value) && name === 'last' ? value.at(-1) : Reflect.get(value, name);
  };
  return path.split('.').reduce(step, answer);
}

interface Call {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

async function call(target: string, { body, headers = {} }: Call = {}): Promise<Answered> {
  const [method = '', path = ''] = target.split(' ');
  const response = await api.fetch(
    new Request(`${ORIGIN}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${TOKEN}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson && text !== '' ? JSON.parse(text) : {},
  };
}

/** Calls, asserts the status, and that the answer is exactly what its route says it is. */
async function ok(
  target: string,
  given: Call & { readonly status?: number } = {},
): Promise<Readonly<Record<string, unknown>>> {
  const { status, text, body } = await call(target, given);
  assert.equal(status, given.status ?? 200, `${target}: ${text}`);
  const { success } = routeOf(target) ?? {};
  if (success !== undefined) assert.ok(success.statuses.includes(status), `${target} is not said to answer ${status}`);
  const schema = success?.content?.['application/json'];
  if (schema !== undefined)
    assert.deepEqual(schema.parse(body), body, `${target} answers what its schema does not have`);
  return body as Readonly<Record<string, unknown>>;
}

function routeOf(target: string): Route | undefined {
  const [method, path = ''] = target.split('?', 1).join('').split(' ');
  return allRoutes(() => api.document()).find(
    (route) =>
      route.method.toUpperCase() === method && new RegExp(`^${route.path.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(path),
  );
}

/** Calls, and asserts the problem. */
async function refused(target: string, code: string, given: Call = {}): Promise<Answered> {
  const answered = await call(target, given);
  assert.equal(get(answered.body, 'code'), code, `${target}: ${answered.status} ${answered.text}`);
  assert.equal(answered.headers.get('content-type'), 'application/problem+json');
  assert.equal(get(answered.body, 'status'), answered.status);
  return answered;
}

const dead = (attempt: AttemptRecord): Outcome => {
  return { kind: 'dead', reason: 'exhausted', note: null, holdKey: false, attempt };
};
const retry = (attempt: AttemptRecord): Outcome => {
  return { kind: 'retry', delayMs: 5000, spends: true, attempt };
};

const NO_EVENT = `evt_${'0'.repeat(26)}`;
const NO_DELIVERY = `dlv_${'0'.repeat(26)}`;
const NO_REPLAY = `rpl_${'0'.repeat(26)}`;

describe('every route of the router', () => {
  const open = new Set(['/health', '/ready']);
  const target = ({ method, path }: { method: string; path: string }): string =>
    `${method} ${path.replace(':destination', 'billing').replace(':id', NO_EVENT)}`;

  test('asks for the token, except health and readiness', async () => {
    assert.ok(api.routes.length > 25);
    for (const route of api.routes) {
      for (const authorization of ['', 'Bearer', 'Bearer wrong', `Basic ${btoa(`x:wrong`)}`, `Token ${TOKEN}`]) {
        const { status, headers } = await call(target(route), { headers: { authorization } });
        if (open.has(route.path)) {
          assert.equal(status, 200, route.path);
        } else {
          assert.equal(status, 401, `${route.method} ${route.path} answers without a token`);
          assert.match(headers.get('www-authenticate') ?? '', /realm="holdfast"/);
        }
      }
    }
  });

  test('takes no token from the query', async () => {
    for (const route of api.routes.filter(({ path }) => !open.has(path))) {
      const { status } = await call(`${target(route)}?token=${TOKEN}&access_token=${TOKEN}`, {
        headers: { authorization: '' },
      });
      assert.equal(status, 401, route.path);
    }
  });

  test('sends the security headers and no CORS header, also with errors', async () => {
    for (const route of [...api.routes, { method: 'GET', path: '/nowhere' }]) {
      const { headers } = await call(target(route), { headers: { origin: 'https://evil.example' } });
      assert.equal(headers.get('cache-control'), 'no-store', route.path);
      assert.equal(headers.get('x-content-type-options'), 'nosniff');
      assert.equal(headers.get('referrer-policy'), 'no-referrer');
      assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/);
      assert.deepEqual(
        [...headers.keys()].filter((name) => name.startsWith('access-control')),
        [],
      );
    }
  });

  const foreign: Record<string, string>[] = [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:9999' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ];

  test('that changes something refuses pages of other origins', async () => {
    for (const route of api.routes.filter(({ method }) => method !== 'GET')) {
      for (const headers of foreign) {
        await refused(target(route), 'forbidden', { headers });
      }
    }
    assert.deepEqual(port.acted, []);
    await ok('POST /api/queues/billing/pause', {
      status: 204,
      headers: { origin: ORIGIN, 'sec-fetch-site': 'same-origin' },
    });
  });

  test('refuses a query parameter it does not have and says which was meant', async () => {
    for (const route of api.routes.filter(({ path }) => !path.includes(':'))) {
      await refused(`${route.method} ${route.path}?zzz=1`, 'invalid_input');
    }
    const { body } = await refused('GET /api/events?sourc=shop', 'invalid_input');
    assert.match(get(body, 'detail') as string, /no such parameter\. Did you mean 'source'\?/);
  });

  test('changes nothing by GET', async () => {
    for (const route of api.routes.filter(({ method }) => method === 'GET')) await call(target(route));
    assert.deepEqual(port.acted, []);
  });
});

describe('paths and methods', () => {
  test('an unknown path is not found, and only behind the token', async () => {
    await refused('GET /api/nothing', 'not_found');
    assert.equal((await call('GET /api/nothing', { headers: { authorization: '' } })).status, 401);
  });

  test('a method that a path does not take is told with those it takes', async () => {
    const { headers } = await refused('PUT /api/events', 'method_not_allowed');
    assert.equal(headers.get('allow'), 'GET, POST');
    await refused('OPTIONS /api/events', 'method_not_allowed');
  });

  test('HEAD answers like GET without a body', async () => {
    const { status, text } = await call('HEAD /api/events');
    assert.deepEqual([status, text], [200, '']);
  });

  test('a shared port knows which paths are of the API', () => {
    for (const path of ['/health', '/ready', '/metrics', '/api/events', '/api/events/x/body', '/api/docs'])
      assert.ok(api.handles(path), path);
    for (const path of ['/', '/in/shop', '/api', '/api/v2/webhooks/orders', '/healthy', '/api/eventsx'])
      assert.ok(!api.handles(path), path);
  });
});

describe('bodies', () => {
  test('must be JSON and say so', async () => {
    await refused('POST /api/events', 'invalid_input', {
      body: '{"type":',
      headers: { 'content-type': 'application/json' },
    });
    await refused('POST /api/events', 'invalid_input', {
      body: '{"type":"x","data":1}',
      headers: { 'content-type': 'text/plain' },
    });
    await refused('POST /api/events', 'encoding_not_supported', {
      body: '{}',
      headers: { 'content-encoding': 'gzip' },
    });
    await refused('POST /api/events', 'invalid_input');
  });

  test('are limited, with and without a length', async () => {
    const body = JSON.stringify({ type: 'x', data: 'a'.repeat(1_048_576) });
    await refused('POST /api/events', 'body_too_large', { body });
    const stream = new Blob([body]).stream();
    const init = {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: stream,
      duplex: 'half',
    };
    const response = await api.fetch(new Request(`${ORIGIN}/api/events`, init as RequestInit));
    assert.equal(response.status, 413);
  });

  test('say which field does not fit', async () => {
    const { body } = await refused('POST /api/events', 'invalid_input', { body: { type: 'x', data: 1, tenent: 'a' } });
    assert.match(JSON.stringify(get(body, 'issues')), /tenent.*Did you mean 'tenant'/);
    const second = await refused('POST /api/events', 'invalid_input', {
      body: [
        { type: 'x', data: 1 },
        { type: '', data: 1 },
      ],
    });
    assert.match(JSON.stringify(get(second.body, 'issues')), /1\.type/);
    await refused('POST /api/events', 'invalid_input', { body: { type: 'x' } });
    const missing = await refused('POST /api/events', 'invalid_input', { body: {} });
    assert.equal(get(missing.body, 'detail'), 'body type: It is missing (expected string); body data: It is missing');
    const whole = await refused('POST /api/events', 'invalid_input', { body: [] });
    assert.match(String(get(whole.body, 'detail')), /^body: Too small/);
  });
});

describe('health', () => {
  test('without a token tells states only', async () => {
    const { status, body } = await call('GET /health', { headers: { authorization: '' } });
    assert.equal(status, 200);
    assert.deepEqual(body, {
      status: 'degraded',
      services: { queues: 'degraded', store: 'operational' },
      features: { playground: true },
      queues: { ready: true, driver: 'memory', inMemoryMode: true },
    });
    assert.deepEqual((await call('GET /ready', { headers: { authorization: '' } })).body, { ready: true });
  });

  test('with the token tells why', async () => {
    port.live = [liveDestination('billing')];
    assert.equal(get(await ok('GET /health'), 'status'), 'ok');
    port.notReady = 'disk_reserve';
    const health = await ok('GET /health');
    assert.equal(get(health, 'status'), 'unavailable');
    assert.equal(get(health, 'version'), '9.9.9');
    assert.equal(get(health, 'queues.reason'), 'disk_reserve');
    const ready = await ok('GET /ready', { status: 503 });
    assert.equal(get(ready, 'reason'), 'disk_reserve');
    assert.equal(get(ready, 'ackMeaning'), 'Nothing survives.');
  });

  test('metrics are behind the token unless opened', async () => {
    const { headers, text } = await call('GET /metrics');
    assert.equal(headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
    assert.match(text, /webhook_received_total/);
    api = createAdminApi(port, { clock, version: '1', openMetrics: true });
    assert.equal((await call('GET /metrics', { headers: { authorization: '' } })).status, 200);
    assert.equal((await call('GET /api/events', { headers: { authorization: '' } })).status, 401);
  });
});

describe('queues', () => {
  beforeEach(async () => {
    await port.append({}, 'billing', 'crm');
    await port.append({}, 'billing');
    await port.append({}, 'gone');
    clock.advance(1000);
    await port.settle('crm', dead);
  });

  test('stats carry figures in all and of each destination', async () => {
    const stats = await ok('GET /api/queues/stats');
    const [billing, crm, gone] = get(stats, 'destinations') as unknown[];
    assert.deepEqual(billing, {
      name: 'billing',
      status: 'running',
      running: true,
      breaker: 'closed',
      pausedBy: null,
      pausedAt: null,
      size: 2,
      peakSize: 7,
      blocked: 0,
      due: 0,
      ready: 2,
      claimed: 0,
      received: 2,
      processed: 0,
      failed: 0,
      deadLetters: 0,
      deadLettersTotal: 0,
      successRate: 0,
      workersRunning: 1,
      workersTotal: 4,
      processingMsAverage: 12.346,
      processingMsP95: 40,
      receivedPerS: 1.5,
      processedPerS: 1,
      failedPerS: 0.5,
      oldestReadyAgeMs: 1000,
    });
    assert.deepEqual([get(crm, 'breaker'), get(crm, 'deadLetters'), get(crm, 'failed')], ['open', 1, 1]);
    assert.deepEqual([get(gone, 'status'), get(gone, 'running'), get(gone, 'size')], ['absent', false, 1]);
    const overall = get(stats, 'overall');
    assert.deepEqual([get(overall, 'size'), get(overall, 'received'), get(overall, 'deadLetters')], [3, 4, 1]);
    assert.deepEqual(
      [get(overall, 'workersTotal'), get(overall, 'peakSize'), get(overall, 'oldestReadyAgeMs')],
      [8, 9, 1000],
    );
    assert.equal(get(overall, 'processingMsP95'), 50);
    assert.deepEqual(get(stats, 'sources'), [{ name: 'shop', accepted: 3, duplicates: 0, differing: 0 }]);
  });

  test('health and info', async () => {
    const health = await ok('GET /api/queues/health');
    assert.equal(get(health, 'status'), 'degraded');
    assert.equal((get(health, 'destinations') as unknown[]).length, 3);
    const info = await ok('GET /api/queues/info');
    assert.equal(get(info, 'store.ackMeaning'), 'Nothing survives.');
  });

  test('pause, resume and clear say who did it', async () => {
    await ok('POST /api/queues/billing/pause', { status: 204, headers: { 'x-holdfast-by': 'cli:anna' } });
    await ok('POST /api/queues/billing/resume', { status: 204 });
    assert.deepEqual(await ok('POST /api/queues/billing/clear'), { cleared: 2 });
    assert.deepEqual(port.acted, ['cli:anna paused billing', 'api resumed billing', 'api cleared billing']);
    for (const action of ['pause', 'resume', 'clear'])
      await refused(`POST /api/queues/nobody/${action}`, 'destination_unknown');
  });
});

describe('events', () => {
  test('are listed by filter, page by page', async () => {
    const first = await port.append({ type: 'a', tenant: 'acme', dedupeKey: 'k' }, 'billing');
    clock.advance(60_000);
    const second = await port.append({ type: 'b' });
    const ids = async (query: string): Promise<string[]> =>
      (get(await ok(`GET /api/events${query}`), 'rows') as { id: string }[]).map(({ id }) => id);
    assert.deepEqual(await ids(''), [second, first]);
    assert.deepEqual(await ids('?order=oldest'), [first, second]);
    assert.deepEqual(await ids('?type=a&tenant=acme&source=shop&dedupeKey=k'), [first]);
    assert.deepEqual(await ids(`?correlationId=c-${second}`), [second]);
    assert.deepEqual(await ids('?unmatched=true'), [second]);
    assert.deepEqual(await ids('?since=30s'), [second]);
    assert.deepEqual(await ids(`?until=${clock.now()}`), [first]);
    assert.deepEqual(await ids(`?since=2026-01-01T00:00:30Z`), [second]);
    const page = await ok('GET /api/events?limit=1');
    const rest = await ok(`GET /api/events?limit=1&cursor=${String(get(page, 'cursor'))}`);
    assert.deepEqual([get(page, 'rows.0.id'), get(rest, 'rows.0.id'), get(rest, 'cursor')], [second, first, null]);
    for (const query of [
      'limit=0',
      'limit=201',
      'limit=x',
      'since=yesterday',
      'unmatched=1',
      'order=up',
      'source=',
      'type=a&type=b',
    ]) {
      await refused(`GET /api/events?${query}`, 'invalid_input');
    }
  });

  test('show one timeline of all that happened, and what comes next and why', async () => {
    const id = await port.append({ dedupeKey: 'once', headers: ['X-A', '1', 'X-A', '2'] }, 'billing', 'crm', 'gone');
    clock.advance(1000);
    await port.commit({ appends: [{ events: [port.newEvent({ dedupeKey: 'once' }, ['billing'])] }] });
    await port.settle('billing', retry);
    await port.settle('crm', dead);
    const shown = await ok(`GET /api/events/${id}`);
    const timeline = get(shown, 'timeline') as { kind: string; text: string; destination: string | null }[];
    assert.deepEqual(
      timeline.map(({ kind, destination }) => (destination === null ? kind : `${kind} ${destination}`)),
      [
        'accepted',
        'routed',
        'duplicate',
        'attempt billing',
        'attempt crm',
        'dead crm',
        'next billing',
        'next gone',
      ].toSorted((a, b) => order(timeline, a) - order(timeline, b)),
    );
    assert.match(
      timeline.find(({ kind }) => kind === 'attempt')?.text ?? '',
      /attempt 1 at billing failed after 12 ms: no such customer/,
    );
    assert.match(timeline.at(-1)?.text ?? '', /no process has this destination/);
    assert.deepEqual(get(shown, 'event.headers'), [
      { name: 'X-A', value: '1' },
      { name: 'X-A', value: '2' },
    ]);
    assert.equal(get(shown, 'event.bodyText'), '{"id":1}');
    assert.equal(get(shown, 'duplicates.count'), 1);
    const [billing] = get(shown, 'deliveries') as unknown[];
    assert.equal(get(billing, 'next.at'), new Date(clock.now() + 5000).toISOString());
    assert.match(String(get(billing, 'next.why')), /waits after attempt 1/);
    await refused(`GET /api/events/${NO_EVENT}`, 'not_found');
    for (const bad of ['evt_1', NO_DELIVERY, `${NO_EVENT}0`, `evt_${'Z'.repeat(26)}`]) {
      await refused(`GET /api/events/${bad}`, 'invalid_input');
    }
  });

  test('give their bytes as an attachment that no browser runs', async () => {
    const html = '<script>alert(1)</script>';
    const id = await port.append({ headers: ['Content-Type', 'text/html'], body: Buffer.from(html) });
    const { headers, text } = await call(`GET /api/events/${id}/body`);
    assert.equal(text, html);
    assert.equal(headers.get('content-type'), 'text/plain; charset=utf-8');
    assert.equal(headers.get('content-disposition'), `attachment; filename="${id}.txt"`);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('content-security-policy'), "default-src 'none'; sandbox");
    const binary = await port.append({ body: Buffer.from([0, 255, 254]) });
    assert.equal(
      (await call(`GET /api/events/${binary}/body`)).headers.get('content-type'),
      'application/octet-stream',
    );
    await refused(`GET /api/events/${NO_EVENT}/body`, 'not_found');
    const purged = await port.append({ body: null });
    await refused(`GET /api/events/${purged}/body`, 'body_purged');
  });

  test('are replayed to where they went, or to others', async () => {
    const id = await port.append({}, 'billing');
    const answer = await ok(`POST /api/events/${id}/replay`);
    assert.match(get(answer, 'deliveryIds.0') as string, /^dlv_/);
    const other = await ok(`POST /api/events/${id}/replay`, { body: { destinations: ['crm', 'gone'] } });
    assert.equal((get(other, 'deliveryIds') as string[]).length, 2);
    await refused(`POST /api/events/${NO_EVENT}/replay`, 'not_found');
    await refused(`POST /api/events/${id}/replay`, 'invalid_input', { body: { destination: 'crm' } });
  });

  test('are emitted one or many, with duplicates recognised', async () => {
    const keys = { tenant: 'acme', dedupeKey: 'pi_1', orderKey: 'o', correlationId: 'trace-1' };
    const one = await ok('POST /api/events', { body: { type: 'paid', data: { id: 'pi_1' }, ...keys } });
    assert.deepEqual(Object.keys(one), ['id', 'duplicate']);
    const again = await ok('POST /api/events', { body: { type: 'paid', data: { id: 'pi_1' }, ...keys } });
    assert.deepEqual(again, { id: get(one, 'id'), duplicate: true });
    const event = get(await ok(`GET /api/events/${String(one['id'])}`), 'event');
    assert.deepEqual(
      [get(event, 'source'), get(event, 'correlationId'), get(event, 'bodyText')],
      ['emitted', 'trace-1', '{"id":"pi_1"}'],
    );
    const many = await ok('POST /api/events', {
      body: [
        { type: 'a', data: null },
        { type: 'b', data: [1] },
      ],
    });
    assert.equal(get(many, 'length'), 2);
  });

  test('are emitted with numbers beyond 2^53 as they were written', async () => {
    const { id } = await ok('POST /api/events', { body: '{"type":"x","data":{"n":12345678901234567890,"m":0.1}}' });
    assert.equal((await call(`GET /api/events/${String(id)}/body`)).text, '{"n":12345678901234567890,"m":0.1}');
  });

  test('are not emitted from a body nested beyond reason', async () => {
    const depth = 200_000;
    const body = `{"type":"x","data":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    const { status } = await call('POST /api/events', { body });
    assert.ok(status === 200 || status === 400, String(status));
  });

  test('are not delayed to a time that no answer could show', async () => {
    for (const at of [253_402_300_800_000, '9999-12-31T23:59:59-00:01', '1969-12-31T23:59:59Z', -1]) {
      const { status, body } = await call('POST /api/events', { body: { type: 'late', data: null, at } });
      assert.deepEqual([status, get(body, 'code')], [400, 'invalid_input'], String(at));
    }
    assert.equal(
      (await call('POST /api/events', { body: { type: 'late', data: null, at: 253_402_300_799_999 } })).status,
      200,
    );
  });

  test('that are delayed can be cancelled until they are attempted', async () => {
    const at = new Date(clock.now() + 60_000).toISOString();
    const { id } = await ok('POST /api/events', { body: { type: 'later', data: 1, at } });
    assert.match(String(get(await ok(`GET /api/events/${String(id)}`), 'timeline.last.text')), /delayed until then/);
    await ok(`DELETE /api/events/${String(id)}`, { status: 204 });
    await refused(`DELETE /api/events/${String(id)}`, 'not_cancellable');
    await refused(`DELETE /api/events/${NO_EVENT}`, 'not_found');
    await ok('POST /api/events', { body: { type: 'later', data: 1, at: clock.now() + 1 } });
    await refused('POST /api/events', 'invalid_input', { body: { type: 'later', data: 1, at: 'tomorrow' } });
  });
});

function order(timeline: readonly { kind: string; destination: string | null }[], shown: string): number {
  return timeline.findIndex(
    ({ kind, destination }) => shown === (destination === null ? kind : `${kind} ${destination}`),
  );
}

describe('deliveries and dead letters', () => {
  let lost: string;

  beforeEach(async () => {
    await port.append({ type: 'a' }, 'billing', 'crm');
    [lost = ''] = await port.settle('crm', dead);
  });

  test('are listed by filter', async () => {
    const count = async (query: string): Promise<number> =>
      (get(await ok(`GET /api/deliveries${query}`), 'rows') as unknown[]).length;
    assert.equal(await count(''), 2);
    assert.equal(await count('?state=dead'), 1);
    assert.equal(await count('?state=ready,dead&type=a&source=shop'), 2);
    assert.equal(await count('?destination=billing'), 1);
    assert.equal(await count('?resolved=false'), 1);
    assert.equal(await count('?reason=cleared'), 0);
    assert.equal(await count(`?eventId=${NO_EVENT}`), 0);
    assert.equal(await count(`?replayId=${NO_REPLAY}`), 0);
    await refused('GET /api/deliveries?state=lost', 'invalid_input');
    await refused('GET /api/deliveries?reason=bad', 'invalid_input');
  });

  test('show attempts and what comes next', async () => {
    const shown = await ok(`GET /api/deliveries/${lost}`);
    assert.deepEqual([get(shown, 'state'), get(shown, 'reason'), get(shown, 'next')], ['dead', 'exhausted', null]);
    assert.equal(get(shown, 'attemptList.0.error'), 'no such customer');
    const attempts = await ok(`GET /api/deliveries/${lost}/attempts`);
    assert.equal(get(attempts, 'rows.0.startedAt'), new Date(clock.now()).toISOString());
    await refused(`GET /api/deliveries/${NO_DELIVERY}`, 'not_found');
    await refused(`GET /api/deliveries/${NO_DELIVERY}/attempts`, 'not_found');
  });

  test('say why they wait', async () => {
    const { rows } = await port.history.deliveries({ destination: 'billing' }, { limit: 1 });
    const why = async (live: Parameters<typeof liveDestination>[1] | null): Promise<unknown> => {
      port.live = live === null ? [] : [liveDestination('billing', live)];
      return get(await ok(`GET /api/deliveries/${rows[0]?.id ?? ''}`), 'next.why');
    };
    assert.equal(await why({}), 'ready: waits for a free slot');
    assert.equal(await why({ state: 'paused', pausedBy: 'anna' }), 'held: paused by anna');
    assert.equal(await why({ state: 'stopped' }), 'held: the destination is stopped');
    assert.equal(await why({ breaker: 'open' }), 'the circuit breaker is open');
    assert.equal(await why(null), 'held: no process has this destination');
  });

  test('dead letters are replayed one by one, each with its own answer', async () => {
    const { rows } = await ok('GET /api/dead-letters');
    assert.equal(get(rows, '0.id'), lost);
    const answer = await ok('POST /api/dead-letters/replay', { body: { ids: [lost, NO_DELIVERY] } });
    const [made, none] = get(answer, 'rows') as unknown[];
    assert.match(String(get(made, 'deliveryId')), /^dlv_/);
    assert.deepEqual(none, { of: NO_DELIVERY, deliveryId: null, error: 'not_found' });
    const again = await ok('POST /api/dead-letters/replay', { body: { ids: [lost] } });
    assert.equal(get(again, 'rows.0.error'), 'replay_open');
    await refused('POST /api/dead-letters/replay', 'invalid_input', { body: { ids: [] } });
    await refused('POST /api/dead-letters/replay', 'invalid_input', { body: { ids: ['1'] } });
  });

  test('dead letters are resolved with a note', async () => {
    assert.deepEqual(await ok('POST /api/dead-letters/resolve', { body: { ids: [lost], note: 'paid by hand' } }), {
      resolved: 1,
    });
    assert.deepEqual(get(await ok('GET /api/dead-letters'), 'rows'), []);
    const all = await ok('GET /api/dead-letters?resolved=all');
    assert.equal(get(all, 'rows.0.resolved.note'), 'paid by hand');
    assert.equal((get(await ok('GET /api/dead-letters?resolved=true'), 'rows') as unknown[]).length, 1);
    await refused('POST /api/dead-letters/resolve', 'invalid_input', { body: { ids: [lost], note: ' ' } });
  });
});

describe('bulk replays', () => {
  test('are planned without being started', async () => {
    const { plan, replay } = await ok('POST /api/replays', { body: { filter: { since: '1h' }, dryRun: true } });
    assert.deepEqual([get(plan, 'count'), get(plan, 'byDestination'), replay], [3, { billing: 3 }, null]);
    assert.deepEqual(get(await ok('GET /api/replays'), 'rows'), []);
  });

  test('are started, shown and cancelled', async () => {
    const body = { filter: { destination: 'crm', since: '1h', what: 'all', reason: 'cleared' }, ratePerS: 5 };
    const { replay } = await ok('POST /api/replays', { body, status: 202 });
    const id = String(get(replay, 'id'));
    assert.equal(get(replay, 'filter.since'), new Date(clock.now() - 3_600_000).toISOString());
    assert.equal(get(await ok(`GET /api/replays/${id}`), 'ratePerS'), 5);
    assert.equal(get(await ok('GET /api/replays'), 'rows.0.id'), id);
    assert.equal(get(await ok(`DELETE /api/replays/${id}`), 'state'), 'cancelled');
    await refused(`GET /api/replays/${NO_REPLAY}`, 'not_found');
    await refused(`DELETE /api/replays/${NO_REPLAY}`, 'not_found');
  });

  test('refuse a filter they do not have', async () => {
    const { body } = await refused('POST /api/replays', 'invalid_input', { body: { filter: { destinaton: 'crm' } } });
    assert.match(JSON.stringify(get(body, 'issues')), /filter\.destinaton/);
    await refused('POST /api/replays', 'invalid_input', { body: {} });
    await refused('POST /api/replays', 'invalid_input', { body: { filter: {}, ratePerS: 0 } });
  });
});

describe('rejections', () => {
  const rejection = (id: string, parts: Partial<Rejection> = {}): Rejection => ({
    id: `rej_${id.padStart(26, '0')}`,
    source: 'shop',
    receivedAt: clock.now(),
    method: 'POST',
    path: '/in/shop',
    query: '',
    headers: ['Authorization', '[redacted]', 'X-Signature', 'abc'],
    body: Buffer.from('{"id":1}'),
    remoteAddress: '192.0.2.1',
    step: 'verify',
    code: 'not_verified',
    reason: 'signature_mismatch',
    detail: 'x-signature',
    correlationId: 'c-1',
    verifiable: true,
    ...parts,
  });

  beforeEach(() => {
    port.rejections.add(rejection('1'));
    port.rejections.add(rejection('2', { source: 'other', reason: 'header_missing', body: Buffer.from([255]) }));
  });

  test('are listed by filter and shown whole', async () => {
    const all = await ok('GET /api/rejections');
    assert.deepEqual([get(all, 'kept'), get(all, 'dropped'), (get(all, 'rows') as unknown[]).length], [2, 0, 2]);
    const some = await ok('GET /api/rejections?source=shop&reason=signature_mismatch&code=not_verified&since=1h');
    const id = String(get(some, 'rows.0.id'));
    assert.equal((get(some, 'rows') as unknown[]).length, 1);
    const one = await ok(`GET /api/rejections/${id}`);
    assert.deepEqual(
      [get(one, 'bodyText'), get(one, 'bodyBytes'), get(one, 'headers.0')],
      ['{"id":1}', 8, { name: 'Authorization', value: '[redacted]' }],
    );
    const [other] = get(await ok('GET /api/rejections?source=other'), 'rows') as unknown[];
    assert.equal(get(await ok(`GET /api/rejections/${String(get(other, 'id'))}`), 'bodyText'), null);
    await refused(`GET /api/rejections/rej_${'0'.repeat(26)}`, 'not_found');
    for (const list of ['events', 'deliveries', 'dead-letters', 'rejections', 'audit'])
      await refused(`GET /api/${list}?cursor=abc`, 'invalid_input');
    await refused('GET /api/rejections/1', 'invalid_input');
  });

  test('are verified again', async () => {
    assert.deepEqual(await ok('POST /api/rejections/verify-again'), { accepted: 1, refused: 2 });
    await ok('POST /api/rejections/verify-again', { body: { source: 'shop', ids: [rejection('1').id] } });
    assert.deepEqual(port.acted, ['verify-again {}', `verify-again {"source":"shop","ids":["${rejection('1').id}"]}`]);
    await refused('POST /api/rejections/verify-again', 'invalid_input', { body: { sources: 'shop' } });
  });
});

describe('sources', () => {
  test('are shown without secrets', async () => {
    assert.equal(get(await ok('GET /api/sources'), 'rows.0.verifier'), 'hmac');
  });
});

describe('failures', () => {
  test('of the store say whether to try again', async () => {
    port.counts = () => Promise.reject(new StoreError('unavailable', 'the disk is full'));
    const { headers, body } = await refused('GET /api/queues/stats', 'store_unavailable');
    assert.equal(headers.get('retry-after'), '5');
    assert.equal(get(body, 'retryable'), true);
    assert.deepEqual(failures, []);
  });

  test('that nobody foresaw tell the caller nothing and the log everything', async () => {
    port.counts = () => Promise.reject(new TypeError('secret-inside'));
    const { text } = await refused('GET /api/queues/stats', 'internal');
    assert.doesNotMatch(text, /secret-inside/);
    assert.match(failures[0]?.message ?? '', /secret-inside/);
  });
});

describe('documentation', () => {
  let document: AdminApi['document'] extends () => infer Document ? Document : never;

  before(async () => {
    clock = new TestClock();
    api = createAdminApi(new MemoryPort(memoryStore({ clock }), clock, rejectionLog(clock)), { clock, version: '1' });
    document = api.document();
  });

  test('is valid OpenAPI 3.1', async () => {
    const served = JSON.parse(JSON.stringify(document)) as Record<string, unknown>;
    const { valid, errors } = await new Validator().validate(served);
    assert.ok(valid, JSON.stringify(errors, null, 2));
  });

  test('has every route of the router and no other', () => {
    const documented = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
    );
    assert.deepEqual(documented.toSorted(), api.routes.map(({ method, path }) => `${method} ${path}`).toSorted());
  });

  test('names each operation once, says what it does and how it is refused', () => {
    const seen = new Set<string>();
    for (const [path, item] of Object.entries(document.paths ?? {})) {
      for (const operation of Object.values(item as unknown as Record<string, Record<string, unknown>>)) {
        const { operationId, summary, responses } = operation as {
          operationId: string;
          summary: string;
          responses: object;
        };
        assert.ok(!seen.has(operationId), operationId);
        seen.add(operationId);
        assert.match(summary, /^[A-Z].*\.$/);
        assert.ok('400' in responses, path);
      }
    }
  });

  test('is served as JSON and as a page without scripts or anything from outside', async () => {
    const served = await ok('GET /api/openapi.json');
    assert.deepEqual(served, JSON.parse(JSON.stringify(api.document())));
    const basic = { authorization: `Basic ${btoa(`me:${TOKEN}`)}` };
    const { status, text, headers } = await call('GET /api/docs', { headers: basic });
    assert.equal(status, 200);
    assert.doesNotMatch(text, /<script|<link|<img|src=|href=|style=|@import|url\(/i);
    assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'; style-src 'sha256-/);
    for (const { path } of api.routes) assert.ok(text.includes(path.replaceAll(/:(\w+)/g, '{$1}')), path);
    assert.equal((await call('GET /api/events', { headers: basic })).status, 401, 'Basic is for the page only');
  });
});
