import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { storeDrivers } from '../src/testing/capabilities.ts';
import { lackingFor, runCase, storeConformance } from '../src/testing/conformance/index.ts';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

const capabilities = storeDrivers.postgres;

describe('the postgres store', () => {
  const here = postgresHere();
  testNeeding([postgres], 'can do what the docs say', async () => {
    const harness = await here().worlds.harness();
    assert.deepEqual(harness.capabilities, capabilities);
    await harness.dispose();
  });
  for (const item of storeConformance) {
    const lacking = lackingFor(item, capabilities);
    if (lacking.length > 0) it(item.name, { skip: `the driver lacks ${lacking.join(', ')}` });
    else testNeeding([postgres], item.name, () => runCase(item, () => here().worlds.harness()));
  }
});
