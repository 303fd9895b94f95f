/** The memory store on a harness: the model that other stores are compared with. */
import { memoryStore, type MemoryStore } from '../store/memory.ts';
import { TestClock } from './clock.ts';
import { poisoned, type StoreHarness } from './conformance/harness.ts';

/** The limit of a body in {@link memoryHarness}. */
const ROW_BYTES_MAX = 64 * 1024;

/** A fresh memory store on a clock that stands still. */
export async function memoryHarness(): Promise<StoreHarness> {
  return harnessOf(false);
}

/** The same as one that several processes share: what shared stores are compared with. */
export async function sharedMemoryHarness(): Promise<StoreHarness> {
  return harnessOf(true);
}

function harnessOf(shared: boolean): StoreHarness {
  const clock = new TestClock();
  const store: MemoryStore = memoryStore({ clock, rowBytesMax: ROW_BYTES_MAX, shared });
  return {
    clock,
    capabilities: {
      embedded: !shared,
      shared,
      durableTokens: true,
      offers: true,
      transactions: false,
      rowBytesMax: ROW_BYTES_MAX,
    },
    open: async () => {
      await store.work.open();
      return store;
    },
    reopen: async ({ crash }) => {
      if (crash) store.crash();
      else await store.work.close();
      await store.work.open();
      return store;
    },
    interrupt: async (batch) => {
      const committed = await store.work.commit(poisoned(batch)).then(
        () => true,
        () => false,
      );
      if (committed) throw new Error('The poisoned batch was committed.');
    },
    advance: async (ms) => clock.advanceSlowly(ms),
    dispose: () => store.work.close(),
  };
}
