/** An application with tables beside the store: what it writes and what it emits are one commit, and so are its handlers'. */
import { defineConfig, type Gateway, type SqlTransaction } from 'holdfast';
import { none } from 'holdfast/verify';
import { sql, type SQL } from 'drizzle-orm';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import type { Pool, PoolClient } from 'pg';

export const invoices = pgTable('invoice', { id: text().primaryKey(), customer: text(), cents: integer() });
export const balances = pgTable('balance', { customer: text().primaryKey(), cents: integer().notNull() });

export interface Invoice {
  readonly id: string;
  readonly customer: string;
  readonly cents: number;
}

/** `url`: of the database that the tables are in too. */
export const configOf = (url: string) =>
  defineConfig({ store: url, logLevel: 'error', sources: { bank: { verify: none(), dedupeKey: 'body.id' } } });

type Emitting = Pick<Gateway, 'emit'>;

// #region emit
export async function makeInvoice(gateway: Emitting, pool: Pool, invoice: Invoice): Promise<void> {
  const tx = await pool.connect();
  try {
    await tx.query('BEGIN');
    await drizzle({ client: tx }).insert(invoices).values(invoice);
    await gateway.emit('invoice.made', invoice, { tx });
    await tx.query('COMMIT');
  } catch (error) {
    await tx.query('ROLLBACK');
    throw error;
  } finally {
    tx.release();
  }
}
// #endregion

// #region drizzle
/** A transaction that drizzle began, as `emit` takes it: the statement with drizzle's own parameters. */
export function inDrizzle(tx: Pick<NodePgDatabase, 'execute'>): SqlTransaction {
  const part = (piece: string, index: number, values: readonly unknown[]): SQL =>
    index % 2 === 0 ? sql.raw(piece) : sql`${sql.param(values[Number(piece) - 1])}`;
  return {
    query: (statement, values) =>
      tx.execute(sql.join(statement.split(/\$(\d+)/).map((piece, index) => part(piece, index, values)))),
  };
}

export async function makeInvoiceInDrizzle(gateway: Emitting, db: NodePgDatabase, invoice: Invoice): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.insert(invoices).values(invoice);
    await gateway.emit('invoice.made', invoice, { tx: inDrizzle(tx) });
  });
}
// #endregion

type Handling = Pick<Gateway, 'handle'>;

export function register(gateway: Handling): void {
  // #region handler
  gateway.handle('balances', { from: 'emitted', types: ['invoice.made'] }, async (event, { transaction, emit }) => {
    const { customer, cents } = event.body as Invoice;
    await transaction(async (tx: PoolClient) => {
      const rows = await drizzle({ client: tx })
        .insert(balances)
        .values({ customer, cents })
        .onConflictDoUpdate({ target: balances.customer, set: { cents: sql`${balances.cents} + ${cents}` } })
        .returning();
      await emit('balance.changed', { customer, cents: rows[0]?.cents });
    });
    // Here it is committed: the delivery has succeeded, whatever comes now.
  });
  // #endregion
}
