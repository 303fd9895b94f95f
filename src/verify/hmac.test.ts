import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { hmac, timestampedHmac } from './hmac.ts';
import type { HmacOptions } from './hmac.ts';
import type { Verdict, Verifier } from './verifier.ts';

const now = 1_762_182_000_000;
const body = Buffer.from('{"order":42,"note":"ünï"}');
const signature = createHmac('sha256', 'key').update(body).digest('hex');

async function verdict(verifier: Verifier, headers: readonly string[], bytes: Uint8Array = body): Promise<Verdict> {
  return verifier.verify({ method: 'POST', url: '/in/orders', headers, body: bytes }, now);
}

async function reason(verifier: Verifier, headers: readonly string[]): Promise<string> {
  const answer = await verdict(verifier, headers);
  return answer.ok ? 'ok' : answer.reason;
}

test('an HMAC of the raw bytes verifies, whatever the case of the header', async () => {
  const verifier = hmac({ header: 'X-Signature', secrets: 'key' });
  for (const name of ['x-signature', 'X-SIGNATURE', 'X-Signature']) {
    assert.deepEqual(await verdict(verifier, ['Host', 'a', name, signature]), { ok: true });
  }
  assert.equal(verifier.verify({ method: 'POST', url: '/', headers: [], body }, now) instanceof Promise, false);
});

test('only the one spelling of a signature verifies', async () => {
  const hex = hmac({ header: 'x-signature', secrets: 'key' });
  const wrong = [
    signature.toUpperCase(),
    signature.slice(0, -2),
    `${signature}00`,
    `${signature.slice(0, -1)}${signature.endsWith('0') ? '1' : '0'}`,
    `0x${signature.slice(2)}`,
    `${signature.slice(0, 63)}g`,
    `${signature.slice(0, 63)}ｆ`,
    `sha256=${signature}`,
    Buffer.from(signature, 'hex').toString('base64'),
  ];
  for (const text of wrong) assert.equal(await reason(hex, ['x-signature', text]), 'signature_mismatch', text);

  const bytes = Buffer.from(signature, 'hex');
  const base64 = hmac({ header: 'x-signature', secrets: 'key', encoding: 'base64' });
  assert.equal(await reason(base64, ['x-signature', bytes.toString('base64')]), 'ok');
  for (const text of [bytes.toString('base64url'), bytes.toString('base64').replace('=', ''), signature]) {
    assert.equal(await reason(base64, ['x-signature', text]), 'signature_mismatch', text);
  }
});

test('a header that is missing, empty, repeated or without its prefix is told apart', async () => {
  const verifier = hmac({ header: 'x-signature', prefix: 'sha256=', secrets: 'key' });
  assert.equal(await reason(verifier, []), 'header_missing');
  assert.equal(await reason(verifier, ['x-signature', ' ']), 'header_missing');
  assert.equal(await reason(verifier, ['x-signature', signature]), 'header_malformed');
  const whole = `sha256=${signature}`;
  assert.equal(await reason(verifier, ['x-signature', whole, 'X-Signature', whole]), 'header_malformed');
  assert.equal(await reason(verifier, ['x-signature', whole]), 'ok');
});

test('each algorithm and encoding of keys signs what it verifies and nothing else', async () => {
  for (const algorithm of ['sha1', 'sha256', 'sha384', 'sha512'] as const) {
    for (const encoding of ['hex', 'base64'] as const) {
      const options: HmacOptions = { header: 'x-signature', secrets: ['00ff00ff', 'aa'], algorithm, encoding };
      const verifier = hmac({ ...options, secretEncoding: 'hex' });
      const headers = (await verifier.sign?.({ method: 'POST', url: '/', headers: [], body }, now)) ?? [];
      const expected = createHmac(algorithm, Buffer.from('00ff00ff', 'hex')).update(body).digest(encoding);
      assert.deepEqual(headers, ['x-signature', expected]);
      assert.equal(await reason(verifier, headers), 'ok');
      assert.equal(await reason(hmac(options), headers), 'signature_mismatch');
    }
  }
});

test('a timestamp is signed with the body and holds within the tolerance, both ways', async () => {
  const verifier = (position: 'before' | 'after'): Verifier =>
    hmac({ header: 'x-signature', secrets: 'key', timestamp: { header: 'X-Timestamp', joiner: ':', position } });
  const headers = (at: string, text: string): readonly string[] => [
    'x-timestamp',
    at,
    'x-signature',
    createHmac('sha256', 'key').update(text).digest('hex'),
  ];
  const before = (at: string): Promise<string> => reason(verifier('before'), headers(at, `${at}:${body.toString()}`));
  assert.equal(await before('1762182000'), 'ok');
  assert.equal(await before('1762181700'), 'ok');
  assert.equal(await before('1762182300'), 'ok');
  assert.equal(await before('1762181699'), 'timestamp_too_old');
  assert.equal(await before('1762182301'), 'timestamp_in_future');
  for (const at of ['NaN', '1762182000.5', '-1762182000', '0x69', '1e9', '١٧']) {
    assert.equal(await before(at), 'timestamp_malformed', at);
  }
  assert.equal(await reason(verifier('after'), headers('1762182000', `${body.toString()}:1762182000`)), 'ok');
  assert.equal(
    await reason(verifier('after'), headers('1762182000', `1762182000:${body.toString()}`)),
    'signature_mismatch',
  );
  assert.equal(await reason(verifier('before'), ['x-signature', signature]), 'header_missing');
  // A wrong signature is told before a wrong time: the time of an unproved request means nothing.
  assert.equal(await reason(verifier('before'), ['x-timestamp', '1', 'x-signature', signature]), 'signature_mismatch');
});

test('a list of fields is read by name, and any of several signatures may hold', async () => {
  const verifier = timestampedHmac({ header: 'mux-signature', secrets: ['new', 'old'] });
  const old = createHmac('sha256', 'old').update('1762182000.').update(body).digest('hex');
  const other = createHmac('sha256', 'else').update('1762182000.').update(body).digest('hex');
  for (const value of [
    `t=1762182000,v1=${old}`,
    `v1=${other}, v1=${old}, t=1762182000`,
    `t=1762182000,v0=x,v1=${old},v1=potato`,
  ]) {
    assert.equal(await reason(verifier, ['Mux-Signature', value]), 'ok', value);
  }
  const malformed = [
    'prose',
    't=1762182000',
    `v1=${old}`,
    `t=1762182000,t=1762182001,v1=${old}`,
    `t=1${',v1=a'.repeat(40)}`,
  ];
  for (const value of malformed)
    assert.equal(await reason(verifier, ['Mux-Signature', value]), 'header_malformed', value);
  assert.equal(await reason(verifier, ['Mux-Signature', `t=1762182000,v1=${other}`]), 'signature_mismatch');
  assert.equal(await reason(verifier, ['Mux-Signature', `t=1762182000,v2=${old}`]), 'header_malformed');
});

test('options that verify nothing are refused where they are written, not with every request', () => {
  const given = { header: 'x-signature', secrets: 'key' };
  const cases: readonly (readonly [wrong: object, says: RegExp])[] = [
    [{ algorithm: 'md5' }, /algorithm: expected 'sha256' or .*, got 'md5'/],
    [{ encoding: 'base64url' }, /encoding: expected 'hex' or 'base64', got 'base64url'/],
    [{ secretEncoding: 'HEX' }, /secretEncoding: expected 'utf8' or/],
    [{ header: undefined }, /header: expected the name of the header/],
    [{ timestamp: { header: 'x-time', position: 'After' } }, /timestamp\.position: expected 'before' or 'after'/],
    [{ timestamp: { header: 'x-time', unit: 'us' } }, /timestamp\.unit: expected 's' or 'ms' or 'rfc3339', got 'us'/],
    [{ timestamp: {} }, /header: expected the name of the header/],
  ];
  for (const [wrong, message] of cases)
    assert.throws(() => hmac({ ...given, ...wrong }), { code: 'config_invalid', message });
  assert.throws(() => timestampedHmac({ ...given, algorithm: 'md5' } as never), { code: 'config_invalid' });
});
