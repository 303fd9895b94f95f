/** The store on a harness of the conformance suite. For tests. */
import { randomFillSync } from 'node:crypto';
import { MongoClient } from 'mongodb';
import { IdMaker } from '../../core/id.ts';
// oxlint-disable-next-line holdfast/layers -- a harness is for tests; nothing else imports it
import { TestClock } from '../../testing/clock.ts';
// oxlint-disable-next-line holdfast/layers -- a harness is for tests; nothing else imports it
import { poisoned, type StoreHarness } from '../../testing/conformance/harness.ts';
import { ROW_BYTES_MAX } from './append.ts';
import { mongoStore, type MongoStore } from './index.ts';

let databases = 0;

function idMaker(clock: { now(): number }): IdMaker {
  return new IdMaker({ now: () => clock.now(), fill: (bytes) => void randomFillSync(bytes) });
}

/**
 * A fresh store in a database of its own on this server. The database's clock is the test's: time is passed in, so
 * that leases end when the test says so. A crash cuts the connections and goes on as another process does.
 */
export async function mongoHarness(url: string): Promise<StoreHarness> {
  const clock = new TestClock();
  const name = `conformance_${process.pid}_${++databases}`;
  const stores: MongoStore[] = [];
  const open = async (): Promise<MongoStore> => {
    const store = mongoStore({
      url: `${url}/${name}`,
      clock,
      ids: idMaker(clock),
      owner: 'harness',
      time: { now: () => clock.now(), refresh: async () => undefined },
      allowWeakerDurability: true,
    });
    await store.work.open();
    stores.push(store);
    return store;
  };
  return {
    clock,
    capabilities: { embedded: false, durableTokens: true, rowBytesMax: ROW_BYTES_MAX },
    open,
    reopen: async ({ crash }) => {
      await (crash ? stores.at(-1)?.crash() : stores.at(-1)?.work.close());
      return open();
    },
    interrupt: async (batch) => {
      const failed = stores
        .at(-1)
        ?.work.commit(poisoned(batch))
        .then(
          () => false,
          () => true,
        );
      if ((await failed) !== true) throw new Error('The poisoned batch was committed.');
    },
    advance: async (ms) => clock.advanceSlowly(ms),
    dispose: async () => {
      for (const store of stores) await store.work.close();
      const client = await MongoClient.connect(url);
      await client.db(name).dropDatabase();
      await client.close();
    },
  };
}
