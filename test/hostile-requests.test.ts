/**
 * Malformed, hostile and oversized requests over raw sockets, each with the exact answer expected. What Node's parser
 * refuses and what it accepts by itself was measured per version: this table is what holds on all of them.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { systemClock } from '../src/gateway/clock.ts';
import { createListener, type Listener } from '../src/ingest/listener.ts';
import { hmac } from '../src/verify/hmac.ts';
import { none } from '../src/verify/index.ts';
import { ingestWorld, type World } from './ingest-world.ts';
import { post, request, type Send, sendRaw } from './raw-client.ts';

const SECRET = 'hostile-secret';
const BODY_MAX = 65_536;
const BODY = '{"id":"1"}';
const LENGTH = `Content-Length: ${BODY.length}`;
const CHUNKED = 'Transfer-Encoding: chunked';
const CHUNKS = `${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`;

interface Row {
  readonly name: string;
  readonly send: Send;
  /** Status, or statuses in order; the last one's code where it is a problem. */
  readonly status: number | readonly number[];
  readonly code?: string;
  /** Whether the connection ends with it. */
  readonly ends: boolean;
}

const refused = (name: string, send: Send, [status, code]: readonly [number, string]): Row => ({
  name,
  send,
  status,
  code,
  ends: true,
});
const bad = (name: string, send: Send): Row => refused(name, send, [400, 'bad_request']);
const taken = (name: string, send: Send): Row => ({ name, send, status: 200, ends: false });
const signed = (body: string | Uint8Array): string =>
  `X-Signature: ${createHmac('sha256', SECRET).update(body).digest('hex')}`;
const open = (headers: readonly string[], body: string | Uint8Array = BODY): Buffer => post('/in/open', headers, body);
const whole = (body: string | Uint8Array): Buffer => open([`Content-Length: ${Buffer.byteLength(body)}`], body);

const framing: readonly Row[] = [
  bad('Content-Length and Transfer-Encoding', open([LENGTH, CHUNKED], CHUNKS)),
  bad('Transfer-Encoding and Content-Length', open([CHUNKED, LENGTH], CHUNKS)),
  bad('two different Content-Length', open([LENGTH, 'Content-Length: 3'])),
  bad('two equal Content-Length', open([LENGTH, LENGTH])),
  bad('a list of lengths', open(['Content-Length: 3, 3'], 'abc')),
  bad('a negative length', open(['Content-Length: -3'], 'abc')),
  bad('a length with a plus', open(['Content-Length: +3'], 'abc')),
  bad('a length with an exponent', open(['Content-Length: 1e1'], BODY)),
  bad('a length in hex', open(['Content-Length: 0xa'], BODY)),
  bad('an empty length', open(['Content-Length:'], BODY)),
  bad('a length beyond 2^64', open(['Content-Length: 99999999999999999999999'], BODY)),
  bad('an unknown Transfer-Encoding', open(['Transfer-Encoding: xchunked'], CHUNKS)),
  bad('Transfer-Encoding: gzip, chunked', open(['Transfer-Encoding: gzip, chunked'], CHUNKS)),
  bad('Transfer-Encoding: chunked, identity', open(['Transfer-Encoding: chunked, identity'], CHUNKS)),
  bad('Transfer-Encoding: identity, chunked', open(['Transfer-Encoding: identity, chunked'], CHUNKS)),
  bad('Transfer-Encoding: identity', open(['Transfer-Encoding: identity'], BODY)),
  bad('Transfer-Encoding twice', open([CHUNKED, CHUNKED], CHUNKS)),
  bad('identity and chunked in two headers', open(['Transfer-Encoding: identity', CHUNKED], CHUNKS)),
  bad('a blank before the colon', open(['Transfer-Encoding : chunked'], CHUNKS)),
  bad('a folded header', open(['X-Fold: a\r\n b', LENGTH])),
  bad('a folded Transfer-Encoding', open(['Transfer-Encoding:\r\n chunked'], CHUNKS)),
  bad('line feeds only', Buffer.from(open([LENGTH]).toString().replaceAll('\r\n', '\n'))),
  bad('one line feed only', Buffer.from(open([LENGTH]).toString().replace('gateway.test\r\n', 'gateway.test\n'))),
  bad('a carriage return only', Buffer.from(open(['X-A: b\rX-C: d', LENGTH]).toString())),
  bad('NUL in a header', open(['X-A: b\0c', LENGTH])),
  bad('a header without a name', open([': b', LENGTH])),
  bad('a header without a colon', open(['nonsense', LENGTH])),
  bad('a chunk size beyond 2^64', open([CHUNKED], 'fffffffffffffffff\r\nabc\r\n0\r\n\r\n')),
  bad('a negative chunk size', open([CHUNKED], '-1\r\nabc\r\n0\r\n\r\n')),
  bad('a chunk longer than it says', open([CHUNKED], '2\r\nabc\r\n0\r\n\r\n')),
  bad('line feeds in chunks', open([CHUNKED], CHUNKS.replaceAll('\r\n', '\n'))),
  refused('a flood of chunk extensions', open([CHUNKED], `a;x=${'y'.repeat(32_000)}\r\n${BODY}\r\n0\r\n\r\n`), [
    413,
    'body_too_large',
  ]),
  taken('chunks', open([CHUNKED], CHUNKS)),
  taken(
    'chunks of one byte',
    open(
      [CHUNKED],
      `${BODY.split('')
        .map((byte) => `1\r\n${byte}\r\n`)
        .join('')}0\r\n\r\n`,
    ),
  ),
  taken('a trailer', open([CHUNKED], CHUNKS.replace(/\r\n$/, 'X-Trailer: 1\r\n\r\n'))),
  taken('Transfer-Encoding: Chunked', open(['transfer-encoding: Chunked'], CHUNKS)),
  { name: 'more than the length says', send: open([LENGTH], `${BODY}GARBAGE\r\n\r\n`), status: [200], ends: true },
  {
    name: 'a smuggled second request',
    send: open([LENGTH], `${BODY}GET /admin HTTP/1.1\r\nX: y`),
    status: [200],
    ends: false,
  },
];

const heads: readonly Row[] = [
  bad('no Host', request(['POST /in/open HTTP/1.1', LENGTH], BODY)),
  bad('two different Host', open(['Host: evil.test', LENGTH])),
  bad('two equal Host', open(['Host: gateway.test', LENGTH])),
  bad('HTTP/1.0 without Host', request(['POST /in/open HTTP/1.0', LENGTH], BODY)),
  {
    name: 'HTTP/1.0 with Host',
    send: request(['POST /in/open HTTP/1.0', 'Host: a', LENGTH], BODY),
    status: 200,
    ends: true,
  },
  bad(
    'HTTP/1.0 with Transfer-Encoding, which would stay open',
    request(
      ['POST /in/open HTTP/1.0', 'Host: a', 'Connection: keep-alive', 'Transfer-Encoding: chunked'],
      '2\r\n{}\r\n0\r\n\r\n',
    ),
  ),
  bad('HTTP/2 without TLS', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  bad('HTTP/2.0 in a request', request(['POST /in/open HTTP/2.0', 'Host: a', LENGTH], BODY)),
  bad('HTTP/0.9', 'POST /in/open\r\n\r\n'),
  bad('a version that is none', request(['POST /in/open HTTP/1.7', 'Host: a', LENGTH], BODY)),
  bad('no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  bad('an absolute target', request(['POST http://evil.test/in/open HTTP/1.1', 'Host: gateway.test', LENGTH], BODY)),
  bad('an asterisk as target', request(['OPTIONS * HTTP/1.1', 'Host: gateway.test'])),
  bad('an unknown method', request(['FROB /in/open HTTP/1.1', 'Host: a', LENGTH], BODY)),
  bad('a method in small letters', request(['post /in/open HTTP/1.1', 'Host: a', LENGTH], BODY)),
  bad('a blank in the target', request(['POST /in /open HTTP/1.1', 'Host: a', LENGTH], BODY)),
  refused('CONNECT', request(['CONNECT evil.test:443 HTTP/1.1', 'Host: evil.test']), [405, 'method_not_allowed']),
  bad('an upgrade to a WebSocket', open(['Connection: Upgrade', 'Upgrade: websocket', LENGTH])),
  taken(
    'an offer of h2c, which is ignored',
    open(['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABk', LENGTH]),
  ),
  refused('an unknown expectation', open(['Expect: 200-ok', LENGTH]), [417, 'expectation_failed']),
  { name: 'Expect: 100-continue', send: open(['Expect: 100-continue', LENGTH]), status: [100, 200], ends: false },
  refused(
    'Expect: 100-continue with too large a body',
    open(['Expect: 100-continue', 'Content-Length: 99999999'], ''),
    [413, 'body_too_large'],
  ),
  refused('headers larger than 16 KiB', open([`X-Large: ${'x'.repeat(17_000)}`, LENGTH]), [431, 'headers_too_large']),
  refused('a target larger than 16 KiB', post(`/in/open?${'x'.repeat(17_000)}`, [LENGTH], BODY), [
    431,
    'headers_too_large',
  ]),
  { name: '101 header lines', send: open([...lines(99), LENGTH]), status: 431, code: 'headers_too_large', ends: false },
  {
    name: '2,500 tiny headers',
    send: open([...lines(2498), LENGTH]),
    status: 431,
    code: 'headers_too_large',
    ends: false,
  },
  taken('100 header lines', open([...lines(98), LENGTH])),
  taken('bytes beyond ASCII in a header', open(['X-A: \xfc\xff', LENGTH])),
];

const paths: readonly Row[] = [
  {
    name: 'a path of no source',
    send: post('/in/nobody', [LENGTH], BODY),
    status: 404,
    code: 'source_not_found',
    ends: false,
  },
  {
    name: 'a path that climbs',
    send: post('/in/../in/open', [LENGTH], BODY),
    status: 404,
    code: 'source_not_found',
    ends: false,
  },
  {
    name: 'an encoded path',
    send: post('/in/%6fpen', [LENGTH], BODY),
    status: 404,
    code: 'source_not_found',
    ends: false,
  },
  { name: 'two slashes', send: post('//in/open', [LENGTH], BODY), status: 404, code: 'source_not_found', ends: false },
  {
    name: 'a slash at the end',
    send: post('/in/open/', [LENGTH], BODY),
    status: 404,
    code: 'source_not_found',
    ends: false,
  },
  {
    name: 'the name of a property',
    send: post('/__proto__', [LENGTH], BODY),
    status: 404,
    code: 'source_not_found',
    ends: false,
  },
  {
    name: 'another method',
    send: request(['GET /in/open HTTP/1.1', 'Host: a']),
    status: 405,
    code: 'method_not_allowed',
    ends: false,
  },
  {
    name: 'DELETE with a body',
    send: request(['DELETE /in/open HTTP/1.1', 'Host: a', LENGTH], BODY),
    status: 405,
    code: 'method_not_allowed',
    ends: false,
  },
  taken('a query', post('/in/open?a=b&c=%00', [LENGTH], BODY)),
  {
    name: 'three at once',
    send: Buffer.concat([open([LENGTH]), open([LENGTH]), open([LENGTH])]),
    status: [200, 200, 200],
    ends: false,
  },
  {
    name: 'nonsense after a request',
    send: Buffer.concat([open([LENGTH]), Buffer.from('nonsense\r\n\r\n')]),
    status: [200],
    ends: true,
  },
];

const bodies: readonly Row[] = [
  refused('16 GB announced', open(['Content-Length: 17179869184'], ''), [413, 'body_too_large']),
  refused('one byte too many', open([`Content-Length: ${BODY_MAX + 1}`], 'x'.repeat(BODY_MAX + 1)), [
    413,
    'body_too_large',
  ]),
  refused('chunks without end', endless, [413, 'body_too_large']),
  taken('as many bytes as allowed', whole('x'.repeat(BODY_MAX))),
  taken('no body', open(['Content-Length: 0'], '')),
  ...['gzip', 'gzip, gzip', 'br', 'zstd', 'deflate', 'x-unknown'].map((encoding) => ({
    name: `Content-Encoding: ${encoding}`,
    send: open([`Content-Encoding: ${encoding}`, LENGTH]),
    status: 415,
    code: 'encoding_not_supported',
    ends: false,
  })),
  taken('Content-Encoding: identity', open(['Content-Encoding: identity', LENGTH])),
  taken('arrays as deep as the body is long', whole('['.repeat(BODY_MAX))),
  taken('closed arrays, 30,000 deep', whole('['.repeat(30_000) + ']'.repeat(30_000))),
  taken('objects, 10,000 deep', whole('{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000))),
  taken(
    '__proto__ as a key',
    whole('{"__proto__":{"id":"x","polluted":true},"constructor":{"prototype":{"polluted":true}}}'),
  ),
  taken('a number of 10,000 digits', whole(`{"id":${'9'.repeat(10_000)}}`)),
  taken('a key twice', whole('{"id":"1","id":"2"}')),
  taken('half a surrogate pair', whole(String.raw`{"id":"\ud800"}`)),
  taken('NUL in a key', whole(String.raw`{"id":"a\u0000b"}`)),
  taken('bytes that are no UTF-8', whole(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]))),
  taken(
    'XML with an entity',
    whole('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'),
  ),
  taken('multipart that lies', open(['Content-Type: multipart/form-data; boundary=x', LENGTH])),
  taken(
    'a form with 10,000 fields',
    open(['Content-Type: application/x-www-form-urlencoded', 'Content-Length: 40000'], 'a=1&'.repeat(10_000)),
  ),
];

const unverified: readonly Row[] = [
  { name: 'no signature', send: post('/in/signed', [LENGTH], BODY), status: 401, code: 'not_verified', ends: false },
  {
    name: 'a signature of another body',
    send: post('/in/signed', [signed('other'), LENGTH], BODY),
    status: 401,
    code: 'not_verified',
    ends: false,
  },
  {
    name: 'two signatures',
    send: post('/in/signed', [signed(BODY), signed(BODY), LENGTH], BODY),
    status: 401,
    code: 'not_verified',
    ends: false,
  },
  {
    name: 'a prefix of the signature',
    send: post('/in/signed', [signed(BODY).slice(0, 40), LENGTH], BODY),
    status: 401,
    code: 'not_verified',
    ends: false,
  },
  taken('the right signature', post('/in/signed', [signed(BODY), LENGTH], BODY)),
];

let world: World;
let listener: Listener;
let port: number;

before(async () => {
  world = ingestWorld({
    sources: {
      open: { verify: none(), type: 'body.a', orderKey: 'form.a', dedupeKey: 'header.x-key' },
      signed: { verify: hmac({ header: 'x-signature', secrets: SECRET }), type: 'body.id' },
    },
    limits: { bodyBytesMax: BODY_MAX },
    clock: systemClock,
  });
  listener = createListener(world.acceptor);
  ({ port } = await listener.listen(0, '127.0.0.1'));
});

after(() => listener.close());

for (const row of [...framing, ...heads, ...paths, ...bodies, ...unverified]) {
  test(row.name, () => answersAsExpected(row));
}

async function answersAsExpected({ send, status, code, ends }: Row): Promise<void> {
  const statuses = typeof status === 'number' ? [status] : status;
  const kept = world.events.length;
  const result = await sendRaw(port, send, { answers: ends ? Number.POSITIVE_INFINITY : statuses.length });
  assert.deepEqual(
    result.answers.map((answer) => answer.status),
    statuses,
  );
  assert.equal(result.ended, ends);
  assert.equal(world.events.length - kept, statuses.filter((one) => one === 200).length);
  const last = result.answers.at(-1);
  if (code === undefined) return;
  assert.equal(last?.headers.get('content-type'), 'application/problem+json');
  const problem = JSON.parse(last?.body ?? '') as Record<string, unknown>;
  assert.equal(problem['code'], code);
  assert.equal(problem['status'], last?.status);
}

test('nothing of it is left in memory, and the gateway still takes webhooks', async () => {
  assert.equal(world.acceptor.heldBytes, 0);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  const before = process.memoryUsage.rss();
  for (let round = 0; round < 20; round++) {
    await Promise.all([...framing, ...heads, ...paths, ...unverified].map(({ send }) => sendRaw(port, send)));
    world.events.length = 0;
    world.appends.length = 0;
  }
  const grownMiB = (process.memoryUsage.rss() - before) / 1_048_576;
  assert.equal(world.acceptor.heldBytes, 0);
  assert.ok(grownMiB < 100, `grew by ${grownMiB} MiB over 2,000 hostile requests`);
  await answersAsExpected(taken('a webhook', whole(BODY)));
});

test('a refused method says which ones are taken', async () => {
  const { answers } = await sendRaw(port, request(['GET /in/open HTTP/1.1', 'Host: a']));
  assert.equal(answers[0]?.headers.get('allow'), 'POST');
});

test('what does not verify says how to send something that does, and no more', async () => {
  const { answers } = await sendRaw(port, post('/in/signed', [LENGTH], BODY));
  const { detail, correlationId, ...rest } = JSON.parse(answers[0]?.body ?? '') as Record<string, unknown>;
  assert.match(String(detail), /holdfast simulate signed/);
  assert.match(String(correlationId), /^rej_/);
  assert.doesNotMatch(JSON.stringify(rest), /header|missing|mismatch/);
});

function lines(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `a${index % 10}: b`);
}

/** Chunks for as long as the connection lives. */
function endless(socket: Parameters<Extract<Send, (...args: never[]) => void>>[0]): void {
  socket.write(open([CHUNKED], ''));
  const chunk = Buffer.from(`4000\r\n${'x'.repeat(0x4000)}\r\n`);
  const more = (): void => {
    while (!socket.destroyed && socket.writable && socket.write(chunk));
  };
  socket.on('drain', more);
  more();
}
