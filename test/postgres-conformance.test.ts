import { describe, it } from 'node:test';
import { lackingFor, runCase, storeConformance } from '../src/testing/conformance/index.ts';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

const capabilities = {
  embedded: false,
  shared: true,
  durableTokens: true,
  offers: true,
  transactions: true,
  rowBytesMax: 1,
};

describe('the postgres store', () => {
  const here = postgresHere();
  for (const item of storeConformance) {
    const lacking = lackingFor(item, capabilities);
    if (lacking.length > 0) it(item.name, { skip: `the driver lacks ${lacking.join(', ')}` });
    else testNeeding([postgres], item.name, () => runCase(item, () => here().worlds.harness()));
  }
});
