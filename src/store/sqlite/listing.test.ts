import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { before, after, describe, test } from 'node:test';
import type { Clock } from '../../core/clock.ts';
import { TestClock } from '../../testing/clock.ts';
import { Builder, settlement } from '../../testing/conformance/build.ts';
import type { DeliveryFilter, EventFilter, NewEvent, Outcome, Page } from '../store.ts';
import { connectReader } from './connection.ts';
import { countAll } from './counts.ts';
import { BUCKET_KEYS } from './dedupe.ts';
import { asFormat, idMaker, scratch } from './harness.ts';
import { sqliteStore } from './index.ts';
import { listDeliveries } from './list-deliveries.ts';
import { listEvents } from './list-events.ts';
import { load, migrate } from './open.ts';
import { type Query, Reader } from './reader.ts';
import { giveWay } from './slices.ts';
import { State } from './state.ts';
import { statements } from './statements.ts';

/** A reader that counts the rows it is given and notes what it is asked. */
class CountingReader extends Reader {
  rows = 0;
  readonly asked = new Set<string>();

  override first(query: Query, ...params: Parameters<Reader['first']> extends [Query, ...infer Rest] ? Rest : never) {
    this.#note(query);
    this.rows++;
    return super.first(query, ...params);
  }

  override all(query: Query, ...params: Parameters<Reader['all']> extends [Query, ...infer Rest] ? Rest : never) {
    this.#note(query);
    const rows = super.all(query, ...params);
    this.rows += rows.length + 1;
    return rows;
  }

  #note(query: Query): void {
    this.asked.add(typeof query === 'string' ? statements[query] : query.sql);
  }
}

const COMMIT = 200;
const MINUTE = 60_000;

interface Filled {
  readonly path: string;
  readonly reader: CountingReader;
  readonly state: State;
  /** When the layers in the middle began and ended. */
  readonly times: { readonly first: number; readonly second: number; readonly last: number };
  readonly close: () => void;
}

/**
 * A store of layers, a minute and more apart: at the bottom and at the top a few deliveries of every kind to `rare`, in
 * between `commits` commits of each kind to `till`, one kind above the other, so that whoever looks for one kind has all
 * others before it.
 */
async function filled(commits: number): Promise<Filled> {
  const { path, remove } = scratch();
  const clock = new TestClock();
  const build = new Builder(clock);
  const store = sqliteStore({ path, clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' });
  await store.work.open();
  const layer = async (destination: string, count: number, each: number): Promise<void> => {
    const commit = async (make: () => NewEvent): Promise<void> => {
      for (let made = 0; made < count; made++) {
        await store.work.commit(build.batch({ appends: [{ events: Array.from({ length: each }, make) }] }));
      }
      clock.advance(5 * MINUTE);
    };
    const settled = async (outcome: () => Outcome): Promise<void> => {
      for (let made = 0; made < count; made++) {
        const events = Array.from({ length: each }, () => build.event({}, { destination, handOff: 'start' }));
        const { appends } = await store.work.commit(build.batch({ appends: [{ events }] }));
        const answers = appends[0]?.status === 'committed' ? appends[0].events : [];
        const claims = answers.flatMap((answer) => (answer.status === 'committed' ? answer.claims : []));
        const settlements = claims.flatMap((claim) => (claim === null ? [] : [settlement(claim, outcome())]));
        await store.work.commit(build.batch({ settlements }));
      }
      clock.advance(5 * MINUTE);
    };
    await settled(() => build.succeeded());
    await settled(() => build.dead('rejected'));
    await settled(() => build.dead('exhausted'));
    await resolveAll();
    await settled(() => build.dead('rejected'));
    await settled(() => build.skipped('no'));
    await settled(() => build.retry(3_600_000_000));
    await commit(() => build.event({ orderKey: 'one' }, destination));
    await commit(() => build.event({ dedupeKey: null }));
    await commit(() => build.event({}, destination));
  };
  const resolveAll = async (): Promise<void> => {
    const dead = await store.history.deliveries({ reason: 'exhausted', resolved: false }, { limit: 100_000 });
    const deliveryIds = dead.rows.map(({ id }) => id);
    await store.work.commit(build.batch({ actions: [{ kind: 'resolve', deliveryIds, by: 'test', note: 'done' }] }));
  };
  const first = clock.now();
  await layer('rare', 1, 3);
  const second = clock.now();
  await layer('till', commits, COMMIT);
  const last = clock.now();
  await layer('rare', 1, 3);
  await store.work.close();
  const reader = new CountingReader(connectReader(path));
  const state = new State({ clock, reader, boot: 9, bucketKeys: BUCKET_KEYS });
  load(state);
  const close = (): void => {
    reader.close();
    remove();
  };
  return { path, reader, state, times: { first, second, last }, close };
}

const STATES = ['blocked', 'due', 'ready', 'succeeded', 'skipped', 'dead'] as const;

/** What operators ask for; times are those of the store. */
function filtersOf({ times: { second, last } }: Filled): DeliveryFilter[] {
  const kinds: DeliveryFilter[] = [
    ...STATES.map((state) => ({ states: [state] })),
    { states: ['blocked', 'due', 'ready', 'claimed'] },
    { states: ['claimed'] },
    { states: ['cancelled'] },
    { states: ['succeeded', 'skipped', 'dead'] },
    { states: ['dead'], resolved: false },
    { states: ['dead'], resolved: true },
    { reason: 'rejected' },
    { reason: 'exhausted', resolved: true },
    { reason: 'crashed' },
    { states: ['dead'], reason: 'rejected', resolved: false },
    {},
  ];
  const places = [{}, { destination: 'rare' }, { destination: 'till' }, { destination: 'none' }];
  const spans = [{}, { since: last }, { until: second }, { since: second, until: second + 7 * MINUTE }];
  return kinds.flatMap((kind) =>
    places.flatMap((place) => spans.map((span): DeliveryFilter => ({ ...kind, ...place, ...span }))),
  );
}

function eventFiltersOf({ times: { second, last } }: Filled): EventFilter[] {
  const spans = [{}, { since: last }, { until: second }, { since: second, until: second + 7 * MINUTE }];
  return spans.flatMap((span): EventFilter[] => [span, { ...span, unmatched: true }]);
}

const PAGES: readonly Page[] = [{ limit: 20 }, { limit: 20, oldestFirst: true }];

describe('a page of a list', () => {
  const filledStores: Filled[] = [];

  before(async () => {
    for (const commits of [2, 12]) filledStores.push(await filled(commits));
  });

  after(() => {
    for (const one of filledStores) one.close();
  });

  /** The rows read for each, in the store: the same question costs the same, however much there is. */
  async function costs<Asked>(
    store: Filled,
    asked: readonly Asked[],
    list: (one: Asked, page: Page) => Promise<{ rows: readonly unknown[]; cursor: string | null }>,
  ): Promise<{ name: string; rows: number; given: number }[]> {
    const found = [];
    for (const one of asked) {
      for (const page of PAGES) {
        store.reader.rows = 0;
        const { rows, cursor } = await list(one, page);
        // Nothing is cut short: what there is is given.
        if (rows.length < page.limit) assert.equal(cursor, null, JSON.stringify([one, page]));
        found.push({ name: JSON.stringify([one, page]), rows: store.reader.rows, given: rows.length });
      }
    }
    return found;
  }

  function compare(small: { name: string; rows: number }[], large: { name: string; rows: number }[]): void {
    const tooMuch = large.filter(({ rows }, index) => rows > (small[index]?.rows ?? 0) + 150);
    assert.deepEqual(
      tooMuch.map(({ name, rows }) => `${name}: ${rows}`),
      [],
    );
  }

  test('of deliveries costs the same in a store six times as large, whatever is asked for', async () => {
    const [small, large] = filledStores;
    assert.ok(small && large);
    const [few, many] = await Promise.all(
      [small, large].map((store) =>
        costs(store, filtersOf(store), (filter, page) => listDeliveries(store.state, filter, page)),
      ),
    );
    assert.ok(few && many);
    compare(few, many);
    assert.ok(many.filter(({ given }) => given === 20).length > 50);
  });

  test('of events costs the same in a store six times as large, by time and by whether they matched', async () => {
    const [small, large] = filledStores;
    assert.ok(small && large);
    const [few, many] = await Promise.all(
      [small, large].map((store) =>
        costs(store, eventFiltersOf(store), (filter, page) => listEvents(store.state, filter, page)),
      ),
    );
    assert.ok(few && many);
    compare(few, many);
  });

  test('is found along indexes: no statement scans a table or sorts', async () => {
    const [, large] = filledStores;
    assert.ok(large);
    large.reader.asked.clear();
    await costs(large, filtersOf(large), (filter, page) => listDeliveries(large.state, filter, page));
    await costs(large, eventFiltersOf(large), (filter, page) => listEvents(large.state, filter, page));
    const database = new DatabaseSync(large.path, { readOnly: true });
    const plans = [...large.reader.asked].flatMap((sql) =>
      database
        .prepare(`EXPLAIN QUERY PLAN ${sql}`)
        .all()
        .map((row) => `${String(row['detail'])} <- ${sql}`),
    );
    database.close();
    assert.ok(plans.length > 10);
    assert.deepEqual(
      plans.filter((plan) => !plan.startsWith('SEARCH')),
      [],
    );
  });

  test('gives everything there is, once, in order, though it gives way every few milliseconds', async () => {
    const [small] = filledStores;
    assert.ok(small);
    let now = 0;
    // Every look at the clock is a millisecond later than the one before.
    const clock: Clock = {
      now: () => small.state.clock.now(),
      monotonic: () => now++,
      schedule: () => ({ cancel() {} }),
    };
    const slow = new State({ clock, reader: small.reader, boot: 9, bucketKeys: BUCKET_KEYS });
    load(slow);
    for (const filter of filtersOf(small)) {
      const all = await listDeliveries(small.state, filter, { limit: 100_000, oldestFirst: true });
      const found: string[] = [];
      for (let cursor: string | null | undefined; cursor !== null;) {
        const listed = await listDeliveries(slow, filter, { limit: 700, ...(cursor !== undefined && { cursor }) });
        found.push(...listed.rows.map(({ id }) => id));
        cursor = listed.cursor;
      }
      assert.deepEqual(
        found.toReversed(),
        all.rows.map(({ id }) => id),
        JSON.stringify(filter),
      );
    }
    assert.ok(now > 10_000);
  });

  test('for what hardly anything fits ends early, with a cursor that leads to the rest', async () => {
    const [, large] = filledStores;
    assert.ok(large);
    const filter: DeliveryFilter = { states: ['blocked', 'due', 'ready', 'skipped', 'dead'], type: 'order.unknown' };
    let pages = 0;
    for (let cursor: string | null | undefined; cursor !== null; pages++) {
      large.reader.rows = 0;
      const listed = await listDeliveries(large.state, filter, { limit: 20, ...(cursor !== undefined && { cursor }) });
      assert.deepEqual(listed.rows, []);
      assert.ok(large.reader.rows < 30_000, `${large.reader.rows} rows were read for one page`);
      cursor = listed.cursor;
    }
    assert.ok(pages > 1 && pages < 5, `${pages} pages`);
  });
});

describe('by time of receipt', () => {
  test('what was committed long after it was received is found, and so are replays', async (t) => {
    const { path, remove } = scratch();
    const clock = new TestClock();
    const build = new Builder(clock);
    const store = sqliteStore({ path, clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' });
    t.after(async () => {
      await store.work.close();
      remove();
    });
    await store.work.open();
    const append = async (event: NewEvent) => store.work.commit(build.batch({ appends: [{ events: [event] }] }));
    const old = build.event({}, { destination: 'till', dead: 'rejected' });
    await append(old);
    const noon = clock.now() + 60 * MINUTE;
    for (let hour = 0; hour < 5; hour++) {
      clock.advance(60 * MINUTE);
      await append(build.event({}, 'till'));
    }
    const late = build.event({ receivedAt: noon - MINUTE }, 'till', 'desk');
    await append(late);
    const { rows } = await store.history.deliveries({ eventId: old.event.id }, { limit: 1 });
    const replay = { replayId: build.replayId(), eventId: old.event.id, destination: 'till', of: rows[0]?.id ?? null };
    await store.work.commit(build.batch({ replays: [{ ...replay, ordered: false }] }));
    await append(build.event({}, 'till'));
    for (const oldestFirst of [false, true]) {
      for (const kind of [{}, { states: ['ready', 'dead'] as const }, { destination: 'till' }]) {
        const found = await store.history.deliveries({ ...kind, until: noon }, { limit: 9, oldestFirst });
        const events = found.rows.map(({ eventId }) => eventId);
        const lates = 'destination' in kind ? [late.event.id] : [late.event.id, late.event.id];
        const wanted = [old.event.id, ...lates, old.event.id];
        assert.deepEqual(events, oldestFirst ? wanted : wanted.toReversed(), JSON.stringify(kind));
      }
      const found = await store.history.events({ until: noon }, { limit: 9, oldestFirst });
      const ids = [old.event.id, late.event.id];
      assert.deepEqual(
        found.rows.map(({ id }) => id),
        oldestFirst ? ids : ids.toReversed(),
      );
      const since = await store.history.events({ since: noon - MINUTE, until: noon }, { limit: 9, oldestFirst });
      assert.deepEqual(
        since.rows.map(({ id }) => id),
        [late.event.id],
      );
    }
  });
});

describe('counting', () => {
  test('what is due gives way, however much there is, and counts again only after a while', async (t) => {
    const { state, reader, close } = await filled(24);
    t.after(close);
    reader.rows = 0;
    const { destinations } = await countAll(state, 0);
    const [rare, till] = destinations;
    assert.deepEqual([rare?.due, till?.due, till?.blocked], [6, 4800, 4799]);
    assert.equal(till?.ready, 4801);
    assert.ok(reader.rows < 1000, `${reader.rows} rows`);
    let now = 0;
    let free = 0;
    const clock: Clock = { now: () => state.clock.now(), monotonic: () => now++, schedule: () => ({ cancel() {} }) };
    const slow = new State({ clock, reader, boot: 9, bucketKeys: BUCKET_KEYS });
    load(slow);
    const counting = countAll(slow, 0);
    const done = { is: false };
    void counting.then(() => (done.is = true));
    for (; !done.is; free++) await giveWay();
    assert.deepEqual((await counting).destinations, destinations);
    assert.ok(free >= 1, 'nothing else ran meanwhile');
    reader.asked.clear();
    assert.deepEqual((await countAll(slow, 0)).destinations, destinations);
    assert.ok(!reader.asked.has(statements.dueFurther), 'it was counted again at once');
  });
});

describe('a file of the format before', () => {
  test('is brought to this one, and its lists are complete', async (t) => {
    const { path, state, reader, close } = await filled(1);
    t.after(close);
    const filters = filtersOf({ path, state, reader, close, times: { first: 0, second: state.clock.now(), last: 0 } });
    const ask = async (from: State): Promise<string[][]> => {
      const lists = filters.map(async (filter) => (await listDeliveries(from, filter, { limit: 10_000 })).rows);
      return (await Promise.all(lists)).map((rows) => rows.map(({ id }) => id));
    };
    const before = await ask(state);
    asFormat(path, 2);
    const database = new DatabaseSync(path);
    migrate(database);
    database.close();
    const again = new State({ clock: state.clock, reader, boot: 9, bucketKeys: BUCKET_KEYS });
    load(again);
    assert.deepEqual(await ask(again), before);
  });
});
