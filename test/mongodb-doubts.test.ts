/** Commits of which nobody knows at first what became of them, and what others left behind. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { MongoClient } from 'mongodb';
import { systemClock } from '../src/gateway/clock.ts';
import { COLLECTIONS } from '../src/store/mongodb/documents.ts';
import { timeOf } from '../src/store/mongodb/harness.ts';
import { TestClock } from '../src/testing/clock.ts';
import { first } from '../src/testing/conformance/world.ts';
import { commitSurely } from './commit-surely.ts';
import { isCommit, MongoProxy } from './mongodb-proxy.ts';
import { mongo, mongoHere } from './mongodb.ts';
import { batchOf, build, storeAt } from './mongodb-store.ts';
import { testNeeding } from './require.ts';

const unknown = { name: 'StoreError', failure: 'unknown' };

describe('the mongodb store, in doubt', () => {
  const here = mongoHere();

  testNeeding(
    [mongo],
    'a token whose reply was lost gives the first answers, whatever was committed since',
    async () => {
      const proxy = await MongoProxy.start(here().server.url);
      const store = storeAt(proxy.url, 'since');
      await store.work.open();
      const [lost, later] = [batchOf(build.event({}, 'till')), batchOf(build.event({}, 'till'))];
      proxy.fate = (request) => (isCommit(request) ? 'unheard' : 'pass');
      await assert.rejects(store.work.commit(lost), unknown);
      proxy.fate = () => 'pass';
      await commitSurely(store, later);
      assert.deepEqual(first((await commitSurely(store, lost)).appends).status, 'committed');
      await store.work.close();
      await proxy.close();
    },
  );

  testNeeding(
    [mongo],
    'a commit whose reply was lost is not waited for: nobody else is about to apply it',
    async () => {
      const proxy = await MongoProxy.start(here().server.url);
      const clock = new TestClock();
      const pause = (): Promise<void> => Promise.reject(new Error('It waits for others.'));
      const store = storeAt(proxy.url, 'alone', { clock, time: { ...timeOf(clock), pause } });
      await store.work.open();
      const batch = batchOf(build.event({}, 'till'));
      proxy.fate = (request) => (isCommit(request) ? 'unheard' : 'pass');
      await assert.rejects(store.work.commit(batch), unknown);
      proxy.fate = () => 'pass';
      assert.equal(first((await commitSurely(store, batch)).appends).status, 'committed');
      await store.work.close();
      await proxy.close();
    },
  );

  testNeeding(
    [mongo],
    'a commit that arrives where the log has been forgotten is not taken for committed',
    async () => {
      const clock = new TestClock();
      const proxy = await MongoProxy.start(here().server.url);
      const slow = storeAt(proxy.url, 'forgotten', { clock, time: timeOf(clock) });
      const other = storeAt(here().server.url, 'forgotten', { clock, time: timeOf(clock) });
      await slow.work.open();
      await other.work.open();
      const batch = batchOf(build.event({}, 'till'));
      proxy.fate = (request) => (isCommit(request) ? 'held' : 'pass');
      await assert.rejects(slow.work.commit(batch), unknown);
      proxy.fate = () => 'pass';
      for (let turn = 0; turn < 3; turn++) {
        await commitSurely(other, batchOf(build.event({}, 'till')));
        await other.history.counts();
        clock.advance(700_000);
      }
      await proxy.release();
      assert.equal(first((await commitSurely(slow, batch)).appends).status, 'committed');
      const id = batch.appends[0]?.events[0]?.event.id ?? '';
      assert.notEqual(await other.history.event(id), null, 'it was acknowledged');
      await slow.work.close();
      await other.work.close();
      await proxy.close();
    },
  );

  testNeeding(
    [mongo],
    'a turn that is far in the future, by the clock of a server that is gone, is nobody’s',
    async () => {
      const store = storeAt(here().server.url, 'ahead');
      await store.work.open();
      const client = await MongoClient.connect(here().server.url);
      const turn = { turnBy: 'gone', turnUntil: systemClock.now() + 3_600_000 };
      await client.db('ahead').collection(COLLECTIONS.state).updateOne({}, { $set: turn });
      await client.close();
      for (let turn = 0; turn < 2; turn++) {
        assert.equal(first((await store.work.commit(batchOf(build.event({}, 'till')))).appends).status, 'committed');
      }
      await store.work.close();
    },
  );
});
