/** Who may call what: every route of the router with every scope, and two tenants that must not see each other. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { AttemptRecord } from '../core/delivery.ts';
import { HoldfastError } from '../errors.ts';
import { MemoryRejections } from '../ingest/rejections.ts';
import { memoryStore } from '../store/memory.ts';
import { type Outcome, StoreError } from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import { type AdminApi, allRoutes, createAdminApi } from './admin.ts';
import { type Caller, type Scope, scopes } from './caller.ts';
import { MemoryPort, TOKEN } from './fixtures/memory-port.ts';
import type { EndpointView } from '../endpoints/definition.ts';
import type { AdminPort } from './port.ts';
import { tenantPort } from './tenant.ts';
import { adminListener } from './listener.ts';

/** Scopes that are enough for each route, beside admin; with `tenant`, also of a token bound to a tenant. */
const table: Readonly<Record<string, readonly (Exclude<Scope, 'admin'> | 'tenant' | 'open')[]>> = {
  'GET /health': ['open'],
  'GET /ready': ['open'],
  'GET /metrics': ['read'],
  'GET /api/processes': ['read'],
  'GET /api/queues/health': ['read'],
  'GET /api/queues/stats': ['read'],
  'GET /api/queues/info': ['read'],
  'POST /api/queues/:destination/pause': [],
  'POST /api/queues/:destination/resume': [],
  'POST /api/queues/:destination/clear': [],
  'POST /api/queues/:destination/retry': [],
  'GET /api/events': ['read', 'tenant'],
  'GET /api/events/:id': ['read', 'tenant'],
  'GET /api/events/:id/body': ['read', 'tenant'],
  'POST /api/events/:id/replay': [],
  'POST /api/events': ['emit', 'tenant'],
  'DELETE /api/events/:id': ['emit', 'tenant'],
  'GET /api/deliveries': ['read', 'tenant'],
  'GET /api/deliveries/:id': ['read', 'tenant'],
  'GET /api/deliveries/:id/attempts': ['read', 'tenant'],
  'GET /api/dead-letters': ['read', 'tenant'],
  'POST /api/dead-letters/replay': [],
  'POST /api/dead-letters/resolve': [],
  'POST /api/replays': [],
  'GET /api/replays': ['read'],
  'GET /api/replays/:id': ['read'],
  'DELETE /api/replays/:id': [],
  'GET /api/sources': ['read'],
  'GET /api/spool': ['read'],
  'GET /api/rejections': ['read'],
  'GET /api/rejections/:id': ['read'],
  'POST /api/rejections/verify-again': [],
  'GET /api/event-types': ['read', 'emit', 'endpoints', 'tenant'],
  'GET /api/audit': [],
  'GET /api/tokens': [],
  'POST /api/tokens': [],
  'DELETE /api/tokens/:id': [],
  'GET /api/endpoints': ['endpoints', 'tenant'],
  'POST /api/endpoints': ['endpoints', 'tenant'],
  'GET /api/endpoints/:id': ['endpoints', 'tenant'],
  'PATCH /api/endpoints/:id': ['endpoints', 'tenant'],
  'DELETE /api/endpoints/:id': ['endpoints', 'tenant'],
  'POST /api/endpoints/:id/rotate-secret': ['endpoints', 'tenant'],
  'POST /api/endpoints/:id/test': ['endpoints', 'tenant'],
  'GET /api/endpoints/:id/deliveries': ['endpoints', 'tenant'],
  'GET /api/endpoints/:id/deliveries/:delivery': ['endpoints', 'tenant'],
  'POST /api/endpoints/:id/deliveries/:delivery/replay': ['endpoints', 'tenant'],
  'GET /api/stream': ['read', 'tenant'],
  'GET /api/openapi.json': ['read', 'emit', 'endpoints', 'tenant'],
  'GET /api/docs': ['read', 'emit', 'endpoints', 'tenant'],
};

let clock: TestClock;
let port: MemoryPort;
let api: AdminApi;

beforeEach(async () => {
  clock = new TestClock();
  const store = memoryStore({ clock });
  await store.work.open();
  port = new MemoryPort(store, clock, new MemoryRejections({ countMax: 100, bytesMax: 1e6, perS: 100, clock }));
  api = createAdminApi(port, { clock, version: '1' });
});

/** Makes a token with these scopes. */
function tokenFor(given: readonly Scope[], tenant: string | null = null): string {
  const name = `${given.join('+')}@${tenant ?? 'all'}`;
  const caller: Caller = { id: `tok_${name}`, name, scopes: given, tenant };
  port.callers.set(name, { caller });
  return name;
}

interface Called {
  readonly status: number;
  readonly code: unknown;
  readonly body: unknown;
}

async function call(target: string, token: string | null, body?: unknown): Promise<Called> {
  const [method = '', path = ''] = target.split(' ');
  const response = await api.fetch(
    new Request(`http://127.0.0.1${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  const answered: unknown = isJson && text !== '' ? JSON.parse(text) : text;
  return { status: response.status, code: codeOf(answered), body: answered };
}

function codeOf(answered: unknown): unknown {
  return typeof answered === 'object' && answered !== null && 'code' in answered ? answered.code : null;
}

const dead = (attempt: AttemptRecord): Outcome => {
  return { kind: 'dead', reason: 'exhausted', note: null, holdKey: false, attempt };
};

const NO_EVENT = `evt_${'0'.repeat(26)}`;
const rowsOf = (answered: Called): unknown[] => (answered.body as { rows: unknown[] }).rows;

describe('every route of the router', () => {
  test('is listed here, and no other', () => {
    assert.deepEqual(
      api.routes.map(({ method, path }) => `${method} ${path}`).toSorted(),
      Object.keys(table).toSorted(),
    );
  });

  for (const [route, allowed] of Object.entries(table)) {
    const target = route.replace(':destination', 'billing').replace(':id', NO_EVENT);

    test(`${route} takes the scopes it should and refuses the others`, async () => {
      for (const scope of Object.keys(scopes) as Scope[]) {
        const good = scope === 'admin' || allowed.includes(scope) || allowed.includes('open');
        const { status, code } = await call(target, tokenFor([scope]));
        if (good) assert.ok(status !== 401 && code !== 'forbidden', `${scope}: ${status}`);
        else assert.deepEqual([status, code], [403, 'forbidden'], scope);
      }
    });

    test(`${route} refuses whoever has no token, one that is unknown and one that has expired`, async () => {
      if (allowed.includes('open')) return;
      port.callers.set('late', { caller: null, why: 'expired' });
      assert.deepEqual((await call(target, null)).code, 'unauthorized');
      assert.deepEqual((await call(target, 'nobody')).code, 'unauthorized');
      const late = await call(target, 'late');
      assert.deepEqual([late.status, late.code], [401, 'token_expired']);
    });

    test(`${route} takes a token bound to a tenant only where it says so`, async () => {
      const every = Object.keys(scopes).filter((scope) => scope !== 'admin') as Scope[];
      const { status, code } = await call(target, tokenFor(every, 'acme'));
      if (allowed.includes('open')) assert.equal(status, 200);
      else assert.equal(code === 'forbidden', !allowed.includes('tenant'), `${status} ${String(code)}`);
    });
  }

  test('that is open tells more only to those who may read everything', async () => {
    for (const [token, more] of [
      [TOKEN, true],
      [tokenFor(['read']), true],
      [tokenFor(['emit']), false],
      [tokenFor(['read'], 'acme'), false],
    ] as const) {
      assert.equal('version' in ((await call('GET /health', token)).body as object), more, token);
    }
  });

  test('changes nothing for whoever is refused', async () => {
    for (const route of Object.keys(table))
      await call(route.replace(':destination', 'billing').replace(':id', NO_EVENT), tokenFor(['endpoints']));
    assert.deepEqual(port.acted, []);
  });
});

describe('the audit log', () => {
  /** Changes that are not in it, each for its reason. */
  const unrecorded = new Set([
    'POST /api/events', // Each event is its own record, and so many would push out all else.
  ]);

  test('has every route that changes something', () => {
    const changing = allRoutes(() => api.document()).filter(({ method }) => method !== 'get');
    for (const { method, path, audit } of changing) {
      const name = `${method.toUpperCase()} ${path}`;
      assert.equal(audit !== undefined, !unrecorded.has(name), name);
      if (audit !== undefined) assert.match(audit, /^[a-z-]+\.[a-z-]+$/);
    }
  });

  test('has who did what to what, from where', async () => {
    const caller = { id: 'tok_1', name: 'deploys', scopes: ['admin'], tenant: null } as const;
    port.callers.set('t', { caller });
    const pause = new Request('http://localhost/api/queues/billing/pause', {
      method: 'POST',
      headers: { authorization: 'Bearer t', 'x-holdfast-by': 'cli anna' },
    });
    assert.equal((await api.fetch(pause, '192.0.2.7')).status, 204);
    const { whoId, whoName, by, action, target, ip } = port.audited[0] ?? assert.fail('nothing was recorded');
    assert.deepEqual([whoId, whoName, by, action], ['tok_1', 'deploys', 'cli anna', 'queue.pause']);
    assert.deepEqual([target, ip], ['billing', '192.0.2.7']);
  });

  test('has nothing of what was refused, planned only, or looked at', async () => {
    await call('POST /api/queues/nobody/pause', TOKEN);
    port.clear = () => Promise.reject(new HoldfastError('destination_unknown', { detail: `'nobody'.` }));
    await call('POST /api/queues/nobody/clear', TOKEN);
    await call('POST /api/queues/billing/pause', tokenFor(['read']));
    await call('POST /api/replays', TOKEN, { filter: {}, dryRun: true });
    await call('GET /api/events', TOKEN);
    assert.deepEqual(port.audited, []);
  });

  test('has what was begun and then failed', async () => {
    port.clear = () => Promise.reject(new StoreError('unavailable', 'the disk is full'));
    assert.equal((await call('POST /api/queues/billing/clear', TOKEN)).status, 503);
    assert.deepEqual(
      port.audited.map(({ action, note }) => [action, note]),
      [['queue.clear', 'failed: store_unavailable']],
    );
  });

  test('is written before the answer: without it there is no success', async () => {
    port.audit.append = () => Promise.reject(new StoreError('unavailable', 'the disk is full'));
    assert.equal((await call('POST /api/queues/billing/pause', TOKEN)).code, 'store_unavailable');
  });
});

/** A port that has one endpoint, and does to it what it is asked. */
function endpointOf(id: string, tenant: string): AdminPort['endpoints'] {
  const kept = { id, tenant, filter: null, secrets: [], createdAt: 0, updatedAt: 0 } as unknown as EndpointView;
  const made = { endpoint: kept, secret: null, publicKey: null };
  return {
    list: async () => ({ rows: [kept], cursor: null }),
    get: async () => kept,
    create: async () => made,
    update: async () => kept,
    setState: async () => kept,
    rotate: async () => made,
    remove: async () => undefined,
    test: async () => NO_EVENT,
  };
}

describe('a token bound to a tenant', () => {
  let mine: string;
  let others: string;
  let acme: string;

  beforeEach(async () => {
    acme = tokenFor(['read', 'emit'], 'acme');
    others = await port.append({ tenant: 'globex', correlationId: 'shared' }, 'billing');
    mine = await port.append({ tenant: 'acme', correlationId: 'shared' }, 'billing');
    await port.append({ tenant: null, correlationId: 'shared' }, 'billing');
  });

  test('lists its own events and deliveries, whatever the filter says', async () => {
    for (const path of ['/api/events', '/api/deliveries']) {
      const rows = rowsOf(await call(`GET ${path}`, acme)) as { tenant: string }[];
      assert.deepEqual(
        rows.map(({ tenant }) => tenant),
        ['acme'],
        path,
      );
    }
    const found = async (query: string): Promise<number> => rowsOf(await call(`GET /api/${query}`, acme)).length;
    assert.equal(await found('events?tenant=globex'), 0);
    assert.equal(await found('events?tenant=acme'), 1);
    assert.equal(await found('events?correlationId=shared'), 1);
    assert.equal(await found('events?cursor=1&order=oldest'), 1);
    assert.equal(await found(`deliveries?eventId=${others}`), 0);
    assert.equal(await found(`deliveries?eventId=${mine}`), 1);
  });

  test('finds nothing of another by any route: not found, as if it were not there', async () => {
    /** What globex has, by the beginning of the routes that take its id. */
    const endpoint = `ep_${'1'.repeat(26)}`;
    const sent = await port.append({ tenant: 'globex' }, endpoint);
    const { rows } = await port.history.deliveries({ eventId: sent }, { limit: 1 });
    const delivery = rows[0]?.id ?? assert.fail('there is no delivery');
    Object.assign(port, { endpoints: endpointOf(endpoint, 'globex') });
    const foreign: Readonly<Record<string, string>> = {
      '/api/endpoints/': endpoint,
      '/api/events/': others,
      '/api/deliveries/': delivery,
    };
    const every = Object.keys(scopes).filter((scope) => scope !== 'admin') as Scope[];
    for (const { method, path } of allRoutes(() => api.document()).filter((route) => route.tenants === true)) {
      if (!path.includes('{')) continue;
      const [, id] = Object.entries(foreign).find(([start]) => path.startsWith(start)) ?? [];
      assert.ok(id !== undefined, `${path}: add something of another tenant to this test`);
      const target = `${method.toUpperCase()} ${path.replace(/\{\w+\}/, id).replace('{delivery}', delivery)}`;
      const { status, code } = await call(target, tokenFor(every, 'acme'), method === 'get' ? undefined : {});
      assert.deepEqual([status, code], [404, 'not_found'], target);
      assert.notEqual((await call(target, TOKEN)).status, 404, `${target}: it is there for others`);
    }
    assert.equal((await call(`GET /api/events/${mine}`, acme)).status, 200);
  });

  test('sees of an endpoint of its own what it was sent, with the scope of endpoints alone', async () => {
    const endpoint = `ep_${'2'.repeat(26)}`;
    Object.assign(port, { endpoints: endpointOf(endpoint, 'acme') });
    const customer = tokenFor(['endpoints'], 'acme');
    const eventId = await port.append({ tenant: 'acme' }, endpoint);
    // The endpoint was globex's before.
    await port.append({ tenant: 'globex' }, endpoint);
    const listed = rowsOf(await call(`GET /api/endpoints/${endpoint}/deliveries`, customer)) as Record<
      string,
      string
    >[];
    assert.deepEqual(
      listed.map((row) => row['eventId']),
      [eventId],
    );
    const path = `/api/endpoints/${endpoint}/deliveries/${listed[0]?.['id'] ?? ''}`;
    assert.equal((await call(`GET ${path}`, customer)).status, 200);
    assert.equal((await call(`POST ${path}/replay`, customer)).code, 'replay_open', 'it is still to be delivered');
    await port.settle(endpoint, dead);
    assert.equal((await call(`POST ${path}/replay`, customer)).status, 201);
    assert.equal((await call(`POST ${path}/replay`, customer)).code, 'replay_open', 'once, until it has ended');
    const [{ action, target } = assert.fail('nothing was recorded')] = port.audited;
    assert.deepEqual([action, target], ['delivery.replay', listed[0]?.['id']]);
  });

  test('sends nothing of another again, whoever asks its port', async () => {
    const { rows } = await port.history.deliveries({ eventId: others }, { limit: 1 });
    const foreign = rows[0]?.id ?? assert.fail('there is no delivery');
    await assert.rejects(tenantPort(port, 'acme').replayDelivery(foreign, 'ada'), { code: 'not_found' });
    assert.deepEqual(port.acted, []);
  });

  test('sees nothing of its other destinations with the scope of endpoints alone', async () => {
    const endpoint = `ep_${'2'.repeat(26)}`;
    Object.assign(port, { endpoints: endpointOf(endpoint, 'acme') });
    const customer = tokenFor(['endpoints'], 'acme');
    const { rows } = await port.history.deliveries({ eventId: mine }, { limit: 1 });
    const internal = rows[0]?.id ?? assert.fail('there is no delivery');
    for (const [method, end] of [
      ['GET', ''],
      ['POST', '/replay'],
    ])
      assert.equal(
        (await call(`${method} /api/endpoints/${endpoint}/deliveries/${internal}${end}`, customer)).code,
        'not_found',
      );
    for (const path of ['events', 'deliveries', `events/${mine}`, `deliveries/${internal}`, 'dead-letters'])
      assert.equal((await call(`GET /api/${path}`, customer)).code, 'forbidden', path);
  });

  test('is not told who paused the destination of its delivery', async () => {
    port.live = port.live.map((live) => ({ ...live, state: 'paused', pausedBy: 'anna' }));
    const { body } = await call(`GET /api/events/${mine}`, acme);
    assert.match(JSON.stringify(body), /paused by somebody/);
    assert.doesNotMatch(JSON.stringify(body), /anna/);
  });

  test('emits as its tenant, and as no other', async () => {
    const made = await call('POST /api/events', acme, { type: 'paid', data: 1, dedupeKey: 'k' });
    const { id } = made.body as { id: string };
    assert.equal((await port.history.event(id))?.event.tenant, 'acme');
    const refused = await call('POST /api/events', acme, { type: 'paid', data: 1, tenant: 'globex' });
    assert.deepEqual([refused.status, refused.code], [403, 'forbidden']);
    const many = [
      { type: 'a', data: 1 },
      { type: 'b', data: 1, tenant: 'globex' },
    ];
    assert.equal((await call('POST /api/events', acme, many)).code, 'forbidden');
    assert.equal(rowsOf(await call('GET /api/events?type=a', TOKEN)).length, 0, 'all or none');
    const key = { type: 'paid', data: 1, dedupeKey: 'k' };
    const other = await call('POST /api/events', tokenFor(['emit'], 'globex'), key);
    assert.equal((other.body as { duplicate: boolean }).duplicate, false, "a dedupe key is a tenant's own");
  });

  test('is not fooled by a store that gives more than it was asked for', async () => {
    const { history } = port;
    Object.assign(port, {
      history: {
        ...history,
        events: (_filter: unknown, page: never) => history.events({}, page),
        deliveries: (_filter: unknown, page: never) => history.deliveries({}, page),
      },
    });
    for (const path of ['/api/events', '/api/deliveries'])
      assert.equal(rowsOf(await call(`GET ${path}`, acme)).length, 1, path);
  });
});

describe('the live stream', () => {
  /** What a watcher with this token is told, and how its connection ends. */
  async function watching(token: string) {
    const listener = adminListener(api, { host: '127.0.0.1', port: 0, token: TOKEN });
    const { port: bound } = await listener.start();
    const socket = new WebSocket(`ws://127.0.0.1:${bound}/api/stream`, ['holdfast.stream'], {
      headers: { authorization: `Bearer ${token}` },
    });
    return { socket, [Symbol.asyncDispose]: () => listener.stop() };
  }

  const tell = (eventId: string, tenant: string | null): void => {
    const { observer } = port.hub;
    const event = port.newEvent({ id: eventId, tenant }, []).event;
    observer.accepted?.(event, 0);
  };

  test('is not for a token without the scope', async () => {
    await using watched = await watching(tokenFor(['emit']));
    const [, response] = (await once(watched.socket, 'unexpected-response')) as [unknown, { statusCode: number }];
    watched.socket.on('error', () => undefined);
    watched.socket.terminate();
    assert.equal(response.statusCode, 403);
  });

  test('tells a token bound to a tenant of its own events only, and ends when the token is revoked', async () => {
    const token = tokenFor(['read'], 'acme');
    await using watched = await watching(token);
    await once(watched.socket, 'open');
    for (const [id, tenant] of [
      ['evt_1', 'globex'],
      ['evt_2', 'acme'],
      ['evt_3', null],
    ] as const)
      tell(id, tenant);
    port.hub.observer.note?.('info', "not a tenant's to know");
    const told = once(watched.socket, 'message');
    clock.advance(100);
    const [data] = (await told) as [Buffer];
    const { occurrences } = JSON.parse(data.toString()) as { occurrences: { eventId: string }[] };
    assert.deepEqual(
      occurrences.map(({ eventId }) => eventId),
      ['evt_2'],
    );
    port.callers.delete(token);
    tell('evt_4', 'acme');
    const ended = once(watched.socket, 'close');
    clock.advance(100);
    const [code] = (await ended) as [number];
    assert.equal(code, 4401);
  });
});
