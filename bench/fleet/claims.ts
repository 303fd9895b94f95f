/** How long a claim takes on PostgreSQL, with so many deliveries waiting before each. */
import { Client } from 'pg';
import { postgresStore } from '../../src/store/postgres/index.ts';
import type { Append } from '../../src/store/store.ts';
import { batch, clock, event, ids, success } from '../store-events.ts';

export interface ClaimFigures {
  /** Deliveries of one claim. */
  readonly each: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  /** Claimed and settled a second. */
  readonly perS: number;
  readonly wakeUpsMs: number;
}

const CLAIMS = 60;
const WARM_UP = 5;
const CLAIMED_EACH = 100;
const WAKE_UPS = 50;
/** Events that are committed as a gateway does it; the others are copies, which is quicker. */
const MODELS = 1000;
const COPIED_AT_ONCE = 100_000;

let schemas = 0;

export async function claimFigures(url: string, waiting: number): Promise<ClaimFigures> {
  const schema = `waiting_${waiting}_${++schemas}`;
  const store = postgresStore({ url, clock, schema, process: ids.make('prc'), listenUrl: null });
  await store.work.open();
  try {
    await store.work.commit(batch({ appends: models(Math.min(MODELS, waiting)) }));
    await copy(url, schema, Math.max(0, waiting - MODELS));
    const took: number[] = [];
    let spentMs = 0;
    for (let claim = -WARM_UP; claim < CLAIMS; claim++) {
      const before = performance.now();
      const wants = [{ destination: 'billing', slots: CLAIMED_EACH, bytesMax: 1e9 }];
      const { claims } = await store.work.claim({ now: clock.now(), leaseMs: 60_000, wants });
      const claimed = performance.now();
      if (claims.length !== CLAIMED_EACH) throw new Error(`Claimed ${claims.length} of ${CLAIMED_EACH}.`);
      await store.work.commit(batch({ settlements: claims.map(success) }));
      if (claim >= 0) {
        took.push(claimed - before);
        spentMs += performance.now() - before;
      }
      await store.work.commit(batch({ appends: models(CLAIMED_EACH) }));
    }
    const perS = (CLAIMS * CLAIMED_EACH * 1000) / spentMs;
    took.sort((a, b) => a - b);
    const before = performance.now();
    for (let look = 0; look < WAKE_UPS; look++) await store.work.wakeUps(['billing'], clock.now());
    const wakeUpsMs = (performance.now() - before) / WAKE_UPS;
    const [medianMs = 0, p95Ms = 0] = [took[CLAIMS / 2], took[Math.floor(CLAIMS * 0.95)]];
    return { each: CLAIMED_EACH, medianMs, p95Ms, perS, wakeUpsMs };
  } finally {
    await store.work.close();
    await using client = await connected(url);
    await client.query(`DROP SCHEMA ${schema} CASCADE`);
  }
}

function models(count: number): readonly Append[] {
  return Array.from({ length: count }, (_, turn) => ({ events: [event(turn, 'no')] }));
}

/** More events and deliveries like those that are there, each with places, an id and a body of its own. */
async function copy(url: string, schema: string, count: number): Promise<void> {
  await using client = await connected(url);
  await client.query(`SET search_path = ${schema}`);
  const columns = async (table: string): Promise<readonly string[]> => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 ORDER BY attnum`,
      [table],
    );
    return rows.map(({ name }) => name);
  };
  const own = new Map([
    ['seq', 'base + 2 * n'],
    ['last_seq', 'base + 2 * n + 1'],
    ['id', `'evt_0' || substr(md5((base + n)::text), 1, 25)`],
  ]);
  const ownDelivery = new Map([
    ['seq', 'base + 2 * n + 1'],
    ['place', 'base + 2 * n + 1'],
    ['event_seq', 'base + 2 * n'],
  ]);
  const insert = (table: string, names: readonly string[], given: ReadonlyMap<string, string>): string => `
    INSERT INTO ${table} (${names.join(', ')}) SELECT ${names.map((name) => given.get(name) ?? name).join(', ')}
    FROM generate_series(0, $1::bigint - 1) AS n, (SELECT $2::bigint AS base) AS base,
      LATERAL (SELECT * FROM ${table} WHERE seq = $3::bigint + 2 * (n % ${MODELS})) AS model`;
  const first = await client.query<{ event: string; delivery: string; top: string }>(
    'SELECT (SELECT min(seq) FROM event) AS event, (SELECT min(seq) FROM delivery) AS delivery, last_value AS top FROM position',
  );
  const [from] = first.rows;
  const [events, deliveries] = [await columns('event'), await columns('delivery')];
  for (let made = 0; made < count; made += COPIED_AT_ONCE) {
    const some = Math.min(COPIED_AT_ONCE, count - made);
    const base = Number(from?.top) + 1 + 2 * made;
    await client.query(insert('event', events, own), [some, base, from?.event]);
    await client.query(insert('delivery', deliveries, ownDelivery), [some, base, from?.delivery]);
  }
  await client.query(`SELECT setval('position', $1)`, [Number(from?.top) + 2 * count + 1]);
  await client.query('VACUUM (ANALYZE) delivery');
  await client.query('VACUUM (ANALYZE) event');
  await client.query('CHECKPOINT');
}

async function connected(url: string): Promise<Client & AsyncDisposable> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}
