/** What the store of a gateway that has ended says: read through its ports, and its file by SQLite's own check. */
import { DatabaseSync } from 'node:sqlite';
import { randomFillSync } from 'node:crypto';
import { IdMaker } from '../../src/core/id.ts';
import { systemClock } from '../../src/gateway/clock.ts';
import { sqliteStore } from '../../src/store/sqlite/index.ts';
import type { Listed, Page, Store } from '../../src/store/store.ts';
import { sha256, SOURCE } from './wire.ts';

export interface StoredEventRow {
  readonly id: string;
  readonly key: string;
  readonly sha: string;
}

export interface StoredDelivery {
  readonly id: string;
  readonly eventId: string;
  readonly destination: string;
  readonly orderKey: string | null;
  readonly state: string;
  readonly reason: string | null;
  readonly attempts: number;
  readonly crashes: number;
}

/** Events and deliveries in the order of their commits. */
export interface Stored {
  readonly events: readonly StoredEventRow[];
  readonly deliveries: readonly StoredDelivery[];
  /** What is wrong with the file. */
  readonly problems: readonly string[];
}

const PAGE = 500;

/** Opens the store, reads what came from the crash tests' source and closes it again. A store that does not open is a finding, not an error. */
export async function readStored(path: string): Promise<Stored> {
  const ids = new IdMaker({ now: () => Date.now(), fill: (bytes) => void randomFillSync(bytes) });
  try {
    const store = sqliteStore({ path, clock: systemClock, ids });
    await store.work.open();
    try {
      return { ...(await readAll(store)), problems: integrityOf(path) };
    } finally {
      await store.work.close();
    }
  } catch (error) {
    return { events: [], deliveries: [], problems: [String(error)] };
  }
}

async function readAll({ history }: Store): Promise<Omit<Stored, 'problems'>> {
  const events: StoredEventRow[] = [];
  for await (const { id } of all((page) => history.events({ source: SOURCE }, page))) {
    const record = await history.event(id);
    if (record === null) throw new Error(`${id} is listed and not there`);
    const { dedupeKey, body } = record.event;
    events.push({ id, key: dedupeKey ?? '', sha: body === null ? 'purged' : sha256(body) });
  }
  const deliveries: StoredDelivery[] = [];
  for await (const { id, eventId, destination, orderKey, state, reason, attempts, crashes } of all((page) =>
    history.deliveries({ source: SOURCE }, page),
  )) {
    deliveries.push({ id, eventId, destination, orderKey, state, reason, attempts, crashes });
  }
  return { events, deliveries };
}

async function* all<Row>(list: (page: Page) => Promise<Listed<Row>>): AsyncGenerator<Row> {
  let cursor: string | null = null;
  do {
    const { rows, cursor: next }: Listed<Row> = await list({
      limit: PAGE,
      oldestFirst: true,
      ...(cursor !== null && { cursor }),
    });
    yield* rows;
    cursor = next;
  } while (cursor !== null);
}

function integrityOf(path: string): string[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const rows = database.prepare('PRAGMA integrity_check').all() as { readonly integrity_check: string }[];
    return rows.map((row) => row.integrity_check).filter((text) => text !== 'ok');
  } finally {
    database.close();
  }
}
