import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import { ingestWorld, type World, type WorldOptions } from '../../test/ingest-world.ts';
import { post, request, sendRaw } from '../../test/raw-client.ts';
import { HoldfastError } from '../errors.ts';
import { systemClock } from '../gateway/clock.ts';
import type { AppendAnswer } from '../store/store.ts';
import { none } from '../verify/index.ts';
import { createListener, type Fallback, type Listener } from './listener.ts';

interface Running extends World {
  readonly listener: Listener;
  readonly port: number;
}

async function running(t: TestContext, options: Partial<WorldOptions> = {}, fallback?: Fallback): Promise<Running> {
  const world = ingestWorld({ sources: { open: none() }, clock: systemClock, ...options });
  const listener = createListener(world.acceptor, fallback);
  t.after(() => listener.close());
  const { port } = await listener.listen(0, '127.0.0.1');
  return { ...world, listener, port };
}

const json = (body: string): Record<string, unknown> => JSON.parse(body) as Record<string, unknown>;

/** What happens on the other side of a socket shows within some turns of the event loop. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** A commit that ends when the test says so. */
function heldCommits(): {
  append: () => Promise<AppendAnswer>;
  arrived: Promise<void>;
  finish: (error?: Error) => void;
} {
  const arrived = Promise.withResolvers<void>();
  const held = Promise.withResolvers<AppendAnswer>();
  return {
    append: () => (arrived.resolve(), held.promise),
    arrived: arrived.promise,
    finish: (error) =>
      error === undefined
        ? held.resolve({
            status: 'committed',
            events: [{ status: 'committed', eventId: 'evt_00000000000000000000000000', claims: [] }],
          })
        : held.reject(error),
  };
}

test('any bytes, in any pieces, arrive as they were sent', async (t) => {
  const { port, events } = await running(t);
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 20_000 }),
      fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 8 }),
      async (body, cuts) => {
        await sendRaw(port, (socket) => {
          socket.write(post('/in/open', [`Content-Length: ${body.length}`]));
          let at = 0;
          for (const cut of cuts) socket.write(body.subarray(at, (at += cut)));
          socket.write(body.subarray(at));
        });
        assert.deepEqual(events.pop()?.body, Buffer.from(body));
      },
    ),
    { numRuns: 60 },
  );
});

test('headers keep case, order, repetition and bytes', async (t) => {
  const { port, events } = await running(t);
  await sendRaw(port, post('/in/open?x=%20&x', ['X-b: 2', 'x-A: \xe9', 'X-B:  3 ', 'Content-Length: 0']));
  const [event] = events;
  assert.deepEqual(event?.headers, [
    'Host',
    'gateway.test',
    'X-b',
    '2',
    'x-A',
    '\xe9',
    'X-B',
    '3',
    'Content-Length',
    '0',
  ]);
  assert.equal(event.path, '/in/open');
  assert.equal(event.query, 'x=%20&x');
});

test('the answer is the id of the event, after its commit', async (t) => {
  const commits = heldCommits();
  const { port } = await running(t, { ports: { append: commits.append } });
  let answered = false;
  const result = sendRaw(port, post('/in/open', ['Content-Length: 2'], '{}')).finally(() => (answered = true));
  await commits.arrived;
  assert.equal(answered, false);
  commits.finish();
  const { answers } = await result;
  assert.equal(answers[0]?.status, 200);
  assert.equal(answers[0].headers.get('content-type'), 'application/json');
  assert.equal(answers[0].body, '{"id":"evt_00000000000000000000000000"}');
});

test('a store that is down is answered 503 with Retry-After', async (t) => {
  const append = (): Promise<never> => Promise.reject(new HoldfastError('store_unavailable', { retryAfterS: 7 }));
  const { port, rejected } = await running(t, { ports: { append } });
  const { answers } = await sendRaw(port, post('/in/open', ['Content-Length: 2'], '{}'));
  assert.equal(answers[0]?.status, 503);
  assert.equal(answers[0].headers.get('retry-after'), '7');
  assert.equal(json(answers[0].body)['code'], 'store_unavailable');
  assert.deepEqual(rejected, ['open commit store_unavailable']);
});

for (const gate of ['stopping', 'disk_reserve', 'store_unavailable'] as const) {
  test(`${gate} is answered 503 before the body is read`, async (t) => {
    const { port, appends } = await running(t, { ports: { gate: () => gate } });
    const { answers } = await sendRaw(port, post('/in/open', ['Content-Length: 1000']));
    assert.equal(answers[0]?.status, 503);
    assert.equal(answers[0].headers.get('retry-after'), '5');
    assert.equal(json(answers[0].body)['code'], gate);
    assert.equal(appends.length, 0);
  });
}

const slow = { limits: { headerDeadlineMs: 100, requestDeadlineMs: 200 } };

for (const [name, bytes] of Object.entries({
  'headers that do not end': 'POST /in/open HTTP/1.1\r\nHost: a\r\n',
  'a request line that does not end': 'POST /in/op',
  'a body that does not end': post('/in/open', ['Content-Length: 10'], '12345'),
  'chunks that do not end': post('/in/open', ['Transfer-Encoding: chunked'], '5\r\n12345\r\n'),
})) {
  test(`${name}: 408 at the deadline`, async (t) => {
    const { port, acceptor } = await running(t, slow);
    const { answers, ended } = await sendRaw(port, bytes, { answers: Number.POSITIVE_INFINITY });
    assert.deepEqual(
      answers.map(({ status, body }) => [status, json(body)['code']]),
      [[408, 'request_timeout']],
    );
    assert.equal(ended, true);
    await until(() => acceptor.heldBytes === 0);
  });
}

test('a refused body that never comes gets no second answer', async (t) => {
  const { port } = await running(t, { limits: { requestDeadlineMs: 1000 } });
  const { answers, ended } = await sendRaw(port, post('/in/nobody', ['Content-Length: 10'], '12345'), {
    answers: Number.POSITIVE_INFINITY,
  });
  assert.deepEqual(
    answers.map(({ status }) => status),
    [404],
  );
  assert.equal(ended, true);
});

test('one byte at a time does not move the deadline', async (t) => {
  const { port } = await running(t, slow);
  const { answers } = await sendRaw(
    port,
    (socket) => {
      socket.write('POST /in/open HTTP/1.1\r\nHost: a\r\n');
      const drip = setInterval(() => socket.writable && socket.write('X'), 10);
      socket.on('close', () => clearInterval(drip));
    },
    { answers: Number.POSITIVE_INFINITY },
  );
  assert.equal(answers[0]?.status, 408);
});

test('a connection that says nothing is closed without a word', async (t) => {
  const { port } = await running(t, slow);
  const { answers, ended } = await sendRaw(port, '');
  assert.deepEqual(answers, []);
  assert.equal(ended, true);
});

test('connections beyond the limit are closed', async (t) => {
  const { port } = await running(t, { limits: { connectionsMax: 2 } });
  const open = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')];
  await Promise.all(open.map((socket) => once(socket, 'connect')));
  assert.deepEqual(await sendRaw(port, post('/in/open', ['Content-Length: 0'])), { answers: [], ended: true });
  for (const socket of open) socket.destroy();
});

test('bodies not yet verified share one memory: what does not fit is answered 503', async (t) => {
  const { port, acceptor } = await running(t, { limits: { unverifiedBytesMax: 10_000 } });
  const holding = connect(port, '127.0.0.1');
  holding.write(post('/in/open', ['Content-Length: 9000'], 'x'.repeat(8000)));
  await until(() => acceptor.heldBytes > 0);
  const { answers } = await sendRaw(port, post('/in/open', ['Content-Length: 5000'], 'x'.repeat(5000)));
  assert.equal(answers[0]?.status, 503);
  assert.equal(answers[0].headers.get('retry-after'), '5');
  assert.equal(json(answers[0].body)['code'], 'overloaded');
  holding.destroy();
  await until(() => acceptor.heldBytes === 0);
  const again = await sendRaw(port, post('/in/open', ['Content-Length: 5000'], 'x'.repeat(5000)));
  assert.equal(again.answers[0]?.status, 200);
});

test('a sender that hangs up in the middle leaves nothing behind', async (t) => {
  const { port, acceptor, appends } = await running(t);
  const socket = connect(port, '127.0.0.1');
  socket.write(post('/in/open', ['Content-Length: 9000'], 'x'.repeat(8000)));
  await until(() => acceptor.heldBytes > 0);
  socket.destroy();
  await until(() => acceptor.heldBytes === 0);
  assert.equal(appends.length, 0);
});

test('a sender that hangs up before the answer has still sent its webhook', async (t) => {
  const commits = heldCommits();
  const { port, acceptor, answered } = await running(t, { ports: { append: commits.append } });
  const socket = connect(port, '127.0.0.1');
  socket.write(post('/in/open', ['Content-Length: 2'], '{}'));
  await commits.arrived;
  socket.destroy();
  await once(socket, 'close');
  commits.finish();
  await until(() => acceptor.heldBytes === 0);
  assert.deepEqual(answered, ['open 200']);
});

test('nonsense behind a request does not take its answer away', async (t) => {
  const commits = heldCommits();
  const { port } = await running(t, { ports: { append: commits.append } });
  const result = sendRaw(
    port,
    Buffer.concat([post('/in/open', ['Content-Length: 2'], '{}'), Buffer.from('NONSENSE\r\n\r\n')]),
    {
      answers: Number.POSITIVE_INFINITY,
    },
  );
  await commits.arrived;
  commits.finish();
  const { answers, ended } = await result;
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200],
  );
  assert.equal(ended, true);
});

test('stop answers what is under way, ends its connection, and takes no more', async (t) => {
  const commits = heldCommits();
  const { port, listener } = await running(t, { ports: { append: commits.append } });
  const idle = connect(port, '127.0.0.1');
  await once(idle, 'connect');
  const result = sendRaw(port, post('/in/open', ['Content-Length: 2'], '{}'));
  await commits.arrived;
  const stopped = listener.stop();
  commits.finish();
  const { answers } = await result;
  assert.equal(answers[0]?.status, 200);
  assert.equal(answers[0].headers.get('connection'), 'close');
  idle.destroy();
  await stopped;
  await listener.stop();
  await assert.rejects(once(connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' });
});

test('stop ends an idle connection once, however long the other side keeps its own', async (t) => {
  const { port, listener } = await running(t);
  const warnings: string[] = [];
  const warned = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  const idle = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(idle, 'connect');
  const stopped = listener.stop();
  await once(idle.resume(), 'end');
  await stopped;
  idle.destroy();
  assert.deepEqual(warnings, []);
});

test('close is safe twice and before listen; a taken port has a code', async (t) => {
  const { port } = await running(t);
  const other = createListener(ingestWorld({ sources: { open: none() } }).acceptor);
  await assert.rejects(other.listen(port, '127.0.0.1'), { code: 'address_in_use' });
  assert.equal(other.address, null);
  await other.close();
  await other.close();
});

test('what is no source goes to the fallback as an ordinary request', async (t) => {
  const seen: unknown[] = [];
  const fallback: Fallback = {
    has: (path) => path.startsWith('/api/'),
    request: (message, response) => {
      const pieces: Buffer[] = [];
      message.on('data', (piece: Buffer) => pieces.push(piece));
      message.on('end', () => {
        seen.push(
          message.headers['x-one'],
          message.headers.host,
          Buffer.concat(pieces).toString(),
          message.readableEnded,
        );
        response.end('admin');
      });
    },
    upgrade: (message, socket) => {
      seen.push(message.headers.upgrade);
      socket.end('HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n');
    },
  };
  const { port } = await running(t, {}, fallback);
  const admin = await sendRaw(port, post('/api/thing', ['X-One: 1', 'Content-Length: 3'], 'abc'));
  assert.equal(admin.answers[0]?.body, 'admin');
  assert.deepEqual(seen, ['1', 'gateway.test', 'abc', true]);
  const upgraded = await sendRaw(
    port,
    request(['GET /api/stream HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket']),
  );
  assert.equal(upgraded.answers[0]?.status, 101);
  assert.equal(seen.at(-1), 'websocket');
  const twice = await sendRaw(port, post('/api/thing', ['Host: b', 'Content-Length: 0']));
  assert.equal(twice.answers[0]?.status, 400);
  const source = await sendRaw(
    port,
    post('/in/open', ['Connection: Upgrade', 'Upgrade: websocket', 'Content-Length: 0']),
  );
  assert.equal(source.answers[0]?.status, 400);
});

test('a large body in many pieces is one buffer of its size', async (t) => {
  const { port, events } = await running(t);
  const body = randomBytes(1_000_000);
  const { answers } = await sendRaw(port, post('/in/open', [`Content-Length: ${body.length}`], body));
  assert.equal(answers[0]?.status, 200);
  assert.deepEqual(events[0]?.body, body);
  assert.equal(events[0]?.body?.buffer.byteLength, body.length);
});

test('tiny pieces cost no more memory than the body', async (t) => {
  const { port, acceptor } = await running(t);
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  socket.write(post('/in/open', ['Transfer-Encoding: chunked'], '1\r\nx\r\n'.repeat(20_000)));
  await until(() => acceptor.heldBytes >= 20_000);
  assert.ok(acceptor.heldBytes <= 65_536);
  socket.destroy();
});

test('the sender behind a trusted proxy is known by its own address', async (t) => {
  const { port, acceptor } = await running(t, {
    ports: { trustedProxies: ['127.0.0.0/8'] },
    sources: {
      open: {
        ...none(),
        verify: ({ remoteAddress = '' }) => ({ ok: false, reason: 'address_not_allowed', detail: remoteAddress }),
      },
    },
  });
  await sendRaw(port, post('/in/open', ['X-Forwarded-For: 6.6.6.6, 203.0.113.9', 'Content-Length: 0']));
  const { rows } = await acceptor.ports.rejections.list({}, { limit: 1 });
  assert.equal(rows[0]?.remoteAddress, '203.0.113.9');
  assert.equal(rows[0].detail, '203.0.113.9');
});
