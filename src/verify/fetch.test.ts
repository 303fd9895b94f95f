import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { fetchText } from './fetch.ts';

/** DER: a tag, the length, the content. */
function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const whole = Buffer.concat(content);
  const length = whole.length < 128 ? [whole.length] : [0x82, whole.length >> 8, whole.length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), whole]);
}

/** A certificate for `localhost`, signed by itself: made here, so that no private key lies in the repository. */
function selfSigned(keys: { publicKey: KeyObject; privateKey: KeyObject }): string {
  const ecdsaWithSha256 = der(0x30, der(0x06, Buffer.from('2a8648ce3d040302', 'hex')));
  const commonName = der(0x30, der(0x06, Buffer.from('550403', 'hex')), der(0x0c, Buffer.from('localhost')));
  const name = der(0x30, der(0x31, commonName));
  const from = der(0x18, Buffer.from('20200101000000Z'));
  const until = der(0x18, Buffer.from('21200101000000Z'));
  const altName = der(0x04, der(0x30, der(0x82, Buffer.from('localhost'))));
  const extensions = der(0x30, der(0x30, der(0x06, Buffer.from('551d11', 'hex')), altName));
  const content = der(
    0x30,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    name,
    der(0x30, from, until),
    name,
    keys.publicKey.export({ format: 'der', type: 'spki' }),
    der(0xa3, extensions),
  );
  const signature = der(0x03, Buffer.from([0]), sign('sha256', content, keys.privateKey));
  const base64 = der(0x30, content, ecdsaWithSha256, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const cert = selfSigned(keys);

/** Runs `use` against a local https server. */
async function serving(answer: RequestListener, use: (url: string) => Promise<void>): Promise<void> {
  const key = keys.privateKey.export({ format: 'pem', type: 'pkcs8' });
  const server = createServer({ key, cert }, answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await use(`https://localhost:${(server.address() as AddressInfo).port}/a.pem`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const local = { ca: cert, family: 4 };

test('the text behind an https URL is fetched from a server that can be trusted', async () => {
  await serving(
    (_, response) => response.end('pem'),
    async (url) => {
      assert.equal(await fetchText(url, local), 'pem');
      await assert.rejects(fetchText(url, { family: 4 }), /self-signed|self signed/);
    },
  );
});

test('a redirect is not followed, an error is no text', async () => {
  for (const status of [302, 404, 500]) {
    await serving(
      (_, response) => response.writeHead(status, { location: 'https://evil.example/' }).end('pem'),
      async (url) => assert.rejects(fetchText(url, local), new RegExp(`answered ${status}`)),
    );
  }
});

test('more than a certificate is ever long is not read', async () => {
  await serving(
    (_, response) => {
      response.on('error', () => undefined);
      for (let sent = 0; sent < 10; sent++) response.write(Buffer.alloc(16_384, 'a'));
    },
    async (url) => assert.rejects(fetchText(url, local), /more than 65536 bytes/),
  );
});

test('a server that does not answer is waited for only so long', async () => {
  await serving(
    () => undefined,
    async (url) => assert.rejects(fetchText(url, { ...local, signal: AbortSignal.abort() }), { name: 'AbortError' }),
  );
  await assert.rejects(fetchText('https://localhost:1/a.pem', local), { code: 'ECONNREFUSED' });
});
