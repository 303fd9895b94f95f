/** What the listener relies on of Node's server. A Node that changes it turns these red. */
import assert from 'node:assert/strict';
import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { post, sendRaw } from '../../test/raw-client.ts';
import { IngestMessage } from './message.ts';

test('Node pushes each piece of a body and null at its end, and asks headers for nothing but expect', async (t) => {
  const asked = new Set<PropertyKey>();
  const pushed: unknown[] = [];
  class Watched extends IncomingMessage {
    override push(piece: Uint8Array | null, encoding?: BufferEncoding): boolean {
      pushed.push(piece === null ? null : Buffer.from(piece).toString());
      return super.push(piece, encoding);
    }
  }
  const inherited = Object.getOwnPropertyDescriptor(IncomingMessage.prototype, 'headers');
  Object.defineProperty(Watched.prototype, 'headers', {
    get(this: IncomingMessage) {
      return new Proxy(inherited?.get?.call(this) as object, {
        get: (headers, name) => (asked.add(name), Reflect.get(headers, name) as unknown),
      });
    },
  });
  const server = createServer({ IncomingMessage: Watched, requireHostHeader: false }, (request, response) => {
    request.resume();
    request.on('end', () => response.end());
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await sendRaw(
    (server.address() as AddressInfo).port,
    post('/', ['Transfer-Encoding: chunked'], '1\r\na\r\n2\r\nbc\r\n0\r\n\r\n'),
  );
  assert.deepEqual(pushed, ['a', 'bc', null]);
  assert.deepEqual([...asked], ['expect']);
});

test('a taken request gives its body to its taker, and is over when it is answered', async (t) => {
  const calls: string[] = [];
  const closed = Promise.withResolvers<void>();
  const server = createServer({ IncomingMessage: IngestMessage, ServerResponse }, (request, response) => {
    request.on('data', () => calls.push('data event'));
    request.takenBy({
      piece: (bytes) => void calls.push(Buffer.from(bytes).toString()),
      ended: () => {
        calls.push('ended');
        response.end('ok');
      },
      aborted: () => void calls.push('aborted'),
    });
    response.on('close', closed.resolve);
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const twice = Buffer.concat([post('/', ['Content-Length: 1'], 'a'), post('/', ['Content-Length: 1'], 'b')]);
  const { answers } = await sendRaw((server.address() as AddressInfo).port, twice, { answers: 2 });
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200],
  );
  await closed.promise;
  assert.deepEqual(calls, ['a', 'ended', 'b', 'ended']);
});

test('a taken request whose connection is lost is aborted', async (t) => {
  const aborted = Promise.withResolvers<void>();
  const server = createServer({ IncomingMessage: IngestMessage, ServerResponse }, (request) => {
    request.takenBy({ piece: () => undefined, ended: () => undefined, aborted: aborted.resolve });
  });
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const lost = sendRaw((server.address() as AddressInfo).port, (socket) => {
    socket.write(post('/', ['Content-Length: 10'], 'abc'), () => socket.destroy());
  });
  await aborted.promise;
  await lost;
});
