import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, test } from 'node:test';
import { HoldfastError } from '../errors.ts';
import { Client, httpSend } from './client.ts';

/** A client whose answers are given, and what was asked. */
function answering(...answers: readonly Response[]) {
  const asked: Request[] = [];
  const left = [...answers];
  const send = (path: string, init: RequestInit): Promise<Response> => {
    asked.push(new Request(`http://localhost${path}`, init));
    return Promise.resolve(left.shift() ?? new Response(null, { status: 500 }));
  };
  return { client: new Client(send, { text: 'hf_token', from: '/x/the.token' }), asked };
}

const code = (expected: string) => (error: unknown) => error instanceof HoldfastError && error.code === expected;

describe('the client of the admin API', () => {
  test('shows the token and who asks; leaves out what is undefined', async () => {
    const { client, asked } = answering(Response.json({ a: 1 }));
    assert.deepEqual(await client.get('/api/x', { since: 5, source: undefined }), { a: 1 });
    assert.equal(asked[0]?.headers.get('authorization'), 'Bearer hf_token');
    assert.match(asked[0]?.headers.get('x-holdfast-by') ?? '', /^cli \S+$/);
    assert.equal(asked[0]?.url, 'http://localhost/api/x?since=5');
  });

  test('sends bodies as JSON, and reads nothing from 204', async () => {
    const { client, asked } = answering(new Response(null, { status: 204 }));
    assert.equal(await client.post('/api/x', { ids: ['a'] }), undefined);
    assert.equal(asked[0]?.headers.get('content-type'), 'application/json');
    assert.deepEqual(await asked[0]?.json(), { ids: ['a'] });
  });

  test('a problem is the error of its code, with its detail', async () => {
    const problem = { code: 'not_found', detail: 'evt_1' };
    const { client } = answering(Response.json(problem, { status: 404 }));
    await assert.rejects(
      client.get('/api/x'),
      (error) => code('not_found')(error) && (error as Error).message.endsWith('evt_1'),
    );
  });

  test('a code of a newer gateway, or none, is told apart from a refusal', async () => {
    const newer = answering(Response.json({ code: 'made_up_later' }, { status: 418 }));
    await assert.rejects(newer.client.get('/x'), code('internal'));
    const other = answering(new Response('<html>', { status: 404 }));
    await assert.rejects(other.client.get('/x'), code('gateway_unreachable'));
  });

  test('lists page by page, up to the limit', async () => {
    const page = (cursor: string | null, ...rows: number[]) => Response.json({ rows, cursor });
    const { client, asked } = answering(page('c1', 1, 2), page('c2', 3, 4), page('c3'), page(null, 5));
    assert.deepEqual(await client.list('/api/x', { source: 's' }, 1000), [1, 2, 3, 4, 5]);
    assert.equal(asked[1]?.url, 'http://localhost/api/x?source=s&cursor=c1&limit=200');
    const few = answering(page('c1', 1, 2), page('c2', 3));
    assert.deepEqual(await few.client.list('/api/x', {}, 3), [1, 2, 3]);
    assert.equal(few.asked[1]?.url, 'http://localhost/api/x?cursor=c1&limit=1');
  });

  test('nobody listening is gateway_unreachable, with the address', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const client = new Client(httpSend(`http://127.0.0.1:${port}`), null);
    await assert.rejects(
      client.get('/'),
      (error) => code('gateway_unreachable')(error) && /127\.0\.0\.1:\d+: ECONNREFUSED/.test(String(error)),
    );
  });
});
