import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HoldfastError } from '../errors.ts';
import { hmac, timestampedHmac } from './hmac.ts';
import { stripe } from './providers/stripe.ts';
import { secret } from './secret.ts';
import { standardWebhooks } from './standard-webhooks.ts';
import { basic, bearer, headerToken, pathToken, queryToken } from './tokens.ts';
import type { SecretSource } from './verifier.ts';

const at = 1_762_182_000_000;
const request = { method: 'POST', url: '/in/orders', headers: [] as readonly string[], body: new Uint8Array([1, 2]) };

function refusal(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    assert.ok(error instanceof HoldfastError);
    assert.equal(error.code, 'secret_missing');
    return error.detail ?? '';
  }
  return assert.fail('nothing was thrown');
}

test('a secret that is not written as its scheme wants it is refused by the name of its variable', () => {
  const bind = () => standardWebhooks({ secrets: secret('ORDERS_SECRET') }).bind?.(() => 'abc');
  assert.match(refusal(bind), /^ORDERS_SECRET of standardWebhooks: .*whsec_/);
});

test('a secret that is empty, white space or absent is refused by name, wherever it comes from', () => {
  const empty: readonly (readonly [SecretSource, string])[] = [
    ['', 'secrets of hmac is empty.'],
    [' \t\n', 'secrets of hmac is empty.'],
    [[], 'secrets of hmac holds no secret.'],
    [['a', ' '], 'secrets of hmac has an empty entry (number 2 of 2).'],
  ];
  for (const [secrets, detail] of empty)
    assert.equal(
      refusal(() => hmac({ header: 'x-signature', secrets })),
      detail,
    );

  const bind = (value: string | undefined) => () =>
    hmac({ header: 'x-signature', secrets: secret('ORDERS_SECRET') }).bind?.(() => value);
  assert.equal(refusal(bind(undefined)), 'ORDERS_SECRET is not set (secrets of hmac).');
  assert.equal(refusal(bind('  ')), 'ORDERS_SECRET (secrets of hmac) is empty.');
  assert.match(refusal(bind('a,,b')), /ORDERS_SECRET .*number 2 of 3/);
});

test('a verifier whose secret is still a name verifies nothing', () => {
  const verifier = hmac({ header: 'x-signature', secrets: secret('ORDERS_SECRET') });
  assert.throws(() => verifier.verify(request, at), { code: 'secret_missing', message: /ORDERS_SECRET/ });
  assert.equal('sign' in verifier, false);
});

test('a variable may hold several secrets, and white space around each is cut', async () => {
  const verifier = hmac({ header: 'x-signature', secrets: secret('ORDERS_SECRET') }).bind?.((name) =>
    name === 'ORDERS_SECRET' ? ' new-key , old-key\n' : undefined,
  );
  for (const key of ['new-key', 'old-key']) {
    const headers = (await hmac({ header: 'X-Signature', secrets: key }).sign?.(request, at)) ?? [];
    assert.deepEqual(await verifier?.verify({ ...request, headers }, at), { ok: true });
  }
});

test('text given in code is one secret, commas and all', async () => {
  const headers = (await hmac({ header: 'x-signature', secrets: 'a,b' }).sign?.(request, at)) ?? [];
  assert.equal((await hmac({ header: 'x-signature', secrets: 'a,b' }).verify({ ...request, headers }, at)).ok, true);
  assert.equal(
    (await hmac({ header: 'x-signature', secrets: ['a', 'b'] }).verify({ ...request, headers }, at)).ok,
    false,
  );
});

test('a secret that does not decode is refused at start', () => {
  refusal(() => hmac({ header: 'x', secrets: 'xyz', secretEncoding: 'hex' }));
  refusal(() => hmac({ header: 'x', secrets: 'a b', secretEncoding: 'base64' }));
  refusal(() => standardWebhooks({ secrets: 'whsec_dG9vIHNob3J0' }));
  refusal(() => standardWebhooks({ secrets: `whsec_${Buffer.alloc(65).toString('base64')}` }));
  refusal(() => standardWebhooks({ publicKeys: 'whpk_dG9vIHNob3J0' }));
  refusal(() => standardWebhooks({}));
  refusal(() => basic({ credentials: 'no-colon' }));
  refusal(() => bearer({ tokens: '' }));
  assert.throws(() => secret(' '), { code: 'config_invalid' });
});

test('a window that is no number of milliseconds is refused: no age would be beyond it', () => {
  const invalid = { code: 'config_invalid', message: /toleranceMs: expected milliseconds/ };
  const whsec = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
  for (const given of [Number.NaN, -1, '5m']) {
    const toleranceMs = given as number;
    const header = 'x-signature';
    const timestamp = { header: 'x-time', toleranceMs };
    const makers = [
      () => hmac({ header, secrets: 'key', timestamp }),
      () => timestampedHmac({ header, secrets: 'key', toleranceMs }),
      () => standardWebhooks({ secrets: whsec, toleranceMs }),
      () => stripe({ secrets: 'key', toleranceMs }),
    ];
    for (const make of makers) assert.throws(make, invalid);
  }
});

test('a secret that is not given is refused when the verifier is made', () => {
  const none = undefined as unknown as string;
  const header = 'x-signature';
  for (const [make, detail] of [
    [() => hmac({ header, secrets: none }), 'secrets of hmac is not given.'],
    [() => timestampedHmac({ header, secrets: none }), 'secrets of timestampedHmac is not given.'],
    [() => bearer({ tokens: none }), 'tokens of bearer is not given.'],
    [() => headerToken({ header, tokens: none }), 'tokens of headerToken is not given.'],
    [() => queryToken({ parameter: 'token', tokens: none }), 'tokens of queryToken is not given.'],
    [() => pathToken({ tokens: none }), 'tokens of pathToken is not given.'],
    [() => basic({ credentials: none }), 'credentials of basic is not given.'],
  ] as const) {
    assert.equal(refusal(make), detail);
  }
});
