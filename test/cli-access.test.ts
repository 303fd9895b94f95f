/** Tokens, the audit log and endpoints on the command line, against a real gateway process and its store. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import { linesOf, Place, type Program } from './cli-program.ts';
import { Inbox, until } from './sending-world.ts';

interface Entry {
  readonly seq: number;
  readonly action: string;
  readonly target: string;
  readonly whoId: string;
  readonly by: string;
  readonly ip: string;
  readonly hash: string;
}

describe('tokens, the audit log and endpoints', () => {
  const place = new Place();
  let gateway: Program;
  let adminUrl = '';

  const audit = (): Promise<readonly Entry[]> => place.json<Entry>('audit', '--limit', '1000');
  const ask = async (path: string, token: string, init: RequestInit = {}): Promise<number> => {
    const answer = await fetch(`${adminUrl}${path}`, { ...init, headers: { authorization: `Bearer ${token}` } });
    await answer.arrayBuffer();
    return answer.status;
  };

  before(async () => {
    await place.run('init');
    place.environment['ORDERS_SECRET'] = /ORDERS_SECRET=(\w+)/.exec(place.read('.env'))?.[1] ?? '';
    place.environment['HOLDFAST_EGRESS_ALLOW'] = '127.0.0.1';
    gateway = await place.start();
    [, adminUrl = ''] = await gateway.until(/admin API +(http:\/\/127\.0\.0\.1:\d+)/);
  });
  after(() => place[Symbol.asyncDispose]());

  test('a token is made, shown once, works for its scope, is listed and revoked', async () => {
    assert.match((await place.run('tokens')).stderr, /No API tokens/);
    const made = await place.run('tokens', 'create', 'dashboards', '--scope', 'read', '--expires', '90d');
    const [token = '', ...more] = linesOf(made.stdout);
    assert.match(token, /^hft_[0-9a-z]{26}_[\w-]{43}$/);
    assert.deepEqual(more, [], 'standard output has the token and nothing else');
    assert.match(made.stderr, /tok_\w+ is good for read until \d{4}-/);
    assert.deepEqual(
      [await ask('/api/events', token), await ask('/api/queues/billing/pause', token, { method: 'POST' })],
      [200, 403],
    );
    const listed = await place.run('tokens');
    assert.match(listed.stdout, /dashboards +read +- /);
    assert.ok(!listed.stdout.includes(token.slice(-43)));
    const [row] = await place.json<{ id: string }>('tokens');
    assert.match((await place.run('tokens', 'revoke', row?.id ?? '')).stdout, /dashboards is revoked/);
    assert.equal(await ask('/api/events', token), 401);
    assert.equal((await place.run('tokens', 'revoke', row?.id ?? '')).code, 1);
  });

  test('a command without the scope ends as unauthorized and says what it lacks', async () => {
    const [made] = await place.json<{ token: string }>('tokens', 'create', 'emitter', '--scope', 'emit');
    place.write('emit.token', made?.token ?? '');
    const { code, stderr } = await place.run('pause', 'billing', '--token-file', 'emit.token');
    assert.equal(code, 4);
    assert.match(stderr, /needs the scope admin; this token has emit\. \[forbidden\]/);
  });

  test('what cannot be meant is a wrong command line', async () => {
    for (const [args, why] of [
      [['create'], /create needs a name/],
      [['create', 'x'], /create needs --scope/],
      [['create', 'x', '--scope', 'red'], /Did you mean 'read'/],
      [['create', 'x', '--scope', 'read', '--expires', 'soon'], /--expires: expected/],
      [['revoke', 'x'], /no token's id/],
      [['remove', 'x'], /does not know 'remove'/],
    ] as const) {
      const { code, stderr } = await place.run('tokens', ...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, why);
    }
    const past = await place.run('tokens', 'create', 'x', '--scope', 'read', '--expires', '2020-01-01');
    assert.match(past.stderr, /in the past/);
  });

  test('the log says who did what, from where, and can be checked', async () => {
    await place.run('pause', 'billing');
    await place.run('resume', 'billing');
    const [resumed, paused] = await audit();
    assert.deepEqual([resumed?.action, paused?.action], ['queue.resume', 'queue.pause']);
    assert.deepEqual([paused?.target, paused?.whoId, paused?.ip], ['billing', 'admin', '127.0.0.1']);
    assert.match(paused?.by ?? '', /^cli \S+/);
    assert.match((await place.run('audit')).stdout, /WHO +FOR +FROM +ACTION[\s\S]*queue\.pause +billing/);
    const actions = (await audit()).map(({ action }) => action).toReversed();
    assert.deepEqual(actions.slice(0, 3), ['token.create', 'token.revoke', 'token.create']);
    const { code, stdout } = await place.run('audit', '--verify');
    assert.deepEqual([code, new RegExp(`unbroken.*${resumed?.hash}`).test(stdout)], [0, true], stdout);
    assert.equal((await place.run('audit', '--verify', '--contains', paused?.hash ?? '')).code, 0);
    assert.match((await place.run('audit', '--verify', '--contains', 'f00')).stdout, /no entry has the hash f00/);
    const logged = linesOf(gateway.stdout).map((line) => JSON.parse(line) as { msg: string; hash?: string });
    assert.ok(
      logged.some(({ msg, hash }) => msg === 'audit' && hash === paused?.hash),
      'the log has each hash too',
    );
  });

  test('an endpoint is made, tested, tells what it was sent, and is deleted', async () => {
    await using inbox = await Inbox.start(() => 500);
    const made = await place.run('endpoints', 'create', inbox.url, '--tenant', 'acme');
    assert.match(made.stdout, /^whsec_/);
    const id = /ep_\w+/.exec(made.stderr)?.[0] ?? '';
    assert.match((await place.run('endpoints', 'deliveries', id)).stderr, /owed nothing yet/);
    assert.match((await place.run('endpoints', 'test', id)).stdout, /is on its way/);
    await until(async () => {
      const [row] = await place.json<{ lastError: string | null }>('endpoints', 'deliveries', id);
      return typeof row?.lastError === 'string';
    });
    const told = await place.run('endpoints', 'deliveries', id);
    assert.match(told.stdout, /^RECEIVED +DELIVERY +TYPE +STATE +ATTEMPTS +LAST ERROR/);
    assert.match(told.stdout, /dlv_\w+ +endpoint\.test +\w+ +\d+ +status: the endpoint answered 500/);
    assert.equal((await place.run('endpoints', 'delete', id, '--yes')).code, 0);
    const gone = await place.run('endpoints', 'deliveries', id);
    assert.notEqual(gone.code, 0);
    assert.match(gone.stderr, /not_found/);
  });

  test('an entry that was changed in the store is found, also where no gateway runs', async () => {
    await gateway.signal('SIGTERM');
    assert.equal((await place.run('audit', '--verify')).code, 0);
    const db = new DatabaseSync(join(place.path, 'data', 'holdfast.db'));
    const changed = db
      .prepare(`UPDATE document SET value = replace(value, 'queue.pause', 'queue.clear') WHERE kind = 'audit'`)
      .run();
    db.close();
    assert.equal(changed.changes, 1);
    const { code, stdout } = await place.run('audit', '--verify');
    assert.equal(code, 1);
    assert.match(stdout, /Broken at entry 4: its content is not what its hash says: it was changed/);
    const [row] = linesOf((await place.run('audit', '--verify', '--json')).stdout);
    assert.equal((JSON.parse(row ?? '') as { fault: { seq: number } }).fault.seq, 4);
  });
});
