import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createGateway, type Gateway, HoldfastError } from '../src/index.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { sqliteSpool } from '../src/store/sqlite/spool.ts';
import { ask, Away, send, spooledGateway, spoolFolder } from './spool-world.ts';

const EMPTY = 'the spool is empty';

/** The ids in the bodies of what was handled, in order. */
class Seen {
  readonly ids: string[] = [];
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = [];

  readonly register = (gateway: Gateway): void =>
    gateway.handle('till', { from: ['shop', 'emitted'] }, (event) => {
      this.ids.push((event.body as { id: string }).id);
      for (const { count, resolve } of this.#waiting) if (this.ids.length >= count) resolve();
    });

  /** Resolves when so many were handled. */
  reached(count: number): Promise<void> {
    if (this.ids.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }
}

describe('a gateway with a spool', () => {
  test('acknowledges what its store does not take, and moves it there in the order of arrival', async () => {
    const folder = spoolFolder();
    const away = new Away();
    const seen = new Seen();
    const { gateway, until } = spooledGateway(away, folder.path, { register: seen.register });
    await gateway.start();
    assert.equal((await send(gateway, { id: 'before', order: 'a' })).status, 200);
    assert.equal((await ask(gateway, '/ready')).json.reason, null);
    away.weather = 'down';
    const sent = Array.from({ length: 20 }, (_, index) => `o${index}`);
    for (const id of sent) assert.equal((await send(gateway, { id, order: 'a' })).status, 200);
    const { status, json: ready } = await ask(gateway, '/ready');
    assert.equal(status, 200);
    const spool = { mode: 'spooling', events: 20, aside: 0 };
    assert.partialDeepStrictEqual(ready, { ready: true, reason: 'spooling', spool });
    assert.match(ready.ackMeaning ?? '', /on the disk of this gateway alone/);
    const health = (await ask(gateway, '/health')).json;
    assert.partialDeepStrictEqual(health, {
      status: 'degraded',
      services: { store: 'unavailable', spool: 'degraded' },
    });
    assert.match(
      await gateway
        .admin()
        .fetch(metricsOf(gateway))
        .then((one) => one.text()),
      /^webhook_spool_events 20$/m,
    );
    assert.deepEqual(seen.ids, ['before']);
    away.weather = 'up';
    await until(EMPTY);
    await seen.reached(21);
    await gateway.stop();
    assert.deepEqual(seen.ids, ['before', ...sent]);
    folder.remove();
  });

  test('becomes empty under load, and keeps the order over the hand-over', async () => {
    const folder = spoolFolder();
    const away = new Away();
    const seen = new Seen();
    const { gateway, until } = spooledGateway(away, folder.path, { register: seen.register });
    await gateway.start();
    away.weather = 'down';
    const sent: Promise<unknown>[] = [];
    let number = 0;
    const one = (): void => void sent.push(send(gateway, { id: `o${number++}`, order: 'a' }));
    for (let index = 0; index < 2000; index++) one();
    await until('spooling: the store takes no commits');
    away.weather = 'up';
    const empty = new AbortController();
    void until(EMPTY).then(() => empty.abort());
    while (!empty.signal.aborted) {
      for (let index = 0; index < 5; index++) one();
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (let index = 0; index < 5; index++) one();
    const answers = (await Promise.all(sent)) as { readonly status: number }[];
    assert.ok(answers.every(({ status }) => status === 200));
    await seen.reached(answers.length);
    await gateway.stop();
    assert.deepEqual(
      seen.ids,
      answers.map((_, index) => `o${index}`),
    );
    folder.remove();
  });

  test('what was on its way when the store was lost gets there once, whether it had got there or not', async () => {
    for (const lost of ['deaf', 'down'] as const) {
      const folder = spoolFolder();
      const away = new Away();
      const seen = new Seen();
      const { gateway, until } = spooledGateway(away, folder.path, { register: seen.register });
      await gateway.start();
      away.weather = lost;
      const sent = Array.from({ length: 30 }, (_, index) =>
        send(gateway, { id: index % 3 === 0 ? undefined : `o${index}` }),
      );
      const answers = await Promise.all(sent);
      assert.ok(answers.every(({ status }) => status === 200));
      away.weather = 'up';
      await until(EMPTY);
      for (const { id } of answers) assert.equal((await ask(gateway, `/api/events/${id}`)).json.event?.id, id);
      await seen.reached(30);
      await gateway.stop();
      assert.equal(seen.ids.length, 30);
      const { sources } = await away.inner.history.counts();
      assert.deepEqual(sources, [{ source: 'shop', accepted: 30, duplicates: 0, differing: 0 }]);
      folder.remove();
    }
  });

  test('a repeat of what somebody else committed meanwhile becomes an alias of the first', async () => {
    const [folder, other] = [spoolFolder(), spoolFolder()];
    const away = new Away();
    const seen = new Seen();
    const here = spooledGateway(away, folder.path, { register: seen.register });
    const there = spooledGateway(away, other.path, { register: seen.register });
    await here.gateway.start();
    await there.gateway.start();
    away.weather = 'down';
    const late = await send(here.gateway, { id: 'o1' });
    const again = await send(here.gateway, { id: 'o1' });
    const differing = await send(here.gateway, { id: 'o1', other: true });
    assert.notEqual(again.id, late.id);
    const waiting = (await ask(here.gateway, `/api/events/${late.id}`)).json;
    assert.partialDeepStrictEqual(waiting, { spooled: true, alias: null, event: { id: late.id } });
    away.weather = 'up';
    const first = await send(there.gateway, { id: 'o1' });
    await here.until(EMPTY);
    for (const { id } of [late, again]) {
      const { json } = await ask(there.gateway, `/api/events/${id}`);
      const expected = new Set([first.id, late.id]);
      assert.ok(expected.has(json.event?.id ?? ''), 'it answers the first');
      assert.equal(json.spooled, false);
    }
    const ids = new Set<string | undefined>();
    for (const { id } of [first, late, again]) ids.add((await ask(there.gateway, `/api/events/${id}`)).json.event?.id);
    assert.equal(ids.size, 1, 'all of them are one event');
    const { json } = await ask(here.gateway, `/api/events/${again.id}`);
    assert.equal(json.alias?.id, again.id);
    assert.equal((await ask(here.gateway, `/api/events/${differing.id}`)).json.event?.id, differing.id);
    await seen.reached(1);
    await here.gateway.stop({ drain: true });
    await there.gateway.stop({ drain: true });
    assert.deepEqual(seen.ids, ['o1']);
    folder.remove();
    other.remove();
  });

  test('starts while its store is away, and goes on when it comes', async () => {
    const folder = spoolFolder();
    const away = new Away();
    away.weather = 'down';
    const seen = new Seen();
    const { gateway, until } = spooledGateway(away, folder.path, { register: seen.register });
    const listeners = await gateway.listen();
    const admin = `http://${listeners.admin.host}:${listeners.admin.port}`;
    const headers = { authorization: `Bearer ${gateway.adminToken}` };
    const { id } = await send(gateway, { id: 'o1' });
    const emitted = await gateway.emit('order.paid', { id: 'o2' });
    const ready = await fetch(`${admin}/ready`, { headers });
    assert.equal(ready.status, 200);
    assert.partialDeepStrictEqual(await ready.json(), { ready: true, reason: 'spooling', spool: { events: 2 } });
    assert.equal((await fetch(`${admin}/api/events`, { headers })).status, 503);
    for (const one of [id, emitted])
      assert.partialDeepStrictEqual(await (await fetch(`${admin}/api/events/${one}`, { headers })).json(), {
        spooled: true,
      });
    away.weather = 'up';
    await until(EMPTY);
    assert.equal((await fetch(`${admin}/api/events`, { headers })).status, 200, 'the same listener, the same token');
    await seen.reached(2);
    await gateway.stop();
    assert.deepEqual(seen.ids.toSorted(), ['o1', 'o2']);
    folder.remove();
  });

  test('keeps its spool over a stop, and moves it first when it starts again', async () => {
    const folder = spoolFolder();
    const away = new Away();
    const seen = new Seen();
    const before = spooledGateway(away, folder.path, { register: seen.register });
    await before.gateway.start();
    away.weather = 'down';
    for (let index = 0; index < 5; index++) await send(before.gateway, { id: `o${index}`, order: 'a' });
    await before.gateway.stop();
    away.weather = 'up';
    const after = spooledGateway(away, folder.path, { register: seen.register });
    await after.gateway.start();
    assert.equal((await send(after.gateway, { id: 'behind', order: 'a' })).status, 200);
    await after.until(EMPTY);
    await seen.reached(6);
    await after.gateway.stop();
    assert.deepEqual(seen.ids, ['o0', 'o1', 'o2', 'o3', 'o4', 'behind']);
    folder.remove();
  });

  test('spools what the application emits, and delivers it when it is due', async () => {
    const folder = spoolFolder();
    const away = new Away();
    const seen = new Seen();
    const { gateway, until } = spooledGateway(away, folder.path, { register: seen.register });
    await gateway.start();
    away.weather = 'down';
    const later = new Date(Date.now() + 3_600_000);
    const [now, then] = await gateway.emitBatch([
      { type: 'order.paid', body: { id: 'now' } },
      { type: 'order.paid', body: { id: 'then' }, at: later },
    ]);
    away.weather = 'up';
    await until(EMPTY);
    const { rows } = await away.inner.history.deliveries({ eventId: then ?? '' }, { limit: 10 });
    assert.deepEqual(
      rows.map(({ dueAt }) => dueAt),
      [later.getTime()],
    );
    await gateway.cancel(then ?? '');
    await seen.reached(1);
    await gateway.stop();
    assert.equal((await away.inner.history.event(now ?? ''))?.owed, 1);
    assert.deepEqual(seen.ids, ['now']);
    folder.remove();
  });

  test('takes no more than it may, and says so', async () => {
    const folder = spoolFolder();
    const away = new Away();
    const { gateway } = spooledGateway(away, folder.path, { settings: { spoolBytesMax: '8KiB' } });
    await gateway.start();
    away.weather = 'down';
    let refused: Response | null = null;
    for (let index = 0; index < 100 && refused === null; index++) {
      const response = await sendRaw(gateway, { id: `o${index}`, text: 'x'.repeat(500) });
      if (response.status !== 200) refused = response;
    }
    assert.ok(refused !== null, 'it takes more than it may');
    assert.equal(refused.status, 503);
    assert.ok(refused.headers.get('retry-after') !== null);
    assert.equal(((await refused.json()) as { code: string }).code, 'store_unavailable');
    const { status, json } = await ask(gateway, '/ready');
    assert.equal(status, 503);
    assert.partialDeepStrictEqual(json, { reason: 'store_unavailable', spool: { refuses: 'spool_full' } });
    await gateway.stop();
    folder.remove();
  });

  test('a row that the store refuses is kept and shown, and the others go on', async () => {
    const folder = spoolFolder();
    const away = new Away();
    const seen = new Seen();
    const { gateway, until } = spooledGateway(away, folder.path, { register: seen.register });
    await gateway.start();
    away.weather = 'down';
    for (const id of ['a', 'poison', 'b']) await send(gateway, { id });
    away.poisoned = (batch) =>
      batch.appends.some(({ events }) => events.some(({ event }) => event.dedupeKey === 'poison'));
    away.weather = 'up';
    await until(EMPTY);
    const { json } = await ask(gateway, '/api/spool');
    const [row] = json['asideRows'] as { eventIds: string[]; reason: string }[];
    assert.match(row?.reason ?? '', /fails again and again/);
    const lost = (await ask(gateway, `/api/events/${row?.eventIds[0]}`)).json;
    assert.equal(lost.spooled, true, 'it can still be looked up');
    assert.equal((await ask(gateway, '/health')).json['status'], 'degraded');
    await seen.reached(2);
    await gateway.stop();
    assert.deepEqual(seen.ids.toSorted(), ['a', 'b']);
    const file = sqliteSpool({ path: folder.path, clock: systemClock });
    await file.open();
    assert.equal(await file.takeBack(), 1);
    await file.close();
    away.poisoned = () => false;
    const again = spooledGateway(away, folder.path, { register: seen.register });
    await again.gateway.start();
    await again.until(EMPTY);
    await seen.reached(3);
    await again.gateway.stop();
    assert.deepEqual(seen.ids.toSorted(), ['a', 'b', 'poison']);
    folder.remove();
  });

  test('a spool belongs to one process, is no other database, and not for a store of the process itself', async () => {
    const folder = spoolFolder();
    const away = new Away();
    const { gateway } = spooledGateway(away, folder.path);
    await gateway.start();
    const second = spooledGateway(away, folder.path);
    await assert.rejects(second.gateway.start(), { name: 'HoldfastError', code: 'store_owned' });
    await gateway.stop();
    await second.gateway.start();
    await second.gateway.stop();
    folder.remove();
    for (const store of ['memory:', 'sqlite:./data/holdfast.db']) {
      assert.throws(
        () => createGateway({ store, spool: 'sqlite:./spool.db', sources: {} }),
        (error: unknown) =>
          error instanceof HoldfastError && error.code === 'config_invalid' && /spool: only for/.test(error.message),
      );
    }
    for (const spool of ['./spool.db', 'sqlite:', 'sqlite::memory:']) {
      assert.throws(() => createGateway({ store: 'postgres://127.0.0.1/x', spool, sources: {} }), {
        name: 'HoldfastError',
        code: 'config_invalid',
      });
    }
  });
});

async function sendRaw(gateway: Gateway, body: object): Promise<Response> {
  const { signed } = await import('./spool-world.ts');
  return gateway.fetch(new Request('http://test/in/shop', signed(body)));
}

function metricsOf(gateway: Gateway): Request {
  return new Request('http://test/metrics', { headers: { authorization: `Bearer ${gateway.adminToken}` } });
}
