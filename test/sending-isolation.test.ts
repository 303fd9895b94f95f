/** One endpoint never harms another: not by hanging, failing, being held, changed, deleted, or by what it left behind. */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { fixed } from 'holdfast';
import { EMITTED } from '../src/core/event.ts';
import { memoryStore } from '../src/store/memory.ts';
import type { Store } from '../src/store/store.ts';
import { type Answering, type Got, Inbox, Sender, until } from './sending-world.ts';

/** Resolves once it is let go. */
function gate(): { readonly open: () => void; readonly passed: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { open: resolve, passed: promise };
}

/** Answers 200 once it is let go, and counts how many wait at once. */
class Held {
  readonly #gate = gate();
  waiting = 0;
  most = 0;

  readonly answer: Answering = async () => {
    this.waiting++;
    this.most = Math.max(this.most, this.waiting);
    await this.#gate.passed;
    this.waiting--;
    return 200;
  };

  letGo(): void {
    this.#gate.open();
  }
}

const AT_ONCE = { kind: 'list', delaysMs: Array.from({ length: 50 }, () => 1), jitter: 'none' };

/** A store of which one knows what was asked. */
function watched(): { make: (parts: Parameters<typeof memoryStore>[0]) => Store; readonly asked: Set<string>[] } {
  const asked: Set<string>[] = [];
  return {
    asked,
    make: (parts) => {
      const store = memoryStore(parts);
      const { work } = store;
      const wakeUps: Store['work']['wakeUps'] = (names, now) => {
        asked.push(new Set(names));
        return work.wakeUps(names, now);
      };
      const claim: Store['work']['claim'] = (request) => {
        asked.push(new Set(request.wants.map(({ destination }) => destination)));
        return work.claim(request);
      };
      return { ...store, work: { ...work, wakeUps, claim } };
    },
  };
}

describe('an endpoint that is in trouble', () => {
  test('hanging or failing always keeps nobody else waiting', async () => {
    const held = new Held();
    await using hanging = await Inbox.start(held.answer);
    await using failing = await Inbox.start(() => 500);
    await using well = await Inbox.start();
    await using sender = await Sender.start();
    await sender.endpoint({ url: hanging.url });
    await sender.endpoint({ url: failing.url, retry: AT_ONCE });
    for (const ordered of [true, false]) await sender.endpoint({ url: well.url, ordered });
    const count = 100;
    for (let sent = 0; sent < count; sent++) await sender.gateway.emit('order.made', { sent }, { orderKey: 'k' });
    await well.received(2 * count);
    assert.equal(held.most, 10, 'its own concurrency is all that hangs');
    assert.equal(hanging.got.length, 10);
    held.letGo();
    await hanging.received(count);
  });

  test('coming back gets its backlog one by one, then faster', async () => {
    let down = true;
    let [now, succeeded, over] = [0, 0, 0];
    await using inbox = await Inbox.start(async () => {
      if (down) return 500;
      now++;
      // One more at once for each success since it came back, and one for the success that is on its way.
      if (now > succeeded + 2) over++;
      // Long enough for all that may come at once to have come.
      await new Promise((resolve) => setTimeout(resolve, 20));
      now--;
      succeeded++;
      return 200;
    });
    await using sender = await Sender.start(
      {},
      {
        register: (gateway) =>
          gateway.endpoint('crm', {
            from: EMITTED,
            url: inbox.url,
            concurrency: 50,
            breaker: { failures: 1, openMs: 100 },
            retry: fixed(Array.from({ length: 100 }, () => 10)),
          }),
      },
    );
    const count = 100;
    for (let sent = 0; sent < count; sent++) await sender.gateway.emit('order.made', { sent });
    down = false;
    await until(() => succeeded >= count);
    assert.equal(over, 0);
  });

  test('being held, it is not even looked for, however much waits for it', async () => {
    await using inbox = await Inbox.start();
    const { make, asked } = watched();
    await using sender = await Sender.start({}, { store: make });
    const { id: paused } = await sender.endpoint({ url: inbox.url });
    const { id: disabled } = await sender.endpoint({ url: inbox.url });
    await sender.call(`PATCH /api/endpoints/${paused}`, { state: 'paused' });
    await sender.call(`PATCH /api/endpoints/${disabled}`, { state: 'disabled' });
    asked.length = 0;
    await using other = await Inbox.start((_got, count) => (count <= 3 ? 500 : 200));
    await sender.endpoint({ url: other.url, retry: AT_ONCE });
    for (let sent = 0; sent < 20; sent++) await sender.gateway.emit('order.made', { sent });
    await other.received(23);
    assert.ok(asked.length > 0);
    for (const id of [paused, disabled]) assert.ok(!asked.some((names) => names.has(id)));
    for (const id of [paused, disabled]) await sender.call(`PATCH /api/endpoints/${id}`, { state: 'active' });
    await inbox.received(40);
  });
});

describe('replays to an endpoint', () => {
  test('come behind what is live', async () => {
    const held = new Held();
    let fail = true;
    const order: string[] = [];
    await using inbox = await Inbox.start((got, count) => {
      if (fail) return 400;
      order.push(String(got.headers['holdfast-event-type']));
      return held.answer(got, count);
    });
    await using sender = await Sender.start();
    const { id } = await sender.endpoint({
      url: inbox.url,
      concurrency: 1,
      statusRules: { fail: ['400'] },
    });
    const count = 30;
    for (let sent = 0; sent < count; sent++) await sender.gateway.emit('old', { sent });
    await until(async () => (await sender.deliveries(id)).filter(({ state }) => state === 'dead').length === count);
    fail = false;
    // One attempt hangs, more than its lane can run wait: live traffic.
    for (let sent = 0; sent < 5; sent++) await sender.gateway.emit('live', { sent });
    await until(() => held.waiting === 1);
    const { status } = await sender.call('POST /api/replays', { filter: { destination: id }, ratePerS: 1000 });
    assert.ok(status < 300);
    held.letGo();
    await until(() => order.length === count + 5);
    assert.deepEqual(order.slice(0, 5), ['live', 'live', 'live', 'live', 'live']);
  });
});

describe('an endpoint that is changed while it has work', () => {
  test('is sent to as it is now: another URL, another concurrency', async () => {
    const held = new Held();
    await using before = await Inbox.start(held.answer);
    const later = new Held();
    await using after = await Inbox.start(later.answer);
    await using sender = await Sender.start();
    const { id } = await sender.endpoint({ url: before.url, concurrency: 2 });
    for (let sent = 0; sent < 12; sent++) await sender.gateway.emit('order.made', { sent });
    await until(() => held.waiting === 2);
    await sender.call(`PATCH /api/endpoints/${id}`, { url: after.url, concurrency: 5 });
    // Two still hang at the old place: three more may run.
    await until(() => later.waiting === 3);
    held.letGo();
    await until(() => later.waiting === 5);
    later.letGo();
    await until(async () => (await sender.deliveries(id)).every(({ state }) => state === 'succeeded'));
    assert.deepEqual([before.got.length, after.got.length, later.most], [2, 10, 5]);
  });

  test('goes on at once when a limit of its rate is lifted', async () => {
    await using inbox = await Inbox.start();
    await using sender = await Sender.start();
    const { id } = await sender.endpoint({ url: inbox.url, ratePerS: 0.001 });
    for (let sent = 0; sent < 10; sent++) await sender.gateway.emit('order.made', { sent });
    assert.ok((await sender.deliveries(id)).filter(({ state }) => state === 'succeeded').length <= 1);
    await sender.call(`PATCH /api/endpoints/${id}`, { ratePerS: null });
    await inbox.received(10);
  });

  test('being deleted, it ends what runs and what waits, and the rest of the world goes on', async () => {
    const held = new Held();
    await using inbox = await Inbox.start(held.answer);
    await using other = await Inbox.start();
    await using sender = await Sender.start();
    const { id } = await sender.endpoint({ url: inbox.url, concurrency: 2 });
    await sender.endpoint({ url: other.url });
    for (let sent = 0; sent < 6; sent++) await sender.gateway.emit('order.made', { sent });
    await until(() => held.waiting === 2);
    await sender.call(`DELETE /api/endpoints/${id}`);
    await until(async () => (await sender.deliveries(id)).filter(({ state }) => state === 'dead').length === 4);
    held.letGo();
    const ended = async () => (await sender.deliveries(id)).map(({ state, reason }) => reason ?? state).toSorted();
    await until(async () => (await ended()).every((state) => state !== 'claimed' && state !== 'ready'));
    assert.deepEqual(await ended(), [
      ...Array.from({ length: 4 }, () => 'destination_deleted'),
      'succeeded',
      'succeeded',
    ]);
    await other.received(6);
    assert.equal(inbox.got.length, 2);
  });

  test('being deleted when the process stops, it is deleted to the end by the next', async () => {
    const held = new Held();
    await using inbox = await Inbox.start(held.answer);
    let store: Store | null = null;
    const options = { store: (parts: Parameters<typeof memoryStore>[0]) => (store ??= memoryStore(parts)) };
    let id = '';
    {
      await using sender = await Sender.start({}, options);
      ({ id } = await sender.endpoint({ url: inbox.url, concurrency: 1 }));
      for (let sent = 0; sent < 3; sent++) await sender.gateway.emit('order.made', { sent });
      await until(() => held.waiting === 1);
      await sender.call(`DELETE /api/endpoints/${id}`);
      await sender.gateway.stop({ graceMs: 0 });
    }
    await using sender = await Sender.start({}, options);
    assert.equal((await sender.call(`GET /api/endpoints/${id}`)).status, 404);
    await until(async () => (await sender.deliveries(id)).every(({ state }) => state === 'dead'));
    const registry = (store as Store | null)?.registry;
    await until(async () => (await registry?.get('endpoint', id)) === null);
    held.letGo();
    await sender.gateway.emit('order.made', {});
    assert.equal((await sender.deliveries(id)).length, 3);
  });
});

describe('the secrets of endpoints', () => {
  const [old, young, other] = ['a', 'b', 'c'].map((letter) => Buffer.from(letter.repeat(32)).toString('base64'));

  test('are opened by the key that sealed them, sealed anew under a new one, and wait for it where it is missing', async () => {
    await using inbox = await Inbox.start();
    let store: Store | null = null;
    const options = { store: (parts: Parameters<typeof memoryStore>[0]) => (store ??= memoryStore(parts)) };
    const start = (...keys: readonly (string | undefined)[]) =>
      Sender.start({ encryptionKeys: keys.map(String) }, options);
    const sealed = async (): Promise<string> => {
      const documents = await store?.registry.list('endpoint');
      return JSON.stringify(documents);
    };
    const idOf = (text: string): string | undefined => /"sealed":"v1\.([\w-]+)\./.exec(text)?.[1];
    let [secret, id, before, rotated] = ['', '', '', ''];
    {
      await using sender = await start(old);
      const retry = { kind: 'list', delaysMs: [1, 1], jitter: 'none' };
      ({ id, secret } = await sender.endpoint({ url: inbox.url, headers: { 'X-Key': 'very-secret' }, retry }));
      before = await sealed();
    }
    {
      await using sender = await start(young, old);
      await until(async () => idOf(await sealed()) !== idOf(before));
      await sender.gateway.emit('order.made', {});
      const [got] = await inbox.received(1);
      assert.equal(got?.headers['x-key'], 'very-secret');
      assert.ok(verified(secret, got));
      rotated = await sealed();
    }
    assert.ok(!rotated.includes(idOf(before) ?? '?'), 'nothing is left under the old key');
    {
      await using sender = await start(other);
      await sender.gateway.emit('order.made', {});
      await until(async () => (await sender.deliveries(id))[1]?.lastError !== null);
      const [, waits] = await sender.deliveries(id);
      assert.match(waits?.lastError ?? '', /^secret_sealed: .*sealed with the key/);
      assert.deepEqual([waits?.state, waits?.attempts], ['due', 0], 'no attempt is spent on it');
      assert.equal(await sealed(), rotated, 'what cannot be read is left as it is');
    }
    await using sender = await start(young);
    await sender.gateway.emit('order.made', {});
    const [, got] = await inbox.received(2);
    assert.equal(got?.headers['x-key'], 'very-secret');
  });
});

function verified(secret: string, got: Got): boolean {
  const text = `${String(got.headers['webhook-id'])}.${String(got.headers['webhook-timestamp'])}.`;
  const key = Buffer.from(secret.replace('whsec_', ''), 'base64');
  const signature = createHmac('sha256', key).update(text).update(got.body).digest('base64');
  return got.headers['webhook-signature'] === `v1,${signature}`;
}
