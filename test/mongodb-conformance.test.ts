import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { storeDrivers } from '../src/testing/capabilities.ts';
import { lackingFor, runCase, storeConformance } from '../src/testing/conformance/index.ts';
import { mongo, mongoHere } from './mongodb.ts';
import { testNeeding } from './require.ts';

const capabilities = storeDrivers.mongodb;

describe('the mongodb store', () => {
  const here = mongoHere();
  testNeeding([mongo], 'can do what the docs say', async () => {
    const harness = await here().worlds.harness();
    assert.deepEqual(harness.capabilities, capabilities);
    await harness.dispose();
  });
  for (const item of storeConformance) {
    const lacking = lackingFor(item, capabilities);
    if (lacking.length > 0) it(item.name, { skip: `the driver lacks ${lacking.join(', ')}` });
    else testNeeding([mongo], item.name, () => runCase(item, () => here().worlds.harness()));
  }
});
