import { describe, it } from 'node:test';
import { runCase, storeConformance } from '../../testing/conformance/index.ts';
import { lackingFor } from '../../testing/conformance/harness.ts';
import { sqliteHarness } from './harness.ts';

const { capabilities } = await sqliteHarness();

describe('the sqlite store', () => {
  for (const item of storeConformance) {
    const lacking = lackingFor(item, capabilities);
    const skip = lacking.length > 0 && `the driver lacks ${lacking.join(', ')}`;
    it(item.name, { skip }, () => runCase(item, sqliteHarness));
  }
});
