import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../egress/egress.ts';
import { credentialsIn, secretValues, withoutEchoes } from './echoes.ts';

const answer = (body: string, parts: Partial<Answer> = {}): Answer => ({
  status: 200,
  headers: ['X-Said', body],
  body: Buffer.from(body),
  bodyBytes: body.length,
  times: { dnsMs: null, connectMs: null, tlsMs: null, firstByteMs: null },
  remoteAddress: null,
  code: null,
  detail: null,
  ...parts,
});

test('an answer is kept without the secrets it says back, wherever they are and however often', () => {
  const kept = withoutEchoes(answer('a very-secret, b very-secret'), ['very-secret']);
  assert.equal(kept.body.toString(), 'a [redacted], b [redacted]');
  assert.deepEqual(kept.headers, ['X-Said', 'a [redacted], b [redacted]']);
});

test('a secret that the end of what is kept cuts in two leaves neither half', () => {
  const cut = answer('it is very-sec', { bodyBytes: 20_000 });
  assert.equal(withoutEchoes(cut, ['very-secret']).body.toString(), 'it is ');
  assert.equal(withoutEchoes(answer('it is very-sec'), ['very-secret']).body.toString(), 'it is very-sec');
});

test('an answer without any is the same answer', () => {
  const clean = answer('nothing here');
  assert.equal(withoutEchoes(clean, ['very-secret']), clean);
  assert.equal(withoutEchoes(clean, []), clean);
});

test('basic credentials are secret as they are sent and as they are meant', () => {
  const sent = Buffer.from('user:long-password').toString('base64');
  assert.deepEqual(credentialsIn(`Basic ${sent}`), [sent, 'long-password']);
  assert.deepEqual(credentialsIn('Bearer long-token'), ['long-token']);
  assert.deepEqual(credentialsIn(null), []);
});

test('what an answer says by chance is not taken for a secret', () => {
  const headers = ['Accept', 'application/json', 'X-Version', '2', 'X-Key', 'very-secret'];
  assert.deepEqual(secretValues(headers), ['very-secret']);
});
