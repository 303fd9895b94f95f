import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { createGateway } from 'holdfast';
import { drizzle } from 'drizzle-orm/node-postgres';
import { Pool } from 'pg';
import { postgres, postgresHere } from '../../test/postgres.ts';
import { testNeeding } from '../../test/require.ts';
import { balances, configOf, invoices, makeInvoice, makeInvoiceInDrizzle, register } from './invoices.ts';

const here = postgresHere();

describe('an application with tables beside the store', () => {
  testNeeding([postgres], 'has every invoice in the balance of its customer, once', async () => {
    const pool = new Pool({ connectionString: here().server.url });
    await pool.query('CREATE TABLE invoice (id text PRIMARY KEY, customer text, cents integer)');
    await pool.query('CREATE TABLE balance (customer text PRIMARY KEY, cents integer NOT NULL)');
    await using gateway = createGateway(configOf(here().server.url));
    register(gateway);
    const changes: unknown[] = [];
    const { promise: done, resolve } = Promise.withResolvers<void>();
    gateway.handle('watch', { from: 'emitted', types: ['balance.changed'] }, ({ body }) => {
      if (changes.push((body as { cents: number }).cents) === 2) resolve();
    });
    await gateway.start();
    const db = drizzle({ client: pool });
    await makeInvoice(gateway, pool, { id: 'in_1', customer: 'ada', cents: 100 });
    await makeInvoiceInDrizzle(gateway, db, { id: 'in_2', customer: 'ada', cents: 50 });
    for (const make of [
      () => makeInvoice(gateway, pool, { id: 'in_1', customer: 'ada', cents: 1 }),
      () => makeInvoiceInDrizzle(gateway, db, { id: 'in_2', customer: 'ada', cents: 1 }),
    ]) {
      await assert.rejects(make, 'the invoice is there already: nothing is written, nothing emitted');
    }
    await done;
    assert.deepEqual((await db.select().from(invoices)).length, 2);
    assert.deepEqual(await db.select().from(balances), [{ customer: 'ada', cents: 150 }]);
    assert.deepEqual(changes.at(-1), 150);
    await gateway.stop();
    await pool.end();
  });
});
