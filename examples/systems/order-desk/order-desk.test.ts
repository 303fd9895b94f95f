/** The order desk as it runs: its own process, over sockets. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createInterface } from 'node:readline';
import { buffer } from 'node:stream/consumers';
import { after, before, describe, test, type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { LoadReport } from 'holdfast/testing';
import { WebSocket } from 'ws';
import {
  type Burst,
  type Desk,
  drained,
  lineOf,
  orderMessage,
  sendBurst,
  sendBurstTo,
  sendOnly,
  statsOf,
} from './load.ts';

const WEBHOOKS = '/api/v2/webhooks';
const TOKEN = 'token-of-the-bot/1';
const PASSWORD = 'pass:word';
const AUTHORIZED = { authorization: `Basic ${Buffer.from(`anybody:${PASSWORD}`).toString('base64')}` };

interface Told {
  readonly id: number;
  readonly number: string;
  readonly product: string;
}

/** A desk in a process and a directory of its own. */
class RunningDesk implements Desk {
  readonly token = TOKEN;
  readonly password = PASSWORD;
  readonly directory = mkdtempSync(join(tmpdir(), 'order-desk-'));
  origin = '';
  #child: ChildProcess | null = null;

  async start(): Promise<this> {
    const env = { DATA_DIRECTORY: this.directory, ORDER_BOT_TOKENS: `old,${TOKEN}`, DESK_PASSWORD: PASSWORD };
    const child = spawn(process.execPath, ['--conditions=holdfast-source', join(import.meta.dirname, 'main.ts')], {
      env: { ...process.env, ...env, PORT: '0', RETRY_BASE: '100ms', HOLDFAST_LOG_LEVEL: 'warn' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    for await (const line of createInterface({ input: child.stdout })) {
      this.origin = /^order desk: (http:\S+)\/$/.exec(line)?.[1] ?? '';
      if (this.origin !== '') return this;
    }
    throw new Error('The desk did not start.');
  }

  /** Resolves with the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    if (child === null || child.exitCode !== null) return child?.exitCode ?? null;
    const ended = once(child, 'exit') as Promise<[number | null]>;
    child.kill(signal);
    return (await ended)[0];
  }

  async remove(): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }

  post(body: string, { path = '', headers = {} }: { path?: string; headers?: Record<string, string> } = {}) {
    const type = { 'content-type': 'application/json' };
    const token = path === '' && headers['x-webhook-token'] === undefined ? { 'x-webhook-token': TOKEN } : {};
    const init = { method: 'POST', headers: { ...type, ...token, ...headers }, body };
    return fetch(`${this.origin}${WEBHOOKS}/orders${path}`, init);
  }

  async ask<Answer = Record<string, unknown>>(path: string, init: RequestInit = {}): Promise<Answer> {
    const answer = await fetch(`${this.origin}${path}`, { ...init, headers: AUTHORIZED });
    assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.clone().text()}`);
    return (await answer.json()) as Answer;
  }

  stats(): Promise<Record<string, unknown>> {
    return statsOf(this);
  }

  /** The desk's table, in a connection of the test's own. */
  table(): DatabaseSync {
    return new DatabaseSync(join(this.directory, 'orders.db'), { timeout: 5000 });
  }

  numbers(): string[] {
    const table = this.table();
    const rows = table.prepare('SELECT number FROM orders').all();
    table.close();
    return rows.map(({ number }) => String(number));
  }

  /** Keeps everybody else from writing to the table until it is disposed of. */
  lock(): Disposable {
    const table = this.table();
    table.exec('BEGIN IMMEDIATE');
    return { [Symbol.dispose]: () => table.close() };
  }

  watch(afterId = 0): Browser {
    return new Browser(`${this.origin.replace('http', 'ws')}${WEBHOOKS}/live?after=${afterId}`);
  }
}

/** What a page does with its socket. */
class Browser {
  readonly orders: Told[] = [];
  readonly #socket: WebSocket;

  constructor(url: string) {
    this.#socket = new WebSocket(url, { headers: AUTHORIZED });
    this.#socket.on('message', (data: Buffer) => this.orders.push(...(JSON.parse(data.toString()) as Told[])));
  }

  /** Resolves when it was told of an order with this number. */
  async told(number: string): Promise<Told> {
    for (;;) {
      const order = this.orders.find((one) => one.number === number);
      if (order !== undefined) return order;
      await once(this.#socket, 'message');
    }
  }

  close(): void {
    this.#socket.terminate();
  }
}

async function eventually(look: () => Promise<boolean>): Promise<void> {
  while (!(await look())) await wait(20);
}

/** Asks for an upgrade without a password, and resolves when the connection has ended. */
async function upgraded(origin: string, target: string, reset: boolean): Promise<void> {
  const { hostname, port } = new URL(origin);
  const socket = connect(Number(port), hostname).on('error', () => undefined);
  const head = ['Host: desk', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
  socket.write(`GET ${target} HTTP/1.1\r\n${head.join('\r\n')}\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\n\r\n`);
  if (reset) socket.resetAndDestroy();
  else socket.resume();
  await once(socket, 'close');
}

/** A message about one order, as text of label and value lines. */
function described(number: string, more: Readonly<Record<string, string>> = {}): string {
  const facts = { Product: 'Shoe', Price: '$10', 'Order Number': number, ...more };
  const description = Object.entries(facts).flatMap(([label, value]) => [`**${label}**`, value]);
  return JSON.stringify({ embeds: [{ author: { name: 'Shop' }, description: description.join('\n') }] });
}

describe('order desk', () => {
  let desk: RunningDesk;
  before(async () => void (desk = await new RunningDesk().start()));
  after(() => desk.remove());

  test('takes both shapes, with the token in header or path, once each, and tells browsers', async () => {
    const browser = desk.watch();
    const [lines, fields] = [orderMessage(0, 'both'), orderMessage(1, 'both')];
    const inPath = { path: `/${encodeURIComponent(TOKEN)}` };
    const answers = [
      await desk.post(lines),
      await desk.post(fields, inPath),
      await desk.post(lines, inPath),
      await desk.post(fields, { headers: { 'x-webhook-token': 'old' } }),
    ];
    assert.deepEqual(
      answers.map(({ status }) => status),
      [204, 204, 204, 204],
    );
    const [first, second] = [await browser.told('both-0'), await browser.told('both-1')];
    const { id: _, receivedAt: _at, ...order } = second as Told & { receivedAt: string };
    assert.deepEqual(order, {
      number: 'both-1',
      product: 'Running Shoe',
      price: '$21.99',
      email: 'buyer1@example.com',
      store: 'Example Shop US',
    });
    assert.equal(first.product, 'Trading Card Box (Sealed)');
    assert.equal(desk.numbers().filter((number) => number.startsWith('both')).length, 2);
    browser.close();

    // What came while it was away.
    await desk.post(described('away-1'));
    const back = desk.watch(Math.max(first.id, second.id));
    await back.told('away-1');
    assert.deepEqual(
      back.orders.map(({ number }) => number),
      ['away-1'],
    );
    back.close();
  });

  const samples = new URL('../../../../shared/payloads/', import.meta.url);
  const skip = existsSync(samples) ? false : 'the payload samples are not here: they do not come with a clone';
  test('takes the sample messages; what was declined is no order', { skip }, async () => {
    const names = readdirSync(samples).filter((name) => name.startsWith('discord.embed.'));
    for (const name of names) assert.equal((await desk.post(readFileSync(new URL(name, samples), 'utf8'))).status, 204);
    await eventually(async () => (await desk.stats())['queue_size'] === 0);
    assert.equal(desk.numbers().filter((number) => number === '1020047788123').length, names.length);
  });

  test('refuses who has no token or sends too much, and its log says so without the token', async () => {
    const wrong = { headers: { 'x-webhook-token': 'guessed-1' } };
    assert.equal((await desk.post(described('no'), wrong)).status, 401);
    assert.equal((await desk.post(described('no'), { path: '/guessed-2' })).status, 401);
    assert.equal((await desk.post(described('no'), { path: '/' })).status, 401);
    assert.equal((await desk.post('x'.repeat(300_000))).status, 413);
    assert.equal((await fetch(`${desk.origin}${WEBHOOKS}/orders`)).status, 405);
    await eventually(async () => {
      const { refused } = await desk.ask<{ refused: { reason: string }[] }>(`${WEBHOOKS}/logs`);
      return refused.length === 3 && refused.every(({ reason }) => /^(token_mismatch|parameter_missing)$/.test(reason));
    });
    const log = JSON.stringify(await desk.ask(`${WEBHOOKS}/logs?limit=200`));
    assert.doesNotMatch(log, /guessed|token-of-the-bot/);
    assert.match(log, /"accepted":\[\{.*"state":"succeeded"/);
    assert.equal(desk.numbers().includes('no'), false);
  });

  test('tries what fails three times more, keeps it as a dead letter, and tries it again when asked', async () => {
    const table = desk.table();
    table.exec(`CREATE TRIGGER poison BEFORE INSERT ON orders WHEN new.product = 'poison'
                BEGIN SELECT RAISE(ABORT, 'the table does not take it'); END`);
    // In one batch, or not: the neighbour of a bad one is taken.
    await Promise.all([desk.post(described('bad', { Product: 'poison' })), desk.post(described('good'))]);
    await eventually(async () => (await desk.stats())['dead_letter_queue_size'] === 1);
    assert.equal(desk.numbers().includes('good'), true);
    const path = `${WEBHOOKS}/queue/dead-letters`;
    const { rows } = await desk.ask<{ rows: { attempts: number; reason: string; lastError: string }[] }>(path);
    assert.deepEqual([rows[0]?.attempts, rows[0]?.reason], [4, 'exhausted']);
    assert.match(rows[0]?.lastError ?? '', /the table does not take it/);
    table.exec('DROP TRIGGER poison');
    table.close();
    const { planned } = await desk.ask(`${WEBHOOKS}/queue/retry-failed`, { method: 'POST' });
    assert.equal(planned, 1);
    await eventually(async () => desk.numbers().includes('bad'));
    await eventually(async () => (await desk.stats())['dead_letter_queue_size'] === 0);
  });

  test('keeps what is no order it can read as a dead letter that says why', async () => {
    const bad: Readonly<Record<string, string>> = {
      '{"embeds":': 'body',
      '[]': 'body',
      '{"embeds":[{"fields":"none"}]}': 'fields',
      [described('n-1', { Price: 'free' })]: 'Order n-1 has a price without a number',
      [described('n-2', { Email: 'nobody' })]: 'Order n-2 has an email that is none',
      [described('', { Product: 'Hat' })]: 'Order of Hat has no order number',
    };
    for (const body of Object.keys(bad)) assert.equal((await desk.post(body)).status, 204, body);
    assert.equal((await desk.post('{"content":"test"}')).status, 204); // no order, and nothing wrong with it
    await eventually(async () => (await desk.stats())['queue_size'] === 0);
    const { rows } = await desk.ask<{ rows: { note: string; reason: string }[] }>(`${WEBHOOKS}/queue/dead-letters`);
    assert.deepEqual(
      rows.map(({ reason }) => reason),
      Object.keys(bad).map(() => 'rejected'),
    );
    const notes = rows.map(({ note }) => note).join('\n');
    for (const why of Object.values(bad)) assert.ok(notes.includes(why), `${why}\n${notes}`);
  });

  test('stands whatever is sent to it', async () => {
    const nested = `{"embeds":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    assert.equal((await desk.post(nested)).status, 204);
    assert.equal((await desk.post(described('odd-1', { Product: '<img src=x onerror=alert(1)>' }))).status, 204);
    assert.equal((await desk.post(described('odd-2', { Product: 'a\\u0000b \ud800 c' }))).status, 204);
    assert.equal((await desk.post(`{"content":"${'x'.repeat(7000)}"}`)).status, 204);
    assert.equal((await fetch(`${desk.origin}${WEBHOOKS}/logs?limit=many`, { headers: AUTHORIZED })).status, 400);
    // Upgrades that nobody asked for, some of them cut off at once.
    for (const target of ['//', '/%', 'http://', `${WEBHOOKS}/live?after=%`, WEBHOOKS, `${WEBHOOKS}/orders`]) {
      for (const reset of [false, true]) await upgraded(desk.origin, target, reset);
    }
    const browser = desk.watch();
    const { product } = await browser.told('odd-1');
    assert.equal(product, '<img src=x onerror=alert(1)>'); // as text: the page makes no markup of it
    await browser.told('odd-2');
    browser.close();
    await eventually(async () => (await desk.stats())['queue_size'] === 0);
  });

  test('shows orders only to whoever has the password, and to no page of another site', async () => {
    const { origin } = desk;
    for (const path of ['/', `${WEBHOOKS}/queue/stats`, `${WEBHOOKS}/logs`, '/nothing']) {
      assert.equal((await fetch(`${origin}${path}`)).status, 401, path);
    }
    const foreign = { ...AUTHORIZED, origin: 'https://elsewhere.example' };
    const retry = await fetch(`${origin}${WEBHOOKS}/queue/retry-failed`, { method: 'POST', headers: foreign });
    assert.equal(retry.status, 401);
    const page = await fetch(`${origin}/`, { headers: AUTHORIZED });
    const [cookie = ''] = (page.headers.get('set-cookie') ?? '').split(';');
    const [, nonce = ''] = /script-src 'nonce-([^']+)'/.exec(page.headers.get('content-security-policy') ?? '') ?? [];
    const html = await page.text();
    assert.ok(nonce.length > 20 && html.includes(`<script nonce="${nonce}">`), html);
    assert.doesNotMatch(html, /innerHTML|NONCE/);
    for (const [headers, opens] of [
      [{ cookie, origin }, true],
      [{ origin }, false],
      [{ cookie, origin: 'https://elsewhere.example' }, false],
      [{ cookie: `${cookie}x`, origin }, false],
    ] as const) {
      const socket = new WebSocket(`${origin.replace('http', 'ws')}${WEBHOOKS}/live`, { headers });
      const opened = await Promise.race([
        once(socket, 'open').then(() => true),
        once(socket, 'unexpected-response').then(() => false),
      ]);
      assert.equal(opened, opens, JSON.stringify(headers));
      socket.terminate();
    }
  });
});

/**
 * What the machine takes by itself to answer durably: a server that writes what it reads to a file, flushes it, together
 * with what came meanwhile, and does nothing else.
 */
async function bareServer(t: TestContext, directory: string): Promise<string> {
  const file = await open(join(directory, 'bare.log'), 'a');
  let waiting: { readonly body: Buffer; readonly response: ServerResponse }[] = [];
  let flushing = false;
  const flush = async (): Promise<void> => {
    flushing = true;
    while (waiting.length > 0) {
      const taken = waiting;
      waiting = [];
      await file.write(Buffer.concat(taken.map(({ body }) => body)));
      await file.datasync();
      for (const { response } of taken) response.writeHead(204).end();
    }
    flushing = false;
  };
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    waiting.push({ body: await buffer(request), response });
    if (!flushing) await flush();
  };
  const server = createServer((request, response) => void take(request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await file.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** The limit for 99 of 100 acknowledgements, and what the bare server may take of it on a machine that can tell. */
const ACK_MS = 100;
const BARE_MS = 30;
const TRIES = 4;

describe('bursts', () => {
  let desk: RunningDesk;
  before(async () => {
    desk = await new RunningDesk().start();
    await sendBurst(desk, { name: 'warm', count: 200, overMs: 1000 }, 'warm'); // as a desk is that has run for a while
  });
  after(() => desk.remove());

  const STATS =
    'status queue_size queue_size_peak total_received total_processed total_failed dead_letter_queue_size ' +
    'workers_running workers_total avg_processing_time_ms is_running success_rate';

  for (const burst of [
    { name: '100 at once', count: 100, overMs: 0 },
    { name: '30 in 1 s', count: 30, overMs: 1000 },
  ] satisfies Burst[]) {
    test(`${burst.name}: each acknowledged in under 100 ms at p99, and all processed`, async (t) => {
      const bare = await bareServer(t, desk.directory);
      const p99Of = (report: LoadReport): number => report.latencyMs?.p99 ?? Infinity;
      // A machine that is busy elsewhere says nothing of the desk: tries count in which the bare server was quick
      // before and after. One of them has to hold the limit.
      const fair: number[] = [];
      for (let attempt = 1; attempt <= TRIES && !fair.some((p99) => p99 < ACK_MS); attempt++) {
        const before = await desk.stats();
        const bareBefore = await sendBurstTo(bare, burst);
        const report = await sendBurst(desk, burst, `${burst.count}-${attempt}`);
        const bareAfter = await sendBurstTo(bare, burst);
        for (const [name, one] of Object.entries({ bareBefore, report, bareAfter })) t.diagnostic(lineOf(name, one));
        assert.deepEqual(report.statuses, { 204: burst.count });
        const stats = await desk.stats();
        assert.equal(Object.keys(stats).join(' '), STATS);
        assert.equal(stats['total_processed'], Number(before['total_processed']) + burst.count);
        assert.deepEqual([stats['total_failed'], stats['success_rate'], stats['is_running']], [0, 100, true]);
        if (Math.max(p99Of(bareBefore), p99Of(bareAfter)) <= BARE_MS || p99Of(report) < ACK_MS)
          fair.push(p99Of(report));
      }
      if (fair.length === 0) return t.skip(`this machine is too busy to tell: a bare server took over ${BARE_MS} ms`);
      assert.ok(Math.min(...fair) < ACK_MS, `p99 ${fair.join(', ')} ms`);
    });
  }

  test('more than ten thousand wait while the table is locked, nothing is lost, and workers are added', async (t) => {
    const count = 10_050;
    const before = await desk.stats();
    const lock = desk.lock();
    const flood = { name: 'flood', count, overMs: 0 };
    const report = await sendOnly(desk, flood, 'flood');
    assert.deepEqual(report.statuses, { 204: count });
    const locked = await desk.stats();
    assert.ok(Number(locked['queue_size']) > 10_000, JSON.stringify(locked));
    lock[Symbol.dispose]();
    const drainMs = await drained(desk);
    const stats = await desk.stats();
    t.diagnostic(lineOf(`flood, peak ${String(stats['queue_size_peak'])}`, { ...report, drainMs }));
    assert.equal(stats['queue_size_peak'], count);
    assert.equal(stats['total_processed'], Number(before['total_processed']) + count);
    assert.ok(Number(stats['workers_total']) > 1);
    assert.equal(new Set(desk.numbers().filter((number) => number.startsWith('flood'))).size, count);
  });

  test('SIGTERM in the middle finishes what was taken', async () => {
    const lock = desk.lock();
    const sent = Array.from({ length: 300 }, (_, index) => desk.post(described(`term-${index}`)));
    await Promise.race(sent);
    const stopped = desk.stop();
    const answers = await Promise.allSettled(sent);
    lock[Symbol.dispose]();
    assert.equal(await stopped, 0);
    const taken = answers.flatMap((answer, index) =>
      answer.status === 'fulfilled' && answer.value.status === 204 ? [`term-${index}`] : [],
    );
    const numbers = new Set(desk.numbers());
    assert.ok(taken.length > 0);
    assert.deepEqual(
      taken.filter((number) => !numbers.has(number)),
      [],
    );
  });
});
