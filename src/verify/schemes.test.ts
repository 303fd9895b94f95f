/** What single providers do besides the shape they share. */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { findProvider } from './catalog.ts';
import { readRequest } from './fetch-request.ts';
import { adyen } from './providers/adyen.ts';
import { box } from './providers/box.ts';
import { cloudevents } from './providers/cloudevents.ts';
import { coinbaseCdp } from './providers/coinbase.ts';
import { docusign } from './providers/docusign.ts';
import { github } from './providers/github.ts';
import { hubspot, hubspotLegacy } from './providers/hubspot.ts';
import { linear } from './providers/linear.ts';
import { mailgun } from './providers/mailgun.ts';
import { msGraph } from './providers/ms-graph.ts';
import { refract } from './providers/refract.ts';
import { rook } from './providers/rook.ts';
import { stripe } from './providers/stripe.ts';
import { twilio } from './providers/twilio.ts';
import { sampleRequest, samples } from './samples.ts';
import { signRequest } from './sign.ts';
import type { HeaderList } from '../core/event.ts';
import type { UnsignedRequest, Verifier } from './verifier.ts';

const now = 1_762_182_000_000;
const seconds = String(now / 1000);
const base64 = (key: string, text: string, algorithm = 'sha256'): string =>
  createHmac(algorithm, key).update(text).digest('base64');
const hex = (key: string, text: string): string => createHmac('sha256', key).update(text).digest('hex');

interface Sent {
  readonly method?: string;
  readonly url?: string;
  readonly headers?: HeaderList;
  readonly body?: string;
}

async function reason(verifier: Verifier, sent: Sent): Promise<string> {
  const { method = 'POST', url = '/in/x', headers = [], body = '' } = sent;
  const verdict = await verifier.verify({ method, url, headers, body: Buffer.from(body) }, now);
  return verdict.ok ? 'ok' : verdict.reason;
}

const sampleOf = (key: string): UnsignedRequest => sampleRequest(samples[key] ?? assert.fail(key), `/in/${key}`);

test('Twilio: a body that nothing covers is refused, whatever its signature', async () => {
  const publicUrl = 'https://hooks.example.com';
  const verifier = twilio({ secrets: 'key', publicUrl });
  const signed = (url: string, text = ''): HeaderList => [
    'X-Twilio-Signature',
    base64('key', publicUrl + url + text, 'sha1'),
  ];
  assert.equal(await reason(verifier, { headers: signed('/in/x') }), 'ok');
  assert.equal(await reason(verifier, { method: 'GET', url: '/in/x?a=1', headers: signed('/in/x?a=1') }), 'ok');
  assert.equal(await reason(verifier, { headers: signed('/in/x'), body: '{"a":1}' }), 'body_hash_mismatch');
  const form = ['Content-Type', 'application/x-www-form-urlencoded'];
  assert.equal(await reason(verifier, { headers: [...form, ...signed('/in/x', 'a1b2')], body: 'b=2&a=1' }), 'ok');
  assert.equal(await reason(verifier, { headers: [...form, ...signed('/in/x')], body: 'a=1' }), 'signature_mismatch');
  const url = `/in/x?bodySHA256=${createHash('sha256').update('{}').digest('hex')}`;
  assert.equal(await reason(verifier, { url, headers: signed(url), body: '{}' }), 'ok');
  assert.equal(await reason(verifier, { url, headers: signed(url), body: '{ }' }), 'body_hash_mismatch');
});

test('Twilio: URLs verify as its library has spelled them over the years', async () => {
  const spellings: readonly (readonly [string, string])[] = [
    ['https://a.example', 'https://a.example:443/in/x'],
    ['https://a.example:8443', 'https://a.example/in/x'],
    ['http://u:p@a.example', 'http://u:p@a.example:80/in/x'],
    ['https://[2001:db8::1]:8443', 'https://[2001:db8::1]/in/x'],
  ];
  for (const [publicUrl, text] of spellings) {
    const verifier = twilio({ secrets: 'key', publicUrl });
    assert.equal(await reason(verifier, { headers: ['X-Twilio-Signature', base64('key', text, 'sha1')] }), 'ok', text);
  }
  const verifier = twilio({ secrets: 'key', publicUrl: 'https://a.example' });
  const asSigned = ['X-Twilio-Signature', base64('key', 'https://a.example/in/x?a=1%202', 'sha1')];
  assert.equal(await reason(verifier, { url: '/in/x?a=1+2', headers: asSigned }), 'ok');
});

test('HubSpot: escapes are taken as documented and as its libraries sign them', async () => {
  const verifier = hubspot({ secrets: 'key', publicUrl: 'https://a.example' });
  const url = '/in/x?at=a%3Ab%2Fc&keep=%20%26';
  for (const spelled of ['/in/x?at=a:b/c&keep=%20%26', url]) {
    const signature = base64('key', `POSThttps://a.example${spelled}{}${now}`);
    const headers = ['X-HubSpot-Signature-v3', signature, 'X-HubSpot-Request-Timestamp', String(now)];
    assert.equal(await reason(verifier, { url, headers, body: '{}' }), 'ok');
  }
});

test('HubSpot: version 1 needs no public URL, version 2 does, and no other version is known', async () => {
  const verifier = hubspotLegacy({ secrets: 'key' }).bind?.(() => undefined);
  assert.ok(verifier !== undefined);
  const hash = createHash('sha256').update('key{}').digest('hex');
  const send = (version: string): Promise<string> =>
    reason(verifier, { headers: ['X-HubSpot-Signature', hash, 'X-HubSpot-Signature-Version', version], body: '{}' });
  assert.equal(await send('v1'), 'ok');
  assert.equal(await send('v2'), 'url_not_configured');
  assert.equal(await send('v3'), 'header_malformed');
});

test('Coinbase: a right v0 never rescues a wrong v1, and only named headers are covered', async () => {
  const verifier = coinbaseCdp({ secrets: 'key' });
  const v0 = hex('key', `${seconds}.{}`);
  const v1 = hex('key', `${seconds}.x-a x-b.1.2.{}`);
  const send = (value: string, b = '2'): Promise<string> =>
    reason(verifier, { headers: ['X-A', '1', 'X-B', b, 'X-Hook0-Signature', `t=${seconds},${value}`], body: '{}' });
  assert.equal(await send(`v0=${v0}`), 'ok');
  assert.equal(await send(`v0=${v0},h=x-a x-b,v1=${v1}`), 'ok');
  assert.equal(await send(`v0=${v0},h=x-a x-b,v1=${v0}`), 'signature_mismatch');
  assert.equal(await send(`h=x-a x-b,v1=${v1}`, '3'), 'signature_mismatch');
  assert.equal(await send(`h=x-b x-a,v1=${v1}`), 'signature_mismatch');
  assert.equal(await send(`h=x-a x-c,v1=${v1}`), 'header_missing');
  assert.equal(await send(`h=${'x-a '.repeat(40)},v1=${v1}`), 'header_malformed');
  assert.equal(await send('h=x-a'), 'header_malformed');
});

test('Linear: the time is that of the signed body', async () => {
  const verifier = linear({ secrets: 'key' });
  const send = (at: unknown): Promise<string> => {
    const body = JSON.stringify({ webhookTimestamp: at });
    return reason(verifier, { headers: ['Linear-Signature', hex('key', body)], body });
  };
  assert.equal(await send(now - 60_000), 'ok');
  assert.equal(await send(now - 60_001), 'timestamp_too_old');
  assert.equal(await send(now + 60_001), 'timestamp_in_future');
  for (const at of [String(now), null, 1.5, undefined]) assert.equal(await send(at), 'timestamp_malformed');
});

test('Mailgun: fields that are not text are no signature; a form is read like JSON', async () => {
  const verifier = mailgun({ secrets: 'key' });
  const json = ['Content-Type', 'application/json; charset=utf-8'];
  const right = { timestamp: seconds, token: 'token', signature: hex('key', `${seconds}token`) };
  const send = (signature: unknown): Promise<string> =>
    reason(verifier, { headers: json, body: JSON.stringify({ signature }) });
  assert.equal(await send(right), 'ok');
  assert.equal(await send({ ...right, token: 'tokem' }), 'signature_mismatch');
  assert.equal(await send({ ...right, signature: [right.signature] }), 'body_malformed');
  assert.equal(await send({ ...right, timestamp: Number(seconds) }), 'body_malformed');
  assert.equal(await send(null), 'body_malformed');
  assert.equal(await reason(verifier, { headers: json, body: '{' }), 'body_malformed');
  const form = {
    headers: ['Content-Type', 'application/x-www-form-urlencoded'],
    body: new URLSearchParams(right).toString(),
  };
  assert.equal(await reason(verifier, form), 'ok');
  const signed = await signRequest(verifier, { ...form, method: 'POST', url: '/', body: Buffer.from('a=1') }, now);
  assert.deepEqual(await verifier.verify(signed, now), { ok: true });
});

test('Mailgun: the token that was signed is the dedupe key; no form or type hides another one behind it', async () => {
  const verifier = mailgun({ secrets: 'key' });
  const right = { timestamp: seconds, token: 'token', signature: hex('key', `${seconds}token`) };
  const form = new URLSearchParams(right).toString();
  const json = JSON.stringify({ signature: { ...right, token: 'fresh' }, padding: `&${form}&rest=` });
  const formType = 'application/x-www-form-urlencoded';
  for (const [type, body] of [
    [formType, `token=fresh&${form}`],
    [formType, `${form}&token=fresh`],
    ['text/plain', form],
    ['text/plain', json],
  ] as const) {
    assert.equal(await reason(verifier, { headers: ['Content-Type', type], body }), 'body_malformed', body);
  }
  assert.equal(await reason(verifier, { body: form }), 'body_malformed');
});

test('Adyen and Graph: every item must hold, and there must be one', async () => {
  const key = 'ab'.repeat(32);
  for (const [verifier, name, list] of [
    [adyen({ secrets: key }), 'adyen', 'notificationItems'],
    [msGraph({ secrets: key }), 'ms-graph', 'value'],
  ] as const) {
    const signed = await signRequest(verifier, sampleOf(name), now);
    const unsigned = JSON.parse(Buffer.from(sampleOf(name).body).toString()) as Record<string, unknown[]>;
    const whole = JSON.parse(Buffer.from(signed.body).toString()) as Record<string, unknown[]>;
    const items = whole[list] ?? [];
    const send = (values: unknown): Promise<string> => reason(verifier, { body: JSON.stringify({ [list]: values }) });
    assert.equal(await send(items), 'ok');
    assert.equal(await send([...items, ...items]), 'ok');
    assert.notEqual(await send([...items, ...(unsigned[list] ?? [])]), 'ok');
    for (const values of [[], {}, undefined, Array.from({ length: 1001 }, () => items[0])]) {
      assert.equal(await send(values), 'body_malformed');
    }
  }
});

test('ROOK: only client, user and date are covered; without them nothing verifies', async () => {
  const verifier = rook({ secrets: 'key' });
  const signed = await signRequest(verifier, sampleOf('rook'), now);
  const text = Buffer.from(signed.body).toString();
  const send = (body: string): Promise<string> => reason(verifier, { headers: signed.headers, body });
  assert.equal(await send(text), 'ok');
  assert.equal(await send(JSON.stringify(JSON.parse(text), null, 2)), 'ok');
  assert.equal(await send(text.replace('25260', '1')), 'ok', 'as documented');
  assert.equal(await send(text.replace('member-10482', 'member-10483')), 'signature_mismatch');
  assert.equal(await send(text.replace('"datetime_string"', '"other"')), 'body_malformed');
  const events = {
    client_uuid: 'c',
    user_id: 'u',
    data_structure: 'heart_rate_event',
    body_health: { events: { heart_rate_event: [{ metadata: { datetime_string: '2025' } }] } },
  };
  assert.equal(
    await reason(verifier, { headers: ['X-ROOK-HASH', hex('key', 'cu2025')], body: JSON.stringify(events) }),
    'ok',
  );
});

test('Box: version and algorithm are fixed, one key is enough, none is too few', async () => {
  const verifier = box({ secondaryKeys: 'key' }).bind?.(() => undefined);
  assert.ok(verifier !== undefined);
  const { headers } = await signRequest(verifier, sampleOf('box'), now);
  const body = samples['box']?.body ?? '';
  assert.equal(await reason(verifier, { headers, body }), 'ok');
  for (const [from, to] of [
    ['1', '2'],
    ['HmacSHA256', 'none'],
  ] as const) {
    const changed = headers.map((value) => (value === from ? to : value));
    assert.equal(await reason(verifier, { headers: changed, body }), 'header_malformed');
  }
  assert.throws(() => box().bind?.(() => undefined), { code: 'secret_missing' });
});

test('DocuSign: any of ten numbered headers may hold', async () => {
  const verifier = docusign({ secrets: 'key' });
  const right = base64('key', '{}');
  assert.equal(await reason(verifier, { headers: ['X-DocuSign-Signature-10', right], body: '{}' }), 'ok');
  assert.equal(await reason(verifier, { headers: ['X-DocuSign-Signature-11', right], body: '{}' }), 'header_missing');
  const twice = ['X-DocuSign-Signature-1', right, 'X-DocuSign-Signature-1', right];
  assert.equal(await reason(verifier, { headers: twice, body: '{}' }), 'header_malformed');
});

test('GitHub: the SHA-1 header alone is no signature', async () => {
  const sha1 = `sha1=${createHmac('sha1', 'key').update('{}').digest('hex')}`;
  assert.equal(
    await reason(github({ secrets: 'key' }), { headers: ['X-Hub-Signature', sha1], body: '{}' }),
    'header_missing',
  );
});

test('Refract: one of token in the query, in the path, in a header, or basic credentials', async () => {
  assert.equal(await reason(refract({ secrets: 't' }), { url: '/in/x?token=t' }), 'ok');
  assert.equal(await reason(refract({ secrets: 't' }), { url: '/in/x?token=u&token=t' }), 'token_mismatch');
  assert.equal(await reason(refract({ secrets: 't', header: 'X-Token' }), { headers: ['x-token', 't'] }), 'ok');
  assert.deepEqual(refract({ secrets: 't', header: 'X-Token' }).credentialHeaders, ['x-token']);
  assert.deepEqual(refract({ secrets: 't', parameter: 'key' }).credentialParameters, ['key']);
  assert.equal(await reason(refract({ secrets: 't', path: true }), { url: '/in/x/t' }), 'ok');
  assert.equal(await reason(refract({ secrets: 't', path: true }), { url: '/in/x?token=t' }), 'token_mismatch');
  assert.equal(refract({ secrets: 't', path: true }).credentialInPath, true);
  const basic = ['Authorization', `Basic ${Buffer.from('a:b').toString('base64')}`];
  assert.equal(await reason(refract({ credentials: 'a:b' }), { headers: basic }), 'ok');
  assert.throws(() => refract({ secrets: 't', header: 'a', parameter: 'b' }), { code: 'config_invalid' });
});

test('CloudEvents: a bearer token or one in the query', async () => {
  const verifier = cloudevents({ secrets: 't' });
  assert.equal(await reason(verifier, { headers: ['Authorization', 'Bearer t'] }), 'ok');
  assert.equal(await reason(verifier, { url: '/in/x?access_token=t' }), 'ok');
  assert.equal(
    await reason(verifier, { url: '/in/x?access_token=u', headers: ['Authorization', 'Bearer u'] }),
    'token_mismatch',
  );
});

test('every provider reads its secrets from its own variables, and starts with none of them missing', () => {
  for (const key of ['stripe', 'twilio', 'telnyx', 'paypal', 'aws-sns', 'postmark', 'meta', 'box', 'hubspot-legacy']) {
    const provider = findProvider(key);
    assert.ok(provider !== undefined);
    const verifier = provider.make({});
    assert.throws(() => verifier.bind?.(() => undefined), { code: 'secret_missing' }, key);
    assert.throws(() => verifier.verify({ ...sampleOf(key), headers: [] }, now), { code: 'secret_missing' }, key);
  }
  const bound = stripe().bind?.((name) => (name === 'STRIPE_WEBHOOK_SECRET' ? 'whsec_x' : undefined));
  assert.equal(bound?.name, 'stripe');
});

test('a Fetch request is verified by its bytes, and tells once that its body was read', async () => {
  const verifier = stripe({ secrets: 'key' });
  const body = '{"id":"evt_1","note":"ünï"}';
  const headers = { 'Stripe-Signature': `t=${seconds},v1=${hex('key', `${seconds}.${body}`)}` };
  const request = new Request('https://hooks.example.com/in/stripe?x=1', { method: 'POST', headers, body });
  const read = await readRequest(request, '192.0.2.1');
  assert.deepEqual(await verifier.verify(read, now), { ok: true });
  assert.deepEqual([read.method, read.url, read.remoteAddress], ['POST', request.url, '192.0.2.1']);
  await assert.rejects(readRequest(request), TypeError);
});
