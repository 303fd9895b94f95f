/**
 * A request of every provider, signed with node:crypto alone as the provider documents it, verifies; what a verifier
 * signs verifies too; and neither does with another secret or a changed body.
 */
import assert from 'node:assert/strict';
import { createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { headerValue } from '../core/event.ts';
import { findProvider, providers } from './catalog.ts';
import type { ProviderSettings } from './provider.ts';
import { sampleRequest, samples } from './samples.ts';
import { signRequest } from './sign.ts';
import type { UnsignedRequest, Verifier } from './verifier.ts';

const now = 1_762_182_000_000;
const seconds = String(now / 1000);
const time = new Date(now).toISOString();
const origin = 'https://hooks.example.com';

type Bytes = string | Uint8Array;
const hmac = (algorithm: string, key: Bytes, ...parts: readonly Bytes[]) => {
  const made = createHmac(algorithm, key);
  for (const part of parts) made.update(part);
  return made;
};
const hex = (key: Bytes, ...parts: readonly Bytes[]): string => hmac('sha256', key, ...parts).digest('hex');
const base64 = (key: Bytes, ...parts: readonly Bytes[]): string => hmac('sha256', key, ...parts).digest('base64');
const bytes = (text: string): Buffer => Buffer.from(text);
const join = (...parts: readonly Bytes[]): Buffer => Buffer.concat(parts.map((part) => Buffer.from(part)));

const secret = 'a secret of thirty-two characters';
const keyBytes = Buffer.alloc(32, 7);
const whsec = `whsec_${keyBytes.toString('base64')}`;
const ed25519 = generateKeyPairSync('ed25519');
const ed25519Public = Buffer.from(ed25519.publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
const ed25519Private = Buffer.from(ed25519.privateKey.export({ format: 'jwk' }).d ?? '', 'base64url');
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const rsaPem = rsa.publicKey.export({ format: 'pem', type: 'spki' }).toString();
const rsaPrivatePem = rsa.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const snsCert = 'https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem';
const paypalCert = 'https://api.paypal.com/v1/notifications/certs/CERT-1';

interface Fixture {
  readonly settings: ProviderSettings;
  readonly sign: (request: UnsignedRequest) => Partial<UnsignedRequest>;
  /** What of the body is not covered is documented; here a change of it verifies. */
  readonly bodyOpen?: true;
}

const text = (
  settings: ProviderSettings,
  headers: (body: Uint8Array, request: UnsignedRequest) => readonly string[],
): Fixture => ({
  settings,
  sign: (request) => ({ headers: headers(request.body, request) }),
});
const secretOnly = { secrets: secret };
const plainHex = (name: string, prefix = ''): Fixture => text(secretOnly, (body) => [name, prefix + hex(secret, body)]);
const plainBase64 = (name: string, prefix = ''): Fixture =>
  text(secretOnly, (body) => [name, prefix + base64(secret, body)]);
const token = (settings: ProviderSettings, name: string, value: string): Fixture => ({
  ...text(settings, () => [name, value]),
  bodyOpen: true,
});
const standard = (prefix: string, idHeader: string): Fixture =>
  text({ secrets: whsec }, (body, request) => {
    const id = headerValue(request.headers, idHeader) ?? '';
    return [`${prefix}timestamp`, seconds, `${prefix}signature`, `v1,${base64(keyBytes, `${id}.${seconds}.`, body)}`];
  });
const json = (request: UnsignedRequest): Record<string, unknown> =>
  JSON.parse(Buffer.from(request.body).toString()) as Record<string, unknown>;

const fixtures: Readonly<Record<string, Fixture>> = {
  adyen: {
    settings: { secrets: keyBytes.toString('hex').toUpperCase() },
    sign(request) {
      const signed = '7914073381342284::TestMerchant:order-1001:1130:EUR:AUTHORISATION:true';
      const body = json(request) as { notificationItems: { NotificationRequestItem: Record<string, unknown> }[] };
      for (const item of body.notificationItems) {
        item.NotificationRequestItem['additionalData'] = { hmacSignature: base64(keyBytes, signed) };
      }
      return { body: bytes(JSON.stringify(body)) };
    },
    bodyOpen: true,
  },
  'adyen-platform': text({ secrets: keyBytes.toString('hex') }, (body) => ['HmacSignature', base64(keyBytes, body)]),
  'aws-sns': {
    settings: {
      topics: 'arn:aws:sns:eu-central-1:123456789012:orders',
      certificates: { [snsCert]: rsaPem },
      privateKeys: rsaPrivatePem,
    },
    sign(request) {
      const message: Record<string, unknown> = { ...json(request), SignatureVersion: '2', SigningCertURL: snsCert };
      const names = ['Message', 'MessageId', 'Subject', 'Timestamp', 'TopicArn', 'Type'];
      const signed = names.map((name) => `${name}\n${String(message[name])}\n`).join('');
      const signature = sign('sha256', bytes(signed), rsa.privateKey).toString('base64');
      return { body: bytes(JSON.stringify({ ...message, Signature: signature })) };
    },
  },
  bitbucket: plainHex('X-Hub-Signature', 'sha256='),
  box: text({ primaryKeys: 'other', secondaryKeys: secret }, (body) => [
    'BOX-SIGNATURE-VERSION',
    '1',
    'BOX-SIGNATURE-ALGORITHM',
    'HmacSHA256',
    'BOX-DELIVERY-TIMESTAMP',
    time,
    'BOX-SIGNATURE-PRIMARY',
    base64('an older one', body, time),
    'BOX-SIGNATURE-SECONDARY',
    base64(secret, body, time),
  ]),
  calendly: text(secretOnly, (body) => [
    'Calendly-Webhook-Signature',
    `t=${seconds},v1=${hex(secret, `${seconds}.`, body)}`,
  ]),
  cloudevents: token(secretOnly, 'Authorization', `Bearer ${secret}`),
  'coinbase-cdp': text(secretOnly, (body, request) => {
    const id = headerValue(request.headers, 'x-event-id') ?? '';
    const signature = hex(secret, `${seconds}.x-event-id.${id}.`, body);
    return ['X-Hook0-Signature', `t=${seconds},h=x-event-id,v1=${signature}`];
  }),
  'coinbase-commerce': plainHex('X-CC-Webhook-Signature'),
  discord: text({ publicKeys: ed25519Public.toString('hex'), privateKeys: ed25519Private.toString('hex') }, (body) => [
    'X-Signature-Timestamp',
    seconds,
    'X-Signature-Ed25519',
    sign(null, join(seconds, body), ed25519.privateKey).toString('hex'),
  ]),
  docusign: text(secretOnly, (body) => [
    'X-DocuSign-Signature-1',
    base64('an older one', body),
    'X-DocuSign-Signature-2',
    base64(secret, body),
  ]),
  dropbox: plainHex('X-Dropbox-Signature'),
  'generic-hmac': plainHex('X-Signature'),
  'generic-timestamped': text(secretOnly, (body) => [
    'X-Signature',
    `v1=${hex(secret, `${seconds}.`, body)},t=${seconds}`,
  ]),
  github: plainHex('X-Hub-Signature-256', 'sha256='),
  'gitlab-signing-token': standard('webhook-', 'webhook-id'),
  'gitlab-token': token(secretOnly, 'X-Gitlab-Token', secret),
  hubspot: text({ secrets: secret, publicUrl: origin }, (body, { url }) => [
    'X-HubSpot-Request-Timestamp',
    String(now),
    'X-HubSpot-Signature-v3',
    base64(secret, `POST${origin}${url}`, body, String(now)),
  ]),
  'hubspot-legacy': text({ secrets: secret, publicUrl: origin }, (body, { url }) => [
    'X-HubSpot-Signature-Version',
    'v2',
    'X-HubSpot-Signature',
    createHash('sha256').update(`${secret}POST${origin}${url}`).update(body).digest('hex'),
  ]),
  intercom: text(secretOnly, (body) => ['X-Hub-Signature', `sha1=${hmac('sha1', secret, body).digest('hex')}`]),
  jira: plainHex('X-Hub-Signature', 'sha256='),
  linear: plainHex('Linear-Signature'),
  mailgun: {
    settings: secretOnly,
    sign(request) {
      const signature = { timestamp: seconds, token: 'a-token', signature: hex(secret, seconds, 'a-token') };
      return { body: bytes(JSON.stringify({ ...json(request), signature })) };
    },
    bodyOpen: true,
  },
  meta: plainHex('X-Hub-Signature-256', 'sha256='),
  'ms-graph': {
    settings: secretOnly,
    sign(request) {
      const body = json(request) as { value: Record<string, unknown>[] };
      for (const item of body.value) item['clientState'] = secret;
      return { body: bytes(JSON.stringify(body)) };
    },
    bodyOpen: true,
  },
  okta: token(secretOnly, 'Authorization', secret),
  paddle: text(secretOnly, (body) => ['Paddle-Signature', `ts=${seconds};h1=${hex(secret, `${seconds}:`, body)}`]),
  paypal: text({ webhookId: 'WH-1', certificates: { [paypalCert]: rsaPem }, privateKeys: rsaPrivatePem }, (body) => [
    'PAYPAL-TRANSMISSION-ID',
    't-1',
    'PAYPAL-TRANSMISSION-TIME',
    time,
    'PAYPAL-CERT-URL',
    paypalCert,
    'PAYPAL-AUTH-ALGO',
    'SHA256withRSA',
    'PAYPAL-TRANSMISSION-SIG',
    sign('sha256', bytes(`t-1|${time}|WH-1|${crc32(body)}`), rsa.privateKey).toString('base64'),
  ]),
  postmark: token(
    { credentials: 'hook:p@ss:word ü' },
    'Authorization',
    `Basic ${bytes('hook:p@ss:word ü').toString('base64')}`,
  ),
  razorpay: plainHex('X-Razorpay-Signature'),
  'refract-discord-embed': {
    settings: secretOnly,
    sign: ({ url }) => ({ url: `${url}&token=${encodeURIComponent(secret)}` }),
    bodyOpen: true,
  },
  resend: standard('svix-', 'svix-id'),
  rook: {
    ...text(secretOnly, () => [
      'X-ROOK-HASH',
      hex(secret, '4f1f0b62-5f5e-4b1e-9d0a-3f0d7a6f2c11member-104822025-11-03T00:00:00.000000Z'),
    ]),
    bodyOpen: true,
  },
  sendgrid: ecdsa(),
  'sendgrid-inbound-parse': ecdsa(),
  shopify: plainBase64('X-Shopify-Hmac-Sha256'),
  slack: text(secretOnly, (body) => [
    'X-Slack-Request-Timestamp',
    seconds,
    'X-Slack-Signature',
    `v0=${hex(secret, `v0:${seconds}:`, body)}`,
  ]),
  square: text({ secrets: secret, publicUrl: origin }, (body, { url }) => [
    'x-square-hmacsha256-signature',
    base64(secret, origin + url, body),
  ]),
  'standard-webhooks': standard('webhook-', 'webhook-id'),
  stripe: text(secretOnly, (body) => ['Stripe-Signature', `t=${seconds},v1=${hex(secret, `${seconds}.`, body)},v0=0`]),
  svix: standard('svix-', 'svix-id'),
  telnyx: text(
    { publicKeys: ed25519Public.toString('base64'), privateKeys: ed25519Private.toString('base64') },
    (body) => [
      'telnyx-timestamp',
      seconds,
      'telnyx-signature-ed25519',
      sign(null, join(`${seconds}|`, body), ed25519.privateKey).toString('base64'),
    ],
  ),
  trello: text({ secrets: secret, publicUrl: origin }, (body, { url }) => [
    'X-Trello-Webhook',
    hmac('sha1', secret, body, origin + url).digest('base64'),
  ]),
  twilio: text({ secrets: secret, publicUrl: origin }, (body, { url }) => {
    const fields = Object.fromEntries(new URLSearchParams(Buffer.from(body).toString()));
    const signed = Object.keys(fields)
      .toSorted()
      .reduce((all, name) => all + name + (fields[name] ?? ''), origin + url);
    return ['X-Twilio-Signature', hmac('sha1', secret, signed).digest('base64')];
  }),
  'twilio-json': {
    settings: { secrets: secret, publicUrl: origin },
    sign(request) {
      const url = `${request.url}&bodySHA256=${createHash('sha256').update(request.body).digest('hex')}`;
      return { url, headers: ['X-Twilio-Signature', hmac('sha1', secret, origin + url).digest('base64')] };
    },
  },
  typeform: plainBase64('Typeform-Signature', 'sha256='),
  xero: plainBase64('x-xero-signature'),
  zendesk: text(secretOnly, (body) => [
    'X-Zendesk-Webhook-Signature-Timestamp',
    time,
    'X-Zendesk-Webhook-Signature',
    base64(secret, time, body),
  ]),
  zoom: text(secretOnly, (body) => [
    'x-zm-request-timestamp',
    seconds,
    'x-zm-signature',
    `v0=${hex(secret, `v0:${seconds}:`, body)}`,
  ]),
};

function ecdsa(): Fixture {
  return text(
    {
      publicKeys: p256.publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
      privateKeys: p256.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64'),
    },
    (body) => [
      'X-Twilio-Email-Event-Webhook-Timestamp',
      seconds,
      'X-Twilio-Email-Event-Webhook-Signature',
      sign('sha256', join(seconds, body), p256.privateKey).toString('base64'),
    ],
  );
}

/** Settings with another secret of the same form. */
function otherSettings(settings: ProviderSettings): ProviderSettings {
  const otherWhsec = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;
  const secrets = settings.secrets === whsec ? otherWhsec : Buffer.alloc(32, 9).toString('hex');
  const pair = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x ?? '';
  const raw = Buffer.from(pair, 'base64url');
  const der = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'der', type: 'spki' });
  const spki = typeof settings.publicKeys === 'string' && settings.publicKeys.length > 64;
  const inHex = settings.publicKeys === ed25519Public.toString('hex');
  return {
    ...settings,
    ...(settings.secrets !== undefined && { secrets }),
    ...(settings.secondaryKeys !== undefined && { primaryKeys: 'another', secondaryKeys: 'another' }),
    ...(settings.credentials !== undefined && { credentials: 'hook:another' }),
    ...(settings.webhookId !== undefined && { webhookId: 'WH-2' }),
    ...(settings.topics !== undefined && { topics: 'arn:aws:sns:eu-central-1:123456789012:others' }),
    ...(settings.publicKeys !== undefined && {
      publicKeys: spki && !inHex ? der.toString('base64') : raw.toString(inHex ? 'hex' : 'base64'),
    }),
  };
}

async function holds(verifier: Verifier, request: UnsignedRequest): Promise<boolean> {
  return (await verifier.verify(request, now)).ok;
}

test('there is a fixture and a sample for every provider, and none besides', () => {
  const keys = providers.map(({ key }) => key);
  assert.deepEqual(Object.keys(fixtures).toSorted(), keys);
  assert.deepEqual(Object.keys(samples).toSorted(), keys);
  assert.equal(new Set(keys).size, 49);
});

for (const [key, { settings, sign: signByHand, bodyOpen }] of Object.entries(fixtures)) {
  test(`${key}: what is signed by hand and what the verifier signs verifies, with this secret and body only`, async () => {
    const provider = findProvider(key);
    const sample = samples[key];
    assert.ok(provider !== undefined && sample !== undefined);
    const unsigned = sampleRequest(sample, `/in/${key}?x=1`);
    const made = signByHand(unsigned);
    const byHand = { ...unsigned, ...made, headers: [...unsigned.headers, ...(made.headers ?? [])] };
    const verifier = provider.make(settings);
    const bySigner = await signRequest(verifier, unsigned, now);
    const stranger = provider.make(otherSettings(settings));
    for (const request of [byHand, bySigner]) {
      assert.deepEqual(await verifier.verify(request, now), { ok: true });
      assert.equal(await holds(stranger, request), false, 'another secret');
      if (made.body === undefined) {
        const { headers, url } = unsigned;
        assert.equal(await holds(verifier, { ...request, headers, url }), false, 'nothing but the body');
      }
      const changed = Buffer.from(request.body);
      const at = Math.floor(changed.length / 2);
      changed[at] = (changed[at] ?? 0) ^ 1;
      if (bodyOpen !== true) assert.equal(await holds(verifier, { ...request, body: changed }), false, 'another body');
    }
  });
}
