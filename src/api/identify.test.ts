/** The admin API behind a login of the application: who has no token is whom `identify` says, and may what it says. */
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { HoldfastError } from '../errors.ts';
import { MemoryRejections } from '../ingest/rejections.ts';
import { memoryStore } from '../store/memory.ts';
import { TestClock } from '../testing/clock.ts';
import { createAdminApi } from './admin.ts';
import type { Identity } from './caller.ts';
import { MemoryPort, TOKEN } from './fixtures/memory-port.ts';
import type { Identify } from './guard.ts';
import { mountable, type MountableAdmin } from './mountable.ts';

/** What the sessions of the application say, by the cookie. */
const people: Readonly<Record<string, Identity>> = {
  'session=acme': { name: 'ada of acme', tenant: 'acme' },
  'session=looker': { name: 'lou of acme', tenant: 'acme', scopes: ['read'] },
  'session=ops': { name: 'olga', tenant: null, scopes: ['admin'] },
  'session=guest': { name: 'gus', tenant: null },
};

let port: MemoryPort;
let failed: Error[];
let asked: string[];
let mount: (identify: Identify) => MountableAdmin;

beforeEach(async () => {
  const clock = new TestClock();
  const store = memoryStore({ clock });
  await store.work.open();
  port = new MemoryPort(store, clock, new MemoryRejections({ countMax: 100, bytesMax: 1e6, perS: 100, clock }));
  failed = [];
  asked = [];
  const api = createAdminApi(port, { clock, version: '1', failed: (error) => void failed.push(error) });
  mount = (identify) => mountable(api, { identify });
});

const bySession: Identify = async (request) => {
  asked.push(new URL(request.url).pathname);
  return people[request.headers.get('cookie') ?? ''] ?? null;
};

async function call(api: MountableAdmin, target: string, headers: Record<string, string>): Promise<[number, string]> {
  const [method = '', path = ''] = target.split(' ');
  const response = await api.fetch(new Request(`http://127.0.0.1${path}`, { method, headers }), '192.0.2.7');
  const text = await response.text();
  return [response.status, text];
}

const codeOf = ([status, text]: [number, string]): [number, unknown] => [
  status,
  (JSON.parse(text) as { code?: unknown }).code,
];

describe('whoever the application identifies', () => {
  test('sees and does what a token of that tenant would, and nothing of another', async () => {
    const api = mount(bySession);
    const mine = await port.append({ tenant: 'acme' }, 'billing');
    const others = await port.append({ tenant: 'globex' }, 'billing');
    const cookie = 'session=acme';
    const [status, text] = await call(api, 'GET /api/events', { cookie });
    assert.equal(status, 200);
    assert.deepEqual(
      (JSON.parse(text) as { rows: { id: string }[] }).rows.map(({ id }) => id),
      [mine],
    );
    assert.deepEqual(codeOf(await call(api, `GET /api/events/${others}`, { cookie })), [404, 'not_found']);
    assert.deepEqual(codeOf(await call(api, 'GET /api/queues/stats', { cookie })), [403, 'forbidden']);
    assert.equal((await call(api, 'GET /api/endpoints', { cookie }))[0], 200);
    assert.deepEqual(codeOf(await call(api, 'GET /api/endpoints', { cookie: 'session=looker' })), [403, 'forbidden']);
  });

  test('may for all tenants only what is said, and is in the audit log by name', async () => {
    const api = mount(bySession);
    assert.equal((await call(api, 'POST /api/queues/billing/pause', { cookie: 'session=ops' }))[0], 204);
    const { whoId, whoName, by, ip } = port.audited[0] ?? assert.fail('nothing was recorded');
    assert.deepEqual([whoId, whoName, by, ip], ['application', 'olga', 'olga', '192.0.2.7']);
    assert.deepEqual(codeOf(await call(api, 'GET /api/events', { cookie: 'session=guest' })), [403, 'forbidden']);
  });

  test('is asked for where there is no good token, and not on routes that are open', async () => {
    const api = mount(bySession);
    assert.equal((await call(api, 'GET /api/queues/stats', { authorization: `Bearer ${TOKEN}` }))[0], 200);
    assert.equal((await call(api, 'GET /ready', { cookie: 'session=acme' }))[0], 200);
    assert.deepEqual(asked, []);
    assert.deepEqual(codeOf(await call(api, 'GET /api/events', {})), [401, 'unauthorized']);
    assert.deepEqual(codeOf(await call(api, 'GET /api/events', { authorization: 'Bearer x' })), [401, 'unauthorized']);
    assert.deepEqual(asked, ['/api/events', '/api/events']);
  });

  test('changes nothing by a page of another site, whose browser sends the session along', async () => {
    const cross = { cookie: 'session=ops', 'sec-fetch-site': 'cross-site' };
    const pause = 'POST /api/queues/billing/pause';
    assert.deepEqual(codeOf(await call(mount(bySession), pause, cross)), [403, 'forbidden']);
    assert.deepEqual(port.acted, []);
  });

  test('is nobody without its tenant, and when asking fails', async () => {
    const pause = 'POST /api/queues/billing/pause';
    for (const wrong of [{ name: 'ada' }, { name: 'ada', tenant: '' }, { tenant: null, scopes: ['admin'] }]) {
      const api = mount(() => wrong as unknown as Identity);
      assert.deepEqual(codeOf(await call(api, 'GET /api/endpoints', {})), [500, 'internal']);
    }
    const unknown = { name: 'ada', tenant: null, scopes: ['root'] } as unknown as Identity;
    assert.deepEqual(
      codeOf(
        await call(
          mount(() => unknown),
          pause,
          {},
        ),
      ),
      [500, 'internal'],
    );
    assert.deepEqual(
      codeOf(
        await call(
          mount(() => Promise.reject(new Error('no session store'))),
          pause,
          {},
        ),
      ),
      [500, 'internal'],
    );
    assert.equal(failed.length, 5);
    const away = mount(() => Promise.reject(new HoldfastError('store_unavailable')));
    assert.deepEqual(codeOf(await call(away, pause, {})), [503, 'store_unavailable']);
    assert.deepEqual(port.acted, []);
  });
});
