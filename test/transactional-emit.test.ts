/** Emitting in a transaction of the application's own, through gateways on a real PostgreSQL. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createGateway, defineConfig, type Gateway, type HandlerEvent, HoldfastError } from 'holdfast';
import { TestClock } from 'holdfast/testing';
import { none } from 'holdfast/verify';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import { Client, Pool, type PoolClient } from 'pg';
import { z } from 'zod';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

const here = postgresHere();

/** One gateway on a schema of its own, with a pool as an application would have it. */
class Shop {
  readonly gateway: Gateway;
  readonly pool: Pool;
  /** Bodies in the order they were handled, and who waits for one. */
  readonly handled: unknown[] = [];
  #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  private constructor(url: string, more: { readonly listen?: 'off'; readonly clock?: TestClock }) {
    const store = new URL(url);
    store.searchParams.set('schema', `shop_${++Shop.#schemas}`);
    if (more.listen !== undefined) store.searchParams.set('listen', more.listen);
    this.gateway = createGateway(
      defineConfig({
        store: store.href,
        logLevel: 'silent',
        sources: { unused: { verify: none() } },
        emits: { 'order.paid': z.object({ id: z.string() }), 'order.counted': {}, 'order.held': {} },
      }),
      more.clock === undefined ? {} : { clock: more.clock },
    ) as unknown as Gateway;
    this.pool = new Pool({ connectionString: url, max: 4 });
    this.pool.on('error', () => undefined);
    const take = (event: HandlerEvent): void => {
      this.handled.push(event.body);
      this.#waiting = this.#waiting.filter(({ count, resolve }) => this.handled.length < count || resolve());
    };
    this.gateway.handle('till', { from: 'emitted', types: ['order.paid', 'order.counted'] }, take);
    this.gateway.handle('small', { from: 'emitted', types: ['order.held'], backlogMax: 2, overflow: 'refuse' }, take);
  }

  static #schemas = 0;

  static async open(more: { readonly listen?: 'off'; readonly clock?: TestClock } = {}): Promise<Shop> {
    const shop = new Shop(here().server.url, more);
    await shop.gateway.start();
    return shop;
  }

  /** Runs something in a transaction of the application's and ends it so. */
  async transaction<Value>(end: 'COMMIT' | 'ROLLBACK', work: (tx: PoolClient) => Promise<Value>): Promise<Value> {
    const tx = await this.pool.connect();
    try {
      await tx.query('BEGIN');
      const value = await work(tx);
      await tx.query(end);
      return value;
    } finally {
      tx.release(true);
    }
  }

  reached(count: number): Promise<void> {
    if (this.handled.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  /** What the store has, by the API. */
  async events(): Promise<readonly { readonly id: string; readonly type: string }[]> {
    const headers = { authorization: `Bearer ${this.gateway.adminToken}` };
    const answer = await this.gateway.admin().fetch(new Request('http://test/api/events', { headers }));
    return ((await answer.json()) as { readonly rows: readonly { readonly id: string; readonly type: string }[] }).rows;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.stop();
    await this.pool.end();
  }
}

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === expected;
}

describe('an event emitted in a transaction of the application', () => {
  testNeeding(
    [postgres],
    'is there with what was written when it commits, and not at all when it does not',
    async () => {
      await using shop = await Shop.open();
      await shop.pool.query('CREATE TABLE IF NOT EXISTS paid (id text)');
      for (const end of ['ROLLBACK', 'COMMIT'] as const) {
        await shop.transaction(end, async (tx) => {
          await tx.query('INSERT INTO paid VALUES ($1)', [end]);
          await shop.gateway.emit('order.paid', { id: end }, { tx, dedupeKey: 'k', orderKey: 'o' });
          assert.deepEqual(await shop.events(), [], 'nobody sees it before it ends');
        });
      }
      await shop.reached(1);
      assert.deepEqual(shop.handled, [{ id: 'COMMIT' }]);
      assert.deepEqual((await shop.pool.query('SELECT id FROM paid')).rows, [{ id: 'COMMIT' }]);
      assert.equal((await shop.events()).length, 1);
    },
  );

  testNeeding([postgres], 'wakes the gateway at the commit, while no time passes', async () => {
    const clock = new TestClock();
    await using shop = await Shop.open({ clock });
    await shop.transaction('COMMIT', (tx) => shop.gateway.emit('order.paid', { id: 'a' }, { tx }));
    await shop.reached(1);
  });

  testNeeding([postgres], 'is found by looking where nobody listens', async () => {
    const clock = new TestClock();
    await using shop = await Shop.open({ clock, listen: 'off' });
    await shop.transaction('COMMIT', (tx) => shop.gateway.emit('order.paid', { id: 'a' }, { tx }));
    while (shop.handled.length === 0) await clock.advanceSlowly(1000);
  });

  testNeeding([postgres], 'is one of its dedupe key, whoever brought that first', async () => {
    await using shop = await Shop.open();
    const options = { dedupeKey: 'k' };
    const lost = await shop.transaction('ROLLBACK', (tx) =>
      shop.gateway.emit('order.paid', { id: 'a' }, { ...options, tx }),
    );
    const first = await shop.transaction('COMMIT', (tx) =>
      shop.gateway.emit('order.paid', { id: 'a' }, { ...options, tx }),
    );
    assert.notEqual(first, lost, 'what was rolled back is not known');
    const again = await shop.transaction('COMMIT', (tx) =>
      shop.gateway.emit('order.paid', { id: 'a' }, { ...options, tx }),
    );
    assert.equal(again, first);
    assert.equal(await shop.gateway.emit('order.paid', { id: 'a' }, options), first);
    await shop.reached(1);
    await shop.gateway.stop({ drain: true });
    assert.equal(shop.handled.length, 1);
  });

  testNeeding([postgres], 'comes in a batch whole, or not at all', async () => {
    await using shop = await Shop.open();
    const batch = [
      { type: 'order.counted', body: 1 },
      { type: 'order.counted', body: 2, orderKey: 'o' },
    ];
    const ids = await shop.transaction('COMMIT', (tx) => shop.gateway.emitBatch(batch, { tx }));
    await shop.reached(2);
    assert.deepEqual(new Set((await shop.events()).map(({ id }) => id)), new Set(ids));
    const unfit = [...batch, { type: 'order.paid', body: { id: 3 } }];
    await shop.transaction('COMMIT', (tx) => assert.rejects(shop.gateway.emitBatch(unfit, { tx }), code('emit_unfit')));
    assert.equal((await shop.events()).length, 2);
  });

  testNeeding([postgres], 'takes no place in a backlog when it is rolled back', async () => {
    await using shop = await Shop.open();
    const two = [
      { type: 'order.held', body: 1 },
      { type: 'order.held', body: 2 },
    ];
    for (let round = 0; round < 5; round++) {
      await shop.transaction('ROLLBACK', (tx) => shop.gateway.emitBatch(two, { tx }));
    }
    await shop.transaction('ROLLBACK', (tx) =>
      assert.rejects(shop.gateway.emitBatch([...two, { type: 'order.held', body: 3 }], { tx }), code('backlog_full')),
    );
    await shop.gateway.emit('order.held', 4);
    await shop.reached(1);
    assert.deepEqual(shop.handled, [4]);
  });

  testNeeding([postgres], 'is attempted when it falls due, though nobody saw it come', async () => {
    const clock = new TestClock(Date.now());
    await using shop = await Shop.open({ clock, listen: 'off' });
    // The look at the start, which would find it, has been.
    await clock.advanceSlowly(10);
    for (let turn = 0; turn < 20; turn++) await shop.pool.query('SELECT 1');
    const at = Date.now() + 60;
    await shop.transaction('COMMIT', (tx) => shop.gateway.emit('order.paid', { id: 'later' }, { tx, at }));
    const past = 'SELECT extract(epoch FROM clock_timestamp()) * 1000 > $1 AS past';
    while ((await shop.pool.query<{ past: boolean }>(past, [at])).rows[0]?.past !== true);
    // Far less than the time between two looks at the store.
    await clock.advanceSlowly(at - clock.now() + 50);
    await shop.reached(1);
  });

  testNeeding([postgres], 'can be written through drizzle on the same client', async () => {
    await using shop = await Shop.open();
    const orders = pgTable('drizzled', { id: text().primaryKey(), cents: integer() });
    await shop.pool.query('CREATE TABLE drizzled (id text PRIMARY KEY, cents integer)');
    await shop.transaction('COMMIT', async (tx) => {
      await drizzle({ client: tx }).insert(orders).values({ id: 'o1', cents: 990 });
      await shop.gateway.emit('order.paid', { id: 'o1' }, { tx });
    });
    await shop.reached(1);
    assert.deepEqual(await drizzle({ client: shop.pool }).select().from(orders), [{ id: 'o1', cents: 990 }]);
  });

  testNeeding([postgres], 'is refused outside of a transaction, where it would be committed at once', async () => {
    await using shop = await Shop.open();
    const tx = new Client({ connectionString: here().server.url });
    await tx.connect();
    await assert.rejects(shop.gateway.emit('order.paid', { id: 'a' }, { tx }), code('invalid_input'));
    await tx.end();
    assert.deepEqual(await shop.events(), []);
  });

  test('is refused by a store that has no such transactions, which says where there are some', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-emit-'));
    for (const store of ['memory:', `sqlite:${join(directory, 'a.db')}`]) {
      const config = defineConfig({ store, logLevel: 'silent', diskReserveBytes: 0, sources: {} });
      await using gateway = createGateway(config);
      await gateway.start();
      const tx = { query: () => assert.fail('nothing is to be written') };
      const refused = gateway.emit('order.paid', {}, { tx });
      await assert.rejects(refused, code('transaction_unsupported'));
      await assert.rejects(refused, (error: HoldfastError) => /PostgreSQL/.test(error.action));
    }
    rmSync(directory, { recursive: true, force: true });
  });
});
