import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { HoldfastError } from '../../errors.ts';
import { providers } from '../../verify/catalog.ts';
import { signRequest } from '../../verify/sign.ts';
import { stripe } from '../../verify/providers/stripe.ts';
import { captured } from '../fixtures/terminal.ts';
import type { Setup } from '../locate.ts';
import { findSource } from './find.ts';

const setup = {
  config: { sources: { shop: stripe({ secrets: 'whsec_shop' }) } },
  directory: '/nowhere',
  file: '/nowhere/holdfast.config.ts',
  storePath: null,
} as unknown as Setup;

function find(name: string, given: { secret?: string; environment?: Record<string, string> } = {}) {
  const { out, environment } = captured({ environment: given.environment ?? {} });
  const surroundings = {
    out,
    environment,
    cwd: '/nowhere',
    interruptible: () => new AbortController().signal,
    ask: () => Promise.resolve(null),
  };
  return findSource(surroundings, setup, { name, secret: given.secret, publicUrl: undefined });
}

const request = { method: 'POST', url: '/in/x', headers: [], body: Buffer.from('{"id":"evt_1"}') };
const code = (expected: string) => (error: unknown) => error instanceof HoldfastError && error.code === expected;

describe('as whom simulate signs', () => {
  test('a source of the config, with its own secret', async () => {
    const { verifier, path } = await find('shop');
    const now = Date.now();
    const signed = await signRequest(verifier, request, now);
    assert.deepEqual(await stripe({ secrets: 'whsec_shop' }).verify(signed, now), { ok: true });
    assert.equal(path, '/in/shop');
  });

  test('a provider, with the secret that is given or that of its variable', async () => {
    const now = Date.now();
    for (const given of [{ secret: 'whsec_a' }, { environment: { STRIPE_WEBHOOK_SECRET: 'whsec_a' } }]) {
      const signed = await signRequest((await find('stripe', given)).verifier, request, now);
      assert.deepEqual(await stripe({ secrets: 'whsec_a' }).verify(signed, now), { ok: true });
    }
  });

  test('a provider without a secret names its variable', async () => {
    await assert.rejects(
      find('stripe'),
      (error) => code('secret_missing')(error) && /STRIPE_WEBHOOK_SECRET/.test(String(error)),
    );
  });

  test('a provider whose private key nobody has is refused, not sent unsigned', async () => {
    const environment = Object.fromEntries(
      providers.flatMap(({ variables }) => Object.values(variables).map((name) => [name, 'x'])),
    );
    const discord = find('discord', { environment: { ...environment, DISCORD_PUBLIC_KEY: '00'.repeat(32) } });
    await assert.rejects(discord, code('config_invalid'));
  });
});
