/** Messages and calls: Twilio, Telnyx, WhatsApp and Meta, Zoom. */
import type { Draw } from './draw.ts';
import { each, form, json, type Payload, type ProviderPayloads } from './payload.ts';

const TEXTS = [
  'Hi, is my order ready? 👍',
  'STOP',
  'Yes & thanks + 50% off?',
  'On my way',
  '¿A qué hora abren?',
] as const;
const ACCOUNT = 'AC5ef872f6da5a21de157d80997a64bd33';
const TWILIO = ['User-Agent', 'TwilioProxy/1.1'];

function inbound(draw: Draw): Payload {
  const sid = `SM${draw.hex(32)}`;
  return form(
    {
      ToCountry: 'US',
      ToState: 'IL',
      SmsMessageSid: sid,
      NumMedia: '0',
      ToCity: 'CHICAGO',
      FromZip: '98101',
      SmsSid: sid,
      FromState: 'WA',
      SmsStatus: 'received',
      FromCity: 'SEATTLE',
      Body: draw.pick(TEXTS),
      FromCountry: 'US',
      To: '+13125550100',
      ToZip: '60601',
      NumSegments: '1',
      MessageSid: sid,
      AccountSid: ACCOUNT,
      From: draw.phone(),
      ApiVersion: '2010-04-01',
    },
    [...TWILIO, 'I-Twilio-Idempotency-Token', draw.uuid()],
  );
}

function messageStatus(draw: Draw): Payload {
  const sid = `SM${draw.hex(32)}`;
  const failed = draw.type === 'undelivered' || draw.type === 'failed';
  return form(
    {
      SmsSid: sid,
      SmsStatus: draw.type,
      MessageStatus: draw.type,
      ...(failed && { ErrorCode: '30003' }),
      To: draw.phone(),
      MessageSid: sid,
      AccountSid: ACCOUNT,
      From: '+13125550100',
      ApiVersion: '2010-04-01',
    },
    [...TWILIO, 'I-Twilio-Idempotency-Token', draw.uuid()],
  );
}

function callStatus(draw: Draw): Payload {
  return form(
    {
      CallSid: `CA${draw.hex(32)}`,
      AccountSid: ACCOUNT,
      From: draw.phone(),
      To: '+13125550100',
      CallStatus: draw.type,
      ApiVersion: '2010-04-01',
      Direction: 'inbound',
      CallbackSource: 'call-progress-events',
      Timestamp: draw.at.toUTCString().replace('GMT', '+0000'),
      SequenceNumber: String(draw.int(0, 3)),
      ...(draw.type === 'completed' && { CallDuration: String(draw.int(3, 900)) }),
    },
    [...TWILIO, 'I-Twilio-Idempotency-Token', draw.uuid()],
  );
}

export const twilio: ProviderPayloads = {
  types: {
    ...each(['sent', 'delivered', 'undelivered', 'failed'], messageStatus),
    received: inbound,
    ...each(['ringing', 'in-progress', 'completed'], callStatus),
  },
};

export const twilioJson: ProviderPayloads = {
  types: each(
    [
      'com.twilio.messaging.message.delivered',
      'com.twilio.messaging.inbound-message.received',
      'com.twilio.voice.status-callback.call.completed',
    ],
    (draw) =>
      json(
        {
          specversion: '1.0',
          type: draw.type,
          source: `/2010-04-01/Accounts/${ACCOUNT}/Messages/SM${draw.hex(32)}.json`,
          id: `EZ${draw.hex(32)}`,
          dataschema: 'https://events-schemas.twilio.com/Messaging.MessageStatus/5',
          datacontenttype: 'application/json',
          time: draw.iso(),
          data: {
            accountSid: ACCOUNT,
            messageSid: `SM${draw.hex(32)}`,
            timestamp: draw.iso(),
            to: draw.phone(),
            from: '+13125550100',
          },
        },
        [...TWILIO, 'I-Twilio-Idempotency-Token', draw.uuid()],
      ),
  ),
};

export const telnyx: ProviderPayloads = {
  types: each(['message.received', 'message.sent', 'message.finalized', 'call.initiated', 'call.hangup'], (draw) =>
    json(
      {
        data: {
          event_type: draw.type,
          id: draw.uuid(),
          occurred_at: draw.iso().replace('Z', '+00:00'),
          payload: draw.type.startsWith('call') ? telnyxCall(draw) : telnyxMessage(draw),
          record_type: 'event',
        },
        meta: { attempt: 1, delivered_to: 'https://hooks.example.com/telnyx' },
      },
      ['User-Agent', 'telnyx-webhooks'],
    ),
  ),
};

function telnyxMessage(draw: Draw) {
  const incoming = draw.type === 'message.received';
  return {
    completed_at: draw.type === 'message.finalized' ? draw.iso() : null,
    cost: { amount: '0.0051', currency: 'USD' },
    direction: incoming ? 'inbound' : 'outbound',
    encoding: 'GSM-7',
    errors: [],
    from: { carrier: 'Example Mobile', line_type: 'Wireless', phone_number: draw.phone() },
    id: draw.uuid(),
    media: [],
    messaging_profile_id: draw.uuid(),
    organization_id: draw.uuid(),
    parts: 1,
    received_at: draw.iso(-2),
    record_type: 'message',
    sent_at: incoming ? null : draw.iso(-1),
    tags: [],
    text: draw.pick(TEXTS),
    to: [{ carrier: 'Telnyx', phone_number: '+13125550100', status: incoming ? 'webhook_delivered' : 'delivered' }],
    type: 'SMS',
    webhook_failover_url: null,
    webhook_url: 'https://hooks.example.com/telnyx',
  };
}

function telnyxCall(draw: Draw) {
  return {
    call_control_id: `v3:${draw.text(54)}`,
    call_leg_id: draw.uuid(),
    call_session_id: draw.uuid(),
    client_state: null,
    connection_id: draw.digits(19),
    direction: 'incoming',
    from: draw.phone(),
    start_time: draw.iso(-20),
    state: draw.type === 'call.hangup' ? 'hangup' : 'parked',
    to: '+13125550100',
  };
}

/** The type is the field that changed; a status change says so in the body. */
export const meta: ProviderPayloads = {
  types: each(['messages', 'message_template_status_update', 'feed'], (draw) =>
    json(
      {
        object: draw.type === 'feed' ? 'page' : 'whatsapp_business_account',
        entry: [{ id: draw.digits(15), time: draw.seconds(), changes: [{ field: draw.type, value: metaValue(draw) }] }],
      },
      ['User-Agent', 'facebookexternalua'],
    ),
  ),
};

function metaValue(draw: Draw) {
  if (draw.type === 'feed')
    return { item: 'comment', verb: 'add', comment_id: draw.digits(15), message: draw.pick(TEXTS) };
  if (draw.type !== 'messages') {
    return {
      event: 'APPROVED',
      message_template_id: draw.int(1e9, 4e9),
      message_template_name: 'receipt',
      message_template_language: 'de',
    };
  }
  const from = draw.phone().slice(1);
  return {
    messaging_product: 'whatsapp',
    metadata: { display_phone_number: '13125550100', phone_number_id: draw.digits(15) },
    contacts: [{ profile: { name: draw.person().name }, wa_id: from }],
    messages: [
      {
        from,
        id: `wamid.${draw.text(52)}==`,
        timestamp: String(draw.seconds()),
        type: 'text',
        text: { body: draw.pick(TEXTS) },
      },
    ],
  };
}

export const zoom: ProviderPayloads = {
  types: {
    ...each(['meeting.started', 'meeting.ended', 'meeting.participant_joined', 'recording.completed'], (draw) =>
      json(
        {
          event: draw.type,
          payload: {
            account_id: draw.text(22),
            object: {
              uuid: `${draw.text(22)}==`,
              id: draw.digits(11),
              host_id: draw.text(22),
              topic: 'Weekly sync',
              type: 2,
              start_time: draw.isoSeconds(-60),
              timezone: 'Europe/Berlin',
              duration: 30,
            },
          },
          event_ts: draw.at.getTime(),
        },
        ['User-Agent', 'Zoom Marketplace/1.0a'],
      ),
    ),
    'endpoint.url_validation': (draw) =>
      json({ event: draw.type, payload: { plainToken: draw.text(22) }, event_ts: draw.at.getTime() }),
  },
  mix: ['meeting.started', 'meeting.participant_joined', 'meeting.ended', 'recording.completed'],
};
