/** What the application calls: the AI that writes replies, and the providers that send them. */
import { Reject } from 'holdfast';
import type { Channel } from './conversations.ts';
import { required } from './settings.ts';

export interface Outgoing {
  readonly channel: Channel;
  readonly to: string;
  readonly text: string;
}

/** Has the AI write a reply. It may take its time: `signal` says when to give up. */
export async function writeReply(text: string, signal: AbortSignal): Promise<string> {
  const response = await post(required('AI_URL'), { json: { text }, signal });
  const { reply } = (await response.json()) as { reply: string };
  return reply;
}

/** Sends a message, and answers what the provider calls it. @throws Reject when the provider will never take it */
export function send(message: Outgoing, signal: AbortSignal): Promise<string> {
  return message.channel === 'sms' ? sendText(message, signal) : sendMail(message, signal);
}

/** https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource */
async function sendText({ to, text }: Outgoing, signal: AbortSignal): Promise<string> {
  const account = required('TWILIO_ACCOUNT_SID');
  const response = await post(`${required('TWILIO_API')}/2010-04-01/Accounts/${account}/Messages.json`, {
    form: {
      To: to,
      From: required('TWILIO_NUMBER'),
      Body: text,
      StatusCallback: `${required('PUBLIC_URL')}/api/v1/webhooks/twilio`,
    },
    authorization: `Basic ${Buffer.from(`${account}:${required('TWILIO_AUTH_TOKEN')}`).toString('base64')}`,
    signal,
  });
  const { sid } = (await response.json()) as { sid: string };
  return sid;
}

/** https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send */
async function sendMail({ to, text }: Outgoing, signal: AbortSignal): Promise<string> {
  const response = await post(`${required('SENDGRID_API')}/v3/mail/send`, {
    json: {
      personalizations: [{ to: [{ email: to }] }],
      from: { email: required('MAIL_FROM') },
      subject: 'Your message to us',
      content: [{ type: 'text/plain', value: text }],
    },
    authorization: `Bearer ${required('SENDGRID_API_KEY')}`,
    signal,
  });
  const id = response.headers.get('x-message-id');
  if (id === null) throw new Error('SendGrid named no message id');
  return id;
}

interface Post {
  readonly json?: unknown;
  readonly form?: Readonly<Record<string, string>>;
  readonly authorization?: string;
  readonly signal: AbortSignal;
}

async function post(url: string, { json, form, authorization, signal }: Post): Promise<Response> {
  const response = await fetch(url, {
    method: 'POST',
    signal,
    body: form === undefined ? JSON.stringify(json) : new URLSearchParams(form),
    headers: {
      ...(form === undefined && { 'content-type': 'application/json' }),
      ...(authorization !== undefined && { authorization }),
    },
  });
  if (response.ok) return response;
  const said = `${new URL(url).host} answered ${response.status}: ${(await response.text()).slice(0, 200)}`;
  const never = response.status >= 400 && response.status < 500 && ![408, 425, 429].includes(response.status);
  throw never ? new Reject(said) : new Error(said);
}
