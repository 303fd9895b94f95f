/**
 * What must hold for any bytes: exactly the right signature verifies, and nothing one bit away from it does.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { sameDigest, sameDigestText, TokenSet } from './compare.ts';
import { generateEcdsa } from './ecdsa.ts';
import { generateEd25519 } from './ed25519.ts';
import { decodeExactly, decodeStrict } from './encoding.ts';
import { hmac, timestampedHmac } from './hmac.ts';
import { discord } from './providers/discord.ts';
import { sendgrid } from './providers/sendgrid.ts';
import { slack } from './providers/slack.ts';
import { square } from './providers/square.ts';
import { stripe } from './providers/stripe.ts';
import { telnyx } from './providers/telnyx.ts';
import { zendesk } from './providers/zendesk.ts';
import { signRequest } from './sign.ts';
import { standardWebhooks } from './standard-webhooks.ts';
import { parseTimestamp } from './timestamp.ts';
import type { UnsignedRequest, Verifier } from './verifier.ts';

const now = 1_762_182_000_000;
const whsec = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
const curve = generateEd25519('base64');
const curveHex = generateEd25519('hex');
const p256 = generateEcdsa();

/** Every scheme over the raw body, and which of its headers a bit may be changed in. */
const schemes: readonly Verifier[] = [
  hmac({ header: 'x-signature', secrets: 'key' }),
  hmac({ header: 'x-signature', secrets: 'key', encoding: 'base64', algorithm: 'sha512', prefix: 'v1=' }),
  hmac({ header: 'x-signature', secrets: 'key', timestamp: { header: 'x-timestamp', position: 'after', unit: 'ms' } }),
  timestampedHmac({ header: 'x-signature', secrets: 'key' }),
  stripe({ secrets: 'key' }),
  slack({ secrets: 'key' }),
  zendesk({ secrets: 'key' }),
  square({ secrets: 'key', publicUrl: 'https://hooks.example.com/in/square' }),
  standardWebhooks({ secrets: whsec }),
  standardWebhooks({ publicKeys: curve.publicKey, privateKeys: curve.privateKey }),
  telnyx({ publicKeys: curve.publicKey, privateKeys: curve.privateKey }),
  discord({ publicKeys: curveHex.publicKey, privateKeys: curveHex.privateKey }),
  sendgrid({ publicKeys: p256.publicKey, privateKeys: p256.privateKey }),
];

const plain = (body: Uint8Array): UnsignedRequest => ({ method: 'POST', url: '/in/x', headers: [], body });

async function holds(verifier: Verifier, request: UnsignedRequest): Promise<boolean> {
  return (await verifier.verify(request, now)).ok;
}

/** The bytes with one bit turned over. */
function flip(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

const bodies = fc.uint8Array({ minLength: 1, maxLength: 300 });

test('any bytes verify with their own signature, and with a bit of them changed do not', async () => {
  for (const verifier of schemes) {
    const property = fc.asyncProperty(bodies, fc.nat(), async (body, place) => {
      const request = await signRequest(verifier, plain(body), now);
      assert.equal(await holds(verifier, request), true, verifier.name);
      const changed = flip(body, place % (body.length * 8));
      assert.equal(await holds(verifier, { ...request, body: changed }), false, verifier.name);
    });
    await fc.assert(property, { numRuns: 25 });
  }
});

test('every single bit of the body counts', async () => {
  const body = Buffer.from('{"id":"evt_1"}');
  for (const verifier of schemes) {
    const request = await signRequest(verifier, plain(body), now);
    for (let bit = 0; bit < body.length * 8; bit++) {
      assert.equal(await holds(verifier, { ...request, body: flip(body, bit) }), false, `${verifier.name} bit ${bit}`);
    }
  }
});

/** The values one bit away from a header's. White space around a value is no part of it (RFC 9110), so blanks are left out. */
function neighbours(value: string): readonly string[] {
  const bytes = Buffer.from(value, 'latin1');
  const all = Array.from({ length: bytes.length * 8 }, (_, bit) => Buffer.from(flip(bytes, bit)).toString('latin1'));
  return all.filter((text) => text.trim() === text);
}

test('every single bit of signature, timestamp and id counts', async () => {
  for (const verifier of schemes) {
    const request = await signRequest(verifier, plain(Buffer.from('{}')), now);
    for (let index = 1; index < request.headers.length; index += 2) {
      for (const value of neighbours(request.headers[index] ?? '')) {
        const changed = { ...request, headers: request.headers.with(index, value) };
        assert.equal(await holds(verifier, changed), false, `${verifier.name}: ${value}`);
      }
    }
  }
});

test('a signature of any other length or made of other characters never verifies', async () => {
  const verifier = hmac({ header: 'x-signature', secrets: 'key' });
  const body = Buffer.from('{}');
  const [, right = ''] = (await verifier.sign?.(plain(body), now)) ?? [];
  const texts = fc.oneof(
    fc.string({ maxLength: 130 }),
    fc.string({ unit: 'binary', maxLength: 130 }),
    fc.nat(63).map((length) => right.slice(0, length)),
    fc.string({ minLength: 1 }).map((more) => right + more),
  );
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      const request = { ...plain(body), headers: ['x-signature', text] };
      assert.equal(await holds(verifier, request), text.trim() === right);
    }),
  );
});

test('any of the secrets verifies any of the signatures; a stranger among both changes nothing', async () => {
  const keys = fc.uniqueArray(
    fc.string({ unit: 'grapheme-ascii', minLength: 1 }).filter((key) => key.trim() === key),
    {
      minLength: 2,
      maxLength: 5,
    },
  );
  await fc.assert(
    fc.asyncProperty(keys, fc.nat(), fc.boolean(), async (secrets, pick, known) => {
      const signer = secrets[pick % secrets.length] ?? '';
      const configured = known ? secrets : secrets.filter((key) => key !== signer);
      const body = Buffer.from('{}');
      const headers: string[] = [];
      for (const key of [signer, `${secrets.join('')} stranger`]) {
        const [, value = ''] = (await timestampedHmac({ header: 'x', secrets: key }).sign?.(plain(body), now)) ?? [];
        headers.push(value.replace(/^t=\d+,/, ''));
      }
      const verifier = timestampedHmac({ header: 'x', secrets: configured });
      const value = `t=${now / 1000},${headers.toReversed().join(',')}`;
      assert.equal(await holds(verifier, { ...plain(body), headers: ['x', value] }), known);
    }),
    { numRuns: 50 },
  );
});

test('decoding takes exactly the one spelling of some bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 80 }), fc.constantFrom('hex', 'base64'), (bytes, encoding) => {
      const text = Buffer.from(bytes).toString(encoding);
      assert.deepEqual(decodeStrict(text, encoding), Buffer.from(bytes));
      assert.deepEqual(decodeExactly(text, encoding, bytes.length), Buffer.from(bytes));
      for (const wrong of [
        `${text}=`,
        ` ${text}`,
        `${text}\n`,
        text.slice(0, -1),
        `${text}!`,
        text.replace(/[a-f]/, 'é'),
      ]) {
        if (wrong !== text) assert.equal(decodeExactly(wrong, encoding, bytes.length), null, wrong);
      }
    }),
  );
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), (text) => {
      const bytes = decodeStrict(text, 'base64');
      assert.equal(bytes === null || bytes.toString('base64') === text, true);
    }),
  );
});

test('comparison is equality: of digests, of their text, of tokens', () => {
  const anything = fc.oneof(fc.string({ unit: 'binary', maxLength: 70 }), fc.constantFrom('', 'a', 'ab', 'é', 'e'));
  fc.assert(
    fc.property(anything, anything, (left, right) => {
      const [first, second] = [Buffer.from(left), Buffer.from(right)];
      assert.equal(sameDigest(first, second), first.equals(second));
      assert.equal(new TokenSet([left, 'other']).has(second), first.equals(second) || right === 'other');
    }),
  );
  const ascii = fc.string({ unit: 'grapheme-ascii', maxLength: 70 });
  fc.assert(
    fc.property(ascii, fc.oneof(ascii, anything), (expected, given) => {
      assert.equal(sameDigestText(expected, given), expected === given);
      assert.equal(sameDigestText(expected, expected), true);
    }),
  );
  // Characters whose low byte is that of the right one.
  assert.equal(sameDigestText('cafe', 'c\u0161fe'), false);
  assert.equal(sameDigestText('cafe', '\u0163\u0161\u0166\u0165'), false);
});

test('a timestamp is digits or RFC 3339, and nothing that merely looks like a number', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.double().map(String), fc.bigInt().map(String)), (text) => {
      assert.equal(parseTimestamp(text, 's') !== null, /^\d{1,15}$/.test(text));
    }),
  );
  for (const text of ['2025-11-03T15:00:00Z', '2025-11-03T08:00:00-07:00', '2025-11-03t15:00:00.000z']) {
    assert.equal(parseTimestamp(text, 'rfc3339'), now);
  }
  for (const text of [
    '2025-11-03',
    '2025-11-03 15:00:00Z',
    '2025-13-03T15:00:00Z',
    'Mon, 03 Nov 2025 15:00:00 GMT',
    '1234',
  ]) {
    assert.equal(parseTimestamp(text, 'rfc3339'), null, text);
  }
});
