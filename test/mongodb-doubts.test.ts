/** Commits of which nobody knows at first what became of them, and what others left behind. */
import assert from 'node:assert/strict';
import { randomFillSync } from 'node:crypto';
import { describe } from 'node:test';
import { IdMaker } from '../src/core/id.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { mongoStore, type MongoOptions, type MongoStore } from '../src/store/mongodb/index.ts';
import type { CommitBatch, NewEvent } from '../src/store/store.ts';
import { Builder } from '../src/testing/conformance/build.ts';
import { first } from '../src/testing/conformance/world.ts';
import { commitSurely } from './commit-surely.ts';
import { isCommit, MongoProxy } from './mongodb-proxy.ts';
import { mongo, mongoHere } from './mongodb.ts';
import { testNeeding } from './require.ts';

const ids = new IdMaker({ now: () => systemClock.now(), fill: (bytes) => void randomFillSync(bytes) });
const build = new Builder(systemClock);

function storeAt(url: string, database: string, more: Partial<MongoOptions> = {}): MongoStore {
  const quickly = `${url}/${database}?serverSelectionTimeoutMS=1000`;
  return mongoStore({ url: quickly, clock: systemClock, ids, allowWeakerDurability: true, ...more });
}

function batchOf(...events: readonly NewEvent[]): CommitBatch {
  return build.batch({ appends: events.map((event) => ({ events: [event] })) });
}

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
});
