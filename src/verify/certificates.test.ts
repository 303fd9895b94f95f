import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { certificateCache, isPublishedAt } from './certificates.ts';
import { all, none } from './compose.ts';
import { awsSns } from './providers/aws-sns.ts';
import { paypal } from './providers/paypal.ts';
import { rsaHolds } from './rsa.ts';
import { sampleRequest, samples } from './samples.ts';
import { signRequest } from './sign.ts';
import type { UnsignedRequest, VerifyRequest } from './verifier.ts';

const now = 1_762_182_000_000;
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = pair.publicKey.export({ format: 'pem', type: 'spki' }).toString();
const privateKeys = pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const url = (name: number): string => `https://sns.eu-central-1.amazonaws.com/${name}.pem`;
const topics = 'arn:aws:sns:eu-central-1:123456789012:orders';

/** Counts what is fetched, and answers when told. */
function fetcher(answer: (url: string) => Promise<string> = async () => pem) {
  const asked: string[] = [];
  return {
    asked,
    fetchCertificate: (address: string): Promise<string> => {
      asked.push(address);
      return answer(address);
    },
  };
}

/** Nothing goes out but by the option. */
const NOWHERE = { fetchText: () => assert.fail('fetched') };

async function reasonOf(found: ReturnType<ReturnType<typeof certificateCache>['get']>): Promise<string> {
  const key = await found;
  return 'ok' in key ? key.reason : 'key';
}

test('a certificate is fetched once, by whoever asks while it is on its way too, and again after an hour', async () => {
  const { asked, fetchCertificate } = fetcher();
  const cache = certificateCache({ fetchCertificate }, NOWHERE);
  const first = [cache.get(url(1), now), cache.get(url(1), now)];
  assert.deepEqual(await Promise.all(first.map(reasonOf)), ['key', 'key']);
  assert.equal(cache.get(url(1), now + 3_599_999) instanceof Promise, false);
  assert.equal(asked.length, 1);
  assert.equal(await reasonOf(cache.get(url(1), now + 3_600_000)), 'key');
  assert.equal(asked.length, 2);
});

test('one that cannot be fetched is not asked for again at once, and then is', async () => {
  let answer = Promise.reject<string>(new Error('ECONNREFUSED'));
  answer.catch(() => undefined);
  const { asked, fetchCertificate } = fetcher(() => answer);
  const cache = certificateCache({ fetchCertificate }, NOWHERE);
  assert.equal(await reasonOf(cache.get(url(1), now)), 'certificate_unavailable');
  assert.equal(await reasonOf(cache.get(url(1), now + 29_999)), 'certificate_unavailable');
  assert.equal(asked.length, 1);
  answer = Promise.resolve(pem);
  assert.equal(await reasonOf(cache.get(url(1), now + 30_000)), 'key');
  assert.equal(asked.length, 2);
});

test('what answers without a certificate gives none', async () => {
  const { fetchCertificate } = fetcher(async () => '<html>');
  assert.equal(
    await reasonOf(certificateCache({ fetchCertificate }, NOWHERE).get(url(1), now)),
    'certificate_unavailable',
  );
});

test('fetches under way, failures and certificates kept are bounded', async () => {
  const waiting = Promise.withResolvers<string>();
  const slow = fetcher(() => waiting.promise);
  const cache = certificateCache(slow, NOWHERE);
  const found = Array.from({ length: 20 }, (_, name) => cache.get(url(name), now));
  assert.equal(slow.asked.length, 8);
  waiting.resolve(pem);
  const reasons = await Promise.all(found.map(reasonOf));
  assert.equal(reasons.filter((reason) => reason === 'key').length, 8);
  assert.equal(reasons.filter((reason) => reason === 'certificate_unavailable').length, 12);

  const { asked, fetchCertificate } = fetcher();
  const many = certificateCache({ fetchCertificate }, NOWHERE);
  for (let name = 0; name < 40; name++) await many.get(url(name), now);
  assert.equal(many.get(url(39), now) instanceof Promise, false);
  assert.equal(many.get(url(0), now) instanceof Promise, true, 'the oldest is gone');
  assert.equal(asked.length, 41);
});

test('a certificate that is known is fetched again however many made-up ones fail meanwhile', async () => {
  const { fetchCertificate } = fetcher((address) =>
    address === url(1) ? Promise.resolve(pem) : Promise.reject(new Error('answered 404')),
  );
  const cache = certificateCache({ fetchCertificate }, NOWHERE);
  const later = now + 3_600_000;
  assert.equal(await reasonOf(cache.get(url(1), now)), 'key');
  for (let name = 100; name < 120; name++)
    assert.equal(await reasonOf(cache.get(url(name), later)), 'certificate_unavailable');
  assert.equal(await reasonOf(cache.get(url(1), later)), 'key');
});

test('certificates given by the user are the only ones', async () => {
  const cache = certificateCache(
    { certificates: { [url(1)]: pem }, fetchCertificate: () => assert.fail('fetched') },
    NOWHERE,
  );
  assert.equal(await reasonOf(cache.get(url(1), now)), 'key');
  assert.equal(await reasonOf(cache.get(url(2), now)), 'certificate_refused');
  assert.throws(() => certificateCache({ certificates: { [url(1)]: 'no pem' } }, NOWHERE), { code: 'config_invalid' });
});

test('a URL must be https, on the host itself, without user or port', () => {
  const host = /^sns\.[a-z0-9-]{1,32}\.amazonaws\.com(?:\.cn)?$/;
  const good = [
    url(1),
    'https://sns.cn-north-1.amazonaws.com.cn/a.pem',
    'https://SNS.eu-central-1.amazonaws.com:443/a.pem',
  ];
  for (const text of good) assert.equal(isPublishedAt(text, host, /\.pem$/), true, text);
  const bad = [
    'http://sns.eu-central-1.amazonaws.com/a.pem',
    'https://sns.eu-central-1.amazonaws.com.evil.example/a.pem',
    'https://evil.example/sns.eu-central-1.amazonaws.com/a.pem',
    'https://sns.eu-central-1.amazonaws.com@evil.example/a.pem',
    'https://user@sns.eu-central-1.amazonaws.com/a.pem',
    'https://sns.eu-central-1.amazonaws.com:8443/a.pem',
    'https://sns.eu-central-1.amazonaws.com/a.txt',
    'https://sns.eu.central.amazonaws.com/a.pem',
    'https://s3.eu-central-1.amazonaws.com/a.pem',
    'https://sns.eu-central-1.amazonaws.com%2eevil.example/a.pem',
    'not a url',
    '',
  ];
  for (const text of bad) assert.equal(isPublishedAt(text, host, /\.pem$/), false, text);
});

async function signedMessage(fields: Readonly<Record<string, string>> = {}): Promise<UnsignedRequest> {
  const { body } = samples['aws-sns'] ?? assert.fail();
  const message = { ...(JSON.parse(body) as Record<string, string>), ...fields };
  const plain = sampleRequest({ contentType: 'text/plain', body: JSON.stringify(message) }, '/in/sns');
  return signRequest(awsSns({ topics, privateKeys, certificates: { [url(1)]: pem } }), plain, now);
}

/** A message with fields changed after it was signed. */
function altered(request: UnsignedRequest, fields: Readonly<Record<string, unknown>>): VerifyRequest {
  const message = { ...(JSON.parse(Buffer.from(request.body).toString()) as object), ...fields };
  return { ...request, body: Buffer.from(JSON.stringify(message)) };
}

test('SNS: nothing is fetched for a URL that is not of SNS, a topic that is not allowed, or a body that is no message', async () => {
  const { asked, fetchCertificate } = fetcher();
  const verifier = awsSns({ topics, fetchCertificate });
  const request = await signedMessage();
  const cases: readonly (readonly [Readonly<Record<string, unknown>>, string])[] = [
    [{ SigningCertURL: 'https://evil.example/a.pem' }, 'certificate_refused'],
    [{ TopicArn: 'arn:aws:sns:eu-central-1:999999999999:orders' }, 'topic_not_allowed'],
    [{ Type: 'Other' }, 'body_malformed'],
    [{ Type: 'constructor' }, 'body_malformed'],
    [{ SignatureVersion: 'constructor' }, 'body_malformed'],
    [{ Message: { a: 1 } }, 'body_malformed'],
    [{ SignatureVersion: '3' }, 'body_malformed'],
    [{ Signature: undefined }, 'body_malformed'],
  ];
  for (const [fields, reason] of cases) {
    const verdict = await verifier.verify(altered(request, fields), now);
    assert.equal(verdict.ok ? 'ok' : verdict.reason, reason);
  }
  assert.deepEqual(asked, []);
  assert.deepEqual(await verifier.verify(request, now), { ok: true });
  assert.deepEqual(asked, [url(1)]);
  assert.deepEqual(verifier.verify(request, now), { ok: true }, 'at once from now on');
  const verdict = await verifier.verify(altered(request, { Message: 'other' }), now);
  assert.equal(verdict.ok ? 'ok' : verdict.reason, 'signature_mismatch');
});

test('SNS: a subscription is confirmed where it is SNS that asks, and asked for again where that fails', async () => {
  const visited: string[] = [];
  const subscribeUrl = 'https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&Token=t';
  const confirmSubscription = async (address: string): Promise<void> => {
    visited.push(address);
    if (visited.length > 1) throw new Error('unreachable');
  };
  const { handshake } = awsSns({ topics, certificates: { [url(1)]: pem }, confirmSubscription });
  const fields = { Type: 'SubscriptionConfirmation', Token: 't', SubscribeURL: subscribeUrl };
  const request = await signedMessage(fields);
  assert.equal(handshake?.unsigned, false);
  assert.deepEqual(await handshake.answer(request, now), { status: 200 });
  assert.equal((await handshake.answer(request, now))?.status, 503);
  assert.deepEqual(visited, [subscribeUrl, subscribeUrl]);
  const elsewhere = altered(request, { SubscribeURL: 'https://evil.example/?Action=ConfirmSubscription' });
  assert.equal((await handshake.answer(elsewhere, now))?.status, 400);
  assert.equal(await handshake.answer(await signedMessage(), now), null);
  assert.equal(await handshake.answer(altered(request, { Type: 'UnsubscribeConfirmation' }), now), null);
  assert.equal(visited.length, 2);
});

test('PayPal: a certificate that cannot be fetched says so, and one from elsewhere is not fetched', async () => {
  const certificate = 'https://api.paypal.com/v1/notifications/certs/CERT-1';
  const { asked, fetchCertificate } = fetcher(() => Promise.reject(new Error('ETIMEDOUT')));
  const sample = samples['paypal'] ?? assert.fail();
  const signer = paypal({ webhookId: 'WH-1', privateKeys, certificates: { [certificate]: pem } });
  const request = await signRequest(signer, sampleRequest(sample, '/in/paypal'), now);
  const verifier = paypal({ webhookId: 'WH-1', fetchCertificate });
  const verdict = await verifier.verify(request, now);
  assert.deepEqual(verdict, { ok: false, reason: 'certificate_unavailable', detail: `${certificate}: ETIMEDOUT` });
  assert.deepEqual(asked, [certificate]);
  const at = request.headers.indexOf('PAYPAL-CERT-URL') + 1;
  for (const other of [
    'https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1',
    'https://api.paypal.com/other',
  ]) {
    const refused = await verifier.verify({ ...request, headers: request.headers.with(at, other) }, now);
    assert.equal(refused.ok ? 'ok' : refused.reason, 'certificate_refused');
  }
  assert.equal(asked.length, 1);
});

test('PayPal: no algorithm but its own is taken, and a key that is not RSA never holds', async () => {
  const sample = samples['paypal'] ?? assert.fail();
  const certificate = 'https://api.paypal.com/v1/notifications/certs/CERT-1';
  const signer = paypal({ webhookId: 'WH-1', privateKeys, certificates: { [certificate]: pem } });
  const request = await signRequest(signer, sampleRequest(sample, '/in/paypal'), now);
  const headers = request.headers.map((value) => (value === 'SHA256withRSA' ? 'none' : value));
  const verdict = await signer.verify({ ...request, headers }, now);
  assert.equal(verdict.ok ? 'ok' : verdict.reason, 'header_malformed');

  const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signature = sign('sha256', Buffer.from('text'), curve.privateKey).toString('base64');
  assert.equal(rsaHolds(curve.publicKey, { hash: 'sha256', signature, parts: ['text'] }), false);
});

test('a verifier that fetches takes the way out that it is bound to, also when its secrets are known', async () => {
  const asked: string[] = [];
  const outside = {
    fetchText: async (named: string) => {
      asked.push(named);
      throw new Error('not there');
    },
  };
  for (const [sns, environment] of [
    [awsSns({ topics }), () => undefined],
    [awsSns(), () => topics],
  ] as const) {
    const bound = all(sns, none()).bind?.(environment, outside);
    assert.ok(bound);
    const message = {
      Type: 'Notification',
      MessageId: 'm',
      Message: 'x',
      Timestamp: '2026-01-01T00:00:00.000Z',
      TopicArn: topics,
      SignatureVersion: '2',
      Signature: 'AAAA',
      SigningCertURL: url(1),
    };
    const request = { method: 'POST', url: '/', headers: [], body: Buffer.from(JSON.stringify(message)) };
    const verdict = await bound.verify(request, now);
    assert.equal(verdict.ok, false);
  }
  assert.deepEqual(asked, [url(1), url(1)]);
});
