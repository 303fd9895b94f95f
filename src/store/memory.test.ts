import { describe, it } from 'node:test';
import { runCase, storeConformance } from '../testing/conformance/index.ts';
import { memoryHarness } from '../testing/memory-harness.ts';

describe('memory store: conformance', () => {
  for (const item of storeConformance) {
    it(item.name, () => runCase(item, memoryHarness));
  }
});
