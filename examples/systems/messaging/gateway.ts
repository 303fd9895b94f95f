/** The gateway of both programs: the same sources, the same handlers, another role. */
import { createGateway, defineConfig, exponential, type Gateway, Skip } from 'holdfast';
import { sendgrid, twilio } from 'holdfast/verify';
import { Pool } from 'pg';
import { z } from 'zod';
import { Conversations, type ProviderStatus, STATUSES } from './conversations.ts';
import { send, writeReply } from './services.ts';
import { processing, required } from './settings.ts';

interface TwilioForm {
  readonly MessageSid: string;
  readonly From: string;
  readonly Body?: string;
}

interface SendgridEvent {
  /** `<message id>.<the rest is SendGrid's own>` */
  readonly sg_message_id: string;
}

const address = { channel: z.enum(['sms', 'email']), text: z.string() };

// #region config
function configOf(role: 'gateway' | 'worker') {
  const queued = processing() === 'queue'; // the one setting
  const mode = queued ? 'queued' : 'sync';
  return defineConfig({
    store: required('DATABASE_URL'),
    ...(queued && { queue: required('REDIS_URL') }),
    role,
    publicUrl: required('PUBLIC_URL'),
    sources: {
      twilio: { verify: twilio<TwilioForm>(), path: '/api/v1/webhooks/twilio', mode, responder: ['inbound', 'status'] },
      sendgrid: { verify: sendgrid<SendgridEvent>(), path: '/api/v1/webhooks/sendgrid', mode, responder: 'status' },
    },
    emits: {
      'message.received': z.object({ ...address, conversation: z.string(), message: z.string(), from: z.string() }),
      'message.outgoing': z.object({ ...address, to: z.string() }),
    },
  });
}
// #endregion

/** Tries for some ten minutes: a database that restarts, a provider that has a bad moment. */
const retry = exponential({ maxAttempts: 12, base: '1s', cap: '2m' });

// #region handlers
function register(gateway: Gateway<ReturnType<typeof configOf>>, conversations: Conversations): void {
  // Neither minds in which order events come (see schema.sql): without order they go from memory to these handlers.
  gateway.handle('inbound', { from: 'twilio', types: ['received'], ordered: false, retry }, async (event, { emit }) => {
    const { MessageSid, From, Body: text = '' } = event.body;
    const { conversation, message } = await conversations.store({
      channel: 'sms',
      address: From,
      direction: 'in',
      text,
      eventId: event.id,
      providerMessageId: MessageSid,
    });
    const received = { channel: 'sms', conversation, message, from: From, text } as const;
    await emit('message.received', received, { orderKey: conversation });
    return twiml(`We have your message and will answer soon. Reference ${conversation}-${message}.`);
  });

  const types = Object.keys(STATUSES) as ProviderStatus[];
  gateway.handle('status', { from: ['twilio', 'sendgrid'], types, ordered: false, retry }, async ({ type, body }) => {
    const id = 'MessageSid' in body ? body.MessageSid : (body.sg_message_id.split('.')[0] ?? '');
    const { moved, message } = await conversations.follow(id, type as ProviderStatus);
    if (!moved) throw new Skip(`${id} is that far already`);
    if (message === null) throw new Skip(`kept until there is a message ${id}`);
  });
  // #endregion

  // #region work
  gateway.handle(
    'ai-reply',
    { from: 'emitted', types: ['message.received'], concurrency: 20, timeout: '2m', retry },
    async ({ body: { channel, conversation, from, text } }, { emit, signal }) => {
      const reply = await writeReply(text, signal);
      await emit('message.outgoing', { channel, to: from, text: reply }, { orderKey: conversation });
    },
  );

  gateway.handle(
    'outbound',
    { from: 'emitted', types: ['message.outgoing'], concurrency: 5, timeout: '15s', retry },
    async ({ id: eventId, body: { channel, to, text } }, { signal }) => {
      const stored = await conversations.store({ channel, address: to, direction: 'out', text, eventId });
      if (stored.providerMessageId !== null) throw new Skip('it was sent before');
      await conversations.sent(stored.message, await send({ channel, to, text }, signal));
    },
  );
  // #endregion
}

// #region twiml
/** https://www.twilio.com/docs/messaging/twiml */
function twiml(text: string) {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const body = `<?xml version="1.0" encoding="UTF-8"?><Response><Message>${escaped}</Message></Response>`;
  return { status: 200, headers: { 'content-type': 'text/xml' }, body };
}
// #endregion

/** Starts the gateway in its role, with the application's tables in place. */
export async function startGateway(role: 'gateway' | 'worker') {
  const db = new Pool({ connectionString: required('DATABASE_URL') });
  db.on('error', (error) => console.error(`an idle connection broke: ${error.message}`)); // the pool makes another
  const conversations = new Conversations(db);
  await conversations.migrate();
  const gateway = createGateway(configOf(role));
  register(gateway, conversations);
  await gateway.start();
  const stop = async (): Promise<void> => {
    await gateway.stop();
    await db.end();
  };
  return { gateway, conversations, stop };
}
