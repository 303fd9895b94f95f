/**
 * Senders that mean harm, beside one that does not: slow ones, many of them, and those who send what nobody signed. What
 * is asserted is that the honest one is answered, within bounds that hold on a busy machine, and that nothing grows; the
 * figures are printed.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createGateway } from '../src/index.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { createListener } from '../src/ingest/listener.ts';
import { scratch } from '../src/store/sqlite/harness.ts';
import { hmac, none } from '../src/verify/index.ts';
import { ingestWorld, type World, type WorldOptions } from './ingest-world.ts';
import { post } from './raw-client.ts';

const SECRET = 'hostile-secret';
// Only Linux has all of 127.0.0.0/8 on the loopback interface.
const ADDRESSES = process.platform === 'linux' ? false : 'needs several loopback addresses';

async function running(t: TestContext, options: Partial<WorldOptions>): Promise<World & { readonly port: number }> {
  const world = ingestWorld({ sources: { open: none() }, clock: systemClock, ...options });
  const listener = createListener(world.acceptor);
  t.after(() => listener.close());
  const { port } = await listener.listen(0, '127.0.0.1');
  return { ...world, port };
}

/** A connection from an address of the loopback interface. */
function from(t: TestContext, localAddress: string, port: number): Socket {
  const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
  socket.on('error', () => undefined);
  t.after(() => socket.destroy());
  return socket;
}

/** The next answer on a connection; 0 when it ends without one. */
function answer(socket: Socket): Promise<number> {
  return new Promise((resolve) => {
    const settle = (status: number): void => {
      socket.off('data', read);
      socket.off('close', ended);
      resolve(status);
    };
    const read = (bytes: Buffer): void => settle(Number(/^HTTP\/1\.1 (\d+)/.exec(bytes.toString('latin1'))?.[1] ?? 0));
    const ended = (): void => settle(0);
    socket.on('data', read);
    socket.on('close', ended);
  });
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

const partial = (length: number, there: number): Buffer =>
  post('/in/open', [`Content-Length: ${length}`], 'x'.repeat(there));

test('one address with slow bodies does not take the memory of the others', { skip: ADDRESSES }, async (t) => {
  const limits = { unverifiedBytesMax: 1_000_000, addressUnverifiedBytesMax: 250_000, bodyBytesMax: 100_000 };
  const { port, acceptor, rejected } = await running(t, { limits });
  const hostile = Array.from({ length: 64 }, () => from(t, '127.0.0.2', port));
  const answers = hostile.map((socket) => answer(socket));
  for (const socket of hostile) socket.write(partial(90_000, 50_000));
  await until(() => rejected.length >= 59);
  assert.deepEqual(new Set(rejected), new Set(['open limits address_overloaded']));
  assert.ok(acceptor.heldBytes <= 300_000, `${acceptor.heldBytes} bytes`);
  assert.equal(await Promise.race(answers), 429);
  const honest = from(t, '127.0.0.3', port);
  honest.write(partial(90_000, 90_000));
  assert.equal(await answer(honest), 200);
});

test('several that fill the memory with slow bodies make room for who has less', { skip: ADDRESSES }, async (t) => {
  const limits = { unverifiedBytesMax: 500_000, addressUnverifiedBytesMax: 150_000, bodyBytesMax: 150_000 };
  const { port, acceptor } = await running(t, { limits });
  for (const host of [2, 3, 4, 5]) from(t, `127.0.0.${host}`, port).write(partial(120_000, 110_000));
  await until(() => acceptor.heldBytes === 480_000);
  for (let index = 0; index < 20; index++) {
    const honest = from(t, '127.0.0.9', port);
    honest.write(partial(50_000, 50_000));
    assert.equal(await answer(honest), 200);
    honest.destroy();
  }
  assert.ok(acceptor.heldBytes <= 500_000);
});

test('one address has a share of the connections; one that ends makes room', { skip: ADDRESSES }, async (t) => {
  const { port } = await running(t, { limits: { addressConnectionsMax: 5 } });
  const hostile = Array.from({ length: 5 }, () => from(t, '127.0.0.2', port));
  await Promise.all(hostile.map((socket) => once(socket, 'connect')));
  assert.equal(await answer(from(t, '127.0.0.2', port)), 429);
  const honest = from(t, '127.0.0.3', port);
  honest.write(partial(2, 2));
  assert.equal(await answer(honest), 200);
  hostile[0]?.destroy();
  for (let status = 429; status === 429;) {
    const again = from(t, '127.0.0.2', port);
    again.write(partial(2, 2));
    status = await answer(again);
    assert.ok(status === 429 || status === 200 || status === 0);
    if (status === 0) status = 429;
  }
});

test('behind a trusted proxy each sender has a share of its own', async (t) => {
  const limits = { addressConnectionsMax: 2, addressUnverifiedBytesMax: 1000, bodyBytesMax: 1000 };
  const { port, acceptor } = await running(t, { limits, ports: { trustedProxies: ['127.0.0.1'] } });
  const send = (sender: string, there: number): Socket => {
    const socket = from(t, '127.0.0.1', port);
    socket.write(post('/in/open', [`X-Forwarded-For: ${sender}`, 'Content-Length: 900'], 'x'.repeat(there)));
    return socket;
  };
  send('192.0.2.1', 800);
  await until(() => acceptor.heldBytes === 800);
  assert.equal(await answer(send('192.0.2.1', 800)), 429);
  send('192.0.2.1', 1);
  await until(() => acceptor.heldBytes === 801);
  // The third at a time, however small.
  assert.equal(await answer(send('192.0.2.1', 900)), 429);
  for (let index = 0; index < 5; index++) assert.equal(await answer(send('192.0.2.2', 900)), 200);
  await until(() => acceptor.heldBytes === 801);
});

// ------------------------------------------------------------------------------------------------- the whole gateway

interface Served {
  readonly port: number;
  readonly handled: () => number;
}

async function gateway(t: TestContext): Promise<Served> {
  const { path, remove } = scratch();
  let handled = 0;
  const made = createGateway({
    store: `sqlite:${path}`,
    port: 0,
    logLevel: 'silent',
    adminToken: 'a-token-of-this-test-only',
    addressConnectionsMax: 1500,
    sources: { shop: { verify: hmac({ header: 'x-signature', secrets: SECRET }), dedupeKey: 'body.id' } },
  });
  made.handle('till', { from: 'shop' }, () => void handled++);
  const { ingest } = await made.listen();
  t.after(async () => {
    await made.stop({ graceMs: 100 });
    remove();
  });
  return { port: ingest.port, handled: () => handled };
}

let made = 0;

/** A webhook of the honest sender, or one that nobody signed. */
function webhook(signed: boolean): Buffer {
  const body = JSON.stringify({ id: `w${made++}`, text: 'x'.repeat(500) });
  const signature = createHmac('sha256', signed ? SECRET : 'a guess')
    .update(body)
    .digest('hex');
  return post('/in/shop', [`X-Signature: ${signature}`, `Content-Length: ${body.length}`], body);
}

/** Sends so many honest webhooks, four at a time; how long each took to be answered 200, shortest first. */
async function honest(t: TestContext, port: number, count: number): Promise<number[]> {
  const times: number[] = [];
  const senders = Array.from({ length: 4 }, async () => {
    const socket = from(t, '127.0.0.1', port);
    while (times.length < count) {
      const start = performance.now();
      socket.write(webhook(true));
      assert.equal(await answer(socket), 200);
      times.push(performance.now() - start);
    }
    socket.destroy();
  });
  await Promise.all(senders);
  return times.toSorted((a, b) => a - b);
}

const p99 = (times: readonly number[]): number => times[Math.floor(times.length * 0.99)] ?? 0;
const rss = (): number => process.memoryUsage.rss() / 1024 / 1024;

/** How long honest webhooks took to be answered, while it was quiet and while it was not. */
interface Siege {
  readonly before: readonly number[];
  readonly during: readonly number[];
  readonly after: readonly number[];
}

/**
 * Slower than when it is quiet, by all means; but not in another class. The clients run in this process too. Quiet is
 * before and after: what else the machine has to do may have begun in between.
 */
function assertAnswered(t: TestContext, { before, during, after }: Siege): void {
  const [besieged, ...quiet] = [during, before, after].map(p99) as [number, number, number];
  const told = `p99 ${besieged.toFixed(1)} ms against ${quiet.map((ms) => ms.toFixed(1)).join(' and ')} ms`;
  t.diagnostic(`${told} when it is quiet, of ${during.length}`);
  assert.ok(besieged < Math.max(...quiet) * 20 + 500, told);
}

test(
  '3,000 connections that send a byte now and then do not keep an honest sender out',
  { skip: ADDRESSES },
  async (t) => {
    const { port, handled } = await gateway(t);
    const quiet = await honest(t, port, 400);
    const slow: Socket[] = [];
    for (let index = 0; index < 3000; index++) {
      const socket = from(t, `127.0.0.${2 + (index % 4)}`, port);
      slow.push(socket);
      if (index % 100 === 99) await once(socket, 'connect');
      // Half of them never end their headers, the others never their bodies.
      socket.write(index % 2 === 0 ? 'POST /in/shop HTTP/1.1\r\nHost: a\r\nX-A: ' : webhook(true).subarray(0, 300));
    }
    let sent = 0;
    const drip = setInterval(() => {
      for (let count = 0; count < 300; count++, sent++) {
        const socket = slow[sent % slow.length];
        if (socket?.writable === true) socket.write('x');
      }
    }, 10);
    t.after(() => clearInterval(drip));
    // What the connections themselves take, at both ends, is taken by now.
    const first = await honest(t, port, 200);
    const start = rss();
    const besieged = [...first, ...(await honest(t, port, 600))].toSorted((a, b) => a - b);
    clearInterval(drip);
    const open = slow.filter(({ destroyed }) => !destroyed).length;
    const grown = rss() - start;
    t.diagnostic(`${open} of 3000 slow connections open, ${sent} bytes dripped, RSS ${grown.toFixed(0)} MB more`);
    assert.ok(grown < 150, `${grown} MB more`);
    for (const socket of slow) socket.destroy();
    assertAnswered(t, { before: quiet, during: besieged, after: await honest(t, port, 400) });
    await until(() => handled() >= 1600);
  },
);

test(
  '10,000 requests with wrong signatures do not keep an honest sender out, and nothing grows',
  { skip: ADDRESSES },
  async (t) => {
    const { port, handled } = await gateway(t);
    const quiet = await honest(t, port, 400);
    const junk = Array.from({ length: 10_000 }, () => webhook(false));
    const start = rss();
    let refused = 0;
    const flood = Array.from({ length: 32 }, async (_, sender) => {
      const socket = from(t, `127.0.0.${2 + (sender % 4)}`, port);
      for (let index = sender; index < junk.length; index += 32) {
        socket.write(junk[index] ?? '');
        const status = await answer(socket);
        assert.equal(status, 401);
        refused++;
      }
      socket.destroy();
    });
    const besieged = await honest(t, port, 800);
    const during = refused;
    await Promise.all(flood);
    const grown = rss() - start;
    t.diagnostic(`${during} refused meanwhile, ${refused} in all, RSS ${grown.toFixed(0)} MB more`);
    assert.equal(refused, 10_000);
    assert.ok(grown < 150, `${grown} MB more`);
    assertAnswered(t, { before: quiet, during: besieged, after: await honest(t, port, 400) });
    await until(() => handled() >= 1600);
  },
);
