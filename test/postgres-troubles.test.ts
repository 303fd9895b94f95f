/** A store on PostgreSQL whose network, server or retention comes in the way: nothing hangs, and nothing is mixed up. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, type TestContext } from 'node:test';
import { createGateway, defineConfig } from 'holdfast';
import { Client } from 'pg';
import { systemClock } from '../src/gateway/clock.ts';
import { batchRows, turnsOf, verdictsOf } from '../src/store/postgres/batch-rows.ts';
import { postgresStore } from '../src/store/postgres/index.ts';
import { StoreError, type Claim } from '../src/store/store.ts';
import { bodyText, World } from '../src/testing/conformance/world.ts';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';
import { until } from './sending-world.ts';

const here = postgresHere();
const DAY = 86_400_000;
/** Too long for any index as it is. */
const LONG = randomBytes(6000).toString('base64');

/** A connection that stands between: it can go silent, as when somebody has forgotten it, and can translate. */
class Between {
  silent = false;
  german = false;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer({ allowHalfOpen: true }, (client) => this.#join(client));

  static async to(url: string, t: TestContext): Promise<Between> {
    const between = new Between(Number(new URL(url).port));
    await new Promise<void>((resolve) => between.#server.listen(0, '127.0.0.1', resolve));
    t.after(() => between.#close());
    return between;
  }

  readonly #port: number;

  private constructor(port: number) {
    this.#port = port;
  }

  through(url: string): string {
    const changed = new URL(url);
    changed.port = String((this.#server.address() as AddressInfo).port);
    return changed.href;
  }

  #join(client: Socket): void {
    const server = connect({ port: this.#port, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('data', (bytes) => this.silent || server.write(bytes));
    client.on('end', () => this.silent || server.end());
    server.on('end', () => this.silent || client.end());
    server.on('data', (bytes: Buffer) => this.silent || client.write(this.german ? translated(bytes) : bytes));
  }

  #close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

/** Errors as a server with other messages says them, as long as in English, so that nothing else changes. */
function translated(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString('latin1').replaceAll('SERROR\0', 'SFALSO\0'), 'latin1');
}

describe('a store on PostgreSQL', () => {
  testNeeding([postgres], 'closes although only its listening connection has gone silent', async (t) => {
    const { server } = here();
    const between = await Between.to(server.url, t);
    const listen = encodeURIComponent(between.through(server.url));
    const gateway = createGateway(
      defineConfig({ store: `${server.url}?schema=silent&listen=${listen}`, logLevel: 'silent', sources: {} }),
    );
    await gateway.start();
    between.silent = true;
    const begun = performance.now();
    await gateway.stop();
    assert.ok(performance.now() - begun < 5_000, 'it was not waited for long');
  });

  testNeeding([postgres], 'ends a transaction of a handler although the server says nothing', async (t) => {
    const { server } = here();
    const between = await Between.to(server.url, t);
    const url = between.through(server.url);
    const store = postgresStore({
      url,
      clock: systemClock,
      schema: 'silent',
      process: 'tx',
      statementMs: 1000,
      transactionsMax: 1,
      listenUrl: null,
    });
    await store.work.open();
    const open = await store.begin?.(5_000);
    between.silent = true;
    await assert.rejects(open?.commit() ?? Promise.resolve());
    between.silent = false;
    const next = await store.begin?.(5_000);
    assert.equal(await next?.rollback(), true, 'its place is free again');
    await store.work.close();
  });

  testNeeding([postgres], 'takes a refusal for one in whatever language the server says it', async (t) => {
    const { server, worlds } = here();
    const world = await World.open(await worlds.harness());
    const between = await Between.to(server.url, t);
    between.german = true;
    const store = worlds.store(world.harness.clock, { url: between.through(server.url), process: 'german' });
    await store.work.open();
    await worlds.query('UPDATE test_world SET fails = true');
    const batch = world.build.batch({ appends: [{ events: [world.build.event({}, 'till')] }] });
    await assert.rejects(store.work.commit(batch), (error) => {
      return error instanceof StoreError && error.failure === 'unavailable';
    });
    await worlds.query('UPDATE test_world SET fails = false');
    await store.work.close();
    await world.harness.dispose();
  });

  testNeeding([postgres], 'stores what has a key of any length, and a time beyond all times', async () => {
    const { server, worlds } = here();
    const gateway = createGateway(
      defineConfig({ store: `${server.url}?schema=long_keys`, logLevel: 'silent', sources: {} }),
    );
    const keys = new Set<string | null>();
    gateway.handle('first', { from: 'emitted', types: ['first'] }, async (_event, { emit }) => {
      await emit('next', {}, { orderKey: LONG, dedupeKey: LONG });
    });
    gateway.handle('next', { from: 'emitted', types: ['next'] }, ({ orderKey }) => void keys.add(orderKey));
    await gateway.start();
    await gateway.emit('first', {});
    await gateway.emit('next', {}, { orderKey: LONG });
    await gateway.emit('next', {}, { orderKey: '\u0001'.repeat(512), tenant: '"'.repeat(499) });
    await until(() => keys.size === 2);
    assert.ok([...keys].every((key) => key?.startsWith('sha256:') === true));
    await assert.rejects(gateway.emit('next', {}, { at: Number.MAX_VALUE }), { code: 'invalid_input' });
    await assert.rejects(gateway.emit('next', {}, { tenant: LONG }), { code: 'invalid_input' });
    await gateway.stop();
    const world = await World.open(await worlds.harness());
    await world.append(world.build.event({}, { destination: 'till', dueAt: 1e22 }));
    await world.accept({}, 'till');
    assert.equal((await world.settle(await world.claimOne('till'), world.build.retry(1e22))).status, 'committed');
    await world.harness.dispose();
  });

  testNeeding([postgres], 'answers a token as before where an event of its batch was there already', async () => {
    const { worlds } = here();
    const world = await World.open(await worlds.harness());
    const [one, two] = ['one', 'two'].map((text) =>
      world.build.event({ text }, { destination: 'till', handOff: 'claim' }),
    );
    assert.ok(one !== undefined && two !== undefined);
    await world.append(one);
    const batch = world.build.batch({ appends: [{ events: [one] }, { events: [two] }] });
    const answers = [await world.store.work.commit(batch), await world.store.work.commit(batch)];
    assert.deepEqual(answers[1]?.appends, answers[0]?.appends);
    const claims = (answers[1]?.appends ?? [])
      .flatMap((answer) => (answer.status === 'committed' ? answer.events : []))
      .flatMap((event) => (event.status === 'committed' ? event.claims : []))
      .filter((claim): claim is Claim => claim !== null);
    assert.deepEqual(claims.map(bodyText), ['two'], 'whoever asks again is given what it is told of');
    await world.harness.dispose();
  });
});

describe('retention on PostgreSQL', () => {
  const retention = { bodiesMs: null, eventsMs: DAY, unmatchedMs: 30 * DAY, deadLettersMs: null };

  testNeeding([postgres], 'moves an event with the replay that is made of it meanwhile', async () => {
    const { worlds, server } = here();
    const world = await World.open(await worlds.harness({ sweptBytesMax: 0 }));
    await world.accept({ text: 'dead' }, 'till');
    await world.settle(await world.claimOne('till'), world.build.dead('exhausted'));
    const dead = await world.only({ destination: 'till' });
    await world.advance(3 * DAY);
    const batch = world.build.batch({ replays: [await world.replayRow(dead.id)] });
    const verdicts = verdictsOf(batch, new Set());
    const { json, bytes, seqs, claims, starts } = batchRows(batch, verdicts, turnsOf(batch, verdicts));
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query('BEGIN');
    const values = [999, 1, 'under way', 30_000, json, bytes, seqs, claims, starts];
    await client.query('SELECT holdfast_test.commit_1($1, $2, $3, $4, $5, $6, $7, $8, $9)', values);
    const purging = world.store.work.purge({ now: world.now, retention, heldBefore: [], limit: 100 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await client.query('COMMIT');
    await client.end();
    await purging;
    assert.equal(bodyText(await world.claimOne('till')), 'dead');
    await world.harness.dispose();
  });

  testNeeding([postgres], 'keeps no commit from being made by what it moves', async () => {
    const { worlds, server } = here();
    const world = await World.open(await worlds.harness({ sweptBytesMax: 0 }));
    const keyed = { text: 'x', dedupeKey: 'k', dedupeWindowMs: 10 * DAY };
    await world.append(world.build.event(keyed, { destination: 'till', dueAt: world.now + 100 * DAY }));
    await world.advance(3 * DAY);
    const client = new Client({ connectionString: server.url });
    await client.connect();
    await client.query('BEGIN');
    const clocks = JSON.stringify({ events: DAY, bodies: null, unmatched: null, deadLetters: null });
    const bucket = Math.floor((world.now - 3 * DAY) / DAY);
    await client.query('SELECT * FROM holdfast_test.keep_1($1, $2, 0, 1000)', [clocks, bucket]);
    const events = [world.build.event(keyed, 'till'), world.build.event({ text: 'other' }, 'till')];
    const committing = world.commit({ appends: events.map((event) => ({ events: [event] })) });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await client.query('COMMIT');
    await client.end();
    const { appends } = await committing;
    assert.deepEqual(
      appends.map(({ status }) => status),
      ['committed', 'committed'],
    );
    await world.harness.dispose();
  });

  testNeeding([postgres], 'lets bodies and events of a day with much in it go by their own clocks', async () => {
    const { worlds } = here();
    const world = await World.open(await worlds.harness({ sweptBytesMax: 0 }));
    await world.accept({ text: 'ended well' }, 'till');
    await world.finish('till', world.build.succeeded());
    await world.accept({ text: 'unmatched' });
    const clocks = { bodiesMs: 7 * DAY, eventsMs: null, unmatchedMs: 30 * DAY, deadLettersMs: null };
    const purge = () => world.store.work.purge({ now: world.now, retention: clocks, heldBefore: [], limit: 100 });
    await world.advance(10 * DAY);
    assert.equal((await purge()).bodies, 1);
    await world.advance(30 * DAY);
    assert.equal((await purge()).events, 1);
    await world.harness.dispose();
  });

  testNeeding([postgres], 'forgets the commits of processes that have ended', async () => {
    const { worlds } = here();
    const world = await World.open(await worlds.harness());
    const tokens = async (): Promise<unknown> =>
      (await worlds.query('SELECT count(*)::integer AS count FROM token'))[0];
    await world.accept({}, 'till');
    await world.advance(2 * DAY);
    await world.accept({}, 'till');
    assert.deepEqual(await tokens(), { count: 2 });
    await world.store.work.purge({ now: world.now, retention, heldBefore: [], limit: 100 });
    assert.deepEqual(await tokens(), { count: 1 });
    await world.harness.dispose();
  });

  testNeeding([postgres], 'gets its turn although many commit', async () => {
    const { worlds } = here();
    const world = await World.open(await worlds.harness({ sweptBytesMax: 0 }));
    const others = ['b', 'c', 'd'].map((process) => worlds.store(world.harness.clock, { process, connectionsMax: 2 }));
    for (const store of others) await store.work.open();
    const over = new AbortController();
    const busy = others.map(async (store, index) => {
      while (!over.signal.aborted) {
        const documents = [{ kind: 'note', key: String(index), value: 1, ifVersion: null }];
        await store.work.commit(world.build.batch({ documents }));
      }
    });
    // What a day's drop begins with. Alone at the gate it would end with its statement.
    let got = 0;
    for (let tries = 0; tries < 20; tries++) {
      const [row] = await worlds.query('SELECT try_gate_alone() AS alone');
      if (row?.['alone'] === true) got++;
    }
    over.abort();
    await Promise.all(busy);
    for (const store of others) await store.work.close();
    assert.ok(got > 15, `${got} of 20`);
    await world.harness.dispose();
  });
});
