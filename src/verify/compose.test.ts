import assert from 'node:assert/strict';
import { test } from 'node:test';
import { all, anyOf, ipAllowList, none } from './compose.ts';
import { hmac } from './hmac.ts';
import { secret } from './secret.ts';
import { signRequest } from './sign.ts';
import { bearer, headerToken, pathToken, queryToken } from './tokens.ts';
import type { Verifier } from './verifier.ts';

const now = 1_762_182_000_000;
const plain = { method: 'POST', url: '/in/orders', headers: [] as readonly string[], body: Buffer.from('{}') };

async function reason(verifier: Verifier, headers: readonly string[], remoteAddress?: string): Promise<string> {
  const request = remoteAddress === undefined ? plain : { ...plain, remoteAddress };
  const verdict = await verifier.verify({ ...request, headers }, now);
  return verdict.ok ? 'ok' : verdict.reason;
}

/** The same verifier, answering by promise. */
function slow(verifier: Verifier): Verifier {
  return { ...verifier, verify: async (request, at) => verifier.verify(request, at) };
}

test('an address list takes the listed addresses only', async () => {
  const verifier = ipAllowList({ allow: ['192.0.2.0/28', '2001:db8::/33', '203.0.113.7'] });
  for (const address of ['192.0.2.15', '::ffff:192.0.2.1', '2001:db8:7fff::1', '203.0.113.7']) {
    assert.equal(await reason(verifier, [], address), 'ok', address);
  }
  for (const address of ['192.0.2.16', '2001:db8:8000::1', '203.0.113.8', '::192.0.2.1', 'unknown', undefined]) {
    assert.equal(await reason(verifier, [], address), 'address_not_allowed', address);
  }
  for (const allow of [[], ['example.com'], ['192.0.2.0/33'], ['192.0.2.0/'], ['192.0.2.1/-1'], ['192.000.2.1']]) {
    assert.throws(() => ipAllowList({ allow }), { code: 'config_invalid' });
  }
});

test('an address list in front of a verifier asks both, and keeps what the verifier brings', async () => {
  const inner = bearer({ tokens: secret('TOKEN'), defaults: { type: 'body.type' } });
  const verifier = ipAllowList({ allow: ['192.0.2.1'] }, inner);
  assert.equal(verifier.defaults.type, 'body.type');
  assert.deepEqual(verifier.credentialHeaders, ['authorization']);
  const bound = verifier.bind?.(() => 'a-token');
  assert.ok(bound !== undefined);
  assert.equal(bound.name, 'ipAllowList(bearer)');
  assert.equal(await reason(bound, ['Authorization', 'Bearer a-token'], '192.0.2.1'), 'ok');
  assert.equal(await reason(bound, ['Authorization', 'Bearer a-token'], '192.0.2.2'), 'address_not_allowed');
  assert.equal(await reason(bound, ['Authorization', 'Bearer b-token'], '192.0.2.1'), 'token_mismatch');
  assert.equal(ipAllowList({ allow: ['192.0.2.1'] }, none()).proves, true);
});

test('a handshake is answered to allowed addresses only', async () => {
  const inner: Verifier = { ...none(), handshake: { unsigned: true, answer: () => ({ status: 200 }) } };
  const { handshake } = ipAllowList({ allow: ['192.0.2.1'] }, inner);
  assert.deepEqual(await handshake?.answer({ ...plain, remoteAddress: '192.0.2.1' }, now), { status: 200 });
  assert.equal(await handshake?.answer({ ...plain, remoteAddress: '192.0.2.2' }, now), null);

  const behind = all(ipAllowList({ allow: ['192.0.2.1'] }), inner);
  assert.deepEqual(await behind.handshake?.answer({ ...plain, remoteAddress: '192.0.2.1' }, now), { status: 200 });
  assert.equal(await behind.handshake?.answer({ ...plain, remoteAddress: '192.0.2.2' }, now), null);
});

test('all takes what every member takes, anyOf what one of them takes', async () => {
  const token = headerToken({ header: 'x-token', tokens: 'a' });
  const mac = hmac({ header: 'x-signature', secrets: 'key' });
  const withToken = ['x-token', 'a'];
  const withMac = (await mac.sign?.(plain, now)) ?? [];
  for (const wrap of [(verifier: Verifier) => verifier, slow]) {
    const both = all(wrap(token), wrap(mac));
    assert.equal(await reason(both, [...withToken, ...withMac]), 'ok');
    assert.equal(await reason(both, withToken), 'header_missing');
    assert.equal(await reason(both, withMac), 'header_missing');
    const either = anyOf(wrap(token), wrap(mac));
    for (const headers of [withToken, withMac, [...withToken, ...withMac]])
      assert.equal(await reason(either, headers), 'ok');
    assert.equal(await reason(either, ['x-token', 'b', 'x-signature', 'c']), 'signature_mismatch');
  }
  assert.equal(all(token, mac).verify({ ...plain, headers: [] }, now) instanceof Promise, false);
});

test('a combination binds, signs and hides what its members do', async () => {
  const verifier = all(
    queryToken({ parameter: 'token', tokens: secret('TOKEN') }),
    bearer({ tokens: secret('BEARER'), defaults: { type: 'body.type', tenant: '=a' } }),
    hmac({ header: 'x-signature', secrets: 'key', defaults: { type: 'header.x-topic' } }),
  );
  assert.equal(verifier.name, 'all(queryToken, bearer, hmac)');
  assert.deepEqual(verifier.defaults, { type: 'body.type', tenant: '=a' });
  assert.deepEqual(verifier.credentialHeaders, ['authorization']);
  assert.deepEqual(verifier.credentialParameters, ['token']);
  assert.equal(verifier.credentialInPath, undefined);
  assert.equal(anyOf(bearer({ tokens: 'a' }), pathToken({ tokens: 'a' })).credentialInPath, true);
  const bound = verifier.bind?.((name) => `${name}-value`);
  assert.ok(bound !== undefined);
  const signed = await signRequest(bound, plain, now);
  assert.deepEqual(await bound.verify(signed, now), { ok: true });
  assert.throws(() => all(), { code: 'config_invalid' });
});

test('none proves nothing and says so; anyOf does not hide it', async () => {
  assert.equal(none().proves, false);
  assert.equal(await reason(none(), []), 'ok');
  assert.equal(all(none()).proves, false);
  assert.throws(() => anyOf(none(), bearer({ tokens: 'a' })), { code: 'config_invalid' });
});
