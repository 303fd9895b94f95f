/** `holdfast listen`: a real gateway process, a real program that receives, and a restart in between. */
import assert from 'node:assert/strict';
import { createServer, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { eventually, linesOf, Place, type Program } from './cli-program.ts';

const CONFIG = `
import { defineConfig } from 'holdfast';
import { none } from 'holdfast/verify';
export default defineConfig({
  logLevel: 'error',
  sources: {
    shop: { verify: none(), type: 'body.type' },
    bank: { verify: none(), type: 'header.x-type' },
  },
});
`;

interface Received {
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** A program on the developer's machine. */
class Receiver {
  readonly received: Received[] = [];
  status = 200;
  /** Requests are answered when this resolves. */
  gate: Promise<void> = Promise.resolve();
  running = 0;
  runningMost = 0;
  readonly #server: Server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    this.runningMost = Math.max(this.runningMost, ++this.running);
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const { method = '', url = '', rawHeaders } = incoming;
      this.received.push({ method, url, rawHeaders, body: Buffer.concat(chunks) });
      void this.#answer(response);
    });
  });

  async #answer(response: ServerResponse): Promise<void> {
    await this.gate;
    this.running--;
    response.writeHead(this.status, { location: 'http://127.0.0.1:1/elsewhere' }).end('seen');
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hooks`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  bodies(): string[] {
    return this.received.map(({ body }) => body.toString());
  }
}

describe('listen', () => {
  const place = new Place();
  let gateway: Program;
  let receiver: Receiver;
  let target: string;
  let url: string;

  const start = async (): Promise<void> => {
    gateway = await place.start();
    const [stats] = await place.json<{ gateway: { url: string } }>('status');
    ({ url } = stats?.gateway ?? assert.fail('it does not run'));
  };
  const send = async (path: string, body: string, headers: Readonly<Record<string, string>> = {}): Promise<void> => {
    const answer = await fetch(`${url}${path}`, { method: 'POST', body, headers });
    assert.equal(answer.status, 200, await answer.text());
  };
  const has = (count: number) =>
    eventually(() => {
      assert.equal(receiver.received.length, count);
      return Promise.resolve();
    });
  /** Listens, and is through with its beginning. */
  const listening = async (...args: readonly string[]): Promise<Program> => {
    const program = place.spawn('listen', '--forward', target, ...args);
    await program.until(/Forwarding to/);
    return program;
  };

  before(async () => {
    place.write('holdfast.config.ts', CONFIG);
    await start();
  });
  beforeEach(async () => {
    receiver = new Receiver();
    target = await receiver.listen();
  });
  afterEach(() => receiver.close());
  after(() => place[Symbol.asyncDispose]());

  test('brings events as they came: method, query, headers in order and case, bytes', async () => {
    const program = await listening();
    const body = Buffer.from([0x7b, 0x00, 0xff, 0x22, 0x7d]);
    const headers = [
      'X-Type',
      'raw',
      'X-Twice',
      'a',
      'x-twice',
      'b',
      'Authorization',
      'Bearer s3cret',
      'Cookie',
      'c=1',
    ];
    await new Promise<void>((resolve, reject) => {
      const flat = ['Host', 'example.test', ...headers, 'Content-Length', String(body.length)];
      const sent = request(`${url}/in/bank?a=1&b=%20`, { method: 'POST', headers: flat }, (answer) => {
        answer.resume().on('end', resolve);
      });
      sent.on('error', reject).end(body);
    });
    await program.until(/200 in .* bank raw evt_/);
    const [got] = receiver.received;
    assert.deepEqual([got?.method, got?.url, got?.body], ['POST', '/hooks?a=1&b=%20', body]);
    const names = got?.rawHeaders.filter((_, index) => index % 2 === 0) ?? [];
    assert.deepEqual(
      names.filter((name) => /^x-t/i.test(name)),
      ['X-Type', 'X-Twice', 'x-twice'],
    );
    assert.doesNotMatch(JSON.stringify(got?.rawHeaders), /s3cret|c=1|redacted|authorization|cookie|example\.test/i);
    assert.match(got?.rawHeaders[names.indexOf('x-holdfast-event') * 2 + 1] ?? '', /^evt_/);
    assert.equal(await program.signal('SIGINT'), 0);
  });

  test('brings what it was asked for only, and says what became of it', async () => {
    receiver.status = 302;
    const program = await listening('--source', 'shop', '--type', 'order.*', '--type', 'exact', '--json');
    await send('/in/bank', '{"type":"order.x"}', { 'x-type': 'order.x' });
    for (const type of ['other', 'order.paid', 'exactly', 'exact']) await send('/in/shop', JSON.stringify({ type }));
    await program.until(/"type":"exact"/);
    const told = linesOf(program.stdout).map(
      (line) => JSON.parse(line) as { type: string; status: number; durationMs: number },
    );
    assert.deepEqual(
      told.map(({ type, status }) => [type, status]),
      [
        ['order.paid', 302],
        ['exact', 302],
      ],
    );
    assert.ok(told.every(({ durationMs }) => durationMs >= 0));
    assert.deepEqual(receiver.bodies(), ['{"type":"order.paid"}', '{"type":"exact"}']);
    assert.equal(await program.signal('SIGTERM'), 0);
  });

  test('brings the newest first that were there before, the oldest of them first', async () => {
    for (const n of [1, 2, 3, 4]) await send('/in/shop', `{"type":"old","n":${n}}`);
    await send('/in/shop', '{"type":"between"}');
    const program = await listening('--type', 'old', '--last', '3');
    await has(3);
    await send('/in/shop', '{"type":"old","n":5}');
    await has(4);
    assert.deepEqual(
      receiver.bodies().map((body) => (JSON.parse(body) as { n: number }).n),
      [2, 3, 4, 5],
    );
    await program.signal('SIGINT');
  });

  test('goes on after a restart of the gateway, elsewhere, and brings what was accepted meanwhile: each once', async () => {
    const program = await listening('--type', 'order');
    const order = (n: number): Promise<void> => send('/in/shop', `{"type":"order","n":${n}}`);
    await order(1);
    await has(1);
    // The receiver hangs while the gateway goes: what waits then was not fetched yet.
    const { promise, resolve: answer } = Promise.withResolvers<void>();
    receiver.gate = promise;
    for (const n of [2, 3, 4]) await order(n);
    await has(2);
    await gateway.signal('SIGKILL');
    await program.until(/The gateway went away/);
    await start();
    for (const n of [5, 6]) await order(n);
    answer();
    await has(6);
    await order(7);
    await has(7);
    assert.match(program.stderr, /The gateway is back/);
    const seen = receiver.bodies().map((body) => (JSON.parse(body) as { n: number }).n);
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7]);
    await program.signal('SIGINT');
  });

  test('never has more requests running than it was told', async () => {
    const { promise, resolve: answer } = Promise.withResolvers<void>();
    receiver.gate = promise;
    const program = await listening('--concurrency', '3');
    for (let n = 0; n < 8; n++) await send('/in/shop', `{"type":"many","n":${n}}`);
    await has(3);
    answer();
    await has(8);
    assert.equal(receiver.runningMost, 3);
    await program.signal('SIGINT');
  });

  test('says when nothing listens, or nothing answers, and goes on', async () => {
    receiver.close();
    const program = await listening('--timeout', '300ms');
    await send('/in/shop', '{"type":"lost"}');
    await program.until(/nothing listens there/);
    await program.signal('SIGINT');
    const silent = new Receiver();
    silent.gate = new Promise(() => undefined);
    target = await silent.listen();
    const other = await listening('--timeout', '300ms');
    await send('/in/shop', '{"type":"late"}');
    await other.until(/no answer in time/);
    await other.signal('SIGINT');
    silent.close();
  });

  test('sends to this machine only, unless it was said otherwise', async () => {
    for (const elsewhere of ['http://192.0.2.1/hooks', 'http://[2001:db8::1]/', 'http://0.0.0.0:3000/']) {
      const { code, stderr } = await place.run('listen', '--forward', elsewhere);
      assert.equal(code, 2, elsewhere);
      assert.match(stderr, /is not this machine\. With --allow-remote/);
    }
    const program = place.spawn('listen', '--forward', 'http://192.0.2.1/hooks', '--allow-remote');
    await program.until(/Forwarding to/);
    await program.signal('SIGINT');
    target = target.replace('127.0.0.1', 'localhost');
    const local = await listening();
    await send('/in/shop', '{"type":"by name"}');
    await has(1);
    await local.signal('SIGINT');
  });

  test('needs a token that may read, and ends when it is revoked', async () => {
    const token = async (...scope: readonly string[]): Promise<{ id: string; token: string }> =>
      (await place.json<{ id: string; token: string }>('tokens', 'create', 'dev', '--scope', ...scope))[0] ??
      assert.fail();
    const emitter = await token('emit');
    assert.equal((await place.run('listen', '--forward', target, '--token', emitter.token)).code, 4);
    assert.equal((await place.run('listen', '--forward', target, '--token', 'wrong')).code, 4);
    const reader = await token('read', '--tenant', 'acme');
    const program = await listening(url, '--token', reader.token);
    const [admin] = await place.json<{ token: string }>('tokens', 'create', 'app', '--scope', 'emit');
    for (const tenant of ['globex', 'acme']) {
      const headers = { authorization: `Bearer ${admin?.token}`, 'content-type': 'application/json' };
      await send('/api/events', JSON.stringify({ type: 'mine', data: tenant, tenant }), headers);
    }
    await has(1);
    assert.deepEqual([receiver.bodies(), receiver.received[0]?.method], [['"acme"'], 'POST']);
    await place.run('tokens', 'revoke', reader.id);
    const headers = { authorization: `Bearer ${admin?.token}`, 'content-type': 'application/json' };
    await send('/api/events', JSON.stringify({ type: 'mine', data: 2, tenant: 'acme' }), headers);
    assert.equal(await program.exit, 4);
    await has(1);
  });

  test('needs a gateway, and a target', async () => {
    assert.equal((await place.run('listen', 'http://127.0.0.1:9', '--forward', target)).code, 3);
    for (const args of [
      [],
      ['--forward', 'localhost:3000'],
      ['--forward', target, '--concurrency', '0'],
      ['--forward', target, '--timeout', '0s'],
    ])
      assert.equal((await place.run('listen', ...args)).code, 2, args.join(' '));
  });
});
