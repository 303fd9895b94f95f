/** Deliveries in the order of commits, page by page: what is open or dead in "delivery", the others in "ended". */
import type { DeadReason, DeliveryState } from '../../core/delivery.ts';
import type { DeliveryFilter, DeliveryRecord, Listed, Page } from '../store.ts';
import type { Committing } from './commit.ts';
import { Conditions } from './conditions.ts';
import type { Row } from './connection.ts';
import { bucketOf, deliveryId, deliveryPlace } from './delivery-id.ts';
import { listed } from './page.ts';
import { numberIn, numberOrNull, orderKeyOf, replayOfIn, textIn, textOrNull } from './rows.ts';
import { storedText } from './text.ts';

const COMMON = `seq, event_seq, bucket, destination, key, committed_at, attempts, crashes, replay_of, replay_of_at, replay_id,
  reason, note, last_error`;

const LIVE = `${COMMON}, ended_at, NULL::bigint AS resolved_at, NULL::text AS resolved_by, NULL::text AS resolved_note,
  CASE WHEN dead THEN 'dead' WHEN claimed AND wake_at > now THEN 'claimed' WHEN blocked THEN 'blocked'
    WHEN wake_at > now THEN 'due' ELSE 'ready' END AS state,
  CASE WHEN NOT dead AND NOT claimed AND wake_at > now THEN wake_at END AS due_at`;

const PAST = `${COMMON}, ended_at, resolved_at, resolved_by, resolved_note, state, NULL::bigint AS due_at`;

const OPEN: ReadonlySet<DeliveryState> = new Set(['blocked', 'due', 'ready', 'claimed']);

/** Deliveries as one table; what cannot hold what is asked for is left out. */
function table(schema: string, which: { readonly live: boolean; readonly past: boolean }): string {
  const parts: string[] = [];
  if (which.live) parts.push(`SELECT ${LIVE} FROM ${schema}.delivery, ${schema}.now_ms() AS now`);
  if (which.past) parts.push(`SELECT ${PAST} FROM ${schema}.ended`);
  return parts.length === 0
    ? `SELECT ${PAST} FROM ${schema}.ended WHERE false`
    : parts.map((part) => `(${part})`).join(' UNION ALL ');
}

function selectFrom(schema: string, deliveries: string): string {
  return `SELECT d.*, e.id AS event_id, e.source, e.type, e.tenant, e.received_at
    FROM (${deliveries}) d JOIN ${schema}.event e ON e.seq = d.event_seq AND e.bucket = d.bucket`;
}

export async function listDeliveries(
  to: Committing,
  filter: DeliveryFilter,
  page: Page,
): Promise<Listed<DeliveryRecord>> {
  const { states } = filter;
  const where = new Conditions();
  where.is('d.destination', filter.destination);
  where.is('e.source', filter.source);
  where.is('e.type', filter.type);
  where.is('e.tenant', filter.tenant);
  where.is('d.reason', filter.reason);
  where.is('d.replay_id', filter.replayId);
  where.within('e.received_at', filter);
  if (states !== undefined) where.add(`d.state = ANY (${where.value(states)})`);
  if (filter.resolved !== undefined) {
    where.add(`d.state = 'dead' AND d.resolved_at IS ${filter.resolved ? 'NOT ' : ''}NULL`);
  }
  if (filter.eventId !== undefined) {
    const event = `SELECT seq FROM ${to.schema}.event WHERE id = ${where.value(storedText(filter.eventId))}`;
    where.add(`d.event_seq = (${event} AND bucket IN (${where.value(bucketOf(filter.eventId))}, 0))`);
  }
  const deliveries = table(to.schema, {
    live: filter.resolved !== true && states?.some((state) => OPEN.has(state) || state === 'dead') !== false,
    past: filter.resolved !== false && states?.some((state) => !OPEN.has(state)) !== false,
  });
  return listed(to, page, {
    where,
    position: 'd.seq',
    select: (conditions) => `${selectFrom(to.schema, deliveries)} WHERE ${conditions}`,
    show: recordOf,
  });
}

export async function oneDelivery({ connections, schema }: Committing, id: string): Promise<DeliveryRecord | null> {
  const place = deliveryPlace(id);
  if (place === null) return null;
  const text = `${selectFrom(schema, table(schema, { live: true, past: true }))} WHERE d.seq = $1 AND d.committed_at = $2`;
  const [row] = await connections.read(text, [place.seq, place.committedAt]);
  return row === undefined ? null : recordOf(row);
}

function recordOf(row: Row): DeliveryRecord {
  const resolvedAt = numberOrNull(row, 'resolved_at');
  const committedAt = numberIn(row, 'committed_at');
  return {
    id: deliveryId({ seq: numberIn(row, 'seq'), committedAt }),
    eventId: textIn(row, 'event_id'),
    destination: textIn(row, 'destination'),
    source: textIn(row, 'source'),
    type: textIn(row, 'type'),
    tenant: textOrNull(row, 'tenant'),
    orderKey: orderKeyOf(row['key']),
    state: row['state'] as DeliveryState,
    attempts: numberIn(row, 'attempts'),
    crashes: numberIn(row, 'crashes'),
    receivedAt: numberIn(row, 'received_at'),
    committedAt,
    dueAt: numberOrNull(row, 'due_at'),
    endedAt: numberOrNull(row, 'ended_at'),
    reason: row['reason'] as DeadReason | null,
    note: textOrNull(row, 'note'),
    resolved:
      resolvedAt === null
        ? null
        : { at: resolvedAt, by: textIn(row, 'resolved_by'), note: textIn(row, 'resolved_note') },
    replayOf: replayOfIn(row),
    replayId: textOrNull(row, 'replay_id'),
    lastError: textOrNull(row, 'last_error'),
  };
}
