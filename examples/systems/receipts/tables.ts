/** The tables of schema.sql, as drizzle knows them. */
import { readFile } from 'node:fs/promises';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import { bigint, boolean, pgEnum, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import { Client } from 'pg';

/** A connection, a pool, or a transaction. */
export type Database = Pick<NodePgDatabase, 'select' | 'update'>;

export const receiptStatus = pgEnum('receipt_status', ['queued', 'sent', 'failed', 'delivered']);
export type Status = (typeof receiptStatus.enumValues)[number];

const id = () => bigint({ mode: 'number' });

export const batches = pgTable('batches', {
  id: id().primaryKey().generatedAlwaysAsIdentity(),
  name: text().notNull(),
  deliveredCount: id().notNull().default(0),
});

export const recipients = pgTable('recipients', {
  id: id().primaryKey().generatedAlwaysAsIdentity(),
  batchId: id().notNull(),
  messageId: text().notNull().unique(),
  status: receiptStatus().notNull().default('queued'),
  delivered: boolean(),
  deliveredAt: timestamp({ withTimezone: true }),
  recordedAt: timestamp({ withTimezone: true }),
});

export async function migrate(connectionString: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    await client.query(await readFile(new URL('schema.sql', import.meta.url), 'utf8'));
  } finally {
    await client.end();
  }
}
