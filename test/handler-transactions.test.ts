/** Handlers that write with their outcome in one transaction, through gateways on a real PostgreSQL. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type BatchContext,
  createGateway,
  defineConfig,
  fixed,
  type Gateway,
  type HandlerContext,
  type HandlerEvent,
  HoldfastError,
  never,
  Reject,
  RetryLater,
  type SqlTransaction,
} from 'holdfast';
import { testGateway } from 'holdfast/testing';
import { none } from 'holdfast/verify';
import { Pool, type PoolClient } from 'pg';
import { z } from 'zod';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';
import { TcpProxy } from './tcp-proxy.ts';

const here = postgresHere();

/** What the gateway told of one attempt, or in its log. */
interface Told {
  readonly what: 'attempt' | 'note';
  readonly text: string;
}

interface Shown {
  readonly state: string;
  readonly destination: string;
  readonly attempts: number;
}

/** A gateway whose handlers count in a table beside the store. */
class Counting implements AsyncDisposable {
  static #schemas = 0;
  readonly schema = `counting_${++Counting.#schemas}`;
  readonly gateway: Gateway;
  readonly pool: Pool;
  readonly told: Told[] = [];
  readonly emitted: unknown[] = [];
  #waiting: { readonly met: () => boolean; readonly resolve: () => void }[] = [];

  constructor(more: { readonly url?: string; readonly query?: string } = {}) {
    const { url } = here().server;
    const tell = (one: Told): void => {
      this.told.push(one);
      this.look();
    };
    this.gateway = createGateway(
      defineConfig({
        store: `${more.url ?? url}?schema=${this.schema}${more.query ?? ''}`,
        logLevel: 'silent',
        sources: { shop: { verify: none(), orderKey: 'body.key' } },
        emits: { counted: z.object({ by: z.string() }), '*': {} },
      }),
      {
        observer: {
          attemptEnded: (_name, _event, attempt) => tell({ what: 'attempt', text: attempt.outcome }),
          note: (_level, text) => tell({ what: 'note', text }),
        },
      },
    ) as unknown as Gateway;
    this.pool = new Pool({ connectionString: url, max: 2, options: `-c search_path=${this.schema}` });
    this.pool.on('error', () => undefined);
    this.gateway.handle('listener', { from: 'emitted' }, ({ body }) => {
      this.emitted.push(body);
      this.look();
    });
  }

  async start(): Promise<void> {
    await this.gateway.start();
    await this.pool.query('CREATE TABLE IF NOT EXISTS counter (id text PRIMARY KEY, count integer NOT NULL)');
    await this.pool.query(`INSERT INTO counter VALUES ('one', 0) ON CONFLICT DO NOTHING`);
  }

  /** Adds to the counter in this transaction. */
  readonly add = async (tx: SqlTransaction): Promise<void> => {
    await tx.query(`UPDATE ${this.schema}.counter SET count = count + 1`, []);
  };

  async count(): Promise<number> {
    return (await this.pool.query<{ count: number }>('SELECT count FROM counter')).rows[0]?.count ?? -1;
  }

  send(body: unknown = {}): Promise<Response> {
    return this.gateway.fetch(new Request('http://test/in/shop', { method: 'POST', body: JSON.stringify(body) }));
  }

  /** Resolves when what is asked for has come to be, looked at whenever something happened. */
  until(met: () => boolean): Promise<void> {
    return met() ? Promise.resolve() : new Promise((resolve) => this.#waiting.push({ met, resolve }));
  }

  look(): void {
    this.#waiting = this.#waiting.filter(({ met, resolve }) => !met() || resolve());
  }

  attempts(outcome: string): number {
    return this.told.filter(({ what, text }) => what === 'attempt' && text === outcome).length;
  }

  async deliveries(destination: string): Promise<readonly Shown[]> {
    const headers = { authorization: `Bearer ${this.gateway.adminToken}` };
    const answer = await this.gateway.admin().fetch(new Request('http://test/api/deliveries', { headers }));
    const { rows } = (await answer.json()) as { readonly rows: readonly Shown[] };
    return rows.filter((row) => row.destination === destination);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.stop();
    await this.pool.end();
  }
}

function code(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === expected;
}

const soon = { retry: fixed([1, 1, 1, 1]), breaker: false } as const;

/** Runs one handler for one webhook until its delivery has ended, and answers what it came to. */
async function handled(
  on: Counting,
  handler: (context: HandlerContext, event: HandlerEvent) => unknown,
  ended: (on: Counting) => boolean = () => on.attempts('succeeded') > 0,
): Promise<Shown> {
  on.gateway.handle('till', { from: 'shop', ...soon }, (event, context) => handler(context, event));
  await on.start();
  await on.send();
  await on.until(() => ended(on));
  await on.gateway.stop({ drain: true });
  await on.gateway.start();
  const [shown] = await on.deliveries('till');
  assert.ok(shown !== undefined);
  return shown;
}

describe('a handler’s transaction', () => {
  testNeeding([postgres], 'commits what it wrote and emitted with its outcome', async () => {
    await using on = new Counting();
    const shown = await handled(on, async ({ transaction, emit }, event) => {
      await emit('counted', { by: 'before' });
      const value = await transaction(async (tx) => {
        await on.add(tx);
        await emit('counted', { by: 'inside' });
        return event.id;
      });
      assert.equal(value, event.id);
      const [delivery] = await on.deliveries('till');
      assert.equal(delivery?.state, 'succeeded', 'it is settled before the handler ends');
    });
    assert.deepEqual([shown.state, shown.attempts, await on.count()], ['succeeded', 1, 1]);
    assert.deepEqual(on.emitted, [{ by: 'before' }, { by: 'inside' }]);
    assert.equal(on.attempts('succeeded'), 3, 'each attempt was told of once');
  });

  testNeeding([postgres], 'leaves nothing behind when its code throws, and is the handler’s failure', async () => {
    await using on = new Counting();
    const shown = await handled(
      on,
      async ({ transaction, emit, attempt }) =>
        transaction(async (tx) => {
          await on.add(tx);
          await emit('counted', { by: `attempt ${attempt}` });
          if (attempt < 3) throw new Error('not yet');
        }),
      () => on.attempts('succeeded') > 1,
    );
    assert.deepEqual([shown.state, shown.attempts, await on.count()], ['succeeded', 3, 1]);
    assert.deepEqual(on.emitted, [{ by: 'attempt 3' }]);
    assert.equal(on.attempts('failed'), 2);
  });

  testNeeding([postgres], 'rolls back when another has the delivery by now', async () => {
    await using on = new Counting();
    const lost: unknown[] = [];
    const shown = await handled(on, async ({ transaction }) => {
      const whole = transaction(async (tx: PoolClient) => {
        await on.add(tx);
        // The lease ends before it is done, as that of a process that stood still.
        if (lost.length === 0) await on.pool.query('UPDATE delivery SET wake_at = 0 WHERE claimed');
      });
      await whole.catch((error: unknown) => lost.push(error));
      await whole;
    });
    assert.equal(lost.length, 1);
    assert.ok(code('claim_lost')(lost[0]));
    assert.deepEqual([shown.state, await on.count()], ['succeeded', 1]);
    assert.equal(on.attempts('failed'), 0, 'an abandoned attempt has no outcome');
  });

  testNeeding([postgres], 'stays as it is whatever the handler does afterwards, which is logged', async () => {
    await using on = new Counting();
    const shown = await handled(on, async ({ transaction, emit }) => {
      await transaction(on.add);
      assert.throws(() => emit('counted', { by: 'late' }), code('attempt_ended'));
      await assert.rejects(transaction(on.add), code('attempt_ended'));
      throw new Error('too late');
    });
    assert.deepEqual([shown.state, shown.attempts, await on.count()], ['succeeded', 1, 1]);
    assert.ok(on.told.some(({ what, text }) => what === 'note' && text.includes('after its transaction')));
    assert.equal(on.attempts('failed'), 0);
  });

  testNeeding([postgres], 'may be given up and begun anew', async () => {
    await using on = new Counting();
    const shown = await handled(on, async ({ transaction, emit }) => {
      const first = transaction(async (tx) => {
        await on.add(tx);
        await emit('counted', { by: 'first' });
        await tx.query('SELECT 1 / 0', []);
      });
      await assert.rejects(first, (error: Error & { code?: string }) => error.code === '22012');
      await transaction(on.add);
    });
    assert.deepEqual([shown.state, shown.attempts, await on.count()], ['succeeded', 1, 1]);
    assert.deepEqual(on.emitted, []);
  });

  testNeeding([postgres], 'is no success when it was not awaited', async () => {
    await using on = new Counting();
    const shown = await handled(on, ({ transaction, attempt }) => {
      const whole = transaction(on.add).catch(() => undefined);
      return attempt === 1 ? undefined : whole;
    });
    assert.deepEqual([shown.state, shown.attempts, await on.count()], ['succeeded', 2, 1]);
  });

  testNeeding([postgres], 'is no success when its commit failed and the handler looks away', async () => {
    await using on = new Counting();
    const shown = await handled(on, async ({ transaction, attempt }) => {
      const work = async (tx: SqlTransaction): Promise<void> => {
        await on.add(tx);
        if (attempt > 1) return;
        await tx.query('CREATE TEMPORARY TABLE twice (id integer UNIQUE DEFERRABLE INITIALLY DEFERRED)', []);
        await tx.query('INSERT INTO twice VALUES (1), (1)', []);
      };
      await transaction(work).catch((error: { code?: string }) => assert.equal(error.code, '23505'));
    });
    assert.deepEqual([shown.state, shown.attempts, await on.count()], ['succeeded', 2, 1]);
  });

  testNeeding([postgres], 'has the outcome that its code returns', async () => {
    await using on = new Counting();
    const shown = await handled(
      on,
      ({ transaction, attempt }) =>
        transaction(async (tx) => {
          await on.add(tx);
          return attempt === 1 ? new RetryLater('1ms') : new Reject('no such till');
        }),
      () => on.attempts('rejected') > 0,
    );
    assert.deepEqual([shown.state, shown.attempts, await on.count()], ['dead', 2, 1], 'a retry leaves nothing behind');
  });

  testNeeding([postgres], 'gives its connection back when the attempt times out', async () => {
    await using on = new Counting({ query: '&transactions=1' });
    on.gateway.handle('till', { from: 'shop', ...soon, timeout: '200ms' }, ({ id: _id }, { transaction, attempt }) =>
      transaction(async (tx) => {
        await on.add(tx);
        if (attempt === 1) await tx.query('SELECT pg_sleep(60)', []);
      }),
    );
    await on.start();
    await on.send();
    await on.until(() => on.attempts('succeeded') > 0);
    assert.equal(on.attempts('timeout'), 1);
    assert.equal(await on.count(), 1);
  });

  testNeeding([postgres], 'has a client that is of no use after it', async () => {
    await using on = new Counting();
    let kept: PoolClient | null = null;
    await handled(on, ({ transaction }) =>
      transaction(async (tx: PoolClient) => {
        kept = tx;
        assert.throws(() => tx.release(), code('attempt_ended'));
        await on.add(tx);
      }),
    );
    assert.throws(() => void kept?.query('SELECT 1'), code('attempt_ended'));
  });

  testNeeding([postgres], 'lets the next of an order key go on', async () => {
    await using on = new Counting({ query: '&listen=off' });
    on.gateway.handle('till', { from: 'shop', ...soon }, (_event, { transaction }) => transaction(on.add));
    await on.start();
    for (let index = 0; index < 5; index++) await on.send({ key: 'k' });
    await on.until(() => on.attempts('succeeded') === 5);
    assert.equal(await on.count(), 5);
  });

  testNeeding([postgres], 'settles a batch whole, each of its events as was said', async () => {
    await using on = new Counting();
    const seen: number[] = [];
    on.gateway.handleBatch('till', { from: 'shop', size: 3, within: '30s', retry: never() }, async (batch, context) => {
      seen.push(batch.events.length);
      const failing = context.transaction(async (tx) => {
        await on.add(tx);
        batch.succeed(at(batch.events, 0));
        throw new Error('rolled back');
      });
      await assert.rejects(failing, /rolled back/);
      await context.transaction(async (tx) => {
        for (const event of batch.events) {
          await on.add(tx);
          if ((event.body as { n: number }).n === 2) batch.fail(event, new Reject('not this one'));
        }
        await context.emit('counted', { by: 'the batch' });
      });
      assertClosed(context, at(batch.events, 0));
    });
    await on.start();
    for (const n of [1, 2, 3]) await on.send({ n });
    await on.until(() => on.emitted.length === 1 && on.attempts('succeeded') > 2);
    assert.deepEqual(seen, [3]);
    assert.equal(await on.count(), 3);
    const states = (await on.deliveries('till')).map(({ state }) => state);
    assert.deepEqual(states.toSorted(), ['dead', 'succeeded', 'succeeded']);
  });

  testNeeding([postgres], 'holds what is emitted to the catalogue before it commits', async () => {
    await using on = new Counting();
    const shown = await handled(
      on,
      ({ transaction, emit, attempt }) =>
        transaction(async (tx) => {
          await on.add(tx);
          await emit('counted', attempt === 1 ? { by: 7 } : { by: 'me' });
        }),
      () => on.attempts('succeeded') > 1,
    );
    assert.deepEqual([shown.attempts, await on.count()], [2, 1]);
    assert.deepEqual(on.emitted, [{ by: 'me' }]);
  });

  testNeeding([postgres], 'is unavailable, not failed, when its connection breaks while its code runs', async () => {
    await using on = new Counting();
    let runs = 0;
    const shown = await handled(on, ({ transaction }) =>
      transaction(async (tx) => {
        await on.add(tx);
        if (++runs > 1) return;
        await on.pool.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast handler'`,
        );
        await on.add(tx);
      }),
    );
    assert.deepEqual([shown.state, shown.attempts, runs, await on.count()], ['succeeded', 1, 2, 1]);
    assert.deepEqual([on.attempts('unavailable'), on.attempts('failed')], [1, 0]);
  });

  for (const [when, runs] of [
    ['after', 1],
    ['before', 2],
  ] as const) {
    testNeeding([postgres], `is found out about when the connection breaks ${when} the commit`, async () => {
      const proxy = await TcpProxy.start(Number(new URL(here().server.url).port));
      {
        const url = new URL(here().server.url);
        url.port = String(proxy.port);
        await using on = new Counting({ url: url.href });
        let ran = 0;
        const shown = await handled(on, ({ transaction }) =>
          transaction(async (tx) => {
            await on.add(tx);
            if (++ran === 1) proxy.cutAt({ of: 'holdfast handler', text: 'COMMIT', when });
          }),
        );
        assert.deepEqual([shown.state, shown.attempts, ran, await on.count()], ['succeeded', 1, runs, 1]);
      }
      await proxy.close();
    });
  }

  testNeeding([postgres], 'is the answer of a responder, sent before its handler ends', async () => {
    const { server } = here();
    const config = defineConfig({
      store: `${server.url}?schema=answering`,
      logLevel: 'silent',
      sources: { ask: { verify: none(), mode: 'sync', responder: 'reply', deadline: '20s' } },
    });
    const gateway = createGateway(config);
    const answered = Promise.withResolvers<void>();
    gateway.handle('reply', { from: 'ask' }, async (_event, { transaction }) => {
      await transaction(() => ({ status: 202, body: 'from the transaction' }));
      await answered.promise;
      return { status: 500, body: 'too late' };
    });
    await gateway.start();
    const answer = await gateway.fetch(new Request('http://test/in/ask', { method: 'POST', body: '{}' }));
    answered.resolve();
    assert.deepEqual([answer.status, await answer.text()], [202, 'from the transaction']);
    await gateway.stop();
  });

  test('is refused by a store that has none', async () => {
    const refused = Promise.withResolvers<unknown>();
    const config = defineConfig({ store: 'memory:', logLevel: 'silent', sources: { shop: { verify: none() } } });
    await using t = await testGateway(config, (gateway) =>
      gateway.handle('till', { from: 'shop' }, (_event, { transaction }) =>
        transaction(() => assert.fail('nothing runs')).catch((error: unknown) => refused.resolve(error)),
      ),
    );
    await t.send('shop', 'order.paid', {});
    await t.settled();
    assert.ok(code('transaction_unsupported')(await refused.promise));
  });
});

function at(events: readonly HandlerEvent[], index: number): HandlerEvent {
  const event = events[index];
  assert.ok(event !== undefined);
  return event;
}

function assertClosed(context: BatchContext, event: HandlerEvent): void {
  assert.throws(() => context.emit('counted', { by: 'late' }), code('attempt_ended'));
  assert.throws(() => context.succeed(event), code('attempt_ended'));
}
