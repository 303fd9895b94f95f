/** What a shared store is, how it is set, and what its user may do: refused, or said wherever somebody looks. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { createGateway, defineConfig } from 'holdfast';
import { none } from 'holdfast/verify';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { nats, natsService } from '../scripts/services/nats.ts';
import { startPostgres } from '../scripts/services/postgres.ts';
import { redis, redisService } from '../scripts/services/redis.ts';
import { sqs, sqsService } from '../scripts/services/sqs.ts';
import { Place } from './cli-program.ts';
import { mongo, mongoHere } from './mongodb.ts';
import { postgres, postgresHere } from './postgres.ts';
import { brokerOf } from './queues-harness.ts';
import { testNeeding } from './require.ts';
import { lackingRights } from '../src/store/mongodb/rights.ts';

interface Finding {
  readonly check: string;
  readonly state: string;
  readonly text: string;
}

async function administer(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  for (const statement of statements) await client.query(statement);
  await client.end();
}

/** A database of its own, and a role that may do nothing in it. */
async function freshDatabase(url: string, name: string): Promise<{ readonly owner: string; readonly guest: string }> {
  await administer(url, `CREATE DATABASE ${name}`, `CREATE ROLE ${name}_guest LOGIN`);
  const owner = new URL(url);
  owner.pathname = `/${name}`;
  const guest = new URL(owner);
  guest.username = `${name}_guest`;
  return { owner: owner.href, guest: guest.href };
}

function config(store: string, allowWeakerDurability = false) {
  return defineConfig({ store, allowWeakerDurability, logLevel: 'silent', sources: { shop: { verify: none() } } });
}

/** A place with a config of this store. */
function placeAt(store: string, more = ''): Place {
  const place = new Place();
  const text = `export default { store: '${store}', ${more} sources: { shop: { verify: { kind: 'none' } } } };`;
  place.write('holdfast.config.mjs', text.replace("{ kind: 'none' }", 'none()'));
  const source = place.read('holdfast.config.mjs');
  place.write('holdfast.config.mjs', `import { none } from 'holdfast/verify';\n${source}`);
  return place;
}

async function doctor(place: Place): Promise<{ readonly code: number; readonly findings: readonly Finding[] }> {
  const { code, stdout } = await place.run('doctor', '--json');
  const findings = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Finding);
  return { code, findings };
}

/** What each open surface of a running gateway says of its store. */
async function surfaces(gateway: Pick<ReturnType<typeof createGateway>, 'adminToken' | 'admin'>) {
  const headers = { authorization: `Bearer ${gateway.adminToken}` };
  const ask = async (path: string, init?: RequestInit): Promise<Response> =>
    gateway.admin().fetch(new Request(`http://test${path}`, init));
  return {
    ready: (await (await ask('/ready', { headers })).json()) as Record<string, unknown>,
    open: (await (await ask('/ready')).json()) as Record<string, unknown>,
    health: (await (await ask('/health')).json()) as { readonly queues: Record<string, unknown> },
    metrics: await (await ask('/metrics', { headers })).text(),
  };
}

describe('a PostgreSQL that is looked at', () => {
  const here = postgresHere();

  testNeeding([postgres], 'says version, durability, rights and clock on /ready and by doctor', async () => {
    const { owner } = await freshDatabase(here().server.url, 'looked_at');
    await using gateway = createGateway(config(owner));
    await gateway.start();
    const { ready, open, health, metrics } = await surfaces(gateway);
    assert.match(String(ready['version']), /^1[3-9]\./);
    assert.deepEqual(
      [ready['driver'], ready['durability'], ready['weaker'], ready['lacking'], ready['clockAheadMs']],
      ['postgres', 'power-cut', [], [], 0],
    );
    assert.match(String(ready['ackMeaning']), /flushed/);
    assert.deepEqual(open, { ready: true });
    assert.equal('weakerDurability' in health.queues, false);
    assert.match(metrics, /^webhook_store_weaker_durability\{driver="postgres"\} 0$/m);
    await using place = placeAt(owner);
    const { findings } = await doctor(place);
    const said = (check: string): string[] => findings.filter((one) => one.check === check).map(({ state }) => state);
    assert.deepEqual(
      [said('store'), said('durability'), said('rights'), said('clock')],
      [['ok'], ['ok'], ['ok'], ['ok', 'ok']],
    );
  });

  testNeeding([postgres], 'has nothing made in it by doctor', async () => {
    const { owner } = await freshDatabase(here().server.url, 'untouched');
    await using place = placeAt(owner);
    const { findings } = await doctor(place);
    assert.match(findings.find(({ check }) => check === 'store')?.text ?? '', /made at first start/);
    const client = new Client({ connectionString: owner });
    await client.connect();
    const { rows } = await client.query("SELECT 1 FROM pg_namespace WHERE nspname = 'holdfast'");
    await client.end();
    assert.deepEqual(rows, []);
  });

  testNeeding([postgres], 'refuses a role that may not make its schema, and names the right', async () => {
    const { guest } = await freshDatabase(here().server.url, 'guarded');
    const right = /role guarded_guest lacks CREATE ON DATABASE guarded/;
    await assert.rejects(createGateway(config(guest)).start(), { code: 'store_forbidden', message: right });
    await using place = placeAt(guest);
    const { code, findings } = await doctor(place);
    assert.equal(code, 1);
    assert.match(findings.find(({ check, state }) => check === 'rights' && state === 'fail')?.text ?? '', right);
  });

  testNeeding([postgres], 'refuses a database that cannot hold every text', async () => {
    const { url } = here().server;
    await administer(url, "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    const latin = new URL('/latin', url).href;
    await assert.rejects(createGateway(config(latin)).start(), { code: 'config_invalid', message: /encoding LATIN1/ });
    await using place = placeAt(latin);
    const { code, findings } = await doctor(place);
    assert.equal(code, 1);
    assert.match(findings.find(({ state }) => state === 'fail')?.text ?? '', /encoding LATIN1/);
  });

  testNeeding([postgres], 'names each right that a role lacks on what another one made', async () => {
    const { owner, guest } = await freshDatabase(here().server.url, 'partly');
    const first = createGateway(config(owner));
    await first.start();
    await first.stop();
    await administer(
      owner,
      'GRANT USAGE, CREATE ON SCHEMA holdfast TO partly_guest',
      'GRANT SELECT ON ALL TABLES IN SCHEMA holdfast TO partly_guest',
    );
    await assert.rejects(createGateway(config(guest)).start(), (error: Error) => {
      assert.match(error.message, /lacks INSERT, UPDATE, DELETE ON holdfast\.delivery/);
      assert.match(error.message, /lacks the ownership of holdfast\.event\b/);
      assert.match(error.message, /lacks USAGE ON SEQUENCE holdfast\.position/);
      return true;
    });
  });

  testNeeding([postgres], 'is asked to flush each commit, whatever its own synchronous_commit', async () => {
    const { owner } = await freshDatabase(here().server.url, 'lazy');
    await administer(owner, 'ALTER DATABASE lazy SET synchronous_commit = off');
    await using gateway = createGateway(config(owner));
    await gateway.start();
    const { ready } = await surfaces(gateway);
    const { synchronous_commit: inForce, default_synchronous_commit: own } = ready['settings'] as Record<
      string,
      string
    >;
    assert.deepEqual([ready['durability'], inForce, own], ['power-cut', 'on', 'off']);
  });

  testNeeding([postgres], 'that is allowed to be weaker keeps its own setting, and everybody is told', async () => {
    const { owner } = await freshDatabase(here().server.url, 'weaker');
    await administer(owner, 'ALTER DATABASE weaker SET synchronous_commit = off');
    const told: string[] = [];
    await using gateway = createGateway(config(owner, true), {
      observer: { note: (level, text) => void (level === 'warn' && told.push(text)) },
    });
    await gateway.start();
    const { ready, open, health, metrics } = await surfaces(gateway);
    assert.deepEqual([ready['durability'], ready['weaker']], ['process-crash', ['synchronous_commit = off']]);
    assert.deepEqual(open, { ready: true, weakerDurability: true });
    assert.equal(health.queues['weakerDurability'], true);
    assert.match(metrics, /^webhook_store_weaker_durability\{driver="postgres"\} 1$/m);
    assert.deepEqual(told, ['the store may lose what is acknowledged']);
    await using place = placeAt(owner, 'allowWeakerDurability: true,');
    const { findings } = await doctor(place);
    const durability = findings.find(({ check }) => check === 'durability');
    assert.equal(durability?.state, 'warn');
    assert.match(durability.text, /synchronous_commit = off/);
    const started = await place.start();
    await started.until(/WEAKER +than promised: synchronous_commit = off/);
    await started.signal('SIGTERM');
  });

  testNeeding([postgres], 'takes no durability of an embedded store', async () => {
    const gateway = createGateway({ ...config(here().server.url), durability: 'normal' });
    await assert.rejects(gateway.start(), { code: 'config_invalid', message: /allowWeakerDurability/ });
  });
});

testNeeding([postgres], 'a PostgreSQL without fsync is refused by start and by doctor, by name', async (t) => {
  const server = await startPostgres(['fsync=off', 'full_page_writes=off']);
  t.after(() => server.remove());
  const weak = /fsync = off, full_page_writes = off/;
  await assert.rejects(createGateway(config(server.url)).start(), { code: 'store_not_durable', message: weak });
  await using place = placeAt(server.url);
  const { code, findings } = await doctor(place);
  assert.equal(code, 1);
  const durability = findings.find(({ check }) => check === 'durability');
  assert.equal(durability?.state, 'fail');
  assert.match(durability.text, weak);
});

describe('a MongoDB that is looked at', () => {
  const here = mongoHere();

  testNeeding([mongo], 'says version, durability and clock on /ready and by doctor', async () => {
    const url = `${here().server.url}/looked_at?journal=false`;
    await assert.rejects(createGateway(config(url)).start(), { code: 'store_not_durable' });
    await using gateway = createGateway(config(url, true));
    await gateway.start();
    const { ready, metrics } = await surfaces(gateway);
    assert.match(String(ready['version']), /^(mongodb|ferretdb) ./);
    assert.deepEqual([ready['durability'], ready['lacking'], ready['clockAheadMs']], ['process-crash', [], 0]);
    assert.equal((ready['weaker'] as readonly string[]).length, 1);
    assert.match(metrics, /^webhook_store_weaker_durability\{driver="mongodb"\} 1$/m);
    await using place = placeAt(url);
    const { code, findings } = await doctor(place);
    assert.equal(code, 1);
    assert.equal(findings.find(({ check }) => check === 'durability')?.state, 'fail');
    assert.equal(findings.find(({ check }) => check === 'rights')?.state, 'ok');
  });

  testNeeding([], 'names the rights that its user lacks, from what a MongoDB says of them', () => {
    const of = (collection: string, ...actions: readonly string[]) => ({
      resource: { db: 'hooks', collection },
      actions,
    });
    const all = ['find', 'insert', 'update', 'remove', 'createCollection', 'createIndex'];
    assert.deepEqual(lackingRights('hooks', [of('', ...all)]), []);
    assert.deepEqual(lackingRights('hooks', [{ resource: { anyResource: true }, actions: all }]), []);
    assert.deepEqual(lackingRights('hooks', null), []);
    assert.deepEqual(lackingRights('hooks', [of('', ...all.filter((action) => action !== 'createIndex'))]), [
      'the user lacks createIndex on database hooks',
    ]);
    assert.deepEqual(lackingRights('other', [of('', ...all)]).length, all.length);
    const log = [of('', ...all.filter((action) => action !== 'insert')), of('holdfast_log', 'insert')];
    assert.match(String(lackingRights('hooks', log)), /^the user lacks insert on hooks\.holdfast_(?!log,)/);
    return Promise.resolve();
  });
});

/** The queues, each with something of its report. */
const queues = [
  { kind: redis, start: (directory: string) => redisService(directory), says: /redis .*version=\d/ },
  { kind: nats, start: (directory: string) => natsService(directory), says: /nats .*version=\d/ },
  { kind: sqs, start: () => sqsService(), says: /sqs .*retentionS=/ },
] as const;

for (const { kind, start, says } of queues) {
  describe(`a queue on ${kind.name} that is looked at`, () => {
    const here = postgresHere();
    const broker = brokerOf(kind, start);

    testNeeding([postgres, kind], 'is told by doctor and on /ready', async () => {
      const { owner } = await freshDatabase(here().server.url, 'queued');
      const queue = broker.service.url;
      await using place = placeAt(owner, `queue: '${queue}',`);
      const { findings } = await doctor(place);
      const told = findings.filter(({ check }) => check === 'queue');
      assert.match(told[0]?.text ?? '', says);
      assert.deepEqual(
        findings.filter(({ check }) => check === 'rights').map(({ state }) => state),
        ['ok', 'ok'],
      );
      await using gateway = createGateway({ ...config(owner), queue });
      await gateway.start();
      const { ready } = await surfaces(gateway);
      const { state, driver } = ready['queue'] as Record<string, unknown>;
      assert.deepEqual([state, driver], ['operational', kind.name]);
    });

    testNeeding([postgres, kind], 'and is not there is a failure that says what follows', async () => {
      const { owner } = await freshDatabase(here().server.url, 'unqueued');
      const gone = new URL(broker.service.url);
      if (gone.protocol === 'sqs:') gone.searchParams.set('endpoint', 'http://127.0.0.1:1');
      else gone.port = '1';
      await using place = placeAt(owner, `queue: '${gone.href}',`);
      const { code, findings } = await doctor(place);
      assert.equal(code, 1);
      const told = findings.find(({ check }) => check === 'queue');
      assert.equal(told?.state, 'fail');
    });
  });
}

describe('a Redis whose user may not do all', () => {
  const here = postgresHere();
  const broker = brokerOf(redis, (directory) => redisService(directory));

  testNeeding([postgres, redis], 'is told by doctor, with the command that is missing', async () => {
    const { owner } = await freshDatabase(here().server.url, 'limited');
    const admin = new Redis(broker.service.url);
    await admin.call('ACL', 'SETUSER', 'guest', 'on', '>guest', '~*', '&*', '+@all', '-eval', '-evalsha');
    await admin.quit();
    const url = new URL(broker.service.url);
    url.username = 'guest';
    url.password = 'guest';
    await using place = placeAt(owner, `queue: '${url.href}',`);
    const { code, findings } = await doctor(place);
    assert.equal(code, 1);
    assert.match(findings.find(({ check }) => check === 'queue')?.text ?? '', /'eval(sha)?'/);
  });
});
