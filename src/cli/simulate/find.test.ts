import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { HoldfastError } from '../../errors.ts';
import { providers } from '../../verify/catalog.ts';
import { generateEd25519 } from '../../verify/ed25519.ts';
import { discord } from '../../verify/providers/discord.ts';
import { signRequest } from '../../verify/sign.ts';
import { signsWithPair } from '../../verify/trial.ts';
import { stripe } from '../../verify/providers/stripe.ts';
import { captured } from '../fixtures/terminal.ts';
import type { Setup } from '../locate.ts';
import { findSource } from './find.ts';
import { explainPair } from './pair.ts';
import { makerOf } from './plan.ts';

const setup = {
  config: {
    sources: {
      shop: stripe({ secrets: 'whsec_shop' }),
      bot: discord({ publicKeys: generateEd25519('hex').publicKey }),
      later: { path: '/hooks/later', verify: discord() },
    },
  },
  directory: '/nowhere',
  file: '/nowhere/holdfast.config.ts',
  storePath: null,
} as unknown as Setup;

function find(name: string, given: { secret?: string; environment?: Record<string, string>; keyFile?: string } = {}) {
  const { out, environment } = captured({ environment: given.environment ?? {} });
  const surroundings = {
    out,
    environment,
    variables: [],
    cwd: '/nowhere',
    interruptible: () => new AbortController().signal,
    ask: () => Promise.resolve(null),
  };
  return findSource(surroundings, setup, {
    name,
    secret: given.secret,
    publicUrl: undefined,
    keyFile: given.keyFile ?? null,
  });
}

const request = { method: 'POST', url: '/in/x', headers: [], body: Buffer.from('{"id":"evt_1"}') };
const code = (expected: string) => (error: unknown) => error instanceof HoldfastError && error.code === expected;

describe('as whom simulate signs', () => {
  test('a source of the config, with its own secret', async () => {
    const { verifier, path } = (await find('shop')).source;
    const now = Date.now();
    const signed = await signRequest(verifier, request, now);
    assert.deepEqual(await stripe({ secrets: 'whsec_shop' }).verify(signed, now), { ok: true });
    assert.equal(path, '/in/shop');
  });

  test('a provider, with the secret that is given or that of its variable', async () => {
    const now = Date.now();
    for (const given of [{ secret: 'whsec_a' }, { environment: { STRIPE_WEBHOOK_SECRET: 'whsec_a' } }]) {
      const signed = await signRequest((await find('stripe', given)).source.verifier, request, now);
      assert.deepEqual(await stripe({ secrets: 'whsec_a' }).verify(signed, now), { ok: true });
    }
  });

  test('a provider without a secret names its variable', async () => {
    await assert.rejects(
      find('stripe'),
      (error) => code('secret_missing')(error) && /STRIPE_WEBHOOK_SECRET/.test(String(error)),
    );
  });

  test('a provider with a key pair is signed for with a pair of our own, which is said', async () => {
    for (const { key } of providers.filter((provider) => signsWithPair(provider.key))) {
      const environment = { AWS_SNS_TOPIC_ARN: 'arn:aws:sns:eu-central-1:1:a', PAYPAL_WEBHOOK_ID: 'WH-1' };
      const { source, trial } = await find(key, { environment });
      const now = Date.now();
      const payload = makerOf({ source, type: null, payload: null, headers: [], run: 'ab12', now: Date.now })(0);
      const signed = await signRequest(source.verifier, payload, now);
      assert.deepEqual(await source.verifier.verify(signed, now), { ok: true }, key);
      if (trial === null) assert.fail(key);
      const words = explainPair(trial.provider, trial.pair).join('\n');
      assert.match(words, /^Public half:/m, key);
      assert.ok(!words.includes(trial.pair.pair.privateKeys), 'the private half is not shown');
    }
  });

  test('a key file is made once, for its owner only, and used again', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-keys-'));
    try {
      const keyFile = join(directory, 'telnyx.key.json');
      const [first, second] = [await find('telnyx', { keyFile }), await find('telnyx', { keyFile })];
      assert.equal(first.trial?.pair.pair.privateKeys, second.trial?.pair.pair.privateKeys);
      assert.ok(first.trial?.pair.pair.privateKeys);
      assert.equal(statSync(keyFile).mode & 0o777, 0o600);
      await assert.rejects(find('discord', { keyFile }), /holds no key pair for discord/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('a source that knows only the public key is signed for with a pair of our own', async () => {
    const { source, trial } = await find('bot');
    const now = Date.now();
    const signed = await signRequest(source.verifier, request, now);
    assert.equal((await source.verifier.verify(signed, now)).ok, false, 'its own key stays what it takes');
    const own = discord({ publicKeys: trial?.pair.pair.publicKeys ?? assert.fail() });
    assert.deepEqual(await own.verify(signed, now), { ok: true });
  });

  test('a source whose public key is not configured yet is signed for too: that is what the pair is for', async () => {
    const { source, trial } = await find('later');
    const now = Date.now();
    const signed = await signRequest(source.verifier, request, now);
    assert.deepEqual(await source.verifier.verify(signed, now), { ok: true });
    assert.equal(source.path, '/hooks/later');
    assert.ok(trial !== null);
  });

  test('a secret is no key pair', async () => {
    await assert.rejects(find('discord', { secret: 'x' }), /--key-file/);
  });
});
