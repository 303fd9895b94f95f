/** A gateway whose store goes away at awkward moments, and one that is stopped or cleared at such. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createGateway, defineConfig } from 'holdfast';
import { none } from 'holdfast/verify';
import { systemClock } from '../src/gateway/clock.ts';
import { memoryStore } from '../src/store/memory.ts';
import { type Store, StoreError } from '../src/store/store.ts';

const config = defineConfig({ sources: { open: { verify: none() } }, store: 'memory:', logLevel: 'silent' });

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A store that is away when it is told to be. */
class Away {
  readonly inner = memoryStore({ clock: systemClock });
  isAway = false;
  /** The next list of this kind fails. */
  failList: string | null = null;
  failActions = 0;
  listMs = 0;
  calls = 0;

  readonly store = (): Store => ({
    ...this.inner,
    work: {
      ...this.inner.work,
      commit: async (batch) => {
        if (this.isAway) await after(200);
        this.#ask();
        if (batch.actions.length > 0 && this.failActions-- > 0)
          throw new StoreError('unavailable', 'away for a moment');
        return this.inner.work.commit(batch);
      },
      claim: async (request) => (this.#ask(), this.inner.work.claim(request)),
      wakeUps: async (...asked) => (this.#ask(), this.inner.work.wakeUps(...asked)),
      close: async () => undefined,
    },
    registry: {
      ...this.inner.registry,
      list: async (kind) => {
        await after(this.listMs);
        this.#ask();
        if (this.failList === kind) {
          this.failList = null;
          throw new StoreError('unavailable', 'away for a moment');
        }
        return this.inner.registry.list(kind);
      },
    },
  });

  #ask(): void {
    this.calls++;
    if (this.isAway) throw new StoreError('unavailable', 'away');
  }
}

function post(gateway: { fetch(request: Request): Promise<Response> }): Promise<Response> {
  return gateway.fetch(new Request('http://test/in/open', { method: 'POST', body: '{}' }));
}

describe('a gateway', () => {
  test('stops while its store is away', async () => {
    const away = new Away();
    const gateway = createGateway(config, { store: away.store });
    gateway.handle('h', { from: 'open' }, () => new Promise(() => undefined));
    await gateway.start();
    await post(gateway);
    away.isAway = true;
    await gateway.stop({ graceMs: 50 });
  });

  test('stops although the application goes on emitting', async () => {
    const gateway = createGateway(config);
    gateway.handle('h', { from: 'open' }, () => undefined);
    await gateway.start();
    const over = new AbortController();
    const emitting = Array.from({ length: 8 }, async () => {
      while (!over.signal.aborted) {
        await gateway.emit('any', {}).catch(() => after(5));
      }
    });
    await after(50);
    await gateway.stop({ graceMs: 50 });
    over.abort();
    await Promise.all(emitting);
  });

  test('that is stopped while it starts is stopped', async () => {
    const away = new Away();
    away.listMs = 50;
    const gateway = createGateway(config, { store: away.store });
    gateway.handle('h', { from: 'open' }, () => undefined);
    const starting = gateway.start();
    await after(20);
    await gateway.stop();
    await starting;
    assert.equal((await post(gateway)).status, 503);
  });

  test('whose start failed late leaves nothing at work, and can be started again', async () => {
    const away = new Away();
    const gateway = createGateway(config, { store: away.store });
    gateway.handle('h', { from: 'open' }, () => undefined);
    away.failList = 'replay';
    await assert.rejects(gateway.start());
    const { calls } = away;
    await after(6000);
    assert.equal(away.calls, calls);
    await gateway.start();
    assert.equal((await post(gateway)).status, 200);
    await gateway.stop();
  });

  test('that cannot listen leaves nothing at work, and says why', async () => {
    const one = createGateway({ ...config, port: 0 });
    one.handle('h', { from: 'open' }, () => undefined);
    const { ingest } = await one.listen();
    const taken = createGateway({ ...config, port: ingest.port });
    taken.handle('h', { from: 'open' }, () => undefined);
    await assert.rejects(taken.listen(), { code: 'address_in_use' });
    assert.equal((await post(taken)).status, 503);
    for (const wrong of [{ port: 99_999 }, { port: 0, host: '198.51.100.1', adminPort: 0 }]) {
      const gateway = createGateway({ ...config, ...wrong });
      gateway.handle('h', { from: 'open' }, () => undefined);
      await assert.rejects(gateway.listen(), { code: 'config_invalid' });
      assert.equal((await post(gateway)).status, 503);
    }
    // A path that is no source's is one that is not there, not one that wants a token.
    const mistyped = await fetch(`http://127.0.0.1:${ingest.port}/in/opne`, { method: 'POST', body: '{}' });
    assert.deepEqual([mistyped.status, ((await mistyped.json()) as { code: string }).code], [404, 'source_not_found']);
    assert.equal((await fetch(`http://127.0.0.1:${ingest.port}/api/events`)).status, 401);
    await one.stop();
  });

  test('whose store goes away when it hears of a pause learns of it later', async () => {
    const away = new Away();
    const gateway = createGateway(config, { store: away.store });
    gateway.handle('h', { from: 'open' }, () => undefined);
    await gateway.start();
    away.failList = 'pause';
    await gateway.operations().pause('h');
    await after(50);
    assert.equal(away.failList, null, 'it was asked, and the process lives');
    await gateway.stop();
  });

  test('clears what waited, and handles what comes meanwhile', async () => {
    const gateway = createGateway(config);
    let handled = 0;
    gateway.handle('h', { from: 'open', concurrency: 1 }, async () => {
      await after(20);
      handled++;
    });
    await gateway.start();
    const over = new AbortController();
    const sending = Array.from({ length: 8 }, async () => {
      while (!over.signal.aborted) await post(gateway);
    });
    await after(300);
    await gateway.operations().clear('h');
    const before = handled;
    await after(200);
    assert.ok(handled > before);
    over.abort();
    await Promise.all(sending);
    await gateway.stop({ graceMs: 0 });
  });

  test('goes on with a destination whose clearing failed', async () => {
    const away = new Away();
    const gateway = createGateway(config, { store: away.store });
    const handled = Promise.withResolvers<void>();
    let count = 0;
    const gate = Promise.withResolvers<void>();
    gateway.handle('h', { from: 'open', concurrency: 1 }, async () => {
      await gate.promise;
      if (++count === 3) handled.resolve();
    });
    await gateway.start();
    await post(gateway);
    await post(gateway);
    away.failActions = 1;
    await assert.rejects(gateway.operations().clear('h'));
    gate.resolve();
    while ((await post(gateway)).status !== 200) await after(50);
    await handled.promise;
    await gateway.stop();
  });
});
