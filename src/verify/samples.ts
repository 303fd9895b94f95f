/**
 * A body of every provider, as it sends one: the field names are its own, every value is invented. Tests sign and
 * verify them, and read type and keys from them; they are unsigned.
 */
import { Buffer } from 'node:buffer';
import type { UnsignedRequest } from './verifier.ts';

/** What a provider sends, before it is signed. */
export interface Sample {
  readonly contentType: string;
  /** Headers besides the content type and what the signature adds: name, value, name, value… */
  readonly headers?: readonly string[];
  readonly body: string;
}

const JSON_TYPE = 'application/json';
const json = (value: unknown, headers: readonly string[] = []): Sample => ({
  contentType: JSON_TYPE,
  headers,
  body: JSON.stringify(value),
});
const form = (fields: Readonly<Record<string, string>>): Sample => ({
  contentType: 'application/x-www-form-urlencoded; charset=UTF-8',
  body: new URLSearchParams(fields).toString(),
});

const UUID = '2b24ef10-19d3-4740-93cf-5f98ec4776c0';
const AT = '2025-11-03T15:00:00Z';
const MAIL = [
  ['headers', 'Received: by mx.example.net\r\nMessage-ID: <CAF-1001@mail.example.com>\r\nSubject: Order A-1001'],
  ['to', 'support@parse.example.com'],
  ['text', 'Where is my order? ☕'],
];

/** Payments and commerce. */
const commerce: Readonly<Record<string, Sample>> = {
  adyen: json({
    live: 'false',
    notificationItems: [
      {
        NotificationRequestItem: {
          pspReference: '7914073381342284',
          merchantAccountCode: 'TestMerchant',
          merchantReference: 'order-1001',
          amount: { currency: 'EUR', value: 1130 },
          eventCode: 'AUTHORISATION',
          eventDate: AT,
          success: 'true',
          paymentMethod: 'visa',
        },
      },
    ],
  }),
  'adyen-platform': json({
    data: { balancePlatform: 'EXAMPLE_BP', id: 'EVJN42272' },
    environment: 'test',
    timestamp: AT,
    type: 'balancePlatform.transfer.updated',
  }),
  'coinbase-cdp': json({ eventId: UUID, eventType: 'onchain.activity.detected', timestamp: AT }, [
    'X-Event-Id',
    UUID,
    'X-Event-Type',
    'onchain.activity.detected',
  ]),
  'coinbase-commerce': json({ id: 'd1', event: { id: UUID, type: 'charge:confirmed', data: { id: 'ch_1001' } } }),
  paddle: json({
    event_id: 'evt_01hk1',
    event_type: 'transaction.completed',
    occurred_at: AT,
    notification_id: 'ntf_01hk1',
    data: { id: 'txn_01' },
  }),
  paypal: json({
    id: 'WH-55TG7562XN2588878-8YH955435R661687G',
    event_type: 'PAYMENT.CAPTURE.COMPLETED',
    create_time: AT,
    resource: { id: '42311647XV020574X', amount: { value: '49.99', currency_code: 'EUR' } },
  }),
  razorpay: json(
    { entity: 'event', event: 'payment.captured', payload: { payment: { entity: { id: 'pay_1' } } }, created_at: 1 },
    ['x-razorpay-event-id', 'evt_1001'],
  ),
  shopify: json(
    { id: 820982911946154, admin_graphql_api_id: 'gid://shopify/Order/820982911946154508', total_price: '199.00' },
    [
      'X-Shopify-Topic',
      'orders/create',
      'X-Shopify-Shop-Domain',
      'example.myshopify.com',
      'X-Shopify-Webhook-Id',
      UUID,
    ],
  ),
  square: json({ merchant_id: 'M1', type: 'payment.updated', event_id: UUID, created_at: AT, data: { id: 'pay_1' } }),
  stripe: json({
    id: 'evt_3QGatewayTest0001',
    object: 'event',
    created: 1762182000,
    type: 'invoice.paid',
    data: { object: { id: 'in_1001', object: 'invoice', amount_paid: 4999, currency: 'eur' } },
  }),
  xero: json({
    events: [
      {
        resourceId: UUID,
        tenantId: 'c2cc9b6e-9458-4c7d-93cc-f02b81b0594f',
        eventDateUtc: '2025-11-03T15:00:00.123',
        eventType: 'UPDATE',
        eventCategory: 'INVOICE',
      },
    ],
    firstEventSequence: 1,
    lastEventSequence: 1,
    entropy: 'S0m3r4Nd0mt3xt',
  }),
};

/** Messages, mails and calls. */
const messaging: Readonly<Record<string, Sample>> = {
  discord: json({
    version: 1,
    application_id: '1234560123453231555',
    type: 1,
    event: { type: 'APPLICATION_AUTHORIZED', timestamp: AT, data: { user: { id: '80351110224678912' } } },
  }),
  intercom: json({
    type: 'notification_event',
    id: 'notif_1',
    topic: 'conversation.user.created',
    data: { item: { id: '1' } },
  }),
  mailgun: json({
    'event-data': {
      event: 'delivered',
      timestamp: 1762182000.3,
      id: 'DACSsAdVSeGpLid7TN03WA',
      recipient: 'ana@example.com',
      message: { headers: { 'message-id': '20251103@mg.example.com' } },
    },
  }),
  meta: json({
    object: 'whatsapp_business_account',
    entry: [
      {
        id: '102290129340398',
        changes: [
          { field: 'messages', value: { messages: [{ id: 'wamid.HBgL', from: '15550010', text: { body: 'hi ☕' } }] } },
        ],
      },
    ],
  }),
  postmark: json({ RecordType: 'Bounce', MessageID: UUID, ID: 42, Type: 'HardBounce', BouncedAt: AT }),
  'refract-discord-embed': json({
    username: 'Refract',
    content: null,
    embeds: [{ title: 'Successful Checkout!', timestamp: AT, fields: [{ name: 'Order Number', value: '||1001||' }] }],
  }),
  resend: json({ type: 'email.delivered', created_at: AT, data: { email_id: UUID, to: ['ana@example.com'] } }, [
    'svix-id',
    'msg_1001',
  ]),
  sendgrid: {
    contentType: JSON_TYPE,
    body: `[${JSON.stringify({ email: 'ana@example.com', timestamp: 1762182000, event: 'delivered', sg_event_id: 'ZGVsaXZlcmVk', sg_message_id: 'gwmsg0001' })}]\r\n`,
  },
  'sendgrid-inbound-parse': {
    contentType: 'multipart/form-data; boundary=xYzZY',
    body: `${MAIL.map(([name, value]) => `--xYzZY\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`).join('')}--xYzZY--\r\n`,
  },
  slack: json({
    type: 'event_callback',
    event_id: 'Ev0PV52K21',
    event_time: 1762182000,
    event: { type: 'app_mention', channel: 'C1', user: 'U1', text: 'hello ☕' },
  }),
  telnyx: json({ data: { event_type: 'message.finalized', id: UUID, occurred_at: AT, payload: { id: 'msg-1' } } }),
  twilio: form({
    MessageSid: 'SM0f3c9b1d2e4a5f6071829304a5b6c7d8',
    SmsStatus: 'received',
    From: '+13125550010',
    To: '+13125550001',
    Body: 'Hi there, is order #A-1001 ready? 👍 50% off & more + tax',
  }),
  'twilio-json': json({ type: 'com.twilio.messaging.message.delivered', id: UUID }, [
    'I-Twilio-Idempotency-Token',
    UUID,
  ]),
  zoom: json({
    event: 'meeting.started',
    event_ts: 1762182000000,
    payload: { account_id: 'AAAAAABBBB', object: { id: '1234567890', uuid: '4444AAAiAAAAAiAiAiiAii==' } },
  }),
};

/** Code, work, documents and everything else. */
const work: Readonly<Record<string, Sample>> = {
  'aws-sns': {
    contentType: 'text/plain; charset=UTF-8',
    body: JSON.stringify({
      Type: 'Notification',
      MessageId: UUID,
      TopicArn: 'arn:aws:sns:eu-central-1:123456789012:orders',
      Subject: 'Order',
      Message: '{"order":"A-1001"}',
      Timestamp: '2025-11-03T15:00:00.000Z',
    }),
  },
  bitbucket: json({ push: { changes: [] }, repository: { full_name: 'team/repo' }, actor: { display_name: 'Ana' } }, [
    'X-Event-Key',
    'repo:push',
    'X-Request-UUID',
    UUID,
  ]),
  box: json({ type: 'webhook_event', trigger: 'FILE.UPLOADED', webhook: { id: '1' }, source: { id: '73835521473' } }, [
    'BOX-DELIVERY-ID',
    UUID,
  ]),
  calendly: json({
    created_at: AT,
    event: 'invitee.created',
    payload: { uri: 'https://api.calendly.com/scheduled_events/1' },
  }),
  cloudevents: json({ order: 'A-1001' }, [
    'ce-specversion',
    '1.0',
    'ce-type',
    'com.example.order.created',
    'ce-source',
    '/orders',
    'ce-id',
    UUID,
    'ce-subject',
    'A-1001',
  ]),
  docusign: json({ event: 'envelope-completed', generatedDateTime: AT, data: { accountId: '1', envelopeId: UUID } }),
  dropbox: json({ list_folder: { accounts: ['dbid:AAH4f99T0taONIb'] }, delta: { users: [12345678] } }),
  'generic-hmac': json({ id: UUID, type: 'order.created' }),
  'generic-timestamped': json({ id: UUID, type: 'order.created' }),
  github: json({ ref: 'refs/heads/main', repository: { id: 1, full_name: 'octo-org/hello' } }, [
    'X-GitHub-Event',
    'push',
    'X-GitHub-Delivery',
    UUID,
  ]),
  'gitlab-signing-token': json({ object_kind: 'push', project_id: 15, ref: 'refs/heads/main' }, [
    'X-Gitlab-Event',
    'Push Hook',
    'webhook-id',
    UUID,
  ]),
  'gitlab-token': json({ object_kind: 'push', project_id: 15, ref: 'refs/heads/main' }, [
    'X-Gitlab-Event',
    'Push Hook',
    'Idempotency-Key',
    UUID,
  ]),
  hubspot: json([
    {
      eventId: 1,
      subscriptionId: 12345,
      occurredAt: 1762182000000,
      subscriptionType: 'contact.creation',
      objectId: 123,
    },
  ]),
  'hubspot-legacy': json([
    {
      eventId: 1,
      subscriptionId: 12345,
      occurredAt: 1762182000000,
      subscriptionType: 'contact.creation',
      objectId: 123,
    },
  ]),
  jira: json({ timestamp: 1762182000000, webhookEvent: 'jira:issue_updated', issue: { id: '10001', key: 'GW-1' } }, [
    'X-Atlassian-Webhook-Identifier',
    UUID,
  ]),
  linear: json(
    { action: 'create', type: 'Issue', createdAt: AT, data: { id: UUID }, webhookTimestamp: 1762182000000 },
    ['Linear-Delivery', UUID],
  ),
  'ms-graph': json({
    value: [{ id: 'n1', subscriptionId: UUID, changeType: 'created', resource: 'users/1/messages/2', tenantId: UUID }],
  }),
  okta: json({
    eventType: 'com.okta.event_hook',
    eventId: UUID,
    data: { events: [{ uuid: UUID, eventType: 'user.lifecycle.create', actor: { id: '00u1' } }] },
  }),
  rook: json({
    auto_detected: false,
    client_uuid: '4f1f0b62-5f5e-4b1e-9d0a-3f0d7a6f2c11',
    data_structure: 'sleep_summary',
    document_version: 1,
    user_id: 'member-10482',
    version: 2,
    sleep_health: {
      summary: {
        sleep_summary: {
          metadata: { datetime_string: '2025-11-03T00:00:00.000000Z', sources_of_data_array: ['Oura'] },
          duration: { sleep_duration_seconds_int: 25260 },
        },
      },
    },
  }),
  'standard-webhooks': json({ type: 'contact.created', timestamp: AT, data: { id: '1' } }, ['webhook-id', 'msg_1001']),
  svix: json({ type: 'contact.created', timestamp: AT, data: { id: '1' } }, ['svix-id', 'msg_1001']),
  trello: json({
    model: { id: '4d5ea62fd76aa1136000000c' },
    action: { id: '51f9424bcd6e040f3c002412', type: 'updateBoard' },
  }),
  typeform: json({ event_id: 'LtWXD3crgy', event_type: 'form_response', form_response: { token: 'a3a12ec67a13' } }),
  zendesk: json({ type: 'zen:event-type:ticket.created', id: UUID, subject: 'zen:ticket:1', time: AT }),
};

/** By the key of the provider. */
export const samples: Readonly<Record<string, Sample>> = { ...commerce, ...messaging, ...work };

/** A sample as a request to this URL, before it is signed. */
export function sampleRequest(sample: Sample, url: string): UnsignedRequest {
  const headers = ['Content-Type', sample.contentType, ...(sample.headers ?? [])];
  return { method: 'POST', url, headers, body: Buffer.from(sample.body, 'utf8') };
}
