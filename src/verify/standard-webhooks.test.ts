import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Webhook as Reference } from 'standardwebhooks';
import { Webhook as Svix } from 'svix';
import { generateEd25519 } from './ed25519.ts';
import { signRequest } from './sign.ts';
import { standardWebhooks } from './standard-webhooks.ts';
import type { HeaderList } from '../core/event.ts';
import type { Verifier } from './verifier.ts';

const now = Math.floor(Date.now() / 1000) * 1000;
const body = '{"type":"invoice.paid","note":"ünï 😀"}';
const plain = { method: 'POST', url: '/in/partner', headers: ['webhook-id', 'msg_1'], body: Buffer.from(body) };
const newSecret = (): string => `whsec_${randomBytes(24).toString('base64')}`;

async function reason(verifier: Verifier, headers: HeaderList): Promise<string> {
  const verdict = await verifier.verify({ ...plain, headers }, now);
  return verdict.ok ? 'ok' : verdict.reason;
}

function record(headers: HeaderList): Record<string, string> {
  const found: Record<string, string> = {};
  for (let index = 0; index + 1 < headers.length; index += 2) found[headers[index] ?? ''] = headers[index + 1] ?? '';
  return found;
}

test('the reference libraries accept what is signed here, and sign what is accepted here', async () => {
  const secrets = newSecret();
  const verifier = standardWebhooks({ secrets });
  const signed = await signRequest(verifier, plain, now);
  new Reference(secrets).verify(body, record(signed.headers));
  new Svix(secrets).verify(body, record(signed.headers));

  const at = new Date(now);
  const seconds = String(now / 1000);
  for (const [prefix, signature] of [
    ['webhook-', new Reference(secrets).sign('msg_2', at, body)],
    ['svix-', new Svix(secrets).sign('msg_2', at, body)],
  ] as const) {
    const headers = [`${prefix}id`, 'msg_2', `${prefix}timestamp`, seconds, `${prefix}signature`, signature];
    assert.equal(await reason(standardWebhooks({ secrets, headerPrefix: prefix }), headers), 'ok');
  }
});

test('any secret, any public key and any signature in the header may hold', async () => {
  const old = newSecret();
  const pair = generateEd25519('base64');
  const publicKeys = `whpk_${pair.publicKey}`;
  const byOld = record((await signRequest(standardWebhooks({ secrets: old }), plain, now)).headers);
  const other = record((await signRequest(standardWebhooks({ secrets: newSecret() }), plain, now)).headers);
  const signer = standardWebhooks({ publicKeys, privateKeys: `whsk_${pair.privateKey}` });
  const byKey = record((await signRequest(signer, plain, now)).headers);
  const headers = (signature: string): HeaderList => [
    'webhook-id',
    'msg_1',
    'webhook-timestamp',
    String(now / 1000),
    'webhook-signature',
    signature,
  ];
  const [v1 = '', foreign = '', v1a = ''] = [byOld, other, byKey].map((found) => found['webhook-signature']);

  const rotating = standardWebhooks({ secrets: [newSecret(), old.replace('whsec_', '')] });
  assert.equal(await reason(rotating, headers(`${foreign} ${v1}`)), 'ok');
  assert.equal(await reason(rotating, headers(foreign)), 'signature_mismatch');
  assert.equal(await reason(rotating, headers(v1a)), 'signature_mismatch');
  assert.equal(await reason(rotating, headers(`${foreign} `.repeat(17))), 'header_malformed');

  const asymmetric = standardWebhooks({ publicKeys });
  assert.equal('sign' in asymmetric, false);
  assert.equal(await reason(asymmetric, headers(`${foreign} ${v1a}`)), 'ok');
  for (const signature of [v1, v1a.replace('v1a,', 'v1,'), v1a.replace('v1a,', ''), 'v1a,', 'v1a,AAAA']) {
    assert.equal(await reason(asymmetric, headers(signature)), 'signature_mismatch', signature);
  }
  const bothKinds = standardWebhooks({ secrets: old, publicKeys });
  for (const signature of [v1, v1a]) assert.equal(await reason(bothKinds, headers(signature)), 'ok');
});

test('id, timestamp and body are all covered, and the timestamp holds for five minutes both ways', async () => {
  const verifier = standardWebhooks({ secrets: newSecret() });
  const signedAt = async (at: number): Promise<HeaderList> => (await signRequest(verifier, plain, at)).headers;
  assert.equal(await reason(verifier, await signedAt(now - 300_000)), 'ok');
  assert.equal(await reason(verifier, await signedAt(now + 300_000)), 'ok');
  assert.equal(await reason(verifier, await signedAt(now - 301_000)), 'timestamp_too_old');
  assert.equal(await reason(verifier, await signedAt(now + 301_000)), 'timestamp_in_future');
  const headers = [...(await signedAt(now))];
  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
    const at = headers.indexOf(name);
    assert.equal(await reason(verifier, headers.toSpliced(at, 2)), 'header_missing', name);
    assert.equal(await reason(verifier, headers.with(at + 1, '1')), 'signature_mismatch', name);
  }
  assert.deepEqual(verifier.defaults.dedupeKey, 'header.webhook-id');
});

test('an id beyond ASCII is hashed as the bytes that were sent', async () => {
  const secrets = newSecret();
  const id = Buffer.from('msg_ü').toString('latin1');
  const key = Buffer.from(secrets.slice('whsec_'.length), 'base64');
  const signed = createHmac('sha256', key)
    .update(`msg_ü.${now / 1000}.${body}`)
    .digest('base64');
  const headers = ['webhook-id', id, 'webhook-timestamp', String(now / 1000), 'webhook-signature', `v1,${signed}`];
  assert.equal(await reason(standardWebhooks({ secrets }), headers), 'ok');
});
