/** What an endpoint may do to a sender, over raw sockets: each has one result, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import type { Clock } from '../src/core/clock.ts';
import type { EgressCode } from '../src/deliver/egress/codes.ts';
import { checkTarget } from '../src/deliver/endpoint/check.ts';
import type { EndpointTarget } from '../src/deliver/endpoint/target.ts';
import { storedEvent } from '../src/deliver/fixtures/attempt.ts';
import { systemClock } from '../src/gateway/clock.ts';
import {
  answering,
  bytesInUse,
  type Behaviour,
  deliver,
  loopbackEgress,
  OK,
  openDescriptors,
  Receiver,
} from './endpoint-world.ts';

interface Case {
  readonly does: string;
  readonly behave: Behaviour;
  /** `code` of the exchange; `null` with success. */
  readonly code: EgressCode | null;
  readonly status?: number;
  /** Default: `succeeded` where there is no code, else `failed`. */
  readonly kind?: 'succeeded' | 'failed' | 'timeout' | 'rejected';
  readonly target?: Partial<EndpointTarget>;
  readonly timeoutMs?: number;
  /** Whether the connection may be used again. Default `false`. */
  readonly kept?: boolean;
}

const closing =
  (text: string): Behaviour =>
  (socket) =>
    socket.end(text, 'latin1');
const resetting =
  (text: string): Behaviour =>
  (socket) =>
    // What was written must have arrived before the reset throws it away.
    text === ''
      ? socket.resetAndDestroy()
      : socket.write(text, 'latin1', () => setImmediate(() => socket.resetAndDestroy()));

/** Writes until the other side has had enough. */
function flood(socket: Socket, piece: string | Buffer): void {
  const more = (): void => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', more);
  more();
}

/** One byte at a time, each in a packet of its own. */
function drip(socket: Socket, text: string): void {
  let at = 0;
  const next = (): void => {
    if (socket.destroyed || at >= text.length) return;
    socket.write(text.charAt(at++), 'latin1', () => setTimeout(next, 5));
  };
  next();
}

const big = Buffer.alloc(64 * 1024, 'x');
const manyHeaders = Array.from({ length: 100_000 }, (_, index) => `h${index}: v\r\n`).join('');
const status = (line: string, headers = ''): Behaviour =>
  answering(`HTTP/1.1 ${line}\r\n${headers}Content-Length: 0\r\n\r\n`);

const cases: readonly Case[] = [
  // Success.
  { does: 'answers 200', behave: answering(OK), code: null, status: 200, kept: true },
  { does: 'answers 204', behave: answering('HTTP/1.1 204 No Content\r\n\r\n'), code: null, status: 204, kept: true },
  {
    does: 'answers 202 in chunks',
    behave: answering('HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'),
    code: null,
    status: 202,
    kept: true,
  },
  {
    does: 'answers as HTTP/1.0, until it closes',
    behave: closing('HTTP/1.0 200 OK\r\n\r\nok'),
    code: null,
    status: 200,
  },
  {
    does: 'says that it closes, and does',
    behave: closing('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'),
    code: null,
    status: 200,
  },
  {
    does: 'sends hints before its answer',
    behave: answering(`HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${OK}`),
    code: null,
    status: 200,
    kept: true,
  },
  { does: 'drips its answer', behave: (socket) => drip(socket, OK), code: null, status: 200, kept: true },
  {
    does: 'splits its answer in the middle of the head',
    behave: (socket) => void socket.write(OK.slice(0, 20), () => setImmediate(() => socket.write(OK.slice(20)))),
    code: null,
    status: 200,
    kept: true,
  },

  // A whole head that says success is success, whatever becomes of the body.
  {
    does: 'answers 200 and resets in the body',
    behave: resetting('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok'),
    code: 'connect_reset',
    kind: 'succeeded',
    status: 200,
  },
  {
    does: 'answers 200 and closes in the body',
    behave: closing('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok'),
    code: 'connect_reset',
    kind: 'succeeded',
    status: 200,
  },
  {
    does: 'answers 200 and never ends its body',
    behave: answering('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok'),
    code: 'timeout',
    kind: 'succeeded',
    status: 200,
    timeoutMs: 300,
  },
  {
    does: 'answers 200 and drips its body for ever',
    behave: (socket) =>
      void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n', () => drip(socket, 'x'.repeat(9999))),
    code: 'timeout',
    kind: 'succeeded',
    status: 200,
    timeoutMs: 300,
  },
  {
    does: 'answers 200 with a body without end',
    behave: (socket) => void socket.write('HTTP/1.1 200 OK\r\n\r\n', () => flood(socket, big)),
    code: 'response_too_large',
    kind: 'succeeded',
    status: 200,
  },
  {
    does: 'answers 200 and announces 10 GB',
    behave: (socket) =>
      void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n', () => flood(socket, big)),
    code: 'response_too_large',
    kind: 'succeeded',
    status: 200,
  },
  {
    does: 'answers 200 with bad chunks',
    behave: answering('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'),
    code: 'response_invalid',
    kind: 'succeeded',
    status: 200,
  },
  {
    does: 'answers 200 with more than it announced',
    behave: answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more'),
    code: null,
    status: 200,
  },
  { does: 'answers 200 twice', behave: answering(OK + OK), code: null, status: 200 },

  // Nothing, or nothing whole.
  { does: 'never answers', behave: () => undefined, code: 'timeout', kind: 'timeout', timeoutMs: 200 },
  {
    does: 'drips its head for ever',
    behave: (socket) => drip(socket, `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(5000)}`),
    code: 'timeout',
    kind: 'timeout',
    timeoutMs: 300,
  },
  { does: 'closes without an answer', behave: closing(''), code: 'connect_reset' },
  { does: 'resets without an answer', behave: resetting(''), code: 'connect_reset' },
  { does: 'closes in the status line', behave: closing('HTTP/1.1 20'), code: 'connect_reset' },
  { does: 'resets in the status line', behave: resetting('HTTP/1.1 20'), code: 'connect_reset' },
  { does: 'resets after the status line', behave: resetting('HTTP/1.1 200 OK\r\n'), code: 'connect_reset' },
  { does: 'closes in the headers', behave: closing('HTTP/1.1 200 OK\r\nX-A: 1\r\n'), code: 'connect_reset' },
  {
    does: 'sends hints without end',
    behave: (socket) => flood(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)),
    code: 'response_invalid',
  },
  {
    does: 'asks to continue what is sent already',
    behave: answering(`HTTP/1.1 100 Continue\r\n\r\n${OK}`),
    code: 'connect_reset',
  },
  {
    does: 'switches protocols',
    behave: answering('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
    code: 'connect_reset',
  },
  {
    does: 'sends 100,000 headers',
    behave: answering(`HTTP/1.1 200 OK\r\n${manyHeaders}\r\n`),
    code: 'response_too_large',
  },
  {
    does: 'sends a header of 1 MB',
    behave: answering(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(1_000_000)}\r\n\r\n`),
    code: 'response_too_large',
  },
  { does: 'speaks something else', behave: answering('SSH-2.0-OpenSSH_9.2p1\r\n'), code: 'response_invalid' },
  { does: 'sends a status of two digits', behave: answering('HTTP/1.1 20 OK\r\n\r\n'), code: 'response_invalid' },
  { does: 'sends a version that is none', behave: answering('HTTP/9.9 200 OK\r\n\r\n'), code: 'response_invalid' },
  {
    does: 'sends two lengths',
    behave: answering('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok'),
    code: 'response_invalid',
  },
  {
    does: 'sends a length that is none',
    behave: answering('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'),
    code: 'response_invalid',
  },
  {
    does: 'sends a NUL in a header',
    behave: answering('HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n'),
    code: 'response_invalid',
  },

  // Statuses.
  ...[300, 301, 302, 303, 304, 307, 308].map((code) => ({
    does: `answers ${code} with a place inside`,
    behave: status(`${code} Moved`, 'Location: http://169.254.169.254/\r\n'),
    code: 'status' as const,
    status: code,
    kept: true,
  })),
  ...[400, 401, 403, 404, 409, 418, 429, 500, 502, 503, 504, 599].map((code) => ({
    does: `answers ${code}`,
    behave: status(`${code} No`),
    code: 'status' as const,
    status: code,
    kept: true,
  })),
  { does: 'answers 410', behave: status('410 Gone'), code: 'status', kind: 'rejected', status: 410, kept: true },
  {
    does: 'answers 500 and never ends its body',
    behave: answering('HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nok'),
    code: 'status',
    status: 500,
    timeoutMs: 300,
  },
  {
    does: 'answers 400, which is final here',
    behave: status('400 Bad'),
    code: 'status',
    kind: 'rejected',
    status: 400,
    kept: true,
    target: { statusRules: { fail: ['4xx'] } },
  },
  {
    does: 'answers 409, which is success here',
    behave: status('409 Conflict'),
    code: null,
    status: 409,
    kept: true,
    target: { statusRules: { success: ['409'], fail: ['400-499'] } },
  },
  {
    does: 'answers 410, which is another attempt here',
    behave: status('410 Gone'),
    code: 'status',
    status: 410,
    kept: true,
    target: { statusRules: { retry: ['410'] } },
  },
  {
    does: 'answers 202, which is another attempt here',
    behave: status('202 Accepted'),
    code: 'status',
    status: 202,
    kept: true,
    target: { statusRules: { retry: ['202'] } },
  },
];

describe('a receiver that', () => {
  const egress = loopbackEgress();
  after(() => egress.close());

  for (const { does, behave, code, status: expected = null, target = {}, timeoutMs = 30_000, ...rest } of cases) {
    const kind = rest.kind ?? (code === null ? 'succeeded' : 'failed');
    test(`${does}: ${kind}${code === null ? '' : `, ${code}`}`, async () => {
      await using receiver = await Receiver.start(behave);
      const { result, exchange, gone } = await deliver({ egress, target: { url: receiver.url, ...target }, timeoutMs });
      assert.equal(result.kind, kind);
      assert.equal(exchange?.code, code);
      assert.equal(exchange?.response?.status ?? null, expected);
      assert.equal(receiver.heads.length, 1);
      assert.equal(receiver.bodies[0]?.toString(), '{"a":1}');
      assert.equal(exchange?.remoteAddress, `127.0.0.1:${receiver.port}`);
      if (result.kind === 'failed') {
        assert.equal(result.error.split(':')[0], code);
        assert.equal(result.status, expected);
        assert.equal(result.delayMs, null);
      }
      assert.deepEqual(
        gone,
        kind === 'rejected' && expected === 410 ? [`billing: 127.0.0.1:${receiver.port} answered 410 Gone`] : [],
      );
      await turn();
      // What came too much is noticed a moment later.
      const wanted = rest.kept === true ? 1 : 0;
      for (let turns = 0; turns < 1000 && egress.counts.sockets !== wanted; turns++) await turn();
      assert.equal(egress.counts.sockets, wanted, 'sockets that are kept');
    });
  }
});

describe('what receivers leave behind', () => {
  test('no descriptor and no memory, however they end', async () => {
    const egress = loopbackEgress();
    const round = async (): Promise<void> => {
      for (const { behave, timeoutMs = 2000 } of cases) {
        await using receiver = await Receiver.start(behave);
        await deliver({ egress, target: { url: receiver.url }, timeoutMs: Math.min(timeoutMs, 500) });
      }
    };
    await round();
    const before = openDescriptors();
    const bytes = bytesInUse();
    for (let rounds = 0; rounds < 3; rounds++) await round();
    const grown = bytesInUse() - bytes;
    assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes more after three rounds`);
    await egress.close();
    await turn();
    assert.ok(openDescriptors() <= before, `${openDescriptors()} descriptors, ${before} before`);
    assert.deepEqual(egress.counts, { sockets: 0, idle: 0, waiting: 0, origins: 0 });
  });
});

describe('an answer', () => {
  test('that comes before the request is written out counts, and its connection is not used again', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      // Reads the head and no more, says that it has what it wants, and keeps the connection.
      socket.once('readable', () => socket.write(OK));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await using egress = loopbackEgress();
    const event = storedEvent('', { body: Buffer.alloc(32 * 1024 * 1024) });
    const { result, exchange } = await deliver({ egress, target: { url: `http://127.0.0.1:${port}/` }, event });
    assert.deepEqual([result.kind, exchange?.code], ['succeeded', null]);
    assert.equal(egress.counts.sockets, 0);
    server.close();
  });

  test('of success whose body never ends holds its place for five seconds, not for the whole time of the attempt', async () => {
    await using receiver = await Receiver.start(answering('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok'));
    const asked: number[] = [];
    const schedule: Clock['schedule'] = (delayMs, run) => {
      asked.push(delayMs);
      return systemClock.schedule(delayMs === 5000 ? 20 : delayMs, run);
    };
    await using egress = loopbackEgress({ clock: { ...systemClock, schedule } });
    const { result, exchange } = await deliver({ egress, target: { url: receiver.url }, timeoutMs: 60_000 });
    assert.deepEqual([result.kind, exchange?.code], ['succeeded', 'timeout']);
    assert.ok(asked.includes(5000));
  });

  test('is not waited for when the attempt is aborted, for a timeout or a stop', async () => {
    await using receiver = await Receiver.start(() => undefined);
    await using egress = loopbackEgress();
    for (const [reason, code] of [
      [new DOMException('too long', 'TimeoutError'), 'timeout'],
      [new DOMException('stopping', 'AbortError'), 'aborted'],
    ] as const) {
      const controller = new AbortController();
      const sent = deliver({ egress, target: { url: receiver.url }, signal: controller.signal, timeoutMs: 60_000 });
      for (let turns = 0; turns < 10_000 && receiver.heads.length === 0; turns++) await turn();
      receiver.heads.length = 0;
      controller.abort(reason);
      assert.deepEqual([(await sent).result.kind, (await sent).exchange?.code], ['timeout', code]);
    }
  });
});

describe('an endpoint', () => {
  const egress = loopbackEgress();
  const good: EndpointTarget = { id: 'ep_1', url: 'https://example.com/', forward: false, signing: { kind: 'none' } };

  test('is checked before it is saved, field by field', () => {
    assert.equal(checkTarget(good, egress), null);
    const wrong: readonly [field: string, change: Partial<EndpointTarget>][] = [
      ['url', { url: 'https://10.0.0.1/' }],
      ['url', { url: 'ftp://example.com/' }],
      ['headers', { headers: ['x-a'] }],
      ['headers', { headers: ['x a', '1'] }],
      ['headers', { headers: ['x-a', '1\r\nX-B: 2'] }],
      ['headers', { headers: ['x-a', '1\n'] }],
      ['headers', { headers: ['Host', 'internal'] }],
      ['headers', { headers: ['Content-Length', '3'] }],
      ['headers', { headers: ['Transfer-Encoding', 'chunked'] }],
      ['headers', { headers: ['Connection', 'close'] }],
      ['headers', { headers: ['x-a', 'x'.repeat(9000)] }],
      ['auth', { auth: { kind: 'bearer', token: 'a b' } }],
      ['auth', { auth: { kind: 'bearer', token: '' } }],
      ['auth', { auth: { kind: 'basic', username: 'a:b', password: '' } }],
      [
        'auth.tokenUrl',
        { auth: { kind: 'oauth2', tokenUrl: 'http://169.254.169.254/', clientId: 'a', clientSecret: 'b' } },
      ],
      ['signing', { signing: { kind: 'standard', secrets: [] } }],
      ['signing', { signing: { kind: 'standard', secrets: ['short'] } }],
      ['signing', { signing: { kind: 'hmac', secrets: [' '], header: 'x-signature' } }],
      ['signing', { signing: { kind: 'hmac', secrets: ['a'], header: 'host' } }],
      ['signing', { headers: ['Webhook-Id', '1'] }],
      ['statusRules', { statusRules: { fail: ['4XX'] } }],
      ['statusRules', { statusRules: { success: ['1xx'] } }],
      ['tls', { tls: { cert: 'x', key: 'y' } }],
      ['retryAfterMaxMs', { retryAfterMaxMs: -1 }],
      ['responseBytesMax', { responseBytesMax: 1e9 }],
    ];
    for (const [field, change] of wrong) {
      assert.equal(checkTarget({ ...good, ...change }, egress)?.field, field, JSON.stringify(change));
    }
  });
});
