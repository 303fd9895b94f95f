/** Ingest mounted in the hosts people have: the same requests, the same events, the same answers. */
import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { test, type TestContext } from 'node:test';
import express from 'express';
import * as fc from 'fast-check';
import fastify from 'fastify';
import { HoldfastError } from '../src/errors.ts';
import { systemClock } from '../src/gateway/clock.ts';
import { fastifyIngest, type FastifyLike } from '../src/ingest/fastify.ts';
import { fetchIngest } from '../src/ingest/fetch.ts';
import { createListener } from '../src/ingest/listener.ts';
import { ingestMiddleware } from '../src/ingest/middleware.ts';
import { ingestRoutes } from '../src/ingest/routes.ts';
import { TestClock } from '../src/testing/clock.ts';
import { hmac, none, pathToken } from '../src/verify/index.ts';
import { ingestWorld, type World, type WorldOptions } from './ingest-world.ts';
import { post, type RawResult, request, sendRaw } from './raw-client.ts';

const SECRET = 'adapter-secret';
/** Longer than what some routers take for a parameter. */
const TOKEN = `${'t'.repeat(150)}/ü`;

function makeWorld(options: Partial<WorldOptions> = {}): World {
  return ingestWorld({
    clock: systemClock,
    sources: {
      open: { verify: none(), dedupeKey: 'body.id' },
      signed: hmac({ header: 'X-Signature', secrets: SECRET }),
      odd: { verify: none(), path: '/odd/a:b' },
      bot: pathToken({ tokens: TOKEN }),
    },
    limits: { bodyBytesMax: 20_000 },
    ...options,
  });
}

async function listening(t: TestContext, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  return (server.address() as AddressInfo).port;
}

/** Each host with ingest mounted below `/hooks`, on a port. */
const hosts: Readonly<Record<string, (t: TestContext, world: World) => Promise<number>>> = {
  express: (t, world) => {
    const app = express();
    app.use('/hooks', ingestMiddleware(world.acceptor));
    app.use(express.json());
    app.post('/other', (incoming, response) => void response.json(incoming.body));
    return listening(t, createServer(app));
  },
  fastify: async (t, world) => {
    const app = fastify();
    await app.register(
      (instance, options, done) => fastifyIngest(world.acceptor)(instance as unknown as FastifyLike, options, done),
      { prefix: '/hooks' },
    );
    app.post('/other', (incoming) => incoming.body);
    await app.listen({ port: 0, host: '127.0.0.1' });
    t.after(() => app.close());
    return (app.server.address() as AddressInfo).port;
  },
  'next.js route': (t, world) => {
    const routes = ingestRoutes(() => world.acceptor, { basePath: '/hooks' });
    return listening(
      t,
      fetchServer((incoming) => (incoming.method === 'POST' ? routes.POST(incoming) : routes.GET(incoming))),
    );
  },
  fetch: (t, world) =>
    listening(
      t,
      fetchServer((incoming) =>
        fetchIngest(world.acceptor, incoming, { basePath: '/hooks/', remoteAddress: '192.0.2.1' }),
      ),
    ),
};

/** As hosts do it: Node's request as a `Request`, the `Response` back. */
function fetchServer(answer: (incoming: Request) => Promise<Response>): Server {
  return createServer((incoming, response) => {
    const headers: [string, string][] = [];
    for (let index = 0; index + 1 < incoming.rawHeaders.length; index += 2) {
      headers.push([incoming.rawHeaders[index] ?? '', incoming.rawHeaders[index + 1] ?? '']);
    }
    const hasBody = incoming.method !== 'GET' && incoming.method !== 'HEAD';
    const body = hasBody ? { body: incoming as unknown as ReadableStream, duplex: 'half' as const } : {};
    const made = new Request(`http://gateway.test${incoming.url}`, { method: incoming.method ?? '', headers, ...body });
    void respond(answer(made), response);
  });
}

async function respond(answer: Promise<Response>, response: ServerResponse): Promise<void> {
  const { status, headers, body } = await answer;
  response.writeHead(status, [...headers].flat());
  response.end(body === null ? '' : await buffer(body));
}

const first = ({ answers }: RawResult) => {
  const [answer] = answers;
  assert.ok(answer);
  const type = answer.headers.get('content-type') ?? '';
  return { ...answer, json: (type.includes('json') ? JSON.parse(answer.body) : {}) as Record<string, unknown> };
};

for (const [host, mount] of Object.entries(hosts)) {
  test(`${host}: any bytes arrive as they were sent, verified`, async (t) => {
    const world = makeWorld();
    const port = await mount(t, world);
    const verifier = hmac({ header: 'X-Signature', secrets: SECRET });
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 3000 }),
        fc.constantFrom('application/json', 'application/x-www-form-urlencoded', 'text/plain', ''),
        async (body, type) => {
          const signature = (await verifier.sign?.({ method: 'POST', url: '', headers: [], body }, 0)) ?? [];
          const headers = [
            `Content-Length: ${body.length}`,
            ...(type === '' ? [] : [`Content-Type: ${type}`]),
            `${signature[0]}: ${signature[1]}`,
          ];
          assert.equal(first(await sendRaw(port, post('/hooks/in/signed?a=%20', headers, body))).status, 200);
          const event = world.events.pop();
          assert.deepEqual(Buffer.from(event?.body ?? []), Buffer.from(body));
          assert.deepEqual([event?.path, event?.query], ['/hooks/in/signed', 'a=%20']);
        },
      ),
      { numRuns: 25 },
    );
    assert.equal(world.acceptor.heldBytes, 0);
  });

  test(`${host}: answers as the listener does`, async (t) => {
    const world = makeWorld();
    const port = await mount(t, world);
    const accepted = first(await sendRaw(port, post('/hooks/in/open', ['Content-Length: 8'], '{"id":1}')));
    assert.deepEqual([accepted.status, accepted.json], [200, { id: world.events[0]?.id }]);
    const repeated = first(
      await sendRaw(port, post('/hooks/in/open', ['Transfer-Encoding: chunked'], '8\r\n{"id":1}\r\n0\r\n\r\n')),
    );
    assert.equal(repeated.body, accepted.body);
    const refused = first(await sendRaw(port, post('/hooks/in/signed', ['Content-Length: 2'], '{}')));
    assert.deepEqual([refused.status, refused.json['code']], [401, 'not_verified']);
    const encoded = first(
      await sendRaw(port, post('/hooks/in/open', ['Content-Encoding: gzip', 'Content-Length: 2'], '{}')),
    );
    assert.deepEqual([encoded.status, encoded.json['code']], [415, 'encoding_not_supported']);
    const announced = first(await sendRaw(port, post('/hooks/in/open', ['Content-Length: 30000'], 'x'.repeat(30_000))));
    assert.deepEqual([announced.status, announced.json['code']], [413, 'body_too_large']);
    const streamed = first(
      await sendRaw(
        port,
        post('/hooks/in/open', ['Transfer-Encoding: chunked'], `7530\r\n${'x'.repeat(30_000)}\r\n0\r\n\r\n`),
      ),
    );
    assert.deepEqual([streamed.status, streamed.json['code']], [413, 'body_too_large']);
    const odd = first(await sendRaw(port, post('/hooks/odd/a:b', ['Content-Length: 0'])));
    assert.equal(odd.status, 200);
    const bot = first(
      await sendRaw(port, post(`/hooks/in/bot/${encodeURIComponent(TOKEN)}?a=1`, ['Content-Length: 0'])),
    );
    assert.equal(bot.status, 200);
    assert.deepEqual([world.events.at(-1)?.path, world.events.at(-1)?.query], ['/hooks/in/bot/[redacted]', 'a=1']);
    for (const path of ['/hooks/in/bot', '/hooks/in/bot/', '/hooks/in/bot/wrong']) {
      assert.equal(first(await sendRaw(port, post(path, ['Content-Length: 0']))).status, 401, path);
    }
    for (const path of ['/hooks/in/nobody', '/hooks/in/bot/a/b']) {
      assert.equal(first(await sendRaw(port, post(path, ['Content-Length: 0']))).status, 404, path);
    }
    assert.equal(world.acceptor.heldBytes, 0);
  });

  test(`${host}: a sender that hangs up leaves nothing behind`, async (t) => {
    const world = makeWorld();
    const port = await mount(t, world);
    await sendRaw(port, (socket) => {
      socket.write(post('/hooks/in/open', ['Content-Length: 9000'], 'x'.repeat(5000)));
      const look = (): void => void (world.acceptor.heldBytes > 0 ? socket.destroy() : setImmediate(look));
      look();
    });
    while (world.acceptor.heldBytes > 0) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(world.appends.length, 0);
  });
}

for (const host of ['express', 'fastify']) {
  test(`${host}: other routes keep their parsed bodies`, async (t) => {
    const port = (await hosts[host]?.(t, makeWorld())) ?? 0;
    const { body } = first(
      await sendRaw(port, post('/other', ['Content-Type: application/json', 'Content-Length: 7'], '{"a":1}')),
    );
    assert.equal(body, '{"a":1}');
  });
}

test('express: below a body parser the error says which line to move', async (t) => {
  const { acceptor, appends } = makeWorld();
  const errors: unknown[] = [];
  const app = express();
  app.use(express.json());
  app.use('/hooks', ingestMiddleware(acceptor));
  // oxlint-disable-next-line max-params -- Express tells an error handler by its four parameters
  const failed: express.ErrorRequestHandler = (error, _request, response, _next) => {
    errors.push(error);
    response.status(500).end();
  };
  app.use(failed);
  const port = await listening(t, createServer(app));
  const body = ['Content-Type: application/json', 'Content-Length: 2'];
  assert.equal(first(await sendRaw(port, post('/hooks/in/open', body, '{}'))).status, 500);
  const [error] = errors;
  assert.ok(error instanceof HoldfastError);
  assert.equal(error.code, 'body_consumed');
  assert.match(
    error.message,
    /Move app\.use\('\/hooks', gateway\.middleware\(\)\) above the line with the body parser, app\.use\(express\.json\(\)\)/,
  );
  assert.equal(appends.length, 0);
  // What the parser left alone can still be taken.
  assert.equal(
    first(await sendRaw(port, post('/hooks/in/open', ['Content-Type: text/plain', 'Content-Length: 2'], '{}'))).status,
    200,
  );
});

test('express: bytes that a parser kept are taken', async (t) => {
  const { acceptor, events } = makeWorld();
  const app = express();
  app.use('/raw', express.raw({ type: '*/*' }), ingestMiddleware(acceptor));
  app.use(
    '/kept',
    express.json({ verify: (incoming, _response, bytes) => void Object.assign(incoming, { rawBody: bytes }) }),
    ingestMiddleware(acceptor),
  );
  const port = await listening(t, createServer(app));
  for (const path of ['/raw/in/open', '/kept/in/open']) {
    await sendRaw(port, post(path, ['Content-Type: application/json', 'Content-Length: 10'], '{ "a" : 1}'));
    assert.equal(Buffer.from(events.pop()?.body ?? []).toString(), '{ "a" : 1}');
  }
});

test('fastify: a prefix may end in a slash', async (t) => {
  const { acceptor, events } = makeWorld();
  const app = fastify();
  await app.register(
    (instance, options, done) => fastifyIngest(acceptor)(instance as unknown as FastifyLike, options, done),
    { prefix: '/hooks/' },
  );
  await app.listen({ port: 0, host: '127.0.0.1' });
  t.after(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  assert.equal(first(await sendRaw(port, post('/hooks/in/open', ['Content-Length: 2'], '{}'))).status, 200);
  assert.equal(events[0]?.path, '/hooks/in/open');
});

test('an answer with a status that takes no body has none, in every host', async (t) => {
  for (const mount of Object.values(hosts)) {
    for (const status of [204, 205, 304]) {
      const answer = { status, body: 'no body' };
      const port = await mount(t, makeWorld({ sources: { open: { verify: none(), answer } } }));
      const { status: answered, body } = first(
        await sendRaw(port, post('/hooks/in/open', ['Content-Length: 2'], '{}')),
      );
      assert.deepEqual([answered, body], [status, '']);
    }
  }
});

test('fastify: below a hook that reads the body the error says what to move', async (t) => {
  const { acceptor, appends } = makeWorld();
  const app = fastify();
  const errors: unknown[] = [];
  app.addHook('preParsing', async (_incoming, _reply, payload) => Readable.from([await buffer(payload)]));
  app.setErrorHandler((error, _incoming, reply) => {
    errors.push(error);
    void reply.code(500).send();
  });
  await app.register((instance, options, done) =>
    fastifyIngest(acceptor)(instance as unknown as FastifyLike, options, done),
  );
  await app.listen({ port: 0, host: '127.0.0.1' });
  t.after(() => app.close());
  const { port } = app.server.address() as AddressInfo;
  const body = post('/in/open', ['Content-Type: application/json', 'Content-Length: 2'], '{}');
  assert.equal(first(await sendRaw(port, body)).status, 500);
  const [error] = errors;
  assert.ok(error instanceof HoldfastError);
  assert.equal(error.code, 'body_consumed');
  assert.match(error.message, /Move the hook that reads the body, app\.addHook\('preParsing', …\)/);
  assert.equal(appends.length, 0);
  // Of no body nothing is lost.
  assert.equal(first(await sendRaw(port, post('/in/open', ['Content-Length: 0'], ''))).status, 200);
  assert.equal(errors.length, 1);
});

test('fetch: a body that was read or is being read is an error, and no empty event', async () => {
  const { acceptor, appends, events } = makeWorld();
  const make = (path: string) => new Request(`http://a.test${path}`, { method: 'POST', body: '{"id":1}' });
  const [read, locked, elsewhere, kept] = [make('/in/open'), make('/in/open'), make('/in/none'), make('/in/open')];
  await Promise.all([read.json(), elsewhere.json(), kept.clone().json()]);
  locked.body?.getReader();
  const routes = ingestRoutes(() => acceptor);
  for (const answer of [fetchIngest(acceptor, read), fetchIngest(acceptor, locked), routes.POST(read)]) {
    await assert.rejects(answer, (error) => {
      assert.ok(error instanceof HoldfastError);
      assert.equal(error.code, 'body_consumed');
      assert.match(error.message, /Move the line with gateway\.fetch\(request\) above what reads the body/);
      return true;
    });
  }
  assert.equal(appends.length, 0);
  // What is no source's is not ours to complain of, and a copy leaves the bytes where they are.
  assert.equal((await fetchIngest(acceptor, elsewhere)).status, 404);
  assert.equal((await fetchIngest(acceptor, kept)).status, 200);
  assert.equal(Buffer.from(events.pop()?.body ?? []).toString(), '{"id":1}');
});

test('a body that does not come within the deadline is answered 408', async () => {
  const clock = new TestClock();
  const { acceptor, answered } = makeWorld({ clock });
  const pulled = Promise.withResolvers<void>();
  const body = new ReadableStream(
    { pull: () => pulled.resolve(), start: (stream) => stream.enqueue(Buffer.from('{')) },
    { highWaterMark: 0 },
  );
  const response = fetchIngest(
    acceptor,
    new Request('http://a.test/in/open', { method: 'POST', body, duplex: 'half' }),
  );
  await pulled.promise;
  await clock.advanceSlowly(30_000);
  assert.equal((await response).status, 408);
  assert.deepEqual([answered, acceptor.heldBytes, clock.pending], [['open 408'], 0, 0]);
});

test('a body that comes leaves no timer behind', async () => {
  const clock = new TestClock();
  const { acceptor } = makeWorld({ clock });
  const response = await fetchIngest(acceptor, new Request('http://a.test/in/open', { method: 'POST', body: '{}' }));
  assert.deepEqual([response.status, clock.pending], [200, 0]);
});

test('the memory of unverified bodies is shared by every adapter', async (t) => {
  const { acceptor } = makeWorld({ limits: { unverifiedBytesMax: 1000 } });
  const listener = createListener(acceptor);
  t.after(() => listener.close());
  const { port } = await listener.listen(0, '127.0.0.1');
  const holding = sendRaw(port, post('/in/open', ['Content-Length: 2000'], 'x'.repeat(900)));
  while (acceptor.heldBytes === 0) await new Promise((resolve) => setImmediate(resolve));
  const response = await fetchIngest(
    acceptor,
    new Request('http://a.test/in/open', { method: 'POST', body: 'x'.repeat(200) }),
  );
  assert.equal(response.status, 503);
  assert.equal(response.headers.get('retry-after'), '5');
  await listener.close();
  await holding;
});

test('a route survives the reload of its module: it asks for the acceptor with each request', async () => {
  let world = makeWorld();
  const { POST, GET } = ingestRoutes(() => world.acceptor, { basePath: '/api/hooks' });
  const incoming = (): Request => new Request('http://a.test/api/hooks/in/open', { method: 'POST', body: '{}' });
  assert.equal((await POST(incoming())).status, 200);
  world = makeWorld();
  assert.equal((await POST(incoming())).status, 200);
  assert.equal(world.events.length, 1);
  assert.equal((await GET(new Request('http://a.test/api/hooks/in/open'))).status, 405);
  assert.equal((await POST(new Request('http://a.test/in/open', { method: 'POST' }))).status, 404);
});

test('HTTP/1.1 pipelining through a host is left to the host', async (t) => {
  const port = (await hosts['express']?.(t, makeWorld())) ?? 0;
  const one = request(['POST /hooks/in/open HTTP/1.1', 'Host: a', 'Content-Length: 2'], '{}');
  const { answers } = await sendRaw(port, Buffer.concat([one, one]), { answers: 2 });
  assert.deepEqual(
    answers.map(({ status }) => status),
    [200, 200],
  );
});
