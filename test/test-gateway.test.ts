/** What users' own tests stand on: `testGateway` as docs/testing.md says. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineConfig, fixed } from 'holdfast';
import { testGateway } from 'holdfast/testing';

const config = defineConfig({ sources: {} });

test('it settles also where a batch waits to be full, and a rate for the next second', async () => {
  await using t = await testGateway(config, (gateway) => {
    gateway.handleBatch('ledger', { from: 'emitted', size: 5, within: '10s' }, () => undefined);
    gateway.handle('calls', { from: 'emitted', ratePerS: 1 }, () => undefined);
  });
  for (let made = 0; made < 3; made++) await t.gateway.emit('made', {});
  await t.settled();
  assert.deepEqual(await t.outcomes(), { calls: { succeeded: 1 } });
  await t.advance('1s');
  assert.deepEqual(await t.outcomes(), { calls: { succeeded: 2 } });
  await t.advance('9s');
  assert.deepEqual(await t.outcomes(), { ledger: { succeeded: 3 }, calls: { succeeded: 3 } });
});

test('it takes the config of a fleet', async () => {
  const fleet = { store: 'postgres://db/app', queue: 'redis://cache', role: 'worker', spool: 'sqlite:./spool.db' };
  await using t = await testGateway(defineConfig({ ...fleet, sources: {} }), (gateway) => {
    gateway.handle('billing', { from: 'emitted' }, () => undefined);
  });
  await t.gateway.emit('made', {});
  await t.settled();
  assert.deepEqual(await t.outcomes(), { billing: { succeeded: 1 } });
});

test('time passes for attempts when they have done what they do in real time', async () => {
  const at: number[] = [];
  await using t = await testGateway(config, (gateway) => {
    gateway.handle('billing', { from: 'emitted', retry: fixed(['5s', '10s']) }, async (_event, { attempt }) => {
      at.push(t.clock.monotonic());
      await sleep(20); // A database, say.
      if (attempt < 3) throw new Error('not yet');
    });
  });
  await t.gateway.emit('made', {});
  await t.advance('1h');
  assert.deepEqual(at, [0, 5000, 15_000]);
  assert.deepEqual(await t.outcomes(), { billing: { succeeded: 1 } });
});

test('time passes all the same for attempts that have no end', async () => {
  await using t = await testGateway(config, (gateway) => {
    gateway.handle(
      'stuck',
      { from: 'emitted', timeout: '30s', retry: fixed(['1m']) },
      () => new Promise(() => undefined),
    );
  });
  await t.gateway.emit('made', {});
  await t.advance('1h');
  const [letter] = await t.deadLetters();
  assert.deepEqual([letter?.reason, letter?.attempts], ['exhausted', 2]);
});
