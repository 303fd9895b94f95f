/** The memory store on a harness: the model that other stores are compared with. */
import { storeDrivers } from './capabilities.ts';
import { memoryStore, type MemoryStore } from '../store/memory.ts';
import { TestClock } from './clock.ts';
import { poisoned, type StoreHarness } from './conformance/harness.ts';

/** The limit of a body in {@link memoryHarness}. */
const { rowBytesMax } = storeDrivers.memory;

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
  const store: MemoryStore = memoryStore({ clock, rowBytesMax, shared });
  return {
    clock,
    capabilities: { ...storeDrivers.memory, embedded: !shared, shared },
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
