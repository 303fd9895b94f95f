/** The bulk write: two statements for a batch of receipts, however many there are. */
import { and, eq, inArray, lt, sql } from 'drizzle-orm';
import { furthest, type Receipt } from './receipt.ts';
import { batches, type Database, recipients, type Status } from './tables.ts';

// #region record
/**
 * Writes receipts, each once: a status only moves forward, and the counters rise by the rows that this statement itself
 * has moved to `delivered`. What comes again, late, or from a batch that is done again moves nothing and counts nothing.
 * Rows are locked in the order of their ids, so that workers that write the same ones wait instead of deadlocking.
 */
export async function record(db: Database, receipts: readonly Receipt[]): Promise<void> {
  const given = furthest(receipts);
  const column = (name: keyof Receipt) => sql.param(given.map((receipt) => receipt[name]));
  const further = db
    .select({ id: recipients.id, status: sql<Status>`receipt.status`.as('next'), at: sql<Date>`receipt.at`.as('at') })
    .from(recipients)
    .innerJoin(
      sql`unnest(${column('messageId')}::text[], ${column('status')}::receipt_status[], ${column('at')}::timestamptz[])
          AS receipt(message, status, at)`,
      sql`receipt.message = ${recipients.messageId} AND receipt.status > ${recipients.status}`,
    )
    .orderBy(recipients.id)
    .for('update', { of: recipients })
    .as('further');
  const moved = await db
    .update(recipients)
    .set({
      status: sql`${further.status}`,
      deliveredAt: sql`CASE WHEN ${further.status} = 'delivered' THEN ${further.at} END`,
      recordedAt: sql`clock_timestamp()`,
    })
    .from(further)
    .where(and(eq(recipients.id, further.id), lt(recipients.status, further.status)))
    .returning({ batchId: recipients.batchId, delivered: recipients.delivered });
  const delivered = Map.groupBy(
    moved.filter((row) => row.delivered === true),
    ({ batchId }) => batchId,
  );
  if (delivered.size > 0) await addUp(db, delivered);
}
// #endregion

async function addUp(db: Database, delivered: ReadonlyMap<number, readonly unknown[]>): Promise<void> {
  const [ids, counts] = [[...delivered.keys()], [...delivered.values()].map((rows) => rows.length)];
  const more = db
    .select({ id: batches.id, count: sql<number>`more.count`.as('count') })
    .from(batches)
    .innerJoin(
      sql`unnest(${sql.param(ids)}::bigint[], ${sql.param(counts)}::int[]) AS more(id, count)`,
      sql`more.id = ${batches.id}`,
    )
    .orderBy(batches.id)
    .for('update', { of: batches })
    .as('more_of');
  await db
    .update(batches)
    .set({ deliveredCount: sql`${batches.deliveredCount} + ${more.count}` })
    .from(more)
    .where(eq(batches.id, more.id));
}

/** Which of these messages the application knows. */
export async function known(db: Database, messageIds: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await db
    .select({ messageId: recipients.messageId })
    .from(recipients)
    .where(inArray(recipients.messageId, [...messageIds]));
  return new Set(rows.map(({ messageId }) => messageId));
}
