/** Connections are kept for a while and bounded in all; however many origins there are, nothing grows. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { systemClock } from '../src/gateway/clock.ts';
import { TestClock } from '../src/testing/clock.ts';
import {
  answering,
  type Behaviour,
  bytesInUse,
  deliver,
  loopbackEgress,
  OK,
  openDescriptors,
  Receiver,
} from './endpoint-world.ts';

const NONE = { sockets: 0, idle: 0, waiting: 0, origins: 0 };

/** Waits, for some turns of the loop, until it holds. */
async function until(holds: () => boolean): Promise<void> {
  for (let turns = 0; turns < 100_000 && !holds(); turns++) await turn();
  assert.ok(holds());
}

/** Answers only when it is told to. */
function held(): { readonly behave: Behaviour; readonly waiting: Socket[]; readonly answer: () => void } {
  const waiting: Socket[] = [];
  return { behave: (socket) => void waiting.push(socket), waiting, answer: () => void waiting.shift()?.write(OK) };
}

describe('connections', () => {
  test('are used again, one request at a time', async () => {
    await using receiver = await Receiver.start(answering(OK));
    await using egress = loopbackEgress();
    for (let round = 0; round < 20; round++) {
      const { result, exchange } = await deliver({ egress, target: { url: receiver.url } });
      assert.equal(result.kind, 'succeeded');
      assert.equal(exchange?.times.connectMs === null, round > 0);
      assert.ok((exchange?.times.firstByteMs ?? -1) >= 0);
    }
    assert.equal(receiver.connections, 1);
  });

  test('are closed when they have been idle, and their origins forgotten', async () => {
    await using egress = loopbackEgress({ idleMs: 50 });
    const receivers = await Promise.all(Array.from({ length: 20 }, () => Receiver.start(answering(OK))));
    await Promise.all(receivers.map(({ url }) => deliver({ egress, target: { url } })));
    assert.deepEqual(egress.counts, { sockets: 20, idle: 20, waiting: 0, origins: 20 });
    await until(() => egress.counts.sockets === 0);
    assert.deepEqual(egress.counts, NONE);
    await Promise.all(receivers.map((receiver) => receiver[Symbol.asyncDispose]()));
  });

  test('that the server closed while they were idle are noticed: the request goes over a new one', async () => {
    const sockets: Socket[] = [];
    await using receiver = await Receiver.start((socket) => {
      sockets.push(socket);
      socket.write(OK);
    });
    await using egress = loopbackEgress();
    for (let round = 0; round < 20; round++) {
      const { result } = await deliver({ egress, target: { url: receiver.url } });
      assert.equal(result.kind, 'succeeded');
      const last = sockets.at(-1);
      if (round % 2 === 0) last?.end();
      else last?.resetAndDestroy();
      if (last !== undefined && !last.closed) await once(last, 'close');
      await turn();
    }
    assert.equal(receiver.heads.length, 20);
  });

  test('that break once a request is on its way fail it: it may have been received, and is not sent twice', async () => {
    let requests = 0;
    await using receiver = await Receiver.start((socket) => {
      if (++requests === 1) socket.write(OK);
      else socket.resetAndDestroy();
    });
    await using egress = loopbackEgress();
    assert.equal((await deliver({ egress, target: { url: receiver.url } })).result.kind, 'succeeded');
    const { result, exchange } = await deliver({ egress, target: { url: receiver.url } });
    assert.deepEqual([result.kind, exchange?.code, exchange?.times.connectMs], ['failed', 'connect_reset', null]);
    assert.deepEqual([requests, receiver.connections], [2, 1]);
  });

  test('that are older than five minutes are not used again, so that a name that has moved is noticed', async () => {
    await using receiver = await Receiver.start(answering(OK));
    const clock = new TestClock();
    await using egress = loopbackEgress({ clock: { ...systemClock, monotonic: () => clock.monotonic() } });
    for (const ageMs of [0, 299_000, 2000, 0]) {
      clock.advance(ageMs);
      await deliver({ egress, target: { url: receiver.url } });
    }
    assert.equal(receiver.connections, 2);
  });

  test('are bounded per origin: the next request waits for one, within its own time', async () => {
    const { behave, waiting, answer } = held();
    await using receiver = await Receiver.start(behave);
    await using other = await Receiver.start(answering(OK));
    await using egress = loopbackEgress({ socketsPerOriginMax: 2 });
    const sent = Array.from({ length: 5 }, () => deliver({ egress, target: { url: receiver.url } }));
    const late = deliver({ egress, target: { url: receiver.url }, timeoutMs: 50 });
    assert.equal((await late).result.kind, 'timeout');
    assert.deepEqual(egress.counts, { sockets: 2, idle: 0, waiting: 3, origins: 1 });
    // Another origin has its own.
    assert.equal((await deliver({ egress, target: { url: other.url } })).result.kind, 'succeeded');
    for (let answered = 0; answered < 5; answered++) {
      await until(() => waiting.length > 0);
      answer();
    }
    for (const { result } of await Promise.all(sent)) assert.equal(result.kind, 'succeeded');
    assert.equal(receiver.connections, 2);
  });

  test('are bounded in all: idle ones give way, and who waits is served in its turn', async () => {
    const { behave, waiting, answer } = held();
    await using slow = await Receiver.start(behave);
    await using first = await Receiver.start(answering(OK));
    await using second = await Receiver.start(answering(OK));
    await using egress = loopbackEgress({ socketsMax: 2 });
    const send = (url: string) => deliver({ egress, target: { url } });
    await send(first.url);
    await send(second.url);
    assert.deepEqual(egress.counts, { sockets: 2, idle: 2, waiting: 0, origins: 2 });
    const held_ = [send(slow.url), send(slow.url)];
    await until(() => waiting.length === 2);
    const third = send(first.url);
    await until(() => egress.counts.waiting === 1);
    assert.deepEqual(egress.counts, { sockets: 2, idle: 0, waiting: 1, origins: 1 });
    answer();
    assert.equal((await third).result.kind, 'succeeded');
    answer();
    for (const { result } of await Promise.all(held_)) assert.equal(result.kind, 'succeeded');
    assert.ok(egress.counts.sockets <= 2);
  });

  test('to thousands of origins never are more than the bound, and leave no descriptor and no memory', async () => {
    await using receiver = await Receiver.start(answering(OK));
    const before = openDescriptors();
    const egress = loopbackEgress({ socketsMax: 32, resolve: () => Promise.resolve(['127.0.0.1']) });
    let most = 0;
    const send = async (index: number): Promise<void> => {
      const { result } = await deliver({
        egress,
        target: { url: `http://t${index}.example.com:${receiver.port}/` },
        timeoutMs: 60_000,
      });
      assert.equal(result.kind, 'succeeded');
      most = Math.max(most, egress.counts.sockets);
    };
    const batch = async (from: number): Promise<void> =>
      void (await Promise.all(Array.from({ length: 500 }, (_, index) => send(from + index))));
    await batch(0);
    const bytes = bytesInUse();
    for (let from = 500; from < 4000; from += 500) await batch(from);
    assert.ok(most <= 32, `${most} sockets`);
    assert.ok(egress.counts.origins <= 32);
    await egress.close();
    assert.deepEqual(egress.counts, NONE);
    await until(() => openDescriptors() <= before + 1);
    // 3,500 more origins: kept, each would be tens of kilobytes.
    const more = bytesInUse() - bytes;
    assert.ok(more < 16 * 1024 * 1024, `${more} bytes`);
  });

  test('that cannot be opened are told apart', async () => {
    await using egress = loopbackEgress({ connectTimeoutMs: 200 });
    await using gone = await Receiver.start(answering(OK));
    const { port } = gone;
    await gone[Symbol.asyncDispose]().catch(() => undefined);
    const refused = await deliver({ egress, target: { url: `http://127.0.0.1:${port}/` } });
    assert.deepEqual([refused.result.kind, refused.exchange?.code], ['failed', 'connect_refused']);
  });

  test('end with the egress, requests under way included, and none is opened afterwards', async () => {
    const { behave, waiting } = held();
    await using receiver = await Receiver.start(behave);
    const egress = loopbackEgress({ socketsPerOriginMax: 1 });
    const sent = [
      deliver({ egress, target: { url: receiver.url } }),
      deliver({ egress, target: { url: receiver.url } }),
    ];
    await until(() => waiting.length === 1);
    await egress.close();
    await egress.close();
    assert.deepEqual(
      (await Promise.all(sent)).map(({ exchange }) => exchange?.code),
      ['aborted', 'aborted'],
    );
    const { exchange } = await deliver({ egress, target: { url: receiver.url } });
    assert.equal(exchange?.code, 'aborted');
    assert.deepEqual(egress.counts, NONE);
  });

  test('that are being opened end with the egress too: the request is told at once', async () => {
    const asked = Promise.withResolvers<void>();
    const resolve = () => (asked.resolve(), new Promise<never>(() => undefined));
    const egress = loopbackEgress({ resolve, dnsTimeoutMs: 60_000 });
    const sent = deliver({ egress, target: { url: 'http://hooks.example.com/' } });
    await asked.promise;
    await egress.close();
    assert.deepEqual([(await sent).result.kind, (await sent).exchange?.code], ['timeout', 'aborted']);
    assert.deepEqual(egress.counts, NONE);
  });

  test('of a request that is given up are closed, at whatever step it was', async () => {
    const { behave, waiting } = held();
    await using receiver = await Receiver.start(behave);
    await using egress = loopbackEgress();
    const early = await deliver({ egress, target: { url: receiver.url }, signal: AbortSignal.abort() });
    assert.equal(early.result.kind, 'timeout');
    assert.equal(receiver.connections, 0);
    const controller = new AbortController();
    const sent = deliver({ egress, target: { url: receiver.url }, signal: controller.signal });
    await until(() => waiting.length === 1);
    controller.abort();
    assert.deepEqual([(await sent).result.kind, (await sent).exchange?.code], ['timeout', 'aborted']);
    assert.deepEqual(egress.counts, NONE);
  });
});
