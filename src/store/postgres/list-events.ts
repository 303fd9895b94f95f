/** Events in the order of commits, page by page. */
import type { EventFilter, EventSummary, Listed, Page } from '../store.ts';
import type { Committing } from './commit.ts';
import { Conditions } from './conditions.ts';
import type { Row } from './connection.ts';
import { listed } from './page.ts';
import { numberIn, textIn, textOrNull } from './rows.ts';

export async function listEvents(to: Committing, filter: EventFilter, page: Page): Promise<Listed<EventSummary>> {
  const where = new Conditions();
  where.is('e.source', filter.source);
  where.is('e.type', filter.type);
  where.is('e.tenant', filter.tenant);
  where.is('e.correlation_id', filter.correlationId);
  where.is('e.dedupe_key', filter.dedupeKey);
  where.within(filter);
  if (filter.unmatched !== undefined) {
    where.add(`${filter.unmatched ? '' : 'NOT '}(e.owed = 0 AND e.duplicate_of IS NULL)`);
  }
  const columns = `e.seq, e.id, e.source, e.type, e.tenant, e.dedupe_key, e.order_key, e.received_at, e.correlation_id,
    e.body_bytes, e.unfit, e.duplicate_of, e.owed`;
  return listed(to, page, {
    where,
    position: 'e.seq',
    parts: [() => ({ select: `SELECT ${columns} FROM ${to.schema}.event e`, where: [] })],
    timed: false,
    show: summaryOf,
  });
}

function summaryOf(row: Row): EventSummary {
  return {
    id: textIn(row, 'id'),
    source: textIn(row, 'source'),
    type: textIn(row, 'type'),
    tenant: textOrNull(row, 'tenant'),
    dedupeKey: textOrNull(row, 'dedupe_key'),
    orderKey: textOrNull(row, 'order_key'),
    receivedAt: numberIn(row, 'received_at'),
    correlationId: textIn(row, 'correlation_id'),
    bodyBytes: numberIn(row, 'body_bytes'),
    unfit: textOrNull(row, 'unfit'),
    duplicateOf: textOrNull(row, 'duplicate_of'),
    owed: numberIn(row, 'owed'),
  };
}
