/** Lists and retention on PostgreSQL: what a page or a step costs, with much more there than it is about. */
import assert from 'node:assert/strict';
import { before, describe, type TestContext } from 'node:test';
import { Client } from 'pg';
import type { Committing } from '../src/store/postgres/commit.ts';
import { listDeliveries } from '../src/store/postgres/list-deliveries.ts';
import { listEvents } from '../src/store/postgres/list-events.ts';
import type { DeliveryFilter, EventFilter, Page } from '../src/store/store.ts';
import type { Statement } from '../src/store/postgres/connection.ts';
import { Watchers } from '../src/store/postgres/registry.ts';
import { Purge } from '../src/store/postgres/purge.ts';
import { World } from '../src/testing/conformance/world.ts';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

const here = postgresHere();
const DAY = 86_400_000;
const MUCH = 20_000;
const LITTLE = 1_000;

/** A node of a plan as `EXPLAIN` tells it. */
interface Node {
  readonly 'Relation Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly Plans?: readonly Node[];
}

/** How many rows of tables were looked at. */
function looked(node: Node): number {
  const removed = (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
  const own = node['Relation Name'] === undefined ? 0 : (node['Actual Rows'] + removed) * node['Actual Loops'];
  return (node.Plans ?? []).reduce((sum, plan) => sum + looked(plan), own);
}

/** The store's reads, each explained besides. */
function explained(looks: number[]): Committing {
  const { worlds } = here();
  const read = async (text: string, values: readonly unknown[] = []): Promise<unknown> => {
    const [row] = await worlds.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
    const plans = (row?.['QUERY PLAN'] ?? []) as readonly { readonly Plan: Node }[];
    for (const { Plan: plan } of plans) looks.push(looked(plan));
    return worlds.query(text, values);
  };
  const to = { connections: { read }, schema: 'holdfast_test', name: 'holdfast_test', owner: 1, leftOut: new Map() };
  return to as unknown as Committing;
}

/** The store, with all it does in one transaction, which knows at how many events it looked. */
async function counting(t: TestContext): Promise<{ readonly to: Committing; readonly looked: () => Promise<number> }> {
  const client = new Client({ connectionString: here().server.url });
  await client.connect();
  t.after(() => client.end());
  await client.query('BEGIN');
  const run = async (statements: readonly Statement[]): Promise<unknown> => {
    let rows: unknown[] = [];
    for (const { text, values } of statements) ({ rows } = await client.query(text, [...(values ?? [])]));
    return rows;
  };
  const connections = {
    run,
    read: (text: string, values?: readonly unknown[]) => run([{ text, values: values ?? [] }]),
  };
  const to = { connections, schema: 'holdfast_test', name: 'holdfast_test', owner: 1, leftOut: new Map() };
  return {
    to: to as unknown as Committing,
    looked: async () => {
      const text = `SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))::integer AS looked
        FROM pg_stat_xact_user_tables WHERE schemaname = 'holdfast_test' AND relname LIKE 'event_%'`;
      return Number((await client.query<{ looked: number }>(text)).rows[0]?.looked);
    },
  };
}

/** Of each: one that ended, and one that waits at another destination, of events of the day of the world and the day after. */
async function fill(world: World): Promise<void> {
  const { worlds } = here();
  const day = Math.floor(world.now / DAY);
  for (const bucket of [day, day + 1]) await worlds.query('SELECT make_bucket($1)', [bucket]);
  await worlds.query(
    `INSERT INTO event (seq, last_seq, received_at, bucket, owed, body_bytes, id, source, type, correlation_id, method, path,
        query, headers)
      SELECT n * 3, n * 3 + 2, b * ${DAY}::bigint, b, 2, 0, 'evt_' || n, 'shop', 'order.paid', 'c-' || n, 'POST', '/', '', '[]'
      FROM generate_series(1, ${MUCH}) n, LATERAL (SELECT $1::integer + n * 2 / ${MUCH + 1}) day(b)`,
    [day],
  );
  await worlds.query(`INSERT INTO ended (seq, event_seq, committed_at, ended_at, bucket, attempts, crashes, records, state, destination)
    SELECT seq + 1, seq, received_at, received_at, bucket, 1, 0, 0, 'succeeded', 'much' FROM event`);
  await worlds.query(`INSERT INTO delivery (seq, event_seq, place, committed_at, received_at, bucket, bytes, destination)
    SELECT seq + 2, seq, seq + 2, received_at, received_at, bucket, 0, 'waiting' FROM event`);
  await worlds.query(`SELECT setval('position', ${MUCH * 4})`);
  for (const table of ['event', 'ended', 'delivery']) await worlds.query(`ANALYZE ${table}`);
}

describe('a list on PostgreSQL', () => {
  let world: World;
  const ids = { event: '', replayed: '' };

  before(async () => {
    if (!postgres.met()) return;
    world = await World.open(await here().worlds.harness());
    await fill(world);
    await world.advance(DAY * 1.5);
    ids.event = await world.accept({}, 'little', 'other');
    await world.finish('little', world.build.dead('exhausted'));
    ids.replayed = (await world.only({ eventId: ids.event, destination: 'little' })).id;
    await world.replay(ids.replayed);
    await world.accept({ orderKey: 'k' }, 'little');
    await world.accept({ orderKey: 'k' }, 'little');
    await world.accept({}, { destination: 'little', dueAt: world.now + DAY });
    await world.finish('other', world.build.dead('exhausted'));
    await world.act({
      kind: 'resolve',
      deliveryIds: [(await world.only({ destination: 'other' })).id],
      note: '',
      by: 'x',
    });
  });

  const deliveries: readonly (readonly [string, DeliveryFilter | null, number])[] = [
    ['of everything', {}, 50],
    ['of one event', null, 3],
    ['of a destination with little', { destination: 'little' }, 5],
    ['of a destination that has none', { destination: 'none' }, 0],
    ['of dead letters', { states: ['dead'] }, 2],
    ['of dead letters that nobody has resolved', { states: ['dead'], resolved: false }, 1],
    ['of dead letters that somebody has resolved', { resolved: true }, 1],
    ['of what is blocked', { states: ['blocked'] }, 1],
    ['of what is due later', { states: ['due'] }, 1],
    ['of what is claimed', { states: ['claimed'] }, 0],
    ['of what is ready where little is', { destination: 'little', states: ['ready'] }, 2],
    ['of what was skipped or cancelled', { states: ['skipped', 'cancelled'] }, 0],
  ];
  for (const oldestFirst of [false, true]) {
    const order = oldestFirst ? 'oldest' : 'newest';
    for (const [what, filter, count] of deliveries) {
      testNeeding([postgres], `${what}, the ${order} first, looks at little besides what it gives`, async () => {
        const looks: number[] = [];
        const page: Page = { limit: 50, oldestFirst };
        const listed = await listDeliveries(explained(looks), filter ?? { eventId: ids.event }, page);
        assert.equal(listed.rows.length, count);
        assert.ok(looks.length > 0 && Math.max(...looks) < LITTLE, `looked at ${looks.join(', ')}`);
      });
    }
  }

  testNeeding([postgres], 'of events since some time reads no day that was over before', async () => {
    const since = Math.floor(world.now / DAY) * DAY + DAY;
    for (const filter of [{ since }, { since, correlationId: 'c-1' }] satisfies EventFilter[]) {
      const looks: number[] = [];
      const { rows } = await listEvents(explained(looks), filter, { limit: 50 });
      assert.equal(rows.length, 0);
      assert.ok(Math.max(...looks) <= MUCH / 2 + LITTLE, `looked at ${looks.join(', ')}`);
    }
  });

  testNeeding([postgres], 'is long to look through: retention reads no day that is too young', async (t) => {
    const { to, looked } = await counting(t);
    const retention = { bodiesMs: 7 * DAY, eventsMs: 7 * DAY, unmatchedMs: 30 * DAY, deadLettersMs: null };
    const step = await new Purge(to, { sweptBytesMax: 2 ** 30 }).step({
      now: world.now,
      retention,
      heldBefore: [],
      limit: 100,
    });
    assert.deepEqual([step.events, step.more], [0, false]);
    assert.ok((await looked()) < LITTLE, `looked at ${await looked()}`);
  });
});

describe('a look for changed documents on PostgreSQL', () => {
  testNeeding([postgres], 'reads none of them', async () => {
    const { worlds } = here();
    const world = await World.open(await worlds.harness());
    await worlds.query(`INSERT INTO document (version, kind, key, value)
      SELECT 1, 'note', n, to_json(repeat(md5(n::text), 20)) FROM generate_series(1, ${MUCH}) n`);
    await worlds.query('VACUUM ANALYZE document');
    const asked: string[] = [];
    const read = async (text: string): Promise<unknown> => {
      asked.push(text);
      return worlds.query(text);
    };
    const watchers = new Watchers(world.harness.clock, () => ({ ...explained([]), connections: { read } as never }));
    await new Promise<void>((resolve) => void watchers.watch('note', resolve));
    await watchers.stop();
    assert.equal(asked.length, 1);
    const plan = await worlds.query(`EXPLAIN ${asked[0]}`);
    assert.match(JSON.stringify(plan), /Index Only Scan using document_version/);
    await world.harness.dispose();
  });
});
