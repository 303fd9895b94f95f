/** The command line against a real gateway process. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually, linesOf, Place, type Program } from './cli-program.ts';

interface EventRow {
  readonly id: string;
  readonly type: string;
  readonly source: string;
  readonly owed: number;
}
interface DeliveryRow {
  readonly id: string;
  readonly eventId: string;
  readonly destination: string;
  readonly reason: string;
}
interface Stats {
  readonly gateway: { readonly url: string; readonly adminUrl: string } | null;
  readonly destinations: readonly { readonly name: string; readonly status: string; readonly size: number }[];
}

function ownGateway(): void {
  const place = new Place();
  let gateway: Program;
  let secret = '';

  const billing = async () => {
    const [stats] = await place.json<Stats>('status');
    return stats?.destinations.find(({ name }) => name === 'billing');
  };
  const deadLetters = (...filter: string[]) => place.json<DeliveryRow>('dead-letters', ...filter);

  before(async () => {
    assert.equal((await place.run('init')).code, 0);
    secret = /ORDERS_SECRET=(\w+)/.exec(place.read('.env'))?.[1] ?? '';
    place.environment['ORDERS_SECRET'] = secret;
    gateway = await place.start();
  });
  after(async () => {
    await place[Symbol.asyncDispose]();
  });

  test('init wrote what it says, and writes nothing twice', async () => {
    place.write('src/handlers.ts', `${place.read('src/handlers.ts')}// mine\n`);
    const { stdout } = await place.run('init');
    assert.match(stdout, /kept {2}src\/handlers\.ts \(it was there\)/);
    assert.match(place.read('src/handlers.ts'), /\/\/ mine\n$/);
    assert.equal(secret.length, 64);
    assert.equal(statSync(join(place.path, '.env')).mode & 0o777, 0o600);
  });

  test('start says on standard error what an acknowledgement means and where the token is; the log is JSON', () => {
    assert.match(gateway.stderr, /config +holdfast\.config\.ts/);
    assert.match(gateway.stderr, /orders +POST http:\/\/127\.0\.0\.1:\d+\/in\/orders {2}\(hmac\)/);
    assert.match(gateway.stderr, /a 2xx means +Written and flushed to this disk/);
    assert.match(gateway.stderr, /token in data\/holdfast\.db\.token/);
    const messages = linesOf(gateway.stdout).map((line) => (JSON.parse(line) as { msg: string }).msg);
    assert.ok(messages.includes('started'));
  });

  test('what tells others how to reach it is for its owner only', () => {
    for (const file of ['holdfast.db.json', 'holdfast.db.token']) {
      assert.equal(statSync(join(place.path, 'data', file)).mode & 0o777, 0o600, file);
    }
  });

  test('simulate sends requests that are accepted, each its own event, and reports', async () => {
    const [report] = await place.json<{ statuses: object; events: number; latencyMs: { p99: number } }>(
      'simulate',
      'orders',
      'order.paid',
      '--count',
      '20',
      '--concurrency',
      '4',
    );
    assert.deepEqual([report?.statuses, report?.events], [{ 200: 20 }, 20]);
    assert.ok((report?.latencyMs.p99 ?? 0) > 0);
    const human = await place.run('simulate', 'orders', 'order.seen', '--count', '3', '--duplicate', '2');
    assert.match(human.stdout, /9 sent to orders in .*\n {2}200 {2}9\n.*p50.*\n {2}became 3 events; the first: evt_/);
    assert.match(human.stderr, /show evt_/);
  });

  test('events lists what was accepted, by filter', async () => {
    const paid = await place.json<EventRow>('events', '--type', 'order.paid', '--limit', '1000');
    assert.deepEqual(new Set(paid.map(({ source }) => source)), new Set(['orders']));
    assert.equal(paid.length, 20);
    await eventually(async () => {
      const emitted = await place.json<EventRow>('events', '--source', 'emitted', '--limit', '1000');
      assert.equal(emitted.length, 23);
    });
    assert.deepEqual(await place.json('events', '--until', '1d'), []);
    const { stdout } = await place.run('events', '--type', 'order.paid', '-n', '2');
    const [head, ...rows] = linesOf(stdout);
    assert.match(head ?? '', /^RECEIVED +ID +SOURCE +TYPE +SIZE +OWED/);
    assert.equal(rows.length, 2);
    assert.ok(rows[0]?.includes(paid[0]?.id ?? '?'));
  });

  test('a payload goes byte for byte, and show gives it back so, with one timeline', async () => {
    const body = '{ "id":"mine-1",\n "type": "order.kept", "n": 1.50 }';
    place.write('payload.json', body);
    await place.json('simulate', 'orders', '--payload', 'payload.json', '--header', 'X-Mine: yes');
    const [event] = await place.json<EventRow>('events', '--type', 'order.kept');
    const id = event?.id ?? '';
    assert.equal((await place.run('show', id, '--body')).stdout, body);
    const [shown] = await eventually(async () => {
      const answer = await place.json<{ timeline: { kind: string }[]; deliveries: { id: string }[] }>('show', id);
      assert.ok(answer[0]?.timeline.some(({ kind }) => kind === 'succeeded'));
      return answer;
    });
    const human = (await place.run('show', id, '--headers')).stdout;
    assert.match(human, /dedupe key +mine-1/);
    assert.match(human, /accepted .*\n.*routed .*\n.*attempt .*attempt 1 at billing succeeded/);
    assert.match(human, /X-Mine: yes/i);
    const delivery = shown?.deliveries[0]?.id ?? '';
    assert.match((await place.run('show', delivery)).stdout, /order\.kept to billing: succeeded/);
    assert.match((await place.run('show', delivery)).stdout, /attempt 1 .*succeeded after/);
  });

  test('what is refused is listed with its reason, shown whole, and refused again while the secret is wrong', async () => {
    const [stats] = await place.json<Stats>('status');
    const answer = await fetch(`${stats?.gateway?.url}/in/orders`, {
      method: 'POST',
      headers: { 'x-signature': '00' },
      body: '{"id":"forged"}',
    });
    assert.equal(answer.status, 401);
    const [rejection] = await place.json<{ id: string; reason: string }>('rejections');
    assert.equal(rejection?.reason, 'signature_mismatch');
    assert.match((await place.run('rejections', '--source', 'orders')).stdout, /signature_mismatch/);
    assert.match(
      (await place.run('show', rejection?.id ?? '')).stdout,
      /answered +not_verified[\s\S]*\{"id":"forged"\}/,
    );
    const again = await place.run('rejections', rejection?.id ?? '', '--verify-again');
    assert.deepEqual([again.code, again.stdout], [1, '0 events accepted, 1 refused again.\n']);
  });

  test('a dead letter is listed, replayed by its id, and resolved with a note', async () => {
    place.write('rejected.json', '{"id":"r1","type":"order.bad","customer":""}');
    await place.json('simulate', 'orders', '--payload', 'rejected.json');
    const [dead] = await eventually(async () => {
      const rows = await deadLetters('--type', 'order.bad');
      assert.equal(rows.length, 1);
      return rows;
    });
    assert.equal(dead?.reason, 'rejected');
    assert.match((await place.run('dead-letters')).stdout, /order\.bad +1 +rejected +an order without a customer/);
    const replayed = await place.run('replay', dead?.id ?? '');
    assert.match(replayed.stdout, new RegExp(`^${dead?.id} → dlv_`));
    // The replay died too, and takes the place of what it repeats.
    const [again] = await eventually(async () => {
      const rows = await deadLetters('--type', 'order.bad');
      assert.deepEqual([rows.length, rows[0]?.id === dead?.id], [1, false]);
      return rows;
    });
    const resolved = await place.run('dead-letters', 'resolve', again?.id ?? '', '--note', 'a test');
    assert.deepEqual([resolved.code, resolved.stdout], [0, 'Resolved 1 dead letter of 1.\n']);
    assert.deepEqual(await deadLetters('--type', 'order.bad'), []);
    assert.equal((await deadLetters('--type', 'order.bad', '--resolved')).length, 2);
  });

  test('a paused destination keeps what it is owed; cleared, it can be replayed by filter', async () => {
    assert.match((await place.run('pause', 'billing')).stdout, /billing is paused/);
    await place.json('simulate', 'orders', 'order.held', '--count', '3');
    assert.deepEqual(await billing().then((row) => [row?.status, row?.size]), ['paused', 3]);
    assert.deepEqual((await place.run('clear', 'billing')).code, 2, 'nobody to ask');
    assert.deepEqual(await place.json('clear', 'billing', '--yes'), [{ destination: 'billing', cleared: 3 }]);
    assert.match((await place.run('resume', 'billing')).stdout, /billing goes on/);
    const filter = ['replay', '--destination', 'billing', '--reason', 'cleared'];
    const [plan] = await place.json<{ count: number }>(...filter, '--dry-run');
    assert.equal(plan?.count, 3);
    const unasked = await place.run(...filter);
    assert.deepEqual([unasked.code, /pass --yes/.test(unasked.stderr)], [2, true]);
    const done = await place.run(...filter, '--yes');
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /billing +3\n.*received from[\s\S]*rpl_\w+ done: made 3 deliveries\.\n/);
    assert.deepEqual(await place.json(...filter, '--yes').then(([last]) => (last as { count?: number }).count ?? 0), 0);
    const [listed] = await place.json<{ id: string; state: string; made: number }>('replay', '--list');
    assert.deepEqual([listed?.state, listed?.made], ['done', 3]);
    assert.match((await place.run('show', listed?.id ?? '')).stdout, /made +3 of 3 planned/);
  });

  test('a destination that does not exist is told with the ones that do', async () => {
    const { code, stderr } = await place.run('pause', 'biling');
    assert.equal(code, 1);
    assert.match(stderr, /'biling'\. Did you mean 'billing'\? There are: .*\[destination_unknown\]/);
  });

  test('what was refused is told with its reason and the way out, not only counted', async () => {
    place.environment['STRIPE_WEBHOOK_SECRET'] = 'whsec_test';
    const { code, stdout, stderr } = await place.run('simulate', 'stripe', 'invoice.paid');
    assert.equal(code, 1);
    assert.match(stdout, /404 {2}1/);
    assert.match(stderr, /^404: No source has this path\..*\[source_not_found\].*add the source to the config/m);
  });

  test('a token that is not taken is told with where it was found; what cannot be an option is exit code 2', async () => {
    const wrong = place.write('other.token', 'hf_wrong\n');
    for (const command of [['status'], ['events', '--follow']]) {
      assert.match((await place.run(...command, '--token-file', wrong)).stderr, /not take the one of .*other\.token; /);
    }
    assert.equal((await place.run('status', '--token-file', 'no-such.token')).code, 2);
    assert.equal((await place.run('status', '--url', 'localhost')).code, 2);
    const [, url = ''] = /orders +POST (http:\/\/\S+)/.exec(gateway.stderr) ?? [];
    const ingest = await place.run('status', '--url', url);
    assert.equal(ingest.code, 3);
    assert.match(ingest.stderr, /but not its admin API: `holdfast start` prints where that is/);
    assert.match((await place.run('tokens', 'lst')).stderr, /There are: .*revoke/);
    assert.match((await place.run('dead-letters', '--reason', 'tired')).stderr, /There are: .*exhausted/);
  });

  test('a wrong token is exit code 4, an address where nobody is 3, another server no gateway', async () => {
    const wrong = place.write('wrong.token', 'hf_wrong\n');
    assert.equal((await place.run('events', '--token-file', wrong)).code, 4);
    assert.equal((await place.run('events', '--follow', '--token-file', wrong)).code, 4);
    const other = createServer((_request, response) => response.end('<html>')).listen(0, '127.0.0.1');
    await once(other, 'listening');
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const noGateway = await place.run('events', '--url', url, '--json');
    await new Promise((resolve) => other.close(resolve));
    assert.equal(noGateway.code, 3, noGateway.stderr);
    const nobody = await place.run('events', '--url', url, '--json');
    assert.deepEqual([nobody.code, nobody.stdout], [3, '']);
    assert.equal((JSON.parse(nobody.stderr) as { error: { code: string } }).error.code, 'gateway_unreachable');
  });

  test('follow shows what happens as it happens, until Ctrl-C', async () => {
    const [human, json] = [place.spawn('events', '--follow'), place.spawn('events', '--follow', '--json')];
    await Promise.all([human.until(/Following/), json.until(/Following/)]);
    await place.json('simulate', 'orders', 'order.followed');
    await human.until(/accepted +order\.followed from orders[\s\S]*succeeded +order\.followed at billing, attempt 1/);
    await json.until(/"kind":"attempt"/);
    assert.ok(linesOf(json.stdout).every((line) => 'kind' in (JSON.parse(line) as object)));
    assert.deepEqual(await Promise.all([human.signal('SIGINT'), json.signal('SIGINT')]), [0, 0]);
  });

  test('a pipe that is closed is no error', async () => {
    const program = place.spawn('events', '--json', '--limit', '1000');
    program.child.stdout?.destroy();
    assert.equal(await program.exit, 0, program.stderr);
  });

  test('doctor finds everything in order, and says so in lines or JSON', async () => {
    const findings = await place.json<{ check: string; state: string; text: string }>('doctor');
    assert.deepEqual(
      findings.filter(({ state }) => state !== 'ok'),
      [],
    );
    const checks = new Set(findings.map(({ check }) => check));
    for (const check of ['runtime', 'clock', 'config', 'source', 'store', 'durability', 'disk', 'port'])
      assert.ok(checks.has(check), check);
    assert.match((await place.run('doctor')).stdout, /ok +durability +Written and flushed/);
  });

  test('a second gateway on the same store is refused and says why', async () => {
    const second = place.spawn('start', '--port', '0');
    assert.equal(await second.exit, 1);
    assert.match(second.stderr, /Another process owns this database file\..*\[store_owned\]\n {2}Stop it first/);
  });

  test('a backup made under load holds what was acknowledged before it, and can be restored', async () => {
    const load = place.run('simulate', 'orders', 'order.load', '--count', '500', '--concurrency', '2', '--json');
    await eventually(async () =>
      assert.notDeepEqual(await place.json('events', '--type', 'order.load', '-n', '1'), []),
    );
    const [made] = await place.json<{ file: string; bytes: number }>('backup', 'copy.db');
    assert.ok((made?.bytes ?? 0) > 0);
    assert.equal(statSync(join(place.path, 'copy.db')).mode & 0o777, 0o600);
    assert.equal((JSON.parse((await load).stdout) as { statuses: Record<string, number> }).statuses['200'], 500);
    const twice = await place.run('backup', 'copy.db');
    assert.deepEqual([twice.code, /never replaces a file/.test(twice.stderr)], [1, true]);
    assert.equal((await place.run('backup', 'backups/monday.db')).code, 0, 'a folder that is not there is made');
    const nowhere = await place.run('backup', '/dev/null/copy.db');
    assert.deepEqual([nowhere.code, /store_corrupt/.test(nowhere.stderr)], [1, false]);
    assert.equal((await place.run('restore', 'copy.db', '--yes')).code, 1, 'the gateway runs');

    await using other = new Place();
    other.write('holdfast.config.ts', 'export default { sources: {} };');
    await other.folder('data');
    const copy = join(place.path, 'copy.db');
    assert.deepEqual(await other.json('restore', copy, '--yes'), [
      { store: join(other.path, 'data/holdfast.db'), from: copy, before: null },
    ]);
    assert.equal((await other.json('events', '--type', 'order.paid', '-n', '1000')).length, 20);
    const again = await other.json<{ before: string }>('restore', copy, '--yes');
    assert.ok(existsSync(again[0]?.before ?? ''));
    other.write('junk.db', 'no database');
    const junk = await other.run('restore', 'junk.db', '--yes');
    assert.deepEqual([junk.code, /\[store_corrupt\]/.test(junk.stderr)], [1, true]);
    assert.deepEqual(
      readdirSync(join(other.path, 'data')).filter((name) => name.includes('restoring')),
      [],
    );
    assert.equal((await other.json('events', '--type', 'order.paid', '-n', '1000')).length, 20);
  });

  test('salvage exports the events of a file without opening it as a store', async () => {
    const { code, stdout, stderr } = await place.run('salvage', 'copy.db');
    assert.equal(code, 0, stderr);
    const lines = linesOf(stdout).map((line) => JSON.parse(line) as { type: string; body: string });
    assert.equal(lines.filter(({ type }) => type === 'order.paid').length, 20);
    const kept = lines.find(({ type }) => type === 'order.kept');
    assert.equal(Buffer.from(kept?.body ?? '', 'base64').toString(), place.read('payload.json'));
    const junk = place.write('junk.db', 'no database at all'.repeat(1000));
    assert.deepEqual([(await place.run('salvage', junk)).code, (await place.run('salvage', 'gone.db')).code], [1, 1]);
  });

  test('SIGTERM stops it gracefully; reading goes on without it, changing does not', async () => {
    assert.equal(await gateway.signal('SIGTERM'), 0, gateway.stderr);
    assert.match(gateway.stderr, /Stopping/);
    assert.ok(!existsSync(join(place.path, 'data/holdfast.db.json')));
    const offline = await place.run('events', '--type', 'order.paid', '--limit', '1000', '--json');
    assert.equal(linesOf(offline.stdout).length, 20);
    assert.match(offline.stderr, /No gateway runs here: reading .*holdfast\.db itself/);
    assert.match((await place.run('rejections')).stdout, /signature_mismatch/);
    for (const args of [
      ['pause', 'billing'],
      ['replay', '--dead'],
      ['events', '--follow'],
    ]) {
      assert.equal((await place.run(...args)).code, 3, args.join(' '));
    }
    const [stats] = await place.json<Stats>('status');
    assert.equal(stats?.gateway, null);
  });

  test('a killed gateway leaves no gateway behind: the next command reads the store, the next start has it all', async () => {
    const killed = await place.start();
    assert.equal(await killed.signal('SIGKILL'), null);
    assert.ok(existsSync(join(place.path, 'data/holdfast.db.json')));
    assert.equal((await place.json('events', '--type', 'order.paid', '--limit', '1000')).length, 20);
    gateway = await place.start();
    assert.equal((await place.json('events', '--type', 'order.paid', '--limit', '1000')).length, 20);
    assert.equal(await gateway.signal('SIGINT'), 0);
  });

  test('secrets were never said', () => {
    const token = place.read('data/holdfast.db.token').trim();
    const said = place.said();
    assert.ok(said.length > 1000);
    assert.ok(!said.includes(secret) && !said.includes(token));
  });
}

function unfitConfig(): void {
  const config = (sources: string, more = '') => `import { defineConfig, secret } from 'holdfast';
import { hmac, none, twilio } from 'holdfast/verify';
export default defineConfig({ sources: { ${sources} }, ${more} });`;
  const orders = "orders: { verify: hmac({ header: 'x-signature', secrets: secret('ORDERS_SECRET') }) }";

  const cases: [string, string, RegExp, string][] = [
    ['a secret that is missing', config(orders), /ORDERS_SECRET is not set .*\[secret_missing\]/, 'secret_missing'],
    [
      'a setting that does not exist',
      config('', 'prot: 1'),
      /'prot'\. Did you mean 'port'\?.*\[config_unknown_setting\]/,
      'config_unknown_setting',
    ],
    [
      'a file that does not parse',
      'export default {',
      /holdfast\.config\.ts could not be loaded.*\[config_invalid\]/s,
      'config_invalid',
    ],
    [
      'handlers that are not there',
      config('', "handlers: './gone.ts'"),
      /gone\.ts could not be loaded/,
      'config_invalid',
    ],
    [
      'a port that is no port',
      config('', "port: 'many'"),
      /port \(HOLDFAST_PORT\): expected integer from 0, got 'many'/,
      'config_invalid',
    ],
    [
      'a public URL that is none',
      config('', "publicUrl: 'hooks.example.com'"),
      /publicUrl \(HOLDFAST_PUBLIC_URL\): expected url, got 'hooks.example.com'/,
      'config_invalid',
    ],
  ];
  for (const [what, text, message, code] of cases) {
    test(`${what}: start names it and exits with 1, doctor finds it`, async () => {
      await using place = new Place();
      place.write('holdfast.config.ts', text);
      const started = await place.run('start');
      assert.equal(started.code, 1);
      assert.match(started.stderr, message);
      const { code: exit, stdout } = await place.run('doctor', '--json');
      const findings = linesOf(stdout).map((line) => JSON.parse(line) as { state: string; text: string });
      assert.equal(exit, 1);
      assert.ok(
        findings.some(({ state, text }) => state === 'fail' && (text.includes(code) || text.includes('gone.ts'))),
        stdout,
      );
    });
  }

  test('a public URL that stands in the config alone is that of doctor and simulate, as it is of start', async () => {
    await using place = new Place();
    place.environment['TWILIO_AUTH_TOKEN'] = 'token';
    place.write('holdfast.config.ts', config('texts: twilio()', "publicUrl: 'https://hooks.example.com'"));
    assert.match((await place.run('doctor')).stdout, /^ok +source +texts: POST \/in\/texts, twilio/m);
    await place.start();
    const sent = await place.run('simulate', 'texts');
    assert.equal(sent.code, 0, sent.stderr);
    // By the provider's name, and so with the URL of the setting, not of this machine: the source is at another path.
    assert.match((await place.run('simulate', 'twilio')).stderr, /404: No source has this path/);
  });

  test('doctor warns of what is allowed and unwise', async () => {
    await using place = new Place();
    place.write('holdfast.config.ts', config('open: { verify: none() }', "store: 'memory:'"));
    place.environment['HOLDFAST_LOG_LEVL'] = 'debug';
    const { code, stdout } = await place.run('doctor');
    assert.equal(code, 0);
    assert.match(stdout, /warn +variables +HOLDFAST_LOG_LEVL is no setting, and is not read\s.*HOLDFAST_LOG_LEVEL/);
    assert.match(stdout, /warn +source +open: POST \/in\/open, none: anybody may send/);
    assert.match(stdout, /warn +durability +in memory/);
  });
}

function stopping(): void {
  test('a second signal ends it at once, and what was running is attempted again', async () => {
    await using place = new Place();
    place.write(
      'holdfast.config.mjs',
      `import { none } from 'holdfast/verify';
     export default { sources: { open: { verify: none() } }, handlers: './handlers.mjs' };`,
    );
    const handlers = (code: string) =>
      place.write('handlers.mjs', `export default (gateway) => gateway.handle('h', { from: 'open' }, ${code});`);
    handlers("() => { process.stderr.write('begun\\n'); return new Promise(() => undefined); }");
    const gateway = await place.start();
    await place.json('simulate', 'open');
    await gateway.until(/begun/);
    gateway.child.kill('SIGTERM');
    await gateway.until(/Stopping/);
    assert.equal(await gateway.signal('SIGINT'), 130);
    handlers("(event, { attempt }) => void process.stderr.write('again ' + event.id + '\\n')");
    const [event] = await place.json<EventRow>('events');
    const next = await place.start();
    assert.equal((await next.until(/again (evt_\w+)/))[1], event?.id);
    assert.equal(await next.signal('SIGTERM'), 0);
  });
}

function playground(): void {
  test('shows an acceptance, a retry and a dead letter to whoever pastes the line it prints', async () => {
    await using place = new Place();
    const gateway = await place.start();
    assert.match(gateway.stdout, /playground: no holdfast\.config\.ts here/);
    assert.match(gateway.stdout, /demo +POST http:.*\/in\/demo {2}\(hmac\)/);
    assert.match(gateway.stdout, /a 2xx means +Written and flushed/);
    const [, line = ''] = await gateway.until(/(simulate demo --count 50)/);
    const { code, stdout } = await place.run(...line.split(' '));
    assert.equal(code, 0);
    assert.match(stdout, /50 sent to demo/);
    await gateway.until(/accepted +order\.created from demo/);
    await gateway.until(/failed .*attempt 1.*one in ten fails/);
    await gateway.until(/succeeded .*attempt 2/);
    await gateway.until(/dead +demo\.poison from demo at demo-handler: exhausted/);
    await eventually(async () => assert.equal((await place.json('dead-letters')).length, 2));
    assert.match((await place.run('status')).stdout, /demo-handler +running +none +0 +48/);

    assert.equal(await gateway.signal('SIGINT'), 0);
    const again = await place.start();
    assert.equal((await place.json<{ statuses: object }>('simulate', 'demo'))[0]?.statuses !== undefined, true);
    assert.equal((await place.json('dead-letters')).length, 2);
    const said = place.said();
    for (const file of ['playground.db.token', 'playground.db.demo-secret']) {
      assert.ok(!said.includes(place.read(`data/${file}`).trim()), file);
    }
    assert.equal(await again.signal('SIGTERM'), 0);
  });
}

/** Each has a gateway and a folder of its own, so they run beside each other. */
describe('the command line', { concurrency: 4 }, () => {
  describe('a gateway of one’s own', { concurrency: 1 }, ownGateway);
  describe('a config that does not fit', { concurrency: 1 }, unfitConfig);
  describe('stopping', { concurrency: 1 }, stopping);
  describe('the playground', { concurrency: 1 }, playground);
});
