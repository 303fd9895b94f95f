import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { storeDrivers } from '../../testing/capabilities.ts';
import { runCase, storeConformance } from '../../testing/conformance/index.ts';
import { lackingFor } from '../../testing/conformance/harness.ts';
import { sqliteHarness } from './harness.ts';

const { capabilities } = await sqliteHarness();

describe('the sqlite store', () => {
  it('can do what the docs say', () => assert.deepEqual(capabilities, storeDrivers.sqlite));

  for (const item of storeConformance) {
    const lacking = lackingFor(item, capabilities);
    const skip = lacking.length > 0 && `the driver lacks ${lacking.join(', ')}`;
    it(item.name, { skip }, () => runCase(item, sqliteHarness));
  }
});
