/** A destination that is renamed by a restart of one process after the other, on a real PostgreSQL. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { createGateway, defineConfig, Unavailable } from 'holdfast';
import { TestClock } from 'holdfast/testing';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';
import { until } from './sending-world.ts';

const here = postgresHere();
function config() {
  return defineConfig({ store: `${here().server.url}?schema=renamed`, logLevel: 'silent', sources: {} });
}

describe('a destination with another name', () => {
  testNeeding([postgres], 'gets what a process with its earlier name was still owed, once that has ended', async () => {
    const clock = new TestClock();
    const handled: unknown[] = [];
    const before = createGateway(config());
    const breaker = { failures: 1, openMs: 600_000 };
    before.handle('old', { from: 'emitted', breaker }, () => Promise.reject(new Unavailable('it is down here')));
    const after = createGateway(config(), { clock });
    after.handle('new', { from: 'emitted', types: ['none'], formerly: ['old'] }, ({ body }) => void handled.push(body));
    await before.start();
    await before.emit('thing', { when: 'first' });
    // Its breaker is open: from now on it leaves what it is owed in the store.
    await until(async () => (await before.operations().stats()).destinations[0]?.breaker === 'open');
    await before.emit('thing', { when: 'before' });
    await after.start();
    await until(() => handled.length === 1);
    await before.emit('thing', { when: 'meanwhile' });
    await before.stop();
    await until(async () => {
      await clock.advanceSlowly(1000);
      return handled.length === 2;
    });
    assert.deepEqual(handled, [{ when: 'before' }, { when: 'meanwhile' }]);
    await after.stop();
  });
});
