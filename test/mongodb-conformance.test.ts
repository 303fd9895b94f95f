import { describe, it } from 'node:test';
import { lackingFor, runCase, storeConformance } from '../src/testing/conformance/index.ts';
import { mongo, mongoHere } from './mongodb.ts';
import { testNeeding } from './require.ts';

const capabilities = {
  embedded: false,
  shared: true,
  durableTokens: true,
  offers: true,
  transactions: false,
  rowBytesMax: 1,
};

describe('the mongodb store', () => {
  const here = mongoHere();
  for (const item of storeConformance) {
    const lacking = lackingFor(item, capabilities);
    if (lacking.length > 0) it(item.name, { skip: `the driver lacks ${lacking.join(', ')}` });
    else testNeeding([mongo], item.name, () => runCase(item, () => here().worlds.harness()));
  }
});
