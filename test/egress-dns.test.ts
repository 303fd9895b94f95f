/** Names: every address is looked at, what was looked at is what is connected to, and servers that fail stall nobody. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import type { EgressOptions } from '../src/deliver/egress/egress.ts';
import { createEgress } from '../src/deliver/egress/egress.ts';
import { serverResolver } from '../src/deliver/egress/resolver.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { answering, deliver, loopbackEgress, Receiver } from './endpoint-world.ts';

const CLOSING = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
const egressOf = (options: Partial<EgressOptions>) => createEgress({ clock: systemClock, ...options });
const failing = (code: string) => () => Promise.reject(Object.assign(new Error('query failed'), { code }));

describe('a name', () => {
  test('that was public when it was saved and is private when it is sent to is never connected to, 1,000 times', async () => {
    await using receiver = await Receiver.start(answering(CLOSING));
    let queries = 0;
    const egress = egressOf({ resolve: () => Promise.resolve([queries++ % 2 === 0 ? '8.8.8.8' : '127.0.0.1']) });
    const url = `http://rebind.example.com:${receiver.port}/`;
    for (let round = 0; round < 1000; round++) {
      assert.equal(await egress.resolveAndCheck(url), null);
      const { result, exchange } = await deliver({ egress, target: { url } });
      assert.equal(result.kind, 'failed');
      assert.equal(exchange?.code, 'blocked_target');
    }
    assert.equal(receiver.connections, 0);
    assert.equal(queries, 2000);
  });

  test('is asked for once per connection, and what was looked at is what is connected to, 1,000 times', async () => {
    await using allowed = await Receiver.start(answering(CLOSING));
    // The same port, at an address that is not allowed.
    let private_ = 0;
    const trap = createServer((socket) => (private_++, socket.destroy())).listen(allowed.port, '127.0.0.2');
    await once(trap, 'listening');
    let queries = 0;
    const resolve = () => Promise.resolve([queries++ % 2 === 0 ? '127.0.0.1' : '127.0.0.2']);
    const egress = egressOf({ allow: ['127.0.0.1'], resolve });
    const kinds: string[] = [];
    for (let round = 0; round < 1000; round++) {
      const { result } = await deliver({ egress, target: { url: `http://flips.example.com:${allowed.port}/` } });
      kinds.push(result.kind);
    }
    assert.deepEqual(
      kinds,
      Array.from({ length: 1000 }, (_, round) => (round % 2 === 0 ? 'succeeded' : 'failed')),
    );
    assert.equal(queries, 1000);
    assert.equal(allowed.connections, 500);
    assert.equal(private_, 0);
    await egress.close();
    trap.close();
  });

  for (const addresses of [
    ['8.8.8.8', '10.0.0.1'],
    ['10.0.0.1', '8.8.8.8'],
    ['8.8.8.8', '::1'],
    ['2606:4700:4700::1111', '127.0.0.1'],
    ['8.8.8.8', '::ffff:169.254.169.254'],
    ['8.8.8.8', '64:ff9b::a00:1'],
    ['8.8.8.8', 'fe80::1%eth0'],
  ]) {
    test(`with ${addresses.join(' and ')} is refused`, async () => {
      const egress = egressOf({ resolve: () => Promise.resolve(addresses) });
      assert.equal((await egress.resolveAndCheck('https://mixed.example.com/'))?.code, 'blocked_target');
      const { result, exchange } = await deliver({ egress, target: { url: 'https://mixed.example.com/' } });
      assert.deepEqual([result.kind, exchange?.code, exchange?.remoteAddress], ['failed', 'blocked_target', null]);
    });
  }

  test('that is connected to a peer that was not looked at gets not a byte', async () => {
    await using receiver = await Receiver.start(answering(CLOSING));
    await using egress = loopbackEgress({ resolve: () => Promise.resolve(['127.0.0.1']) });
    // As if something on the way had led the connection elsewhere.
    const lead = (message: unknown): void => {
      const { socket } = message as { socket: Socket };
      Object.defineProperty(socket, 'remoteAddress', { value: '10.0.0.1' });
    };
    subscribe('net.client.socket', lead);
    const { exchange } = await deliver({ egress, target: { url: `http://led.example.com:${receiver.port}/` } });
    unsubscribe('net.client.socket', lead);
    assert.equal(receiver.connections, 1);
    assert.equal(exchange?.code, 'blocked_target');
    assert.deepEqual(receiver.heads, []);
  });

  test('is tried at its next address when the first does not answer', async () => {
    await using receiver = await Receiver.start(answering(CLOSING));
    // Nobody listens at this port of 127.0.0.3.
    await using egress = loopbackEgress({ resolve: () => Promise.resolve(['127.0.0.3', '127.0.0.1']) });
    const { result, exchange } = await deliver({ egress, target: { url: `http://two.example.com:${receiver.port}/` } });
    assert.equal(result.kind, 'succeeded');
    assert.equal(exchange?.remoteAddress, `127.0.0.1:${receiver.port}`);
    assert.ok((exchange?.times.dnsMs ?? -1) >= 0 && (exchange?.times.connectMs ?? -1) >= 0);
  });

  for (const [what, resolve, code] of [
    ['that does not exist', failing('ENOTFOUND'), 'dns_not_found'],
    ['without addresses', failing('ENODATA'), 'dns_not_found'],
    ['with an empty answer', () => Promise.resolve([]), 'dns_not_found'],
    ['with an answer that is no address', () => Promise.resolve(['evil.example.com']), 'dns_not_found'],
    ['whose servers fail', failing('ESERVFAIL'), 'dns_failed'],
    ['whose servers refuse', failing('EREFUSED'), 'dns_failed'],
    ['whose servers keep silent', () => new Promise<never>(() => undefined), 'dns_failed'],
  ] as const) {
    test(`${what} is a failure that is tried again: ${code}`, async () => {
      const egress = egressOf({ resolve, dnsTimeoutMs: 50 });
      const { result, exchange } = await deliver({ egress, target: { url: 'https://gone.example.com/' } });
      assert.deepEqual([result.kind, exchange?.code], ['failed', code]);
      assert.equal((await egress.resolveAndCheck('https://gone.example.com/'))?.code, code);
    });
  }

  test('whose servers keep silent ends with the attempt, when that is sooner', async () => {
    const egress = egressOf({ resolve: () => new Promise<never>(() => undefined) });
    const { result, exchange } = await deliver({ egress, target: { url: 'https://slow.example.com/' }, timeoutMs: 50 });
    assert.deepEqual([result.kind, exchange?.code], ['timeout', 'timeout']);
  });

  test('whose servers keep silent does not hold up another one', async () => {
    await using receiver = await Receiver.start(answering(CLOSING));
    const { promise: released, resolve: release } = Promise.withResolvers<readonly string[]>();
    const resolve = (host: string) => (host.startsWith('slow') ? released : Promise.resolve(['127.0.0.1']));
    await using egress = loopbackEgress({ resolve });
    const slow = Array.from({ length: 64 }, (_, index) =>
      deliver({ egress, target: { url: `http://slow${index}.example.com:${receiver.port}/` } }),
    );
    const { result } = await deliver({ egress, target: { url: `http://fast.example.com:${receiver.port}/` } });
    assert.equal(result.kind, 'succeeded');
    release(['127.0.0.1']);
    for (const { result } of await Promise.all(slow)) assert.equal(result.kind, 'succeeded');
  });
});

/** A name server that knows one A record for every name that begins with `here`. */
async function nameServer(): Promise<{ port: number; close(): void }> {
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const end = query.indexOf(0, 12) + 5;
    const isA = query.readUInt16BE(end - 4) === 1;
    const isKnown = query.toString('latin1', 13, 17) === 'here';
    const head = Buffer.from(query.subarray(0, 12));
    head.writeUInt16BE(isKnown ? 0x8180 : 0x8183, 2);
    head.writeUInt16BE(isKnown && isA ? 1 : 0, 6);
    head.fill(0, 8);
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 9, 8, 7]);
    const question = query.subarray(12, end);
    socket.send(Buffer.concat(isKnown && isA ? [head, question, record] : [head, question]), from.port, from.address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return { port: socket.address().port, close: () => socket.close() };
}

describe('the default resolver', () => {
  test('asks the name servers for both families, and tells what is not there from what failed', async () => {
    const server = await nameServer();
    const nameServers = [`127.0.0.1:${server.port}`];
    try {
      const resolve = serverResolver(nameServers);
      assert.deepEqual(await resolve('here.example.com'), ['10.9.8.7']);
      await assert.rejects(resolve('nowhere.example.com'), { code: 'ENOTFOUND' });
      const egress = egressOf({ nameServers });
      assert.equal((await egress.resolveAndCheck('https://here.example.com/'))?.code, 'blocked_target');
      assert.equal((await egress.resolveAndCheck('https://nowhere.example.com/'))?.code, 'dns_not_found');
      assert.throws(() => egressOf({ nameServers: ['ns.example.com'] }), { code: 'config_invalid' });
    } finally {
      server.close();
    }
  });
});
