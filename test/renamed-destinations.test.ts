/** A destination that is renamed by a restart of one process after the other, on a real PostgreSQL. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { createGateway, defineConfig } from 'holdfast';
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
    before.handle('old', { from: 'emitted' }, () => assert.fail('it is paused'));
    const after = createGateway(config(), { clock });
    after.handle('new', { from: 'emitted', types: ['none'], formerly: ['old'] }, ({ body }) => void handled.push(body));
    await before.start();
    const headers = { authorization: `Bearer ${before.adminToken}` };
    const paused = new Request('http://test/api/queues/old/pause', { method: 'POST', headers });
    assert.equal((await before.admin().fetch(paused)).status, 204);
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
