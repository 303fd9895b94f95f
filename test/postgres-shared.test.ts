import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { Client, Pool } from 'pg';
import { LEASE_MS, settlement } from '../src/testing/conformance/build.ts';
import { plain } from '../src/testing/conformance/plain.ts';
import { bodyText, first, World } from '../src/testing/conformance/world.ts';
import type { PostgresOptions, PostgresStore } from '../src/store/postgres/index.ts';
import type { Claim, NewEvent, Store } from '../src/store/store.ts';
import { postgres, postgresHere, type PostgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

/** A world, and beside it another gateway on the same schema. */
class Two {
  readonly world: World;
  readonly other: PostgresStore;

  private constructor(world: World, other: PostgresStore) {
    this.world = world;
    this.other = other;
  }

  static async open({ worlds }: PostgresHere, more: Partial<PostgresOptions> = {}): Promise<Two> {
    const world = await World.open(await worlds.harness(more));
    const other = worlds.store(world.harness.clock, { process: 'other', ...more });
    await other.work.open();
    return new Two(world, other);
  }

  get stores(): readonly [Store, Store] {
    return [this.world.store, this.other];
  }

  claim(store: Store, slots: number): Promise<readonly Claim[]> {
    const wants = [{ destination: 'till', slots, bytesMax: Number.MAX_SAFE_INTEGER }];
    return store.work.claim({ now: this.world.now, leaseMs: LEASE_MS, wants }).then(({ claims }) => claims);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.other.work.close();
    await this.world.harness.dispose();
  }
}

/** A transaction of an application's own. */
async function transaction(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query('BEGIN');
  return client;
}

const here = postgresHere();

describe('two gateways on one PostgreSQL', () => {
  testNeeding([postgres], 'accept each dedupe key once, though both bring all keys at once', async () => {
    await using two = await Two.open(here());
    const { build } = two.world;
    for (let round = 0; round < 8; round++) {
      const keys = Array.from({ length: 40 }, (_, index) => `${round} ${index}`);
      const batches = [keys, keys.toReversed()].map((names) =>
        build.batch({
          appends: names.map((dedupeKey) => ({ events: [build.event({ dedupeKey, text: 'same' }, 'till')] })),
        }),
      );
      await Promise.all(batches.map((batch, index) => two.stores[index % 2 === 0 ? 0 : 1].work.commit(batch)));
    }
    const { sources } = await two.world.store.history.counts();
    assert.deepEqual(sources, [{ source: 'shop', accepted: 320, duplicates: 320, differing: 0 }]);
    assert.equal((await two.world.deliveries()).length, 320);
  });

  for (const [kind, accepted] of [
    ['dedupeKey', 41],
    ['orderKey', 82],
  ] as const) {
    testNeeding([postgres], `never wait for each other in a circle, whatever the order of each ${kind}`, async () => {
      const { worlds, server } = here();
      await using two = await Two.open(here());
      const { build } = two.world;
      const keys = Array.from({ length: 41 }, (_, index) => `key ${index}`);
      const tx = await transaction(server.url);
      await two.world.store.appendIn?.(tx, { events: [build.event({ [kind]: 'key 20' }, 'till')] });
      // Both have what comes before the middle one in their own order, and wait for that one.
      const commits = [keys, keys.toReversed()].map((names, index) => {
        const appends = names.map((name) => ({ events: [build.event({ [kind]: name }, 'till')] }));
        return two.stores[index === 0 ? 0 : 1].work.commit(build.batch({ appends }));
      });
      const waiting = 'SELECT count(DISTINCT pid)::integer AS count FROM pg_locks WHERE NOT granted';
      while ((await worlds.query(waiting))[0]?.['count'] !== 2);
      await tx.query('ROLLBACK');
      await tx.end();
      const answers = (await Promise.all(commits)).flatMap(({ appends }) => appends);
      const statuses = answers.flatMap((answer) => ('events' in answer ? answer.events.map((one) => one.status) : []));
      assert.equal(statuses.filter((one) => one === 'committed').length, accepted);
    });
  }

  testNeeding([postgres], 'keep every order key in the order of commits, one delivery at a time', async () => {
    await using two = await Two.open(here());
    const { build } = two.world;
    const keyed = (orderKey: string): { readonly events: readonly NewEvent[] } => ({
      events: [build.event({ orderKey }, 'till')],
    });
    const rounds = async (store: Store, keys: readonly string[]): Promise<void> => {
      for (let round = 0; round < 12; round++) {
        await store.work.commit(build.batch({ appends: [...keys, ...keys].map(keyed) }));
        const settlements = (await two.claim(store, 3)).map((claim) => settlement(claim, build.succeeded()));
        await store.work.commit(build.batch({ settlements }));
      }
    };
    const keys = ['a', 'b', 'c', 'd', 'e'];
    await Promise.all([rounds(two.stores[0], keys), rounds(two.stores[1], keys.toReversed())]);

    for (const key of keys) {
      const rows = (await two.world.deliveries()).filter((row) => row.orderKey === key);
      const open = rows.filter((row) => row.endedAt === null).map((row) => row.state);
      assert.deepEqual(
        open,
        open.map((_, index) => (index === 0 ? 'ready' : 'blocked')),
        `of key ${key}`,
      );
      const ended = rows.findLastIndex((row) => row.endedAt !== null);
      assert.ok(
        rows.slice(0, ended).every((row) => row.endedAt !== null),
        `key ${key} went on before an earlier one`,
      );
    }
    let seen = 0;
    for (let claims = await two.claim(two.other, 100); claims.length > 0; claims = await two.claim(two.other, 100)) {
      assert.equal(new Set(claims.map((claim) => claim.orderKey)).size, claims.length, 'one at a time of each key');
      await two.other.work.commit(
        build.batch({ settlements: claims.map((one) => settlement(one, build.succeeded())) }),
      );
      seen += claims.length;
    }
    assert.ok(seen > 0);
    assert.ok(
      (await two.world.deliveries()).every((row) => row.state === 'succeeded'),
      'no key was left blocked',
    );
  });

  testNeeding([postgres], 'claim each delivery once between them', async () => {
    await using two = await Two.open(here());
    const { build } = two.world;
    const events = Array.from({ length: 300 }, () => build.event({}, 'till'));
    await two.world.commit({ appends: [{ events }] });
    const claimed: string[] = [];
    const work = async (store: Store): Promise<void> => {
      for (let empty = 0; empty < 5;) {
        const claims = await two.claim(store, 7);
        empty = claims.length === 0 ? empty + 1 : 0;
        claimed.push(...claims.map((claim) => claim.deliveryId));
      }
    };
    await Promise.all(two.stores.map(work));
    assert.equal(new Set(claimed).size, claimed.length);
    assert.equal(claimed.length, 300);
  });

  testNeeding([postgres], 'take over from one that died when its lease ends, and fence it off', async () => {
    await using two = await Two.open(here());
    await two.world.accept({}, 'till');
    const old = await two.world.claimOne('till');
    await two.world.start(old);
    assert.deepEqual(await two.claim(two.other, 1), []);
    await two.world.advance(LEASE_MS);
    const current = first(await two.claim(two.other, 1));
    assert.ok(current.claim > old.claim);
    assert.deepEqual(await two.world.store.work.renew([old], LEASE_MS), [old]);
    assert.equal((await two.world.settle(old, two.world.build.succeeded())).status, 'refused');
    const settlements = [settlement(current, two.world.build.succeeded())];
    const { settlements: settled } = await two.other.work.commit(two.world.build.batch({ settlements }));
    assert.equal(first(settled).status, 'committed');
  });

  testNeeding([postgres], 'end only their own claims when they close', async () => {
    await using two = await Two.open(here());
    await two.world.accept({}, 'till');
    await two.world.accept({}, 'till');
    const mine = await two.world.claimOne('till');
    const [its] = await two.claim(two.other, 1);
    await two.other.work.close();
    assert.equal(await two.world.state(mine.deliveryId), 'claimed');
    assert.equal(await two.world.state(its?.deliveryId ?? ''), 'ready');
  });

  testNeeding([postgres], 'hear from each other what is ready and what was written', async () => {
    const { server } = here();
    await using two = await Two.open(here(), { listenUrl: server.url });
    const ready = new Promise((resolve) => two.other.work.onReady?.(resolve));
    await two.world.accept({}, 'till');
    assert.deepEqual(await ready, ['till']);
    const written = new Promise<void>((resolve) => two.other.registry.watch('note', resolve));
    await two.other.quiet();
    await two.world.store.registry.put({ kind: 'note', key: 'a', value: 1, ifVersion: 0 });
    await written;
  });

  testNeeding([postgres], 'hear of documents by looking, where nobody can listen', async () => {
    await using two = await Two.open(here());
    let heard = 0;
    two.other.registry.watch('note', () => heard++);
    await two.other.quiet();
    await two.world.commit({ documents: [{ kind: 'note', key: 'a', value: 1, ifVersion: 0 }] });
    await two.world.advance(5_000);
    await two.other.quiet();
    assert.ok(heard > 0);
  });

  testNeeding([postgres], 'leave nothing in a session when nothing is under way', async () => {
    await using two = await Two.open(here());
    await two.world.accept({ orderKey: 'k', dedupeKey: 'd' }, 'till');
    await two.world.finish('till', two.world.build.succeeded());
    const { worlds } = here();
    assert.deepEqual(await worlds.query(`SELECT objid FROM pg_locks WHERE locktype = 'advisory'`), []);
    const busy = `SELECT state FROM pg_stat_activity WHERE application_name = 'holdfast' AND state <> 'idle'`;
    assert.deepEqual(await worlds.query(busy), []);
  });
});

describe('a transaction of the caller’s own', () => {
  testNeeding([postgres], 'brings an event when it commits, and nothing when it does not', async () => {
    const { worlds, server } = here();
    const world = await World.open(await worlds.harness());
    await worlds.query('CREATE TABLE IF NOT EXISTS invoice (id text)');
    for (const end of ['ROLLBACK', 'COMMIT']) {
      const tx = await transaction(server.url);
      await tx.query(`INSERT INTO holdfast_test.invoice VALUES ($1)`, [end]);
      const event = world.build.event({ dedupeKey: 'k', orderKey: 'o' }, { destination: 'till', handOff: 'start' });
      const answer = await world.store.appendIn?.(tx, { events: [event] });
      assert.deepEqual(answer, {
        status: 'committed',
        events: [{ status: 'committed', eventId: event.event.id, claims: [null] }],
      });
      assert.deepEqual(await world.states('till'), [], 'nothing is there before it ends');
      await tx.query(end);
      await tx.end();
    }
    assert.deepEqual(await world.states('till'), ['ready']);
    assert.deepEqual(await worlds.query('SELECT id FROM invoice'), [{ id: 'COMMIT' }]);
    const again = first(await world.append(world.build.event({ dedupeKey: 'k' }, 'till')));
    assert.equal(again.status, 'duplicate');
    await world.harness.dispose();
  });

  testNeeding([postgres], 'settles a delivery with what its handler wrote', async () => {
    const { worlds, server } = here();
    const world = await World.open(await worlds.harness());
    await world.accept({}, 'till');
    const claim = await world.claimOne('till');
    for (const [end, state] of [
      ['ROLLBACK', 'claimed'],
      ['COMMIT', 'succeeded'],
    ] as const) {
      const tx = await transaction(server.url);
      const emits = [world.build.event({ source: 'emitted' }, 'printer')];
      const answers = await world.store.settleIn?.(tx, [settlement(claim, world.build.succeeded(), { emits })]);
      assert.equal(first(answers ?? []).status, 'committed');
      await tx.query(end);
      await tx.end();
      assert.equal(await world.state(claim.deliveryId), state);
    }
    assert.deepEqual(await world.states('printer'), ['ready']);
    const tx = await transaction(server.url);
    const stale = { status: 'refused', reason: 'stale_claim' };
    assert.deepEqual(await world.store.settleIn?.(tx, [settlement(claim, world.build.succeeded())]), [stale]);
    await tx.end();
    await world.harness.dispose();
  });

  testNeeding([postgres], 'must be one that sees what others commit, and a client of pg', async () => {
    const { worlds, server } = here();
    const world = await World.open(await worlds.harness());
    const append = { events: [world.build.event({}, 'till')] };
    const refused = { name: 'HoldfastError', code: 'invalid_input' };
    const tx = new Client({ connectionString: server.url });
    await tx.connect();
    await tx.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await assert.rejects(async () => world.store.appendIn?.(tx, append), refused);
    await tx.end();
    await assert.rejects(async () => world.store.appendIn?.({}, append), refused);
    const idle = new Client({ connectionString: server.url });
    await idle.connect();
    await assert.rejects(async () => world.store.appendIn?.(idle, append), refused, 'nothing was begun');
    await idle.query('CREATE DATABASE elsewhere');
    await idle.end();
    const elsewhere = new URL(server.url);
    elsewhere.pathname = '/elsewhere';
    const lost = await transaction(elsewhere.href);
    await assert.rejects(async () => world.store.appendIn?.(lost, append), refused, 'another database');
    await lost.end();
    await world.harness.dispose();
  });

  testNeeding([postgres], 'must be one, and no pool, whose statements are each committed at once', async () => {
    const { worlds, server } = here();
    const world = await World.open(await worlds.harness());
    const append = { events: [world.build.event({}, 'till')] };
    const pool = new Pool({ connectionString: server.url });
    const client = await transaction(server.url);
    const wrapped = (over: Client | Pool) => ({
      query: async (text: string, values: unknown[]) => ({ rows: (await over.query(text, values)).rows as unknown[] }),
    });
    for (const tx of [pool, wrapped(pool)]) {
      await assert.rejects(async () => world.store.appendIn?.(tx, append), { code: 'invalid_input' });
    }
    assert.deepEqual(await world.deliveries(), []);
    assert.equal((await world.store.appendIn?.(wrapped(client), append))?.status, 'committed');
    assert.deepEqual(await world.deliveries(), []);
    await client.query('COMMIT');
    assert.equal((await world.deliveries()).length, 1);
    await client.end();
    await pool.end();
    await world.harness.dispose();
  });

  testNeeding([postgres], 'that is still open hides no row from a list that is read forward', async () => {
    const { worlds, server } = here();
    const world = await World.open(await worlds.harness());
    await world.accept({ text: 'before' });
    const tx = await transaction(server.url);
    const early = world.build.event({ text: 'drawn early, seen late' });
    await world.store.appendIn?.(tx, { events: [early] });
    const late = await world.accept({ text: 'drawn late, seen early' });
    const list = async (cursor?: string): Promise<readonly string[]> =>
      (
        await world.store.history.events({}, { limit: 10, oldestFirst: true, ...(cursor !== undefined && { cursor }) })
      ).rows.map((row) => row.id);
    assert.equal((await list()).length, 1, 'it stops below what is not decided');
    await tx.query('COMMIT');
    await tx.end();
    assert.deepEqual((await list()).slice(1), [early.event.id, late]);
    await world.harness.dispose();
  });
});

describe('the postgres store', () => {
  testNeeding([postgres], 'stores any text exactly, and no text fails the commit of others', async () => {
    const world = await World.open(await here().worlds.harness());
    const awkward = [
      '\0',
      'a\0b',
      '\u001a',
      '\u001a0000',
      '\ud800',
      '\udc00\ud800',
      '\u0001',
      '\u{1f6d2}',
      "'; --",
      '\\u0000',
    ];
    for (const text of awkward) {
      const fields = { type: text, tenant: text, dedupeKey: text, orderKey: text, correlationId: text, path: text };
      const made = world.build.event(
        { ...fields, query: text, unfit: text, headers: ['X', text] },
        text,
        `other ${text}`,
      );
      const id = first(await world.append(made)).eventId;
      assert.deepEqual(plain((await world.store.history.event(id))?.event), plain(made.event));
      const claim = await world.claimOne(text);
      assert.deepEqual(plain(claim.event), plain(made.event));
      assert.equal(claim.orderKey, text);
      const outcome = world.build.retry(0, { error: text, worker: text });
      await world.settle(claim, outcome);
      assert.deepEqual(await world.store.history.attempts(claim.deliveryId), [outcome.attempt]);
      assert.equal((await world.delivery(claim.deliveryId)).lastError, text);
      assert.deepEqual((await world.wakeUps(text)).ready, [text]);
      const value = { [`name`]: text };
      await world.store.registry.put({ kind: 'note', key: `k${text}`, value, ifVersion: 0 });
      assert.deepEqual((await world.store.registry.get('note', `k${text}`))?.value, value);
    }
    const types = (await world.deliveries({ type: 'a\0b' })).map((row) => row.type);
    assert.deepEqual(types, ['a\0b', 'a\0b']);
    await world.harness.dispose();
  });

  testNeeding([postgres], 'claims and wakes at the same cost, however much waits and for whatever reason', async () => {
    const { worlds } = here();
    const world = await World.open(await worlds.harness());
    const { build } = world;
    const many = async (count: number, make: () => NewEvent): Promise<void> => {
      for (let made = 0; made < count; made += 1000) {
        const events = Array.from({ length: Math.min(1000, count - made) }, make);
        await world.commit({ appends: [{ events }] });
      }
    };
    const blocks = async (call: string): Promise<number> => {
      const row = first(await worlds.query(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM ${call}`));
      const [{ Plan: plan }] = row['QUERY PLAN'] as [{ Plan: Record<string, number> }];
      return (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0);
    };
    const claim = `claim_1(0, 1000, ARRAY['till'], ARRAY[10], ARRAY[1000000], ARRAY[false], NULL)`;
    const wake = `wake_ups_1(ARRAY['till', 'ledger'])`;
    // What is ready stands behind all that is not; what was ready before is claimed.
    const cost = async (): Promise<readonly [number, number]> => {
      await world.claim('till');
      await many(100, () => build.event({}, 'till'));
      await worlds.query('VACUUM ANALYZE delivery');
      await blocks(claim);
      return [await blocks(claim), await blocks(wake)];
    };
    const [claimed, woken] = await cost();
    const reasons: Readonly<Record<string, () => NewEvent>> = {
      ready: () => build.event({}, 'till'),
      'due later': () => build.event({}, { destination: 'till', dueAt: world.now + 900_000_000 }),
      blocked: () => build.event({ orderKey: 'k' }, 'till'),
      dead: () => build.event({}, { destination: 'till', dead: 'backlog_full' }),
      held: () => build.event({}, 'paused'),
    };
    for (const [reason, make] of Object.entries(reasons)) {
      await many(4000, make);
      const [nowClaimed, nowWoken] = await cost();
      assert.ok(nowClaimed < claimed * 1.5, `${nowClaimed} blocks for a claim, ${claimed} before more was ${reason}`);
      assert.ok(nowWoken < woken * 2, `${nowWoken} blocks for a wake-up, ${woken} before more was ${reason}`);
    }
    await world.harness.dispose();
  });

  testNeeding([postgres], 'refuses a server that a power cut can make forget, unless that is asked for', async () => {
    const { worlds, server } = here();
    const { clock } = await worlds.harness();
    await worlds.query('ALTER SYSTEM SET full_page_writes = off');
    await worlds.query('SELECT pg_reload_conf()');
    const sees = async (): Promise<unknown> => (await worlds.query('SHOW full_page_writes'))[0]?.['full_page_writes'];
    while ((await sees()) !== 'off') await new Promise((resolve) => setTimeout(resolve, 10));
    try {
      await assert.rejects(worlds.store(clock).work.open(), { name: 'HoldfastError', code: 'store_not_durable' });
      const weak = worlds.store(clock, { allowWeakerDurability: true });
      assert.equal((await weak.work.open()).durability, 'process-crash');
      await weak.work.close();
    } finally {
      await worlds.query('ALTER SYSTEM RESET full_page_writes');
      await worlds.query('SELECT pg_reload_conf()');
    }
    while ((await sees()) !== 'on') await new Promise((resolve) => setTimeout(resolve, 10));
    await assert.rejects(worlds.store(clock, { synchronousCommit: 'off' }).work.open(), { code: 'store_not_durable' });
    const store = worlds.store(clock);
    const report = await store.work.open();
    assert.deepEqual([report.durability, report.copies, report.settings['synchronous_commit']], ['power-cut', 1, 'on']);
    assert.ok(server.pid > 0);
    await store.work.close();
  });

  testNeeding(
    [postgres],
    'is made by several processes at once, and refuses a schema of a version that is too new',
    async () => {
      const { worlds } = here();
      const { clock } = await worlds.harness();
      const stores = ['a', 'b', 'c'].map((process) => worlds.store(clock, { schema: 'made_at_once', process }));
      await Promise.all(stores.map((store) => store.work.open()));
      await worlds.query('INSERT INTO made_at_once.format VALUES (7, 1)');
      const newer = worlds.store(clock, { schema: 'made_at_once' });
      assert.equal((await newer.work.open()).format, 7, 'a newer format that this version still reads');
      await worlds.query('INSERT INTO made_at_once.format VALUES (8, 8)');
      await assert.rejects(worlds.store(clock, { schema: 'made_at_once' }).work.open(), { code: 'store_format' });
      for (const store of [...stores, newer]) await store.work.close();
    },
  );

  testNeeding([postgres], 'drops a day whole, and keeps what outlives it', async () => {
    const { worlds } = here();
    const world = await World.open(await worlds.harness({ sweptBytesMax: 0 }));
    const gone = await world.accept({ text: 'ended well', dedupeKey: 'gone' }, 'till');
    await world.finish('till', world.build.retry(0));
    await world.finish('till', world.build.succeeded());
    const dead = await world.accept({ text: 'dead' }, 'till');
    const answer = { status: 200, headers: [], body: new Uint8Array([7]) };
    await world.settle(await world.claimOne('till'), world.build.dead('exhausted'), { answer });
    const open = await world.accept({ text: 'open' }, { destination: 'till', dueAt: world.now + 900_000_000 });
    const unmatched = await world.accept({ text: 'unmatched' });
    const day = 86_400_000;
    await world.advance(3 * day);
    const retention = { bodiesMs: null, eventsMs: day, unmatchedMs: 30 * day, deadLettersMs: null };
    const purged = await world.store.work.purge({ now: world.now, retention, heldBefore: [], limit: 100 });
    assert.deepEqual([purged.events, purged.more], [1, false]);
    const bucket = Math.floor((world.now - 3 * day) / day);
    assert.deepEqual(await worlds.query('SELECT to_regclass($1) AS day', [`event_${bucket}`]), [{ day: null }]);
    const ids = (await world.store.history.events({}, { limit: 10, oldestFirst: true })).rows.map((row) => row.id);
    assert.deepEqual(ids, [dead, open, unmatched]);
    assert.equal(await world.store.history.event(gone), null);
    assert.deepEqual(plain((await world.store.history.event(dead))?.answer), plain(answer));
    assert.equal((await world.store.history.attempts((await world.only({ eventId: dead })).id)).length, 1);
    assert.equal((await world.store.history.counts()).events, 3);
    await world.replay((await world.only({ eventId: dead })).id);
    assert.equal(bodyText(await world.claimOne('till')), 'dead');
    await world.accept({ text: 'a new day' }, 'till');
    await world.harness.dispose();
  });
});
