import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signRequest } from './sign.ts';
import { basic, bearer, headerToken, pathToken, queryToken } from './tokens.ts';
import type { Verifier } from './verifier.ts';

const now = 1_762_182_000_000;
const plain = { method: 'POST', url: '/in/bot', headers: [] as readonly string[], body: new Uint8Array() };

async function reason(verifier: Verifier, headers: readonly string[], url = '/in/bot'): Promise<string> {
  const verdict = await verifier.verify({ ...plain, url, headers }, now);
  return verdict.ok ? 'ok' : verdict.reason;
}

test('what a token verifier signs, it verifies', async () => {
  const verifiers = [
    headerToken({ header: 'X-Token', tokens: ['new', 'old'] }),
    bearer({ tokens: 'a token' }),
    queryToken({ parameter: 'key', tokens: 'a&b=c ü' }),
    pathToken({ tokens: 'a/b?c#d=%e ü' }),
    basic({ credentials: { username: 'user', password: 'p@ss:word ü' } }),
    basic({ credentials: 'user:pass' }),
  ];
  for (const verifier of verifiers) {
    for (const url of ['/in/bot', '/in/bot?', '/in/bot?x=1', 'https://hooks.example.com/in/bot?x=1']) {
      const signed = await signRequest(verifier, { ...plain, url }, now);
      assert.deepEqual(await verifier.verify(signed, now), { ok: true }, `${verifier.name} ${url}`);
    }
    assert.notEqual(await reason(verifier, []), 'ok');
  }
});

test('a token in a header is compared as a whole', async () => {
  const verifier = headerToken({ header: 'x-gitlab-token', tokens: ['new-token', 'old-token'] });
  assert.deepEqual(verifier.credentialHeaders, ['x-gitlab-token']);
  for (const token of ['new-token', 'old-token', ' old-token ']) {
    assert.equal(await reason(verifier, ['X-Gitlab-Token', token]), 'ok');
  }
  for (const token of ['new-toke', 'new-token2', 'NEW-TOKEN', 'new-token,old-token']) {
    assert.equal(await reason(verifier, ['X-Gitlab-Token', token]), 'token_mismatch');
  }
  assert.equal(await reason(verifier, []), 'header_missing');
  assert.equal(await reason(verifier, ['x-gitlab-token', '']), 'header_missing');
});

test('a bearer token needs its scheme, in any case', async () => {
  const verifier = bearer({ tokens: 'secret-token' });
  assert.equal(await reason(verifier, ['Authorization', 'bearer secret-token']), 'ok');
  assert.equal(await reason(verifier, ['Authorization', 'secret-token']), 'header_malformed');
  assert.equal(await reason(verifier, ['Authorization', 'Basic secret-token']), 'header_malformed');
  assert.equal(await reason(verifier, ['Authorization', 'Bearer secret']), 'token_mismatch');
});

test('a token in the query is taken once, decoded, and never forwarded', async () => {
  const verifier = queryToken({ parameter: 'token', tokens: 'tök en' });
  assert.deepEqual(verifier.credentialParameters, ['token']);
  assert.equal(await reason(verifier, [], '/in/bot?x=1&token=t%C3%B6k+en'), 'ok');
  assert.equal(await reason(verifier, [], 'https://a.example/in/bot?token=t%C3%B6k%20en#token=x'), 'ok');
  assert.equal(await reason(verifier, [], '/in/bot?token=wrong'), 'token_mismatch');
  assert.equal(await reason(verifier, [], '/in/bot?token=t%C3%B6k+en&token=t%C3%B6k+en'), 'token_mismatch');
  assert.equal(await reason(verifier, [], '/in/bot?token='), 'parameter_missing');
  assert.equal(await reason(verifier, [], '/in/bot#?token=t%C3%B6k+en'), 'parameter_missing');
});

test('a token in the path is its last segment, decoded, and the whole of it', async () => {
  const verifier = pathToken({ tokens: ['tök/en', 'old'] });
  assert.equal(verifier.credentialInPath, true);
  assert.equal(await reason(verifier, [], '/in/bot/t%C3%B6k%2fen?x=1/y'), 'ok');
  assert.equal(await reason(verifier, [], 'https://a.example/in/bot/old#/x'), 'ok');
  for (const path of ['/in/bot', '/in/bot/Old', '/in/bot/olde', '/in/bot/old/x', '/in/bot/x?/old', '/in/bot/%zz']) {
    assert.equal(await reason(verifier, [], path), 'token_mismatch', path);
  }
  for (const path of ['/in/bot/', '/in/bot/old/', '/in/bot/?x=/old']) {
    assert.equal(await reason(verifier, [], path), 'parameter_missing', path);
  }
});

test('basic credentials are user and password together, in UTF-8', async () => {
  const verifier = basic({
    credentials: [
      { username: 'hook', password: 'p@ss:word ü' },
      { username: 'old', password: 'x' },
    ],
  });
  const header = (text: string, scheme = 'Basic'): readonly string[] => [
    'Authorization',
    `${scheme} ${Buffer.from(text).toString('base64')}`,
  ];
  assert.equal(await reason(verifier, header('hook:p@ss:word ü')), 'ok');
  assert.equal(await reason(verifier, header('old:x', 'BASIC')), 'ok');
  assert.equal(await reason(verifier, header('hook:x')), 'credentials_mismatch');
  assert.equal(await reason(verifier, header('hookp@ss:word ü')), 'credentials_mismatch');
  assert.equal(await reason(verifier, header('hook')), 'credentials_mismatch');
  assert.equal(await reason(verifier, ['Authorization', 'Basic %%%']), 'header_malformed');
  assert.equal(await reason(verifier, header('old:x', 'Bearer')), 'header_malformed');
  assert.throws(() => basic({ credentials: { username: 'a:b', password: 'x' } }), { code: 'config_invalid' });
});
