/** Mail: Mailgun, Postmark, Resend, SendGrid's events and its inbound mails. */
import type { Draw } from './draw.ts';
import { each, json, type Payload, type ProviderPayloads } from './payload.ts';

const base64url = (text: string): string => Buffer.from(text).toString('base64url');

export const mailgun: ProviderPayloads = {
  types: each(['delivered', 'opened', 'clicked', 'failed', 'complained'], (draw) =>
    json(
      {
        'event-data': {
          event: draw.type,
          id: draw.text(22),
          timestamp: draw.at.getTime() / 1000,
          'log-level': draw.type === 'failed' ? 'error' : 'info',
          ...(draw.type === 'failed' && { severity: 'permanent', reason: 'bounce' }),
          recipient: draw.person().email,
          'recipient-domain': 'example.com',
          message: {
            headers: {
              'message-id': `${draw.day().replaceAll('-', '')}.${draw.hex(16)}@mg.example.com`,
              from: 'Shop <orders@mg.example.com>',
              subject: `Your order A-${draw.digits(5)}`,
            },
            size: draw.int(800, 60_000),
          },
          envelope: { sender: 'orders@mg.example.com', targets: draw.person().email, transport: 'smtp' },
          tags: ['receipt'],
          'user-variables': {},
        },
      },
      ['User-Agent', 'Go-http-client/1.1'],
    ),
  ),
};

const postmarkFields: Readonly<Record<string, (draw: Draw) => Readonly<Record<string, unknown>>>> = {
  Delivery: (draw) => ({ DeliveredAt: draw.isoSeconds(), Details: '250 2.0.0 OK' }),
  Bounce: (draw) => ({
    ID: draw.int(1e6, 9e8),
    Type: 'HardBounce',
    TypeCode: 1,
    Name: 'Hard bounce',
    Description: 'The server was unable to deliver your message (unknown user).',
    Details: '550 5.1.1 no such user',
    Email: draw.person().email,
    BouncedAt: draw.isoSeconds(),
    Inactive: true,
    CanActivate: true,
  }),
  Open: (draw) => ({ FirstOpen: true, ReceivedAt: draw.isoSeconds(), Platform: 'Desktop', UserAgent: 'Mozilla/5.0' }),
  SpamComplaint: (draw) => ({ ID: draw.int(1e6, 9e8), Type: 'SpamComplaint', BouncedAt: draw.isoSeconds() }),
};

export const postmark: ProviderPayloads = {
  types: each(Object.keys(postmarkFields), (draw) =>
    json(
      {
        RecordType: draw.type,
        MessageStream: 'outbound',
        ServerID: 23_456,
        MessageID: draw.uuid(),
        Recipient: draw.person().email,
        Tag: 'receipt',
        Metadata: { order: `A-${draw.digits(5)}` },
        ...postmarkFields[draw.type]?.(draw),
      },
      ['User-Agent', 'Postmark'],
    ),
  ),
};

export const resend: ProviderPayloads = {
  types: each(
    ['email.sent', 'email.delivered', 'email.opened', 'email.clicked', 'email.bounced', 'email.complained'],
    (draw) =>
      json(
        {
          created_at: draw.iso(),
          data: {
            created_at: draw.iso(-2),
            email_id: draw.uuid(),
            from: 'Shop <orders@example.com>',
            subject: `Your order A-${draw.digits(5)}`,
            tags: { category: 'receipt' },
            to: [draw.person().email],
            ...(draw.type === 'email.bounced' && {
              bounce: { message: 'The mailbox does not exist.', subType: 'General', type: 'Permanent' },
            }),
            ...(draw.type === 'email.clicked' && {
              click: {
                ipAddress: '192.0.2.44',
                link: 'https://shop.example.com/o/1',
                timestamp: draw.iso(),
                userAgent: 'Mozilla/5.0',
              },
            }),
          },
          type: draw.type,
        },
        ['User-Agent', 'Svix-Webhooks/1.84.0', 'svix-id', `msg_${draw.text(27)}`],
      ),
  ),
};

const sendgridFields: Readonly<Record<string, (draw: Draw) => Readonly<Record<string, unknown>>>> = {
  processed: () => ({ send_at: 0 }),
  delivered: () => ({ response: '250 2.0.0 OK', ip: '192.0.2.10', tls: 1 }),
  open: () => ({ useragent: 'Mozilla/5.0', ip: '192.0.2.44', sg_machine_open: false }),
  click: (draw) => ({
    url: `https://shop.example.com/o/${draw.digits(5)}?x=1&y=2`,
    url_offset: { index: 0, type: 'html' },
    ip: '192.0.2.44',
  }),
  bounce: () => ({
    type: 'bounce',
    status: '5.1.1',
    reason: '550 5.1.1 no such user',
    bounce_classification: 'Invalid Address',
  }),
  dropped: () => ({ reason: 'Bounced Address', status: '5.0.0' }),
  spamreport: () => ({}),
};

/** Events come in batches, compact, with a line break between two of them and behind the last. */
export const sendgrid: ProviderPayloads = {
  types: each(Object.keys(sendgridFields), (draw) => {
    const events = Array.from({ length: draw.int(1, 4) }, (_, index) => {
      const message = draw.text(22);
      return JSON.stringify({
        email: draw.person().email,
        timestamp: draw.seconds(-index),
        'smtp-id': `<${draw.hex(12)}@ismtpd-7>`,
        event: draw.type,
        category: ['receipt'],
        sg_event_id: base64url(`${draw.type}-0-${draw.digits(8)}-${message}-0`),
        sg_message_id: `${message}.recvd-${draw.hex(10)}-1-${draw.hex(8).toUpperCase()}-${index}.0`,
        ...sendgridFields[draw.type]?.(draw),
      });
    });
    return {
      contentType: 'application/json;charset=utf-8',
      headers: ['User-Agent', 'SendGrid Event API'],
      body: `[${events.join(',\r\n')}]\r\n`,
    };
  }),
};

function inboundMail(draw: Draw): Payload {
  const { name, email } = draw.person();
  const subject = `Order A-${draw.digits(5)}`;
  const fields: Readonly<Record<string, string>> = {
    headers: [
      'Received: by mx.example.net with SMTP',
      `Message-ID: <${draw.text(30)}@mail.example.com>`,
      `Date: ${draw.at.toUTCString()}`,
      `From: ${name} <${email}>`,
      'To: support@parse.example.com',
      `Subject: ${subject}`,
      '',
    ].join('\n'),
    dkim: '{@example.com : pass}',
    to: 'support@parse.example.com',
    from: `${name} <${email}>`,
    subject,
    text: 'Hello,\nwhere is my order? ☕\n',
    html: '<p>Hello, where is my order? ☕</p>',
    sender_ip: '192.0.2.77',
    spam_score: draw.float(0, 3).toFixed(1),
    envelope: JSON.stringify({ to: ['support@parse.example.com'], from: email }),
    charsets: JSON.stringify({ to: 'UTF-8', subject: 'UTF-8', from: 'UTF-8', text: 'UTF-8' }),
    SPF: 'pass',
  };
  const parts = Object.entries(fields).map(
    ([field, value]) => `--xYzZY\r\nContent-Disposition: form-data; name="${field}"\r\n\r\n${value}\r\n`,
  );
  // An attachment that is no UTF-8: what hashes text instead of bytes fails on it.
  const head = `--xYzZY\r\nContent-Disposition: form-data; name="attachment1"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n`;
  const photo = Buffer.from(`ffd8ffe000104a464946${draw.hex(128)}ffd9`, 'hex');
  return {
    contentType: 'multipart/form-data; boundary=xYzZY',
    headers: ['User-Agent', 'Sendlib/1.0'],
    body: Buffer.concat([Buffer.from(parts.join('') + head), photo, Buffer.from('\r\n--xYzZY--\r\n')]),
  };
}

export const sendgridInboundParse: ProviderPayloads = { types: { 'inbound.mail': inboundMail } };
