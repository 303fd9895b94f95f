import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { describe } from 'node:test';
import { IdMaker } from '../src/core/id.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { mongoStore, type MongoStore } from '../src/store/mongodb/index.ts';
import type { Claim, Store } from '../src/store/store.ts';
import { Builder, settlement } from '../src/testing/conformance/build.ts';
import { bodyText, first } from '../src/testing/conformance/world.ts';
import { MongoProxy } from './mongodb-proxy.ts';
import { mongo, mongoHere } from './mongodb.ts';
import { testNeeding } from './require.ts';

const ids = new IdMaker({ now: () => systemClock.now(), fill: (bytes) => void randomFillSync(bytes) });
const ALL = { limit: 10_000, oldestFirst: true } as const;
const build = new Builder(systemClock);

/** Gateways on one database, each with a connection and a log of its own. */
class Gateways {
  readonly stores: readonly MongoStore[];

  private constructor(stores: readonly MongoStore[]) {
    this.stores = stores;
  }

  static async open(url: string, database: string, count: number): Promise<Gateways> {
    const stores = Array.from({ length: count }, () =>
      mongoStore({ url: `${url}/${database}`, clock: systemClock, ids, allowWeakerDurability: true }),
    );
    // All at once, on an empty database.
    await Promise.all(stores.map((store) => store.work.open()));
    return new Gateways(stores);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.stores.map((store) => store.work.close()));
  }
}

async function claim(store: Store, slots: number, leaseMs = 60_000): Promise<readonly Claim[]> {
  const wants = [{ destination: 'till', slots, bytesMax: Number.MAX_SAFE_INTEGER }];
  return (await store.work.claim({ now: systemClock.now(), leaseMs, wants })).claims;
}

describe('gateways on one MongoDB', () => {
  const here = mongoHere();

  testNeeding([mongo], 'accept each dedupe key once, though all bring all keys at once', async () => {
    await using gateways = await Gateways.open(here().server.url, 'dedupe', 3);
    const keys = Array.from({ length: 12 }, (_, index) => `key ${index}`);
    const answers = await Promise.all(
      gateways.stores.map((store, turn) => {
        const mine = turn === 1 ? keys.toReversed() : keys;
        const appends = mine.map((dedupeKey) => ({ events: [build.event({ dedupeKey, text: dedupeKey }, 'till')] }));
        return store.work.commit(build.batch({ appends }));
      }),
    );
    const events = answers.flatMap(({ appends }) => appends.flatMap((row) => ('events' in row ? row.events : [])));
    assert.equal(events.filter(({ status }) => status === 'committed').length, keys.length);
    assert.equal(events.filter(({ status }) => status === 'duplicate').length, 2 * keys.length);
    for (const { history } of gateways.stores) {
      const counts = await history.counts();
      assert.equal(counts.events, keys.length);
      assert.deepEqual(counts.sources, [{ source: 'shop', accepted: 12, duplicates: 24, differing: 0 }]);
      assert.equal(first(counts.destinations).totals.received, keys.length);
    }
  });

  testNeeding([mongo], 'claim each delivery once, and settle it once', async () => {
    await using gateways = await Gateways.open(here().server.url, 'claims', 3);
    const [one] = gateways.stores;
    assert.ok(one !== undefined);
    const texts = Array.from({ length: 30 }, (_, index) => `e${index}`);
    await one.work.commit(build.batch({ appends: texts.map((text) => ({ events: [build.event({ text }, 'till')] })) }));
    const claims = await Promise.all(
      gateways.stores.map(async (store) => {
        const mine: Claim[] = [];
        for (let got = await claim(store, 4); got.length > 0; got = await claim(store, 4)) {
          const settlements = got.map((each) => settlement(each, build.succeeded()));
          const answers = await store.work.commit(build.batch({ settlements }));
          assert.ok(answers.settlements.every(({ status }) => status === 'committed'));
          mine.push(...got);
        }
        return mine;
      }),
    );
    assert.deepEqual(claims.flat().map(bodyText).toSorted(), texts.toSorted());
    const { totals, ready, claimed } = first((await one.history.counts()).destinations);
    assert.deepEqual(
      { ...totals, ready, claimed },
      { received: 30, succeeded: 30, skipped: 0, failed: 0, dead: 0, ready: 0, claimed: 0 },
    );
  });

  testNeeding([mongo], 'keep one order of an order key, whoever appends and whoever works', async () => {
    await using gateways = await Gateways.open(here().server.url, 'order', 3);
    const appending = gateways.stores.map(async (store, turn) => {
      for (let round = 0; round < 5; round++) {
        await store.work.commit(
          build.batch({ appends: [{ events: [build.event({ orderKey: 'k', text: `${turn} ${round}` }, 'till')] }] }),
        );
      }
    });
    const worked: string[] = [];
    const working = gateways.stores.slice(0, 2).map(async (store) => {
      while (worked.length < 15) {
        for (const each of await claim(store, 10)) {
          worked.push(bodyText(each));
          await store.work.commit(build.batch({ settlements: [settlement(each, build.succeeded())] }));
        }
      }
    });
    await Promise.all([...appending, ...working]);
    const [one] = gateways.stores;
    const { rows } = (await one?.history.events({}, ALL)) ?? { rows: [] };
    const committed = await Promise.all(
      rows.map(async ({ id }) => Buffer.from((await one?.history.event(id))?.event.body ?? []).toString()),
    );
    assert.deepEqual(worked, committed);
  });

  testNeeding([mongo], 'see at once what another answered, and hear of its documents', async () => {
    await using gateways = await Gateways.open(here().server.url, 'sight', 2);
    const [one, other] = gateways.stores;
    assert.ok(one !== undefined && other !== undefined);
    for (let round = 0; round < 10; round++) {
      const event = build.event({}, 'till');
      await one.work.commit(build.batch({ appends: [{ events: [event] }] }));
      assert.equal((await other.history.event(event.event.id))?.event.id, event.event.id);
      const put = await other.registry.put({ kind: 'note', key: 'a', value: round, ifVersion: round });
      assert.deepEqual(put, { status: 'committed', version: round + 1 });
      assert.equal((await one.registry.get('note', 'a'))?.value, round);
    }
    const heard = new Promise<void>((resolve) => void one.registry.watch('pause', resolve));
    // The first look only learns where to begin.
    const writing = setInterval(
      () => void other.registry.put({ kind: 'pause', key: 'x', value: 1, ifVersion: null }),
      200,
    );
    await heard;
    clearInterval(writing);
  });

  testNeeding([mongo], 'fence the outcome of a gateway whose lease has ended', async () => {
    await using gateways = await Gateways.open(here().server.url, 'fence', 2);
    const [one, other] = gateways.stores;
    assert.ok(one !== undefined && other !== undefined);
    await one.work.commit(build.batch({ appends: [{ events: [build.event({}, 'till')] }] }));
    const old = first(await claim(one, 1, 100));
    let current: readonly Claim[] = [];
    while (current.length === 0) current = await claim(other, 1);
    const late = await one.work.commit(build.batch({ settlements: [settlement(old, build.succeeded())] }));
    assert.deepEqual(late.settlements, [{ status: 'refused', reason: 'stale_claim' }]);
    const good = await other.work.commit(build.batch({ settlements: [settlement(first(current), build.succeeded())] }));
    assert.equal(first(good.settlements).status, 'committed');
  });

  testNeeding([mongo], 'ask as much for a hint of many endpoints as for one of a few', async () => {
    const proxy = await MongoProxy.start(here().server.url);
    await using gateways = await Gateways.open(proxy.url, 'many', 1);
    const store = first(gateways.stores);
    let requests = 0;
    proxy.fate = (request) => {
      if (request.includes('holdfast_')) requests++;
      return 'pass';
    };
    const asked: number[] = [];
    for (const count of [2, 200]) {
      const event = build.event({}, 'endpoint 0', 'endpoint 1');
      const answers = await store.work.commit(build.batch({ appends: [{ events: [event] }] }));
      const answer = first(answers.appends);
      assert.ok(answer.status === 'committed' && answer.events[0]?.status === 'committed');
      const named = answer.events[0].offers?.[0] ?? '';
      const names = Array.from({ length: count }, (_, index) => `endpoint ${index}`);
      const wants = names.map((destination) => ({ destination, slots: 0, bytesMax: 0 }));
      await store.history.delivery(named);
      requests = 0;
      const { claims, more } = await store.work.claim({ now: systemClock.now(), leaseMs: 60_000, wants, ids: [named] });
      asked.push(requests);
      assert.deepEqual([claims.map((one) => one.deliveryId), more], [[named], ['endpoint 1']]);
    }
    assert.ok(Math.max(...asked) < 20, `${asked.join(' and then ')} requests`);
    await store.work.close();
    await proxy.close();
  });
});
