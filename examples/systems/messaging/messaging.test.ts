/**
 * The system as it runs: its web program and its worker as processes, on PostgreSQL and Redis, with the world outside
 * played by the test. The same suite for both ways of processing; only the one setting differs.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { twilio } from 'holdfast/verify';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { type PostgresService, startPostgres } from '../../../scripts/services/postgres.ts';
import { redis, redisService } from '../../../scripts/services/redis.ts';
import { freePort, type Service, started } from '../../../scripts/services/service.ts';
import { postgres } from '../../../test/postgres.ts';
import { testNeeding } from '../../../test/require.ts';
import { DEMO } from './demo.ts';
import { type Answered, Outside } from './outside.ts';

interface Message {
  readonly id: string;
  readonly direction: 'in' | 'out';
  readonly text: string;
  readonly status: string | null;
  readonly providerMessageId: string | null;
}

interface Conversation {
  readonly id: string;
  readonly messages: readonly Message[];
}

const needs = [postgres, redis];
const met = needs.every((need) => need.met());
const directory = mkdtempSync(join(tmpdir(), 'holdfast-messaging-'));
let database: PostgresService;
let broker: Service;

before(async () => {
  if (!met) return;
  [database, broker] = await Promise.all([startPostgres(), redisService(directory).then(started)]);
});
after(async () => {
  await Promise.all([database?.remove(), broker?.stop()]);
  rmSync(directory, { recursive: true, force: true });
});

/** Looks until it holds; the test's own time limit ends it otherwise. */
async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** The system in one of its ways, with a database and a Redis of its own. */
class System {
  readonly outside: Outside;
  readonly url: string;
  readonly redis: Redis;
  readonly #origin: string;
  readonly #programs: ChildProcess[] = [];

  private constructor(mode: string, port: number) {
    this.#origin = `http://127.0.0.1:${port}`;
    this.outside = new Outside(this.#origin);
    this.url = database.url.replace(/postgres$/, mode);
    this.redis = new Redis(`${broker.url}/${mode === 'sync' ? 1 : 2}`);
  }

  static async start(mode: 'sync' | 'queue'): Promise<System> {
    const port = await freePort();
    const system = new System(mode, port);
    await query(database.url, `CREATE DATABASE ${mode}`);
    const outside = await system.outside.start(0);
    const env = {
      PROCESSING: mode,
      PORT: String(port),
      DATABASE_URL: system.url,
      REDIS_URL: `${broker.url}/${mode === 'sync' ? 1 : 2}`,
      PUBLIC_URL: system.#origin,
      TWILIO_AUTH_TOKEN: DEMO.authToken,
      SENDGRID_PUBLIC_KEY: DEMO.publicKey,
      TWILIO_ACCOUNT_SID: 'AC1',
      TWILIO_NUMBER: '+13125550100',
      SENDGRID_API_KEY: 'SG.test',
      MAIL_FROM: 'us@example.com',
      API_TOKEN: 'test',
      HOLDFAST_ADMIN_TOKEN: 'test',
      HOLDFAST_LOG_LEVEL: 'error',
      AI_URL: `${outside}/ai`,
      TWILIO_API: outside,
      SENDGRID_API: outside,
    };
    await Promise.all([system.#run('web.ts', env, /webhooks at/), system.#run('worker.ts', env, /at work/)]);
    return system;
  }

  async #run(program: string, env: Readonly<Record<string, string>>, ready: RegExp): Promise<void> {
    const own = Object.entries(process.env).filter(([name]) => !/^(?:HOLDFAST_|NODE_TEST)/.test(name));
    const args = ['--conditions=holdfast-source', join(import.meta.dirname, program)];
    const child = spawn(process.execPath, args, { env: { ...Object.fromEntries(own), ...env } });
    this.#programs.push(child);
    let said = '';
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const hear = (chunk: Buffer): void => {
      said += chunk.toString();
      if (ready.test(said)) resolve();
    };
    child.stdout?.on('data', hear);
    child.stderr?.on('data', hear);
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}:\n${said}`)));
    await promise;
  }

  /** Asks the programs to end, and sees that they do. */
  async stop(): Promise<void> {
    const exits = this.#programs.map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return [child.exitCode, child.signalCode];
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      return exited;
    });
    assert.deepEqual(await Promise.all(exits), [
      [0, null],
      [0, null],
    ]);
    await this.outside.stop();
    this.redis.disconnect();
  }

  async conversation(channel: string, address: string): Promise<Conversation | null> {
    const response = await this.api(`/api/v1/conversations/${channel}/${encodeURIComponent(address)}`);
    return response.ok ? ((await response.json()) as Conversation) : null;
  }

  async messages(address: string, direction: 'in' | 'out'): Promise<readonly Message[]> {
    const channel = address.includes('@') ? 'email' : 'sms';
    return (await this.conversation(channel, address))?.messages.filter((one) => one.direction === direction) ?? [];
  }

  async send(to: string, text: string): Promise<void> {
    const body = JSON.stringify({ channel: to.includes('@') ? 'email' : 'sms', to, text });
    assert.equal((await this.api('/api/v1/messages', { method: 'POST', body })).status, 202);
  }

  /** Until what was sent to an address has this status. */
  async untilSent(to: string, status: string): Promise<Message> {
    let found: Message | undefined;
    await until(async () => (found = (await this.messages(to, 'out'))[0])?.status === status);
    assert.ok(found !== undefined);
    return found;
  }

  /** Until no delivery of any event is open. */
  async untilDone(): Promise<void> {
    await until(async () => {
      const response = await this.api('/api/deliveries?state=blocked,due,ready,claimed&limit=1');
      return ((await response.json()) as { rows: unknown[] }).rows.length === 0;
    });
  }

  api(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`${this.#origin}${path}`, { ...init, headers: { authorization: 'Bearer test' } });
  }
}

async function query(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

const EMPTY = '<Response/>';
const REFERENCE = /<Response><Message>We have your message.* Reference (\d+)-(\d+)\.<\/Message><\/Response>$/;
const SOON = { timeout: 60_000 };

for (const mode of ['sync', 'queue'] as const) {
  describe(`messaging, PROCESSING=${mode}`, SOON, () => {
    let system: System;
    before(async () => {
      if (met) system = await System.start(mode);
    });
    after(() => (met ? system.stop() : undefined));

    /** What a text is answered while nothing is wrong. */
    const isAnswer = ({ status, type, body }: Answered): void => {
      assert.deepEqual([status, type], [200, 'text/xml']);
      if (mode === 'sync') assert.match(body, REFERENCE);
      else assert.equal(body, EMPTY);
    };

    testNeeding(needs, 'a text is answered with TwiML, stored, and replied to', async () => {
      const from = '+4930000001';
      const answer = await system.outside.text(from, 'Is my order ready? <3');
      isAnswer(answer);
      if (mode === 'sync') {
        const stored = await system.conversation('sms', from);
        assert.deepEqual([stored?.id, stored?.messages[0]?.id], REFERENCE.exec(answer.body)?.slice(1));
      }
      const sent = await system.untilSent(from, 'delivered');
      assert.equal(sent.text, 'You said: Is my order ready? <3');
      const [received] = await system.messages(from, 'in');
      assert.equal(received?.text, 'Is my order ready? <3');
    });

    testNeeding(needs, 'a duplicate gets the same TwiML, also at the same time, and is one message', async () => {
      const from = '+4930000002';
      const first = await Promise.all([1, 2, 3].map(() => system.outside.text(from, 'Hello?', 'SM-twice')));
      await system.untilDone();
      const again = await system.outside.text(from, 'Hello?', 'SM-twice');
      isAnswer(again);
      assert.deepEqual(first, [again, again, again]);
      assert.equal((await system.messages(from, 'in')).length, 1);
    });

    testNeeding(needs, 'texts of somebody new that come at once are one conversation', async () => {
      const from = '+4930000003';
      const texts = Array.from({ length: 20 }, (_, index) => `text ${index}`);
      for (const answer of await Promise.all(texts.map((text) => system.outside.text(from, text)))) isAnswer(answer);
      await until(async () => (await system.messages(from, 'in')).length === texts.length);
      const stored = (await system.messages(from, 'in')).map(({ text }) => text);
      assert.deepEqual(new Set(stored), new Set(texts));
    });

    testNeeding(needs, 'a status never goes backwards', async () => {
      const to = '+4930000004';
      await system.send(to, 'On its way.');
      const { providerMessageId } = await system.untilSent(to, 'delivered');
      for (const status of ['queued', 'sent', 'nonsense', 'delivered']) {
        const answer = await system.outside.status(providerMessageId ?? '', status);
        assert.deepEqual([answer.status, answer.body], [200, EMPTY]);
      }
      await system.untilDone();
      assert.equal((await system.messages(to, 'out'))[0]?.status, 'delivered');
    });

    testNeeding(needs, 'a status that comes before its message is kept for it', async (t) => {
      system.outside.reportsFirst = true;
      t.after(() => (system.outside.reportsFirst = false));
      await system.send('+4930000005', 'Here it is.');
      await system.untilSent('+4930000005', 'delivered');
    });

    testNeeding(needs, 'all events of a SendGrid request are followed', async () => {
      const to = 'ana@example.com';
      await system.send(to, 'A mail.');
      const { providerMessageId } = await system.untilSent(to, 'delivered');
      // Its first two are repeats, and clicks are not followed.
      const { status } = await system.outside.mailEvents(providerMessageId ?? '', [
        'processed',
        'delivered',
        'open',
        'click',
      ]);
      assert.equal(status, 200);
      if (mode === 'sync') assert.equal((await system.messages(to, 'out'))[0]?.status, 'read');
      await system.untilSent(to, 'read');
      await system.outside.mailEvents(providerMessageId ?? '', ['bounce']);
      await system.untilDone();
      assert.equal((await system.messages(to, 'out'))[0]?.status, 'read');
    });

    testNeeding(needs, 'a message that its provider refuses for a while is sent once', async () => {
      const { outside } = system;
      const before = outside.refused;
      outside.refuses = 2;
      await system.send('+4930000006', 'Patience.');
      await system.untilSent('+4930000006', 'delivered');
      assert.equal(outside.refused - before, 2);
      assert.equal(outside.handed.filter(({ to }) => to === '+4930000006').length, 1);
      assert.equal((await system.messages('+4930000006', 'out')).length, 1);
    });

    testNeeding(needs, 'a handler that fails loses nothing', async () => {
      const from = '+4930000007';
      await query(system.url, 'ALTER TABLE messaging.message RENAME TO message_away');
      const answer = await system.outside.text(from, 'Anybody there?', 'SM-failed');
      assert.deepEqual([answer.status, answer.body], [200, EMPTY]);
      await query(system.url, 'ALTER TABLE messaging.message_away RENAME TO message');
      await until(async () => (await system.messages(from, 'in')).length === 1);
      await system.untilSent(from, 'delivered');
      // The answer that came too late for the first request, from whichever process made it.
      isAnswer(await system.outside.text(from, 'Anybody there?', 'SM-failed'));
    });

    testNeeding(needs, 'what was not signed by Twilio is refused and leaves nothing', async () => {
      const forger = twilio({ secrets: 'a guess', publicUrl: 'http://127.0.0.1' });
      const form = { MessageSid: 'SM-forged', SmsStatus: 'received', From: '+4930000008', Body: 'Pay me' };
      const { status, body } = await system.outside.twilioForm(form, forger);
      assert.equal(status, 401);
      assert.match(body, /not_verified/);
      await system.untilDone();
      assert.equal(await system.conversation('sms', '+4930000008'), null);
    });

    testNeeding(needs, 'an AI that takes its time holds up nobody', async (t) => {
      const from = '+4930000009';
      const gate = Promise.withResolvers<void>();
      system.outside.thinking = () => gate.promise;
      t.after(() => (system.outside.thinking = () => Promise.resolve()));
      isAnswer(await system.outside.text(from, 'Why?'));
      await until(() => system.outside.asked.includes('Why?'));
      isAnswer(await system.outside.text('+4930000010', 'What?'));
      await system.send('+4930000011', 'Not by the AI.');
      await system.untilSent('+4930000011', 'delivered');
      assert.deepEqual(await system.messages(from, 'out'), []);
      gate.resolve();
      assert.equal((await system.untilSent(from, 'delivered')).text, 'You said: Why?');
    });

    testNeeding(needs, mode === 'sync' ? 'Redis stays empty' : 'the stream is used, and drained', async () => {
      await system.untilDone();
      if (mode === 'sync') {
        assert.equal(await system.redis.dbsize(), 0);
        return;
      }
      const streams = await system.redis.keys('{holdfast}:hints:*');
      assert.ok(streams.length > 0, (await system.redis.keys('*')).join(' '));
      let added = 0;
      for (const stream of streams) {
        await until(async () => (await system.redis.xlen(stream)) === 0);
        const info = (await system.redis.xinfo('STREAM', stream)) as (string | number)[];
        added += Number(info[info.indexOf('entries-added') + 1]);
      }
      assert.ok(added > 0);
    });

    // The last one: a hint that a worker pulled while the database was away lies in its stream until it is given again.
    testNeeding(
      needs,
      'a database that goes away under load and comes back loses nothing, and nothing is twice',
      async () => {
        const from = '+4930000012';
        const texts = Array.from({ length: 15 }, (_, index) => `text ${index}`);
        const sent = async (text: string): Promise<boolean> => {
          const { status } = await system.outside.text(from, text, `SM-${text}`);
          assert.ok(status === 200 || status === 503, `answered ${status}`);
          return status === 200;
        };
        const burst = Promise.all(texts.map(sent));
        process.kill(database.pid, 'SIGINT'); // a fast shutdown: it does not wait for its clients
        await database.stop();
        assert.equal(await sent('during'), false);
        const acknowledged = await burst;
        await database.start();
        await until(() => sent('during'));
        // What was acknowledged is not sent again. What was not may have been committed all the same.
        const again = texts.filter((_, index) => acknowledged[index] === false);
        assert.deepEqual(new Set(await Promise.all(again.map(sent))), new Set(again.length === 0 ? [] : [true]));
        await until(async () => (await system.messages(from, 'in')).length > texts.length);
        await until(async () => (await system.messages(from, 'out')).every(({ status }) => status === 'delivered'));
        await system.untilDone();
        const stored = (await system.messages(from, 'in')).map(({ text }) => text);
        assert.deepEqual(stored.toSorted(), [...texts, 'during'].toSorted());
        assert.equal((await system.messages(from, 'out')).length, stored.length);
      },
    );
  });
}
