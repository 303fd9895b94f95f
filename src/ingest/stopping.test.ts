/** What senders see while the listener stops, over raw sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { ingestWorld, type World, type WorldOptions } from '../../test/ingest-world.ts';
import { post } from '../../test/raw-client.ts';
import { systemClock } from '../gateway/clock.ts';
import type { Append, AppendAnswer } from '../store/store.ts';
import { none } from '../verify/index.ts';
import { createListener, type Listener } from './listener.ts';

interface Running extends World {
  readonly listener: Listener;
  readonly port: number;
}

async function running(t: TestContext, options: Partial<WorldOptions> = {}): Promise<Running> {
  const world = ingestWorld({ sources: { open: none() }, clock: systemClock, ...options });
  const listener = createListener(world.acceptor);
  t.after(() => listener.close());
  const { port } = await listener.listen(0, '127.0.0.1');
  return { ...world, listener, port };
}

/** A connection that notes all it receives, and whether it was reset. */
class Connection {
  readonly socket: Socket;
  received = '';
  reset = false;
  readonly ended: Promise<void>;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.setEncoding('latin1');
    this.socket.on('error', () => (this.reset = true));
    const ended = Promise.withResolvers<void>();
    this.ended = ended.promise;
    this.socket.on('close', () => ended.resolve());
    this.socket.on('data', (text: string) => (this.received += text));
  }

  /** Statuses of the answers so far. */
  get statuses(): number[] {
    return [...this.received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status));
  }

  async answers(count: number): Promise<void> {
    while (this.statuses.length < count) await once(this.socket, 'data');
  }
}

const WEBHOOK = post('/in/open', ['Content-Length: 2'], '{}');

/** Commits that end when the test says so, in the order they were asked for. */
function held(): { append: (append: Append) => Promise<AppendAnswer>; waiting: (() => void)[]; arrived: () => number } {
  const waiting: (() => void)[] = [];
  const append = ({ events }: Append): Promise<AppendAnswer> =>
    new Promise((resolve) => {
      const committed = events.map(({ event }) => ({ status: 'committed' as const, eventId: event.id, claims: [] }));
      waiting.push(() => resolve({ status: 'committed', events: committed }));
    });
  return { append, waiting, arrived: () => waiting.length };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

test('a request on a kept connection during the stop is answered 503, and its connection ends', async (t) => {
  const { port, listener, events } = await running(t);
  const kept = Array.from({ length: 20 }, () => new Connection(port));
  for (const { socket } of kept) socket.write(WEBHOOK);
  await Promise.all(kept.map(async (connection) => connection.answers(1)));
  const stopped = listener.stop();
  for (const { socket } of kept) socket.write(WEBHOOK);
  await Promise.all(kept.map(async ({ ended }) => ended));
  for (const connection of kept) {
    assert.deepEqual([connection.statuses, connection.reset], [[200, 503], false]);
    const last = connection.received.slice(connection.received.lastIndexOf('HTTP/1.1'));
    assert.match(last, /^Connection: close\r$/m);
    assert.match(last, /^Retry-After: \d+\r$/m);
    assert.match(last, /"code":"stopping"/);
  }
  await stopped;
  assert.equal(events.length, 20);
});

test('a kept connection on which nothing comes ends without a reset, and then the stop does', async (t) => {
  const { port, listener } = await running(t);
  const kept = new Connection(port);
  kept.socket.write(WEBHOOK);
  await kept.answers(1);
  await listener.stop();
  await kept.ended;
  assert.deepEqual([kept.statuses, kept.reset], [[200], false]);
});

test('a body that was on its way when the stop began is committed and answered', async (t) => {
  const { port, listener, events } = await running(t);
  const slow = new Connection(port);
  slow.socket.write(WEBHOOK.subarray(0, -1));
  await once(slow.socket, 'connect');
  await until(() => events.length === 0 && slow.socket.bytesWritten === WEBHOOK.length - 1);
  const other = new Connection(port);
  other.socket.write(WEBHOOK);
  await other.answers(1);
  const stopped = listener.stop();
  slow.socket.write(WEBHOOK.subarray(-1));
  await slow.ended;
  await stopped;
  assert.deepEqual([slow.statuses, slow.reset], [[200], false]);
  assert.match(slow.received, /^Connection: close\r$/m);
});

test('of requests sent one after the other without waiting, all that are committed are answered', async (t) => {
  const commits = held();
  const { port, listener } = await running(t, { ports: { append: commits.append } });
  const eager = new Connection(port);
  eager.socket.write(Buffer.concat([WEBHOOK, WEBHOOK, WEBHOOK]));
  await until(() => commits.arrived() === 3);
  const stopped = listener.stop();
  for (const finish of commits.waiting) finish();
  await eager.ended;
  await stopped;
  assert.deepEqual([eager.statuses, eager.reset], [[200, 200, 200], false]);
});

test('close ends everything at once', async (t) => {
  const { port, listener } = await running(t);
  const kept = new Connection(port);
  kept.socket.write(WEBHOOK);
  await kept.answers(1);
  const stopped = listener.stop();
  await listener.close();
  await stopped;
  await kept.ended;
});
