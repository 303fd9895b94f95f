/**
 * Stands in for the world outside: an AI service that takes its time, the APIs of Twilio and SendGrid, and what these two
 * send to our webhooks, signed as they sign. Run alone it is part of the demonstration; the test drives it as it likes.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { serve } from '@hono/node-server';
import { type Context, Hono } from 'hono';
import { sendgrid, signRequest, twilio, type Verifier } from 'holdfast/verify';
import { DEMO } from './demo.ts';

/** A webhook that was answered. */
export interface Answered {
  readonly status: number;
  readonly type: string | null;
  readonly body: string;
}

/** A message that was handed to a provider. */
export interface Handed {
  readonly to: string;
  readonly text: string;
  readonly id: string;
}

export class Outside {
  /** Origin of the application. */
  readonly #application: string;
  readonly #twilio: Verifier;
  readonly #sendgrid: Verifier;
  #server: Server | null = null;
  #made = 0;
  /** What the AI was asked. */
  readonly asked: string[] = [];
  /** What the providers took, in order. */
  readonly handed: Handed[] = [];
  /** How many sends the providers have refused. */
  refused = 0;
  /** How many of the next sends the providers refuse with 503. */
  refuses = 0;
  /** The AI answers when this resolves. */
  thinking: () => Promise<unknown> = () => Promise.resolve();
  /** Whether a message's status is reported before its sender knows what it is called, as happens at Twilio. */
  reportsFirst = false;

  constructor(application: string) {
    this.#application = application;
    this.#twilio = twilio({ secrets: DEMO.authToken, publicUrl: application });
    this.#sendgrid = sendgrid({ publicKeys: DEMO.publicKey, privateKeys: DEMO.privateKey });
  }

  async start(port: number): Promise<string> {
    const app = new Hono();
    app.post('/ai', async (context) => {
      const { text } = await context.req.json<{ text: string }>();
      this.asked.push(text);
      await this.thinking();
      return context.json({ reply: `You said: ${text}` });
    });
    app.post('/2010-04-01/Accounts/:account/Messages.json', async (context) => {
      const form = new URLSearchParams(await context.req.text());
      const id = this.#id('SM');
      const report = async (): Promise<void> => {
        for (const status of ['sent', 'delivered']) await this.status(id, status);
      };
      return this.#hand(context, { id, to: form.get('To') ?? '', text: form.get('Body') ?? '' }, report);
    });
    app.post('/v3/mail/send', async (context) => {
      const mail = await context.req.json<{
        personalizations: { to: { email: string }[] }[];
        content: { value: string }[];
      }>();
      const id = this.#id('mail');
      const to = mail.personalizations[0]?.to[0]?.email ?? '';
      const report = async () => void (await this.mailEvents(id, ['processed', 'delivered']));
      return this.#hand(context, { id, to, text: mail.content[0]?.value ?? '' }, report);
    });
    const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' }) as Server;
    this.#server = server;
    await once(server, 'listening');
    const address = server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`;
  }

  async stop(): Promise<void> {
    this.#server?.close();
    this.#server?.closeAllConnections();
    if (this.#server !== null) await once(this.#server, 'close');
  }

  /** Somebody texts us. The same `sid` again is the same message again. */
  text(from: string, body: string, sid = this.#id('SM')): Promise<Answered> {
    return this.twilioForm({
      MessageSid: sid,
      SmsSid: sid,
      SmsStatus: 'received',
      From: from,
      To: '+1312',
      Body: body,
    });
  }

  /** Twilio reports on a message that we sent. */
  status(sid: string, status: string): Promise<Answered> {
    return this.twilioForm({ MessageSid: sid, SmsSid: sid, SmsStatus: status, MessageStatus: status });
  }

  /** @param verifier signs: another one for what Twilio did not send */
  twilioForm(form: Readonly<Record<string, string>>, verifier = this.#twilio): Promise<Answered> {
    const headers = ['content-type', 'application/x-www-form-urlencoded'];
    return this.#post('/api/v1/webhooks/twilio', { verifier, headers, body: new URLSearchParams(form).toString() });
  }

  /** SendGrid reports on a mail, all events in one request. */
  mailEvents(id: string, events: readonly string[]): Promise<Answered> {
    const timestamp = Math.floor(Date.now() / 1000);
    const rows = events.map((event) => ({
      event,
      timestamp,
      email: 'ana@example.com',
      sg_event_id: createHash('sha256').update(`${id} ${event}`).digest('base64url').slice(0, 22),
      sg_message_id: `${id}.recvd-5f5fc76c9-xyz-1`,
    }));
    const headers = ['content-type', 'application/json'];
    return this.#post('/api/v1/webhooks/sendgrid', { verifier: this.#sendgrid, headers, body: JSON.stringify(rows) });
  }

  /** Takes a message, or refuses it, and reports on what it took before or after it answers. */
  async #hand(context: Context, message: Handed, report: () => Promise<void>): Promise<Response> {
    if (this.refuses > 0) {
      this.refuses--;
      this.refused++;
      return context.text('a bad moment', 503);
    }
    this.handed.push(message);
    if (this.reportsFirst) await report();
    else void report().catch((error: unknown) => console.error(`a status could not be reported: ${String(error)}`));
    return context.json({ sid: message.id }, 201, { 'x-message-id': message.id });
  }

  async #post(
    path: string,
    { verifier, headers, body }: { verifier: Verifier; headers: readonly string[]; body: string },
  ): Promise<Answered> {
    const unsigned = { method: 'POST', url: path, headers, body: Buffer.from(body) };
    const signed = await signRequest(verifier, unsigned, Date.now());
    const pairs = signed.headers.flatMap((name, at, all): [string, string][] =>
      at % 2 === 0 ? [[name, all[at + 1] ?? '']] : [],
    );
    const response = await fetch(`${this.#application}${path}`, { method: 'POST', headers: pairs, body });
    return { status: response.status, type: response.headers.get('content-type'), body: await response.text() };
  }

  #id(kind: string): string {
    return `${kind}${createHash('md5')
      .update(`${process.pid} ${Date.now()} ${this.#made++}`)
      .digest('hex')}`;
  }
}

if (import.meta.main) {
  const outside = new Outside(process.env['PUBLIC_URL'] ?? 'http://127.0.0.1:8080');
  outside.thinking = () => wait(3000);
  console.log(`AI, Twilio and SendGrid at ${await outside.start(Number(process.env['OUTSIDE_PORT'] ?? 8090))}`);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void outside.stop());
  if (process.env['OUTSIDE_TEXTS'] === 'yes') await greet(outside);
}

/** Ana writes, as soon as the application listens. */
async function greet(outside: Outside): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    try {
      const { status, body } = await outside.text('+13125550010', 'Is my order ready?');
      console.log(`a text from +13125550010 was answered ${status}: ${body}`);
      return;
    } catch {
      await wait(200);
    }
  }
}
