/** Deliveries in the order of commits, page by page: what is open or dead in "delivery", the others in "ended". */
import type { DeadReason, DeliveryState } from '../../core/delivery.ts';
import type { DeliveryFilter, DeliveryRecord, Listed, Page } from '../store.ts';
import type { Committing } from './commit.ts';
import { Conditions } from './conditions.ts';
import type { Row } from './connection.ts';
import { bucketOf, deliveryId, deliveryPlace } from './delivery-id.ts';
import { listed, type PartOf } from './page.ts';
import { numberIn, numberOrNull, orderKeyOf, replayOfIn, textIn, textOrNull } from './rows.ts';
import { storedText } from './text.ts';

const EVENT = 'e.id AS event_id, e.source, e.type, e.tenant, e.received_at';
const COMMON = `d.seq, d.event_seq, d.bucket, d.destination, d.key, d.committed_at, d.attempts, d.crashes, d.replay_of,
  d.replay_of_at, d.replay_id, d.reason, d.note, d.last_error, d.ended_at`;

/**
 * Of what is open or dead, as `CASE` tries them. A dead one is neither claimed nor blocked, and waits for no time. Each is
 * as one of the indexes by destination has it, so that a destination with little of all that waits is read along them.
 */
const STATES: readonly (readonly [DeliveryState, (now: string) => string])[] = [
  ['dead', () => 'd.dead'],
  ['claimed', (now) => `d.claimed AND d.wake_at > ${now}`],
  ['blocked', (now) => `d.blocked AND NOT (d.claimed AND d.wake_at > ${now})`],
  ['due', (now) => `d.wake_at > ${now} AND NOT d.claimed AND NOT d.blocked`],
  ['ready', () => 'd.wake_at IS NULL AND NOT d.blocked AND NOT d.dead'],
  ['ready', (now) => `d.wake_at <= ${now} AND NOT d.blocked`],
];

const OPEN: ReadonlySet<DeliveryState> = new Set(['blocked', 'due', 'ready', 'claimed']);

function selectLive(schema: string, now: string): string {
  const state = STATES.map(([name, is]) => `WHEN ${is(now)} THEN '${name}'`).join(' ');
  return `SELECT ${COMMON}, NULL::bigint AS resolved_at, NULL::text AS resolved_by, NULL::text AS resolved_note,
    CASE ${state} END AS state, CASE WHEN NOT d.claimed AND d.wake_at > ${now} THEN d.wake_at END AS due_at, ${EVENT}
    FROM ${schema}.delivery d JOIN ${schema}.event e ON e.seq = d.event_seq AND e.bucket = d.bucket`;
}

function selectPast(schema: string): string {
  return `SELECT ${COMMON}, d.resolved_at, d.resolved_by, d.resolved_note, d.state, NULL::bigint AS due_at, ${EVENT}
    FROM ${schema}.ended d JOIN ${schema}.event e ON e.seq = d.event_seq AND e.bucket = d.bucket`;
}

/** `null`: nothing that is open or an unresolved dead letter is asked for. */
function livePart(schema: string, { states, resolved, destination }: DeliveryFilter): PartOf | null {
  const asked = STATES.filter(
    ([state]) => states?.includes(state) !== false && (resolved === undefined || state === 'dead'),
  );
  if (resolved === true || asked.length === 0) return null;
  return (now) => ({
    select: selectLive(schema, now),
    where:
      asked.length === STATES.length && destination === undefined
        ? []
        : [`(${asked.map(([, is]) => `(${is(now)})`).join(' OR ')})`],
  });
}

/** `null`: nothing that has ended and is no unresolved dead letter is asked for. */
function pastPart(schema: string, filter: DeliveryFilter, values: Conditions): PartOf | null {
  const { resolved, since, eventId } = filter;
  const states = filter.states?.filter((state) => !OPEN.has(state) && (resolved === undefined || state === 'dead'));
  if (resolved === false || states?.length === 0) return null;
  const where: string[] = [];
  if (states !== undefined) where.push(`d.state = ANY (${values.value(states)})`);
  else if (resolved === true) where.push("d.state = 'dead'");
  if (since !== undefined) where.push(values.daysFrom('d.bucket', since));
  if (eventId !== undefined) where.push(`d.bucket IN (${values.value(bucketOf(eventId))}, 0)`);
  return () => ({ select: selectPast(schema), where });
}

/** What an event was owed at first stands together; what was made of it later has an index. `false`: there is no such event. */
async function ofEvent({ connections, schema }: Committing, id: string, where: Conditions): Promise<boolean> {
  const text = `SELECT seq, last_seq FROM ${schema}.event WHERE id = $1 AND bucket IN ($2, 0)`;
  const [row] = await connections.read(text, [storedText(id), bucketOf(id)]);
  if (row === undefined) return false;
  const [seq, last] = [where.value(numberIn(row, 'seq')), where.value(numberIn(row, 'last_seq'))];
  where.add(`d.event_seq = ${seq} AND (d.seq BETWEEN ${seq} AND ${last} OR d.replay_id IS NOT NULL)`);
  return true;
}

export async function listDeliveries(
  to: Committing,
  filter: DeliveryFilter,
  page: Page,
): Promise<Listed<DeliveryRecord>> {
  const where = new Conditions();
  where.is('d.destination', filter.destination);
  where.is('e.source', filter.source);
  where.is('e.type', filter.type);
  where.is('e.tenant', filter.tenant);
  where.is('d.reason', filter.reason);
  where.is('d.replay_id', filter.replayId);
  where.within(filter);
  if (filter.eventId !== undefined && !(await ofEvent(to, filter.eventId, where))) return { rows: [], cursor: null };
  const live = livePart(to.schema, filter);
  const past = pastPart(to.schema, filter, where);
  const parts = [live, past].filter((part) => part !== null);
  return listed(to, page, { where, position: 'd.seq', parts, timed: live !== null, show: recordOf });
}

export async function oneDelivery({ connections, schema }: Committing, id: string): Promise<DeliveryRecord | null> {
  const place = deliveryPlace(id);
  if (place === null) return null;
  const is = 'WHERE d.seq = $1 AND d.committed_at = $2';
  const live = `(${selectLive(schema, 'x.now')} JOIN ${schema}.now_ms() AS x(now) ON true ${is})`;
  const text = `${live} UNION ALL (${selectPast(schema)} ${is})`;
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
