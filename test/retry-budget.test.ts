/** A destination that fails has many retries due: they do not drown the first attempts of what is new. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createGateway, exponential } from 'holdfast';
import { none } from 'holdfast/verify';

const FAILING = 3000;

test('new events are attempted before thousands of retries that wait in the store', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-retries-'));
  const gateway = createGateway({
    store: `sqlite:${join(directory, 'holdfast.db')}`,
    logLevel: 'silent',
    sources: { shop: { verify: none() } },
  });
  t.after(async () => {
    await gateway.stop({ graceMs: 0 });
    rmSync(directory, { recursive: true, force: true });
  });
  let attempts = 0;
  let again = 0;
  const begun: number[] = [];
  const failed = new Set<string>();
  const failing = Promise.withResolvers<void>();
  const good = Promise.withResolvers<void>();
  const retry = exponential({ maxAttempts: 1000, base: '1ms', cap: '1ms' });
  gateway.handle(
    'crm',
    { from: 'emitted', ordered: false, retry, breaker: false, concurrency: 4 },
    async ({ type, id }) => {
      attempts++;
      // A turn of the loop, as any call to somebody else takes.
      await new Promise((resolve) => setImmediate(resolve));
      if (type === 'good' && begun.push(attempts) === 20) good.resolve();
      if (type === 'good') return;
      // Each has failed, and the oldest are being tried again.
      if (failed.add(id).size === FAILING && again++ === FAILING / 2) failing.resolve();
      throw new Error('down');
    },
  );
  await gateway.start();
  for (let sent = 0; sent < FAILING; sent += 1000) {
    await gateway.emitBatch(Array.from({ length: 1000 }, (_, index) => ({ type: 'bad', body: sent + index })));
  }
  await failing.promise;
  const before = attempts;
  await gateway.emitBatch(Array.from({ length: 20 }, (_, index) => ({ type: 'good', body: index })));
  await good.promise;
  const overtook = (begun.at(-1) ?? 0) - before - 20;
  t.diagnostic(`${overtook} retries before the last of 20 first attempts, of ${FAILING} that were due`);
  assert.ok(overtook < FAILING / 2, `${overtook} retries went before`);
});
