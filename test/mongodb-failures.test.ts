import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { MongoClient } from 'mongodb';
import { systemClock } from '../src/gateway/clock.ts';
import { HoldfastError } from '../src/errors.ts';
import { mongoStore } from '../src/store/mongodb/index.ts';
import type { Claim, NewEvent, Settlement, Store, StoreError } from '../src/store/store.ts';
import { plain } from '../src/testing/conformance/plain.ts';
import { first } from '../src/testing/conformance/world.ts';
import { TestClock } from '../src/testing/clock.ts';
import { timeOf } from '../src/store/mongodb/harness.ts';
import { COLLECTIONS } from '../src/store/mongodb/documents.ts';
import { commitSurely } from './commit-surely.ts';
import { mongo, mongoHere } from './mongodb.ts';
import { isCommit, isWrite, MongoProxy } from './mongodb-proxy.ts';
import { batchOf, build, ids, storeAt } from './mongodb-store.ts';
import { testNeeding } from './require.ts';

const ALL = { limit: 10_000, oldestFirst: true } as const;

async function eventIds(store: Store): Promise<readonly string[]> {
  return (await store.history.events({}, ALL)).rows.map((row) => row.id);
}

function failure(expected: StoreError['failure']): { name: string; failure: string } {
  return { name: 'StoreError', failure: expected };
}

describe('the mongodb store, when its server or the way there fails', () => {
  const here = mongoHere();

  testNeeding([mongo], 'a commit whose reply was lost is unknown, and its token gives the first answers', async () => {
    const proxy = await MongoProxy.start(here().server.url);
    const store = storeAt(proxy.url, 'lost');
    await store.work.open();
    const delivery = { destination: 'till', handOff: 'start' } as const;
    const batch = batchOf(build.event({ dedupeKey: 'k', orderKey: 'o' }, delivery));
    proxy.fate = (request) => (isCommit(request) ? 'unheard' : 'pass');
    await assert.rejects(store.work.commit(batch), failure('unknown'));
    proxy.fate = () => 'pass';
    const answers = await commitSurely(store, batch);
    const answer = first(answers.appends);
    assert.ok(answer.status === 'committed' && answer.events[0]?.status === 'committed');
    const claim = first(answer.events[0].claims);
    assert.equal((await store.history.delivery(claim?.deliveryId ?? ''))?.state, 'claimed');
    assert.deepEqual(plain(claim?.event), plain(batch.appends[0]?.events[0]?.event));
    const again = storeAt(here().server.url, 'lost');
    await again.work.open();
    assert.deepEqual(plain(await again.work.commit(batch)), plain(answers), 'also of another process');
    assert.equal((await eventIds(again)).length, 1);
    await again.work.close();
    await store.work.close();
    await proxy.close();
  });

  testNeeding([mongo], 'a commit that never reached the server is committed by its repeat', async () => {
    const proxy = await MongoProxy.start(here().server.url);
    const store = storeAt(proxy.url, 'dropped');
    await store.work.open();
    const batch = batchOf(build.event({}, 'till'));
    proxy.fate = (request) => (isCommit(request) ? 'held' : 'pass');
    await assert.rejects(store.work.commit(batch), failure('unknown'));
    proxy.fate = () => 'pass';
    assert.equal(first((await commitSurely(store, batch)).appends).status, 'committed');
    assert.equal((await eventIds(store)).length, 1);
    await proxy.release();
    const next = batchOf(build.event({}, 'till'));
    await commitSurely(store, next);
    assert.equal((await eventIds(store)).length, 2, 'what arrives late finds its place taken');
    await store.work.close();
    await proxy.close();
  });

  testNeeding([mongo], 'a process that is slower than another, which never rests, has its turn', async () => {
    const proxy = await MongoProxy.start(here().server.url);
    const slow = storeAt(proxy.url, 'turns');
    const quick = storeAt(here().server.url, 'turns');
    await slow.work.open();
    await quick.work.open();
    proxy.delayMs = 40;
    const over = new AbortController();
    let quicks = 0;
    const goOn = async (): Promise<void> => {
      for (; !over.signal.aborted && quicks < 1000; quicks++)
        await commitSurely(quick, batchOf(build.event({}, 'till')));
    };
    const going = goOn();
    for (let turn = 0; turn < 5; turn++) {
      assert.equal(first((await slow.work.commit(batchOf(build.event({}, 'till')))).appends).status, 'committed');
    }
    over.abort();
    await going;
    assert.ok(quicks < 1000, 'before it came to rest');
    assert.equal((await eventIds(quick)).length, quicks + 5);
    await slow.work.close();
    await quick.work.close();
    await proxy.close();
  });

  testNeeding([mongo], 'nothing is lost and nothing twice while connections are cut all the time', async () => {
    const proxy = await MongoProxy.start(here().server.url);
    const store = storeAt(proxy.url, 'cut');
    await store.work.open();
    const batches = Array.from({ length: 24 }, () => batchOf(build.event({}, 'till')));
    let requests = 0;
    proxy.fate = (request) => {
      if (request.includes('hello\0') || request.includes('ismaster\0')) return 'pass';
      return ++requests % 43 === 0 ? 'unheard' : requests % 71 === 0 ? 'held' : 'pass';
    };
    for (const batch of batches) {
      assert.equal(first((await commitSurely(store, batch)).appends).status, 'committed');
    }
    proxy.fate = () => 'pass';
    await proxy.release();
    const expected = batches.map((batch) => batch.appends[0]?.events[0]?.event.id);
    assert.deepEqual(await eventIds(store), expected);
    await store.work.close();
    await proxy.close();
  });

  testNeeding([mongo], 'whatever a process wrote of a commit when it died, another finishes', async () => {
    for (let passed = 0; passed < 7; passed++) {
      const proxy = await MongoProxy.start(here().server.url);
      const database = `half${passed}`;
      const store = storeAt(proxy.url, database);
      await store.work.open();
      const known = build.event({ dedupeKey: 'k', orderKey: 'o' }, 'till');
      await commitSurely(store, batchOf(known));
      const [claim] = (await claimAll(store, 'till')) as [Claim];
      let left = Number.POSITIVE_INFINITY;
      proxy.fate = (request) => {
        if (left < Number.POSITIVE_INFINITY && isWrite(request) && left-- <= 0) return 'dropped';
        if (isCommit(request)) left = passed;
        return 'pass';
      };
      const emit = build.event({ source: 'emitted' }, 'till', 'ledger');
      const answers = await store.work.commit(build.batch({ settlements: [settled(claim, emit)] }));
      assert.equal(first(answers.settlements).status, 'committed');
      await store.crash();
      const other = storeAt(here().server.url, database);
      await other.work.open();
      const states = (await other.history.deliveries({}, ALL)).rows.map((row) => [row.destination, row.state]);
      assert.deepEqual(
        states,
        [
          ['till', 'succeeded'],
          ['till', 'ready'],
          ['ledger', 'ready'],
        ],
        `${passed} writes`,
      );
      const { destinations, events } = await other.history.counts();
      assert.equal(events, 2);
      assert.deepEqual(
        destinations.map((row) => [row.destination, row.ready, row.totals.received, row.totals.succeeded]),
        [
          ['ledger', 1, 1, 0],
          ['till', 1, 2, 1],
        ],
      );
      assert.equal((await claimAll(other, 'ledger')).length, 1);
      await other.work.close();
      await proxy.close();
    }
  });

  testNeeding(
    [mongo],
    'what another process committed and did not live to apply is found without a restart',
    async () => {
      const proxy = await MongoProxy.start(here().server.url);
      const [dying, other] = [storeAt(proxy.url, 'dying'), storeAt(here().server.url, 'dying')];
      await dying.work.open();
      await other.work.open();
      await commitSurely(other, batchOf(build.event({}, 'ledger')));
      let committed = false;
      proxy.fate = (request) => {
        if (committed && isWrite(request) && !isCommit(request)) return 'dropped';
        committed ||= isCommit(request);
        return 'pass';
      };
      await dying.work.commit(batchOf(build.event({}, 'till')));
      await dying.crash();
      assert.deepEqual((await other.work.wakeUps(['till'], systemClock.now())).ready, ['till']);
      await other.work.close();
      await proxy.close();
    },
  );

  testNeeding([mongo], 'what a process writes late changes nothing that came after', async () => {
    const proxy = await MongoProxy.start(here().server.url);
    const [late, other] = [storeAt(proxy.url, 'late'), storeAt(here().server.url, 'late')];
    await late.work.open();
    await commitSurely(late, batchOf(build.event({}, 'till')));
    const claim = first(await claimAll(late, 'till'));
    let committed = false;
    proxy.fate = (request) => {
      if (committed && isWrite(request) && !isCommit(request)) return 'held';
      committed ||= isCommit(request);
      return 'pass';
    };
    const outcome = build.retry(0);
    await late.work.commit(build.batch({ settlements: [{ claim, outcome, emits: [], answer: null }] }));
    await assert.rejects(late.work.wakeUps(['till'], systemClock.now()), failure('unavailable'));
    await late.crash();
    await other.work.open();
    const again = first(await claimAll(other, 'till'));
    await other.work.commit(build.batch({ settlements: [settled(again, build.event({}, 'till'))] }));
    const before = plain([await other.history.deliveries({}, ALL), (await other.history.counts()).destinations]);
    await proxy.release();
    assert.deepEqual(
      plain([await other.history.deliveries({}, ALL), (await other.history.counts()).destinations]),
      before,
    );
    await other.work.close();
    await proxy.close();
  });

  testNeeding([mongo], 'every collection is there before the first commit is', async () => {
    const store = storeAt(here().server.url, 'whole');
    await store.work.open();
    const client = await MongoClient.connect(here().server.url);
    const there = await client.db('whole').listCollections({}, { nameOnly: true }).toArray();
    await client.close();
    assert.deepEqual(there.map(({ name }) => name).toSorted(), Object.values(COLLECTIONS).toSorted());
    await store.work.close();
  });

  testNeeding([mongo], 'a server that dies and comes back is found again without a restart', async () => {
    const store = storeAt(here().server.url, 'killed');
    await store.work.open();
    const batches = Array.from({ length: 12 }, () => batchOf(build.event({}, 'till')));
    await commitSurely(store, first(batches));
    await here().server.kill();
    await assert.rejects(store.work.wakeUps(['till'], 0), failure('unavailable'));
    const committing = batches
      .slice(1)
      .reduce<Promise<unknown>>((before, batch) => before.then(() => commitSurely(store, batch)), Promise.resolve());
    await here().server.start();
    await committing;
    const expected = batches.map((batch) => batch.appends[0]?.events[0]?.event.id);
    assert.deepEqual(await eventIds(store), expected);
    await store.work.close();
  });

  testNeeding([mongo], 'a commit too large for one document is one commit all the same', async () => {
    const proxy = await MongoProxy.start(here().server.url);
    const store = storeAt(proxy.url, 'large');
    await store.work.open();
    const bodies = [1, 2].map((turn) => new Uint8Array(6_300_000).fill(turn));
    const events = bodies.map((body) => build.event({ body }, 'till'));
    let committed = false;
    proxy.fate = (request) => {
      if (committed && isWrite(request) && !isCommit(request)) return 'dropped';
      committed ||= isCommit(request);
      return 'pass';
    };
    await store.work.commit(build.batch({ appends: [{ events }] }));
    await store.crash();
    const other = storeAt(here().server.url, 'large');
    await other.work.open();
    const claims = await claimAll(other, 'till');
    assert.deepEqual(
      claims.map((claim) => claim.event.body?.length),
      bodies.map((body) => body.length),
    );
    assert.ok(claims.every((claim, index) => Buffer.from(claim.event.body ?? []).equals(bodies[index] ?? Buffer.of())));
    await other.work.close();
    await proxy.close();
  });

  testNeeding([mongo], 'a commit that stood still is not taken for committed', async () => {
    const clock = new TestClock();
    const store = storeAt(here().server.url, 'still', { clock, time: timeOf(clock) });
    await store.work.open();
    const slow = {
      kind: 'note',
      key: 'a',
      ifVersion: 0,
      get value(): string {
        clock.advance(301_000);
        return 'x';
      },
    };
    await assert.rejects(store.work.commit(build.batch({ documents: [slow] })), failure('unavailable'));
    assert.equal(await store.registry.get('note', 'a'), null);
    await store.work.close();
  });

  testNeeding([mongo], 'leases go by the clock of the database, whatever the clock of a process says', async () => {
    const ahead = { ...systemClock, now: () => systemClock.now() + 3_600_000 };
    const [one, other] = [storeAt(here().server.url, 'clocks'), storeAt(here().server.url, 'clocks', { clock: ahead })];
    await one.work.open();
    await other.work.open();
    await commitSurely(one, batchOf(build.event({}, 'till')));
    assert.equal((await claimAll(one, 'till')).length, 1);
    assert.equal((await claimAll(other, 'till')).length, 0);
    const { nextAt } = await other.work.wakeUps(['till'], ahead.now());
    assert.ok(Math.abs((nextAt ?? 0) - ahead.now() - 30_000) < 5_000, 'the caller is told by its own clock');
    await one.work.close();
    await other.work.close();
  });

  testNeeding([mongo], 'a durability that is weaker than promised is refused, unless it is opted in to', async () => {
    const isRefused = (error: unknown): boolean => error instanceof HoldfastError && error.code === 'store_not_durable';
    const weak = { allowWeakerDurability: false };
    const refused = mongoStore({ url: `${here().server.url}/weak?journal=false`, clock: systemClock, ids, ...weak });
    await assert.rejects(refused.work.open(), isRefused);
    const allowed = mongoStore({
      url: `${here().server.url}/weak?journal=false`,
      clock: systemClock,
      ids,
      allowWeakerDurability: true,
    });
    const report = await allowed.work.open();
    assert.deepEqual([report.driver, report.durability, report.copies], ['mongodb', 'process-crash', 1]);
    assert.match(report.ackMeaning, /may be lost/);
    await allowed.work.close();
  });

  testNeeding([mongo], 'a server that is not there is said to be so, without the password', async () => {
    const store = mongoStore({
      url: 'mongodb://ada:s3cret@127.0.0.1:1/x?serverSelectionTimeoutMS=200',
      clock: systemClock,
      ids,
    });
    await assert.rejects(store.work.open(), (error: unknown) => {
      assert.ok(error instanceof HoldfastError && error.code === 'store_unavailable', String(error));
      assert.doesNotMatch(String(error), /s3cret/);
      return true;
    });
  });
});

async function claimAll(store: Store, destination: string): Promise<readonly Claim[]> {
  const wants = [{ destination, slots: 100, bytesMax: Number.MAX_SAFE_INTEGER }];
  return (await store.work.claim({ now: systemClock.now(), leaseMs: 30_000, wants })).claims;
}

function settled(claim: Claim, emit: NewEvent): Settlement {
  return { claim, outcome: build.succeeded(), emits: [emit], answer: null };
}
