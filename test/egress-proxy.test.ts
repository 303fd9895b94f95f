/** The forward proxy: only the one that is named, and the guard stands before it as well. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import { makeCertificates } from './egress-certificates.ts';
import { answering, type Behaviour, deliver, loopbackEgress, OK, Receiver } from './endpoint-world.ts';
import { program, testNeeding } from './require.ts';

/** A proxy that opens every tunnel it is asked for, whatever the name, to a port of this machine. */
function tunnelling(sockets: Set<Socket>, to?: number): Behaviour {
  return (socket, head) => {
    const port = to ?? Number(/^CONNECT \S+:(\d+) /.exec(head)?.[1]);
    const onward = connect(port, '127.0.0.1', () => {
      socket.removeAllListeners('data');
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    sockets.add(onward);
    onward.on('error', () => socket.destroy());
  };
}

const URLS = ['http_proxy', 'https_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'npm_config_proxy'];

describe('a forward proxy', () => {
  test('of the environment is not used', async () => {
    await using proxy = await Receiver.start(answering(OK));
    await using receiver = await Receiver.start(answering(OK));
    const program_ = `
      import { createEgress } from './src/deliver/egress/egress.ts';
      import { systemClock } from './src/gateway/clock.ts';
      const egress = createEgress({ clock: systemClock, allow: ['127.0.0.1'] });
      const answer = await egress.request({ url: 'http://127.0.0.1:${receiver.port}/' });
      console.log(answer.status);
      await egress.close();
    `;
    const environment = Object.fromEntries(URLS.map((name) => [name, `http://127.0.0.1:${proxy.port}`]));
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--conditions=holdfast-source', '--input-type=module', '--eval', program_],
      { env: { ...environment, NODE_USE_ENV_PROXY: '1' }, timeout: 30_000 },
    );
    assert.equal(stdout.trim(), '200');
    assert.equal(receiver.heads.length, 1);
    assert.equal(proxy.connections, 0);
  });

  test('that is named gets the address that was looked at, and its own credentials', async () => {
    const sockets = new Set<Socket>();
    await using receiver = await Receiver.start(answering(OK));
    await using proxy = await Receiver.start(tunnelling(sockets));
    await using egress = loopbackEgress({
      proxy: { url: `http://me:s%20cret@127.0.0.1:${proxy.port}` },
      resolve: () => Promise.resolve(['127.0.0.1']),
    });
    const { result, exchange } = await deliver({
      egress,
      target: { url: `http://hooks.example.com:${receiver.port}/x` },
    });
    assert.equal(result.kind, 'succeeded');
    assert.equal(
      proxy.heads[0],
      [
        `CONNECT 127.0.0.1:${receiver.port} HTTP/1.1`,
        `Host: 127.0.0.1:${receiver.port}`,
        `Proxy-Authorization: Basic ${Buffer.from('me:s cret').toString('base64')}`,
      ].join('\r\n'),
    );
    assert.equal(receiver.header('host'), `hooks.example.com:${receiver.port}`);
    assert.equal(receiver.header('proxy-authorization'), undefined);
    assert.equal(exchange?.remoteAddress, `127.0.0.1:${proxy.port}`);
    for (const socket of sockets) socket.destroy();
  });

  testNeeding([program('openssl', 'openssl')], 'carries TLS to the receiver, whose certificate is proved', async () => {
    const { ca, good, otherHost } = makeCertificates();
    for (const [pair, code] of [
      [good, null],
      [otherHost, 'tls_invalid'],
    ] as const) {
      const sockets = new Set<Socket>();
      const server = createSecureServer(
        pair,
        (socket) => void socket.on('error', () => undefined).once('data', () => socket.end(OK)),
      );
      server.on('tlsClientError', () => undefined).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      await using proxy = await Receiver.start(tunnelling(sockets, port));
      await using egress = loopbackEgress({ proxy: { url: `http://127.0.0.1:${proxy.port}`, resolves: true }, ca });
      const { exchange } = await deliver({ egress, target: { url: 'https://hooks.example.com/' } });
      assert.equal(exchange?.code, code);
      assert.match(proxy.heads[0] ?? '', /^CONNECT hooks\.example\.com:443 /);
      for (const socket of sockets) socket.destroy();
      server.close();
    }
  });

  for (const resolves of [false, true]) {
    test(`is asked for nothing that is refused without one (${resolves ? 'it' : 'the gateway'} resolves names)`, async () => {
      await using proxy = await Receiver.start(answering('HTTP/1.1 200 OK\r\n\r\n'));
      await using egress = loopbackEgress({
        allow: [],
        proxy: { url: `http://127.0.0.1:${proxy.port}`, resolves },
        resolve: () => Promise.resolve(['10.0.0.1']),
      });
      const urls = [
        'http://127.0.0.1/',
        'http://2130706433/',
        'http://[::ffff:a9fe:a9fe]/',
        'http://localhost/',
        'http://metadata.google.internal/',
        'http://example.com:22/',
      ];
      for (const url of resolves ? urls : [...urls, 'http://hooks.example.com/']) {
        assert.equal((await deliver({ egress, target: { url } })).exchange?.code, 'blocked_target', url);
      }
      assert.equal(proxy.connections, 0);
    });
  }

  for (const [does, behave] of [
    ['says no', answering('HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n')],
    ['fails', answering('HTTP/1.1 502 Bad Gateway\r\n\r\n')],
    ['closes', (socket: Socket) => void socket.end()],
    ['speaks something else', answering('SSH-2.0-OpenSSH\r\n\r\n')],
    ['speaks before it is spoken to', answering('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n')],
    ['answers without end', answering(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(20_000)}`)],
  ] as const) {
    test(`that ${does} is proxy_refused, and tried again`, async () => {
      await using proxy = await Receiver.start(behave);
      await using egress = loopbackEgress({
        proxy: { url: `http://127.0.0.1:${proxy.port}` },
        resolve: () => Promise.resolve(['8.8.8.8']),
      });
      const { result, exchange } = await deliver({ egress, target: { url: 'https://hooks.example.com/' } });
      assert.deepEqual([result.kind, exchange?.code], ['failed', 'proxy_refused']);
      assert.equal(egress.counts.sockets, 0);
    });
  }

  test('that keeps silent is connect_timeout', async () => {
    await using proxy = await Receiver.start(() => undefined);
    await using egress = loopbackEgress({
      connectTimeoutMs: 100,
      proxy: { url: `http://127.0.0.1:${proxy.port}`, resolves: true },
    });
    const { exchange } = await deliver({ egress, target: { url: 'https://hooks.example.com/' } });
    assert.equal(exchange?.code, 'connect_timeout');
  });

  test('must be an http URL without a path', () => {
    for (const url of ['socks5://127.0.0.1:1080', 'https://127.0.0.1', '127.0.0.1:3128', 'http://127.0.0.1/x', '']) {
      assert.throws(() => loopbackEgress({ proxy: { url } }), { code: 'config_invalid' }, url);
    }
  });
});
