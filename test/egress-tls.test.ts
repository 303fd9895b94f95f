/** TLS: what cannot be proved is not sent to, and a client certificate goes only where it is meant for. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { connect, createServer, type Server, type TlsOptions, type TLSSocket } from 'node:tls';
import { describe } from 'node:test';
import { type Certificates, makeCertificates } from './egress-certificates.ts';
import { deliver, loopbackEgress, OK } from './endpoint-world.ts';
import { program, testNeeding } from './require.ts';

const needs = [program('openssl', 'openssl')];
let made: Certificates | null = null;
/** Made when the first test wants them. */
const certificates = (): Certificates => (made ??= makeCertificates());

interface Secure extends AsyncDisposable {
  readonly port: number;
  readonly requests: string[];
  readonly clients: (string | null)[];
}

async function secureServer(options: TlsOptions): Promise<Secure> {
  const requests: string[] = [];
  const clients: (string | null)[] = [];
  const sockets = new Set<TLSSocket>();
  const server: Server = createServer(options, (socket) => {
    sockets.add(socket);
    const subject = socket.getPeerCertificate().subject as { CN?: string } | undefined;
    socket.on('error', () => undefined);
    socket.on('data', (piece: Buffer) => {
      requests.push(piece.toString('latin1'));
      clients.push(subject?.CN ?? null);
      if (piece.includes('{"a":1}')) socket.write(OK);
    });
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    clients,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const resolve = () => Promise.resolve(['127.0.0.1']);

describe('TLS', () => {
  testNeeding(
    needs,
    'a certificate of a trusted authority for this name is accepted, by name and by address',
    async () => {
      await using server = await secureServer(certificates().good);
      await using egress = loopbackEgress({ resolve, ca: certificates().ca });
      for (const host of ['hooks.example.com', '127.0.0.1']) {
        const { result, exchange } = await deliver({ egress, target: { url: `https://${host}:${server.port}/` } });
        assert.equal(result.kind, 'succeeded');
        assert.ok((exchange?.times.tlsMs ?? -1) >= 0);
      }
      assert.ok(server.requests.every((request) => request.startsWith('POST / HTTP/1.1\r\n')));
    },
  );

  const refused: Readonly<Record<string, (made: Certificates) => TlsOptions>> = {
    'an expired certificate': ({ expired }) => expired,
    'a certificate that is not valid yet': ({ notYet }) => notYet,
    'a self-signed certificate': ({ selfSigned }) => selfSigned,
    'a certificate for another host': ({ otherHost }) => otherHost,
    'a server that speaks TLS 1.0 only': ({ good }) => ({
      ...good,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    }),
    'a server that speaks TLS 1.1 only': ({ good }) => ({
      ...good,
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    }),
    'a server that wants a certificate of the client': ({ good, ca }) => ({
      ...good,
      ca,
      requestCert: true,
      rejectUnauthorized: true,
    }),
  };
  for (const [what, options] of Object.entries(refused)) {
    testNeeding(needs, `${what} is tls_invalid, and gets no request`, async () => {
      await using server = await secureServer(options(certificates()));
      await using egress = loopbackEgress({ resolve, ca: certificates().ca });
      const { result, exchange } = await deliver({
        egress,
        target: { url: `https://hooks.example.com:${server.port}/` },
      });
      assert.deepEqual([result.kind, exchange?.code, exchange?.response], ['failed', 'tls_invalid', null]);
      assert.deepEqual(server.requests, []);
      assert.equal(egress.counts.sockets, 0);
    });
  }

  testNeeding(needs, 'an authority that is not trusted by default is not trusted', async () => {
    await using server = await secureServer(certificates().good);
    await using egress = loopbackEgress({ resolve });
    const { exchange } = await deliver({ egress, target: { url: `https://hooks.example.com:${server.port}/` } });
    assert.equal(exchange?.code, 'tls_invalid');
  });

  testNeeding(needs, 'a server that does not speak TLS is tls_invalid', async () => {
    const server = createTcpServer(
      (socket) => void socket.on('error', () => undefined).end('220 mail.example.com ESMTP\r\n'),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    await using egress = loopbackEgress({ resolve });
    const { port } = server.address() as AddressInfo;
    const { exchange } = await deliver({ egress, target: { url: `https://hooks.example.com:${port}/` } });
    server.close();
    assert.equal(exchange?.code, 'tls_invalid');
  });

  testNeeding(needs, 'the old versions are refused by us: a client that takes them is served', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await using server = await secureServer({ ...certificates().good, ...old });
    const socket = connect({ port: server.port, host: '127.0.0.1', ca: certificates().ca, ...old });
    await once(socket, 'secureConnect');
    assert.equal(socket.getProtocol(), 'TLSv1');
    socket.destroy();
  });

  testNeeding(
    needs,
    'the certificate of a client is shown where it belongs, and its connection is used by nobody else',
    async () => {
      const { good, ca, client } = certificates();
      await using server = await secureServer({ ...good, ca, requestCert: true, rejectUnauthorized: false });
      await using egress = loopbackEgress({ resolve, ca });
      const url = `https://hooks.example.com:${server.port}/`;
      for (const tls of [client, null, client, null]) {
        const { result } = await deliver({ egress, target: { url, tls } });
        assert.equal(result.kind, 'succeeded');
      }
      assert.deepEqual(server.clients, ['client', null, 'client', null]);
      assert.equal(egress.counts.sockets, 2);
    },
  );

  testNeeding(needs, 'an endpoint may trust an authority of its own', async () => {
    await using server = await secureServer(certificates().good);
    await using egress = loopbackEgress({ resolve });
    const url = `https://hooks.example.com:${server.port}/`;
    assert.equal((await deliver({ egress, target: { url, tls: { ca: certificates().ca } } })).result.kind, 'succeeded');
    assert.equal((await deliver({ egress, target: { url } })).exchange?.code, 'tls_invalid');
  });
});
