import { describe, it } from 'node:test';
import { lackingFor, poisoned, runCase, type StoreHarness, storeConformance } from '../testing/conformance/index.ts';
import { TestClock } from '../testing/clock.ts';
import { memoryStore } from './memory.ts';

async function harness(): Promise<StoreHarness> {
  const clock = new TestClock();
  const capabilities = { embedded: true, durableTokens: true, rowBytesMax: 4096 };
  const store = memoryStore({ clock, rowBytesMax: 4096 });
  return {
    clock,
    capabilities,
    async open() {
      await store.work.open();
      return store;
    },
    async reopen({ crash }) {
      if (crash) store.crash();
      else await store.work.close();
      await store.work.open();
      return store;
    },
    async interrupt(batch) {
      await store.work.commit(poisoned(batch)).then(
        () => {
          throw new Error('The poisoned batch was committed.');
        },
        () => undefined,
      );
    },
    async advance(ms) {
      clock.advance(ms);
    },
    dispose: () => store.work.close(),
  };
}

describe('memory store: conformance', () => {
  for (const item of storeConformance) {
    it(item.name, () => runCase(item, harness));
  }
});
