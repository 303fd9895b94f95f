/** The store on a harness of the conformance suite. For tests: one database, emptied for each world. */
import { randomFillSync } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import { IdMaker } from '../../core/id.ts';
// oxlint-disable-next-line holdfast/layers -- a harness is for tests; nothing else imports it
import { TestClock } from '../../testing/clock.ts';
// oxlint-disable-next-line holdfast/layers -- a harness is for tests; nothing else imports it
import { poisoned, type StoreHarness } from '../../testing/conformance/harness.ts';
import { ROW_BYTES_MAX } from './append.ts';
import { COLLECTIONS } from './documents.ts';
import { mongoStore, type MongoStore } from './index.ts';
import type { StoreTime } from './time.ts';

/** The databases of one server, one after the other. */
export class MongoWorlds {
  readonly #url: string;
  readonly #admin: MongoClient;
  #databases = 0;
  /** What a process that died had on its way may still arrive: its database is not used again. */
  #isUsable = false;

  constructor(url: string) {
    this.#url = url;
    this.#admin = new MongoClient(url);
  }

  close(): Promise<void> {
    return this.#admin.close();
  }

  /**
   * An empty store. The database's clock is the test's: time is passed in, so that leases end when the test says so. A
   * crash cuts the connections and goes on as another process does.
   */
  async harness(): Promise<StoreHarness> {
    const clock = new TestClock();
    const url = `${this.#url}/${await this.#empty()}`;
    const stores: MongoStore[] = [];
    const open = async (): Promise<MongoStore> => {
      const store = storeOf(url, clock);
      await store.work.open();
      stores.push(store);
      return store;
    };
    return {
      clock,
      capabilities: {
        embedded: false,
        shared: true,
        durableTokens: true,
        offers: true,
        transactions: false,
        rowBytesMax: ROW_BYTES_MAX,
      },
      open,
      reopen: async ({ crash }) => {
        if (crash) this.#isUsable = false;
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
      advance: async (ms) => {
        await clock.advanceSlowly(ms);
        await stores.at(-1)?.quiet();
        await clock.advanceSlowly(0);
      },
      dispose: async () => {
        for (const store of stores) await store.work.close();
      },
    };
  }

  async #empty(): Promise<string> {
    if (!this.#isUsable) {
      this.#isUsable = true;
      return `world_${++this.#databases}`;
    }
    const name = `world_${this.#databases}`;
    const database = this.#admin.db(name);
    const kept = Object.values(COLLECTIONS).filter((collection) => collection !== COLLECTIONS.state);
    await Promise.all([
      ...kept.map((collection) => database.collection(collection).deleteMany({})),
      database
        .collection(COLLECTIONS.state)
        .updateMany(
          {},
          { $set: { applied: 0, seq: 0, events: 0 }, $unset: { turnBy: '', turnUntil: '', forgotten: '' } },
        ),
    ]);
    return name;
  }
}

/** A test's clock stands still while a store looks again and again whether another has got on. */
export function timeOf(clock: TestClock): StoreTime {
  return { now: () => clock.now(), refresh: async () => undefined, pause: (ms) => setTimeout(ms) };
}

function storeOf(url: string, clock: TestClock): MongoStore {
  return mongoStore({
    url,
    clock,
    ids: new IdMaker({ now: () => clock.now(), fill: (bytes) => void randomFillSync(bytes) }),
    owner: 'harness',
    time: timeOf(clock),
    allowWeakerDurability: true,
  });
}
