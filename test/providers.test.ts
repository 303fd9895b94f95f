/** What every provider brings besides its signature: type and keys are read, answers are the provider's, nothing leaks. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Readable, RequestInput, compileReader } from '../src/ingest/read.ts';
import { Finder, type JsonPath, elementSpans } from '../src/ingest/scan.ts';
import { TestClock } from '../src/testing/clock.ts';
import { providers, signRequest } from '../src/verify/index.ts';
import type { Provider, Reader, UnsignedRequest, Verifier } from '../src/verify/index.ts';
import { sampleRequest, samples } from '../src/verify/samples.ts';
import { trialSettings } from '../src/verify/trial.ts';
import { ingestWorld } from './ingest-world.ts';

const now = 1_762_182_000_000;
const UUID = '2b24ef10-19d3-4740-93cf-5f98ec4776c0';
const DIGEST = /^[\da-f]{64}$/;

/** Type, dedupe key and order key of each sample; a pattern where the key is a digest or the signature's. */
const expected: Readonly<Record<string, readonly [string, (string | RegExp)?, string?]>> = {
  adyen: ['AUTHORISATION', '7914073381342284:AUTHORISATION', 'order-1001'],
  'adyen-platform': [
    'balancePlatform.transfer.updated',
    'balancePlatform.transfer.updated:EVJN42272:2025-11-03T15:00:00Z',
    'EVJN42272',
  ],
  'aws-sns': ['Notification', UUID],
  bitbucket: ['repo:push', UUID, 'team/repo'],
  box: ['FILE.UPLOADED', UUID, '73835521473'],
  calendly: [
    'invitee.created',
    'invitee.created:https://api.calendly.com/scheduled_events/1:2025-11-03T15:00:00Z',
    'https://api.calendly.com/scheduled_events/1',
  ],
  cloudevents: ['com.example.order.created', `/orders ${UUID}`, 'A-1001'],
  'coinbase-cdp': ['onchain.activity.detected', UUID],
  'coinbase-commerce': ['charge:confirmed', UUID, 'ch_1001'],
  discord: ['APPLICATION_AUTHORIZED', DIGEST],
  docusign: ['envelope-completed', `${UUID}:envelope-completed:2025-11-03T15:00:00Z`, UUID],
  dropbox: ['list_folder'],
  'generic-hmac': [''],
  'generic-timestamped': [''],
  github: ['push', UUID, 'octo-org/hello'],
  'gitlab-signing-token': ['Push Hook', UUID, '15'],
  'gitlab-token': ['Push Hook', UUID, '15'],
  hubspot: ['contact.creation', '1:12345:123:1762182000000', '123'],
  'hubspot-legacy': ['contact.creation', '1:12345:123:1762182000000', '123'],
  intercom: ['conversation.user.created', 'notif_1', '1'],
  jira: ['jira:issue_updated', UUID, '10001'],
  linear: ['Issue.create', UUID, UUID],
  mailgun: ['delivered', /^[\da-f]{50}$/, '20251103@mg.example.com'],
  meta: ['messages', 'wamid.HBgL'],
  'ms-graph': ['created', `${UUID}:n1:users/1/messages/2:created`, 'users/1/messages/2'],
  okta: ['user.lifecycle.create', UUID, '00u1'],
  paddle: ['transaction.completed', 'evt_01hk1', 'txn_01'],
  paypal: ['PAYMENT.CAPTURE.COMPLETED', 'WH-55TG7562XN2588878-8YH955435R661687G', '42311647XV020574X'],
  postmark: ['Bounce', `${UUID}:Bounce:42`, UUID],
  razorpay: ['payment.captured', 'evt_1001'],
  'refract-discord-embed': ['Successful Checkout!', DIGEST],
  resend: ['email.delivered', 'msg_1001', UUID],
  rook: ['sleep_summary', DIGEST, 'member-10482'],
  sendgrid: ['delivered', 'ZGVsaXZlcmVk', 'gwmsg0001'],
  'sendgrid-inbound-parse': ['inbound.mail', '<CAF-1001@mail.example.com>'],
  shopify: ['orders/create', UUID, 'example.myshopify.com:gid://shopify/Order/820982911946154508'],
  slack: ['app_mention', 'Ev0PV52K21', 'C1'],
  square: ['payment.updated', UUID, 'pay_1'],
  'standard-webhooks': ['contact.created', 'msg_1001'],
  stripe: ['invoice.paid', 'evt_3QGatewayTest0001', 'in_1001'],
  svix: ['contact.created', 'msg_1001'],
  telnyx: ['message.finalized', UUID, 'msg-1'],
  trello: ['updateBoard', '51f9424bcd6e040f3c002412', '4d5ea62fd76aa1136000000c'],
  twilio: ['received', 'SM0f3c9b1d2e4a5f6071829304a5b6c7d8:received', 'SM0f3c9b1d2e4a5f6071829304a5b6c7d8'],
  'twilio-json': ['com.twilio.messaging.message.delivered', UUID],
  typeform: ['form_response', 'LtWXD3crgy', 'a3a12ec67a13'],
  xero: ['INVOICE.UPDATE', `${UUID}:2025-11-03T15:00:00.123:UPDATE`, UUID],
  zendesk: ['zen:event-type:ticket.created', UUID, 'zen:ticket:1'],
  zoom: ['meeting.started', 'meeting.started:1762182000000:4444AAAiAAAAAiAiAiiAii==', '4444AAAiAAAAAiAiAiiAii=='],
};

/** What the provider answers to an accepted request, where it is not 200 with the event's id. */
const answers: Readonly<Record<string, readonly [number, string]>> = {
  adyen: [200, '[accepted]'],
  discord: [204, ''],
  'ms-graph': [202, ''],
  'refract-discord-embed': [204, ''],
  twilio: [200, '<Response/>'],
  xero: [200, ''],
};

async function signedSample(provider: Provider): Promise<{ verifier: Verifier; request: UnsignedRequest }> {
  const verifier = provider.make(trialSettings(provider.key, 'https://hooks.example.com'));
  const sample = samples[provider.key] ?? assert.fail();
  return { verifier, request: await signRequest(verifier, sampleRequest(sample, `/in/${provider.key}`), now) };
}

/** What a reader of a provider finds in a request, or in the first element where the provider splits. */
function read(reader: Reader | undefined, verifier: Verifier, request: UnsignedRequest): string | null {
  if (reader === undefined) return null;
  const paths: JsonPath[] = [];
  const reads = compileReader(reader, { setting: 'test', paths });
  const [, query = ''] = request.url.split('?');
  const readable: Readable = {
    ...request,
    query,
    body: firstElement(verifier, request.body),
    finder: new Finder(paths),
  };
  return reads(new RequestInput(readable));
}

function firstElement(verifier: Verifier, body: Uint8Array): Uint8Array {
  const { split } = verifier.defaults;
  if (split === undefined) return body;
  const path = split.split('.').slice(1);
  const [start = 0, end = body.length] = path.length === 0 ? [0, body.length] : new Finder([path]).find(body);
  const array = body.subarray(start, end);
  const [first = 0, last = 0] = elementSpans(array);
  return array.subarray(first, last);
}

for (const provider of providers) {
  test(`${provider.key}: type and keys are read from what it sends`, async () => {
    const { verifier, request } = await signedSample(provider);
    const [type, dedupeKey, orderKey] = expected[provider.key] ?? assert.fail('not in the table');
    const { defaults } = verifier;
    assert.equal(read(defaults.type, verifier, request) ?? '', type);
    assert.equal(read(defaults.orderKey, verifier, request), orderKey ?? null);
    const key = read(defaults.dedupeKey, verifier, request);
    if (dedupeKey instanceof RegExp) assert.match(key ?? '', dedupeKey);
    else assert.equal(key, dedupeKey ?? null);
  });

  test(`${provider.key}: a signed request is accepted once and answered as it wants, a changed one is not`, async () => {
    const { verifier, request } = await signedSample(provider);
    const world = ingestWorld({ sources: { x: verifier }, clock: new TestClock(now) });
    const intake = world.acceptor.named('x') ?? assert.fail();
    const send = (sent: UnsignedRequest) => world.acceptor.accept(intake, { ...sent, remoteAddress: '192.0.2.1' });

    const reply = await send(request);
    const [status, body] = answers[provider.key] ?? [200, JSON.stringify({ id: world.events[0]?.id })];
    const idsOf = (text: string): string => text.replace(/^\{"ids":\["(.*)"\]\}$/, '{"id":"$1"}');
    assert.deepEqual([reply.status, idsOf(Buffer.from(reply.body).toString())], [status, body]);
    assert.equal(world.events.length, 1);
    assert.deepEqual(world.rejected, []);

    // What is not known again is documented: a provider without an id.
    await send(request);
    assert.equal(world.events.length, verifier.defaults.dedupeKey === undefined ? 2 : 1);

    const unsigned = sampleRequest(samples[provider.key] ?? assert.fail(), `/in/${provider.key}`);
    const refused = await send(unsigned);
    assert.equal(refused.status, 401);
    if (provider.key === 'xero') assert.equal(refused.body, '');
  });
}

describe('credentials', () => {
  for (const provider of providers) {
    const { credentialHeaders = [], credentialParameters = [] } = provider;
    if (credentialHeaders.length + credentialParameters.length === 0) continue;
    test(`${provider.key}: they are stored redacted`, async () => {
      const { verifier, request } = await signedSample(provider);
      const { acceptor, events } = ingestWorld({ sources: { x: verifier }, clock: new TestClock(now) });
      await acceptor.accept(acceptor.named('x') ?? assert.fail(), { ...request, remoteAddress: '192.0.2.1' });
      const [event] = events;
      const stored = JSON.stringify([event?.headers, event?.query]);
      assert.match(stored, /\[redacted\]/);
      const sent = [...request.headers, decodeURIComponent(request.url)].join('\n');
      const secrets = [...sent.matchAll(/[\da-f]{48,64}|(?<=Basic )\S+/g)].map(([text]) => text);
      assert.ok(secrets.length > 0);
      for (const text of secrets) assert.equal(stored.includes(text), false);
    });
  }
});

test('each provider’s keys are remembered at least as long as it tries again, and its variables are its own', () => {
  const days = (count: number): number => count * 86_400_000;
  const horizons: Readonly<Record<string, number>> = {
    'aws-sns': days(23),
    docusign: days(15),
    rook: days(10),
    stripe: days(3),
  };
  const used = new Map<string, string>();
  for (const { key, defaults, variables } of providers) {
    if (!key.startsWith('generic-')) assert.ok((defaults.dedupeWindowMs ?? 0) >= (horizons[key] ?? days(7)), key);
    for (const variable of Object.values(variables)) {
      assert.match(variable, /^[A-Z][A-Z\d_]+$/);
      const family = key.split('-')[0] ?? key;
      assert.ok([undefined, family].includes(used.get(variable)), `${variable} is of two providers`);
      used.set(variable, family);
    }
  }
});
