/** What processes on one shared store share of secrets, and what each keeps for itself. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { createGateway, defineConfig } from 'holdfast';
import { hmac } from 'holdfast/verify';
import { mongo, mongoHere } from './mongodb.ts';
import { postgres, postgresHere } from './postgres.ts';
import { type Need, testNeeding } from './require.ts';

function config(store: string, adminToken?: string) {
  return defineConfig({
    store,
    allowWeakerDurability: store.startsWith('mongodb:'),
    logLevel: 'silent',
    ...(adminToken !== undefined && { adminToken }),
    sources: { shop: { verify: hmac({ header: 'x-signature', secrets: 'test' }) } },
  });
}

type Admin = Pick<ReturnType<typeof createGateway>, 'admin' | 'adminToken'>;

interface Asked {
  readonly path?: string;
  readonly body?: object;
}

async function ask(gateway: Admin, token: string, { path = '/api/queues/info', body }: Asked = {}): Promise<Response> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const init = body === undefined ? { headers } : { headers, method: 'POST', body: JSON.stringify(body) };
  return gateway.admin().fetch(new Request(`http://test${path}`, init));
}

function secretsOf(need: Need, urlOf: (name: string) => Promise<string>): void {
  testNeeding([need], 'the first process makes the admin token of all, once, and nobody can read it back', async () => {
    const store = await urlOf('token');
    const gateways = [1, 2, 3].map(() => createGateway(config(store)));
    await Promise.all(gateways.map((gateway) => gateway.start()));
    const makers = gateways.filter((gateway) => gateway.adminTokenOrigin === 'made');
    assert.equal(makers.length, 1);
    const token = makers[0]?.adminToken ?? '';
    for (const gateway of gateways) assert.equal((await ask(gateway, token)).status, 200);
    for (const gateway of gateways) assert.equal((await ask(gateway, gateway.adminToken)).status, 200);
    const others = gateways.filter((gateway) => gateway.adminTokenOrigin === 'own');
    const [first, second] = others;
    assert.ok(first !== undefined && second !== undefined);
    assert.equal((await ask(second, first.adminToken)).status, 401, 'a token that is good in one process only');
    await Promise.all(gateways.map((gateway) => gateway.stop()));
    await using later = createGateway(config(store));
    await later.start();
    assert.equal((await ask(later, token)).status, 200, 'after a restart of all');
  });

  testNeeding([need], 'a token that is set is the only one', async () => {
    const store = await urlOf('given');
    await using made = createGateway(config(store));
    await made.start();
    await using given = createGateway(config(store, 'a-token-of-our-own'));
    await given.start();
    assert.equal((await ask(given, 'a-token-of-our-own')).status, 200);
    assert.equal((await ask(given, made.adminToken)).status, 401);
  });

  testNeeding([need], 'a secret that is to be sealed without a key is refused, with the way to make one', async () => {
    await using gateway = createGateway(config(await urlOf('sealing')));
    await gateway.start();
    const endpoint = { tenant: 'acme', url: 'https://crm.example.com/hooks' };
    const answer = await ask(gateway, gateway.adminToken, { path: '/api/endpoints', body: endpoint });
    const text = await answer.text();
    assert.match(text, /secret_missing/);
    assert.match(text, /HOLDFAST_ENCRYPTION_KEYS is not set.*openssl rand -base64 32/);
  });

  testNeeding([need], 'each process keeps the requests it refused, and says whose they are', async () => {
    const store = await urlOf('refusing');
    await using one = createGateway(config(store));
    await using other = createGateway(config(store));
    await Promise.all([one.start(), other.start()]);
    const refused = await one.fetch(new Request('http://test/in/shop', { method: 'POST', body: '{}' }));
    assert.equal(refused.status, 401);
    const listed = async (gateway: Admin): Promise<{ rows: unknown[]; process: string | null }> =>
      (await (await ask(gateway, gateway.adminToken, { path: '/api/rejections' })).json()) as never;
    assert.equal((await listed(one)).rows.length, 1);
    assert.equal((await listed(other)).rows.length, 0);
    assert.match((await listed(other)).process ?? '', new RegExp(`:${process.pid}$`));
  });
}

describe('secrets of gateways on one PostgreSQL', () => {
  const here = postgresHere();
  secretsOf(postgres, async (name) => `${here().server.url}?schema=${name}`);
});

describe('secrets of gateways on one MongoDB', () => {
  const here = mongoHere();
  secretsOf(mongo, async (name) => `${here().server.url}/${name}`);
});
