/** What happened: single records. Lists are in `list-events.ts` and `list-deliveries.ts`. */
import type { AttemptRecord } from '../../core/delivery.ts';
import type { DuplicateSummary, EventRecord, HistoryStore } from '../store.ts';
import type { Committing } from './commit.ts';
import { counts } from './counts.ts';
import { bucketOf, deliveryPlace } from './delivery-id.ts';
import { listDeliveries, oneDelivery } from './list-deliveries.ts';
import { listEvents } from './list-events.ts';
import { answerOf, EVENT_COLUMNS, eventOf, jsonIn, numberIn } from './rows.ts';
import { storedText } from './text.ts';

/** Attempts of a delivery that are kept. */
const ATTEMPTS_KEPT = 100;

/** History on the connection that `use` gives, which throws while the store is not open. */
export function postgresHistory(use: () => Committing): HistoryStore {
  return {
    event: async (id) => event(use(), id),
    events: async (filter, page) => listEvents(use(), filter, page),
    delivery: async (id) => oneDelivery(use(), id),
    deliveries: async (filter, page) => listDeliveries(use(), filter, page),
    attempts: async (id) => attempts(use(), id),
    counts: async () => counts(use()),
  };
}

async function event({ connections, schema }: Committing, id: string): Promise<EventRecord | null> {
  const text = `SELECT ${EVENT_COLUMNS}, e.body_bytes, e.owed, e.duplicates, e.newest::text AS newest,
      a.status, a.headers AS answer_headers, a.body AS answer_body
    FROM ${schema}.event e LEFT JOIN ${schema}.answer a ON a.event_seq = e.seq AND a.bucket = e.bucket
    WHERE e.id = $1 AND e.bucket IN ($2, 0)`;
  const [row] = await connections.read(text, [storedText(id), bucketOf(id)]);
  if (row === undefined) return null;
  const newest = jsonIn(row, 'newest') as DuplicateSummary['newest'] | null;
  return {
    event: eventOf(row),
    bodyBytes: numberIn(row, 'body_bytes'),
    owed: numberIn(row, 'owed'),
    duplicates: {
      count: numberIn(row, 'duplicates'),
      newest: newest ?? [],
    },
    answer: answerOf(row),
  };
}

async function attempts(to: Committing, id: string): Promise<readonly AttemptRecord[]> {
  const place = deliveryPlace(id);
  if (place === null) return [];
  const { connections, schema } = to;
  const text = `SELECT record FROM (
      SELECT number, record::text FROM ${schema}.attempt WHERE delivery = $1
      UNION ALL
      SELECT records AS number, attempt::text AS record FROM ${schema}.ended WHERE seq = $1 AND attempt IS NOT NULL
    ) kept ORDER BY number DESC LIMIT ${ATTEMPTS_KEPT}`;
  const rows = await connections.read(text, [place.seq]);
  return rows.map((row) => jsonIn(row, 'record') as AttemptRecord).toReversed();
}
