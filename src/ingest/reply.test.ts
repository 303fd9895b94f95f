import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorCodes, type ErrorCode } from '../errors.ts';
import { acceptedReply, makeReply, problemReply } from './reply.ts';

test('an accepted event is answered by its id, whatever its length', () => {
  for (const id of ['evt_00000000000000000000000000', 'evt_1']) {
    const { headers, body } = acceptedReply(id);
    assert.equal(body, `{"id":"${id}"}`);
    assert.deepEqual(headers, ['Content-Type', 'application/json', 'Content-Length', String(body.length)]);
  }
});

test('headers that HTTP does not allow, or that are ours to say, are left out', () => {
  const { headers } = makeReply(
    200,
    [
      'x-a',
      'b',
      'x b',
      'c',
      'x-c',
      'a\r\nSet-Cookie: d',
      'Connection',
      'close',
      'content-length',
      '9',
      'Transfer-Encoding',
      'chunked',
      'x-d',
      'é',
    ],
    'abc',
  );
  assert.deepEqual(headers, ['x-a', 'b', 'x-d', 'é', 'Content-Length', '3']);
});

test('text beyond ASCII goes out as its UTF-8 bytes', () => {
  const { headers, body } = makeReply(200, [], 'é');
  assert.deepEqual([headers, body], [['Content-Length', '2'], Buffer.from('é')]);
});

test('204 and 304 have neither body nor length', () => {
  assert.deepEqual(makeReply(204, ['x-a', 'b'], 'text'), { status: 204, headers: ['x-a', 'b'], body: '' });
});

test('every code of the table has its problem; what is worth a later try says when', () => {
  for (const code of Object.keys(errorCodes) as ErrorCode[]) {
    const { status, headers, body } = problemReply(code, { correlationId: 'c-1' });
    assert.equal(status, errorCodes[code].status);
    const problem = JSON.parse(Buffer.from(body as string).toString()) as Record<string, unknown>;
    assert.deepEqual([problem['code'], problem['status'], problem['correlationId']], [code, status, 'c-1']);
    assert.equal(headers.includes('Retry-After'), status === 503 || status === 429);
  }
});
