import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'node:test';
import { Client } from 'pg';
import { startPostgres } from '../scripts/services/postgres.ts';
import { Builder } from '../src/testing/conformance/build.ts';
import { first, World } from '../src/testing/conformance/world.ts';
import { TestClock } from '../src/testing/clock.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { plain } from '../src/testing/conformance/plain.ts';
import { postgresStore } from '../src/store/postgres/index.ts';
import { type CommitBatch, type Store, StoreError } from '../src/store/store.ts';
import { commitSurely } from './commit-surely.ts';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';
import { TcpProxy } from './tcp-proxy.ts';

function throughProxy(url: string, proxy: TcpProxy): string {
  const through = new URL(url);
  through.port = String(proxy.port);
  return through.href;
}

function failure(expected: StoreError['failure']): { name: string; failure: string } {
  return { name: 'StoreError', failure: expected };
}

/** Commits one after the other, each until it is known what became of it. */
class Load {
  committed = 0;
  readonly #store: Store;
  readonly #build = new Builder(systemClock);
  readonly #done: Promise<void>;
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  #stopped = false;

  constructor(store: Store) {
    this.#store = store;
    this.#done = this.#run();
  }

  reached(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const events = [this.#build.event({}, 'till')];
      await commitSurely(this.#store, this.#build.batch({ appends: [{ events }] }));
      this.committed++;
      for (const { count, resolve } of this.#waiting) if (this.committed >= count) resolve();
    }
  }
}

describe('the postgres store, when its server or the way there fails', () => {
  const here = postgresHere();

  testNeeding(
    [postgres],
    'a commit whose reply was lost is unknown, and its token gives the first answers',
    async () => {
      const { worlds, server } = here();
      const world = await World.open(await worlds.harness());
      const proxy = await TcpProxy.start(Number(new URL(server.url).port));
      const cut = worlds.store(new TestClock(), { url: throughProxy(server.url, proxy) });
      await cut.work.open();
      const delivery = { destination: 'till', handOff: 'start' } as const;
      const batch = world.build.batch({ appends: [{ events: [world.build.event({ dedupeKey: 'k' }, delivery)] }] });
      const lost = proxy.loseReplies();
      await assert.rejects(cut.work.commit(batch), failure('unknown'));
      await lost;
      proxy.heal();
      const answers = await commitSurely(cut, batch);
      assert.equal(first(answers.appends).status, 'committed');
      assert.deepEqual(plain(await world.store.work.commit(batch)), plain(answers), 'also on another connection');
      assert.equal((await world.deliveries()).length, 1);
      await cut.work.close();
      await proxy.close();
      await world.harness.dispose();
    },
  );

  testNeeding([postgres], 'nothing is lost and nothing twice while connections are cut all the time', async () => {
    const { worlds, server } = here();
    const world = await World.open(await worlds.harness());
    const proxy = await TcpProxy.start(Number(new URL(server.url).port));
    const cut = worlds.store(new TestClock(), { url: throughProxy(server.url, proxy), process: 'cut' });
    await cut.work.open();
    const batches = Array.from({ length: 60 }, () =>
      world.build.batch({ appends: [{ events: [world.build.event({}, 'till')] }] }),
    );
    for (const [index, batch] of batches.entries()) {
      if (index % 3 === 1) setTimeout(() => proxy.cut(), index % 7);
      assert.equal(first((await commitSurely(cut, batch)).appends).status, 'committed');
    }
    assert.equal((await world.deliveries()).length, batches.length);
    await cut.work.close();
    await proxy.close();
    await world.harness.dispose();
  });

  testNeeding(
    [postgres],
    'a connection that does not answer is given up, and what it does later counts once',
    async () => {
      const { worlds } = here();
      const world = await World.open(await worlds.harness());
      const store = worlds.store(new TestClock(), { process: 'late', connectionsMax: 1, statementMs: 1000 });
      await store.work.open();
      const query = `SELECT max(pid) AS pid FROM pg_stat_activity WHERE application_name = 'holdfast'
      AND backend_start = (SELECT max(backend_start) FROM pg_stat_activity WHERE application_name = 'holdfast')`;
      const pid = Number((await worlds.query(query))[0]?.['pid']);
      process.kill(pid, 'SIGSTOP');
      const batch = world.build.batch({ appends: [{ events: [world.build.event({}, 'till')] }] });
      try {
        await assert.rejects(store.work.commit(batch), failure('unknown'));
        assert.equal(first((await store.work.commit(batch)).appends).status, 'committed');
      } finally {
        process.kill(pid, 'SIGCONT');
      }
      await store.work.close();
      while ((await worlds.query('SELECT FROM pg_stat_activity WHERE pid = $1', [pid])).length > 0);
      assert.equal((await world.deliveries()).length, 1);
      await world.harness.dispose();
    },
  );

  testNeeding([postgres], 'a server that dies and comes back is found again without a restart', async () => {
    const { server } = here();
    const store = postgresStore({ url: server.url, clock: systemClock, schema: 'killed', process: 'one' });
    await store.work.open();
    const load = new Load(store);
    await load.reached(5);
    await server.kill();
    const reads = await Promise.allSettled([
      store.work.wakeUps(['till'], 0),
      store.history.counts(),
      store.work.claim({ now: 0, leaseMs: 1000, wants: [{ destination: 'till', slots: 1, bytesMax: 1 }] }),
    ]);
    for (const read of reads) {
      assert.equal(read.status, 'rejected');
      assert.equal((read.reason as StoreError).failure, 'unavailable');
    }
    const before = load.committed;
    await server.start();
    await load.reached(before + 5);
    await load.stop();
    assert.equal((await store.history.counts()).events, load.committed);
    await store.work.close();
  });

  testNeeding(
    [postgres],
    'connections that led to a standby are given up, and the next lead where the name leads',
    async (t) => {
      const { worlds, server } = here();
      const world = await World.open(await worlds.harness());
      const standby = await startPostgres();
      t.after(() => standby.remove());
      const proxy = await TcpProxy.start(Number(new URL(server.url).port));
      const store = worlds.store(new TestClock(), { url: throughProxy(server.url, proxy), process: 'moved' });
      await store.work.open();
      const client = new Client({ connectionString: standby.url });
      await client.connect();
      const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
      await client.end();
      await standby.stop();
      writeFileSync(join(String(rows[0]?.data_directory), 'standby.signal'), '');
      await standby.start();
      proxy.lead(Number(new URL(standby.url).port));
      proxy.cut();
      const batch = (): CommitBatch => world.build.batch({ appends: [{ events: [world.build.event({}, 'till')] }] });
      await assert.rejects(store.work.commit(batch()), StoreError);
      for (let tries = 0; tries < 3; tries++) await assert.rejects(store.work.commit(batch()), failure('unavailable'));
      proxy.lead(Number(new URL(server.url).port));
      assert.equal(first((await store.work.commit(batch())).appends).status, 'committed');
      await store.work.close();
      await proxy.close();
      await world.harness.dispose();
    },
  );
});
