import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { run } from './fixtures/terminal.ts';

const id = (kind: string, number: number): string => `${kind}_${String(number).padStart(26, '0')}`;

test('of several ids each is told what became of it, also where one is not there', async (t) => {
  const server = createServer((request, response) => {
    const isThere = request.url?.includes(id('evt', 2)) !== true;
    response.writeHead(isThere ? 200 : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isThere ? { deliveryIds: [id('dlv', 7)] } : { code: 'not_found' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => (server.closeAllConnections(), server.close()));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const { code, stdout } = await run(['replay', id('evt', 1), id('evt', 2), id('evt', 3), '--url', url]);
  assert.equal(code, 1);
  const lines = stdout.trimEnd().split('\n');
  assert.equal(lines[0], `${id('evt', 1)} → ${id('dlv', 7)}`);
  assert.match(lines[1] ?? '', /^evt_0+2 not replayed: .*\[not_found\]$/);
  assert.equal(lines[2], `${id('evt', 3)} → ${id('dlv', 7)}`);
});

test('a delivery goes where it went before: said before any other id is replayed', async () => {
  const { code, stderr } = await run([
    'replay',
    id('evt', 1),
    id('dlv', 1),
    '--to',
    'b',
    '--url',
    'http://127.0.0.1:9',
  ]);
  assert.equal(code, 2);
  assert.match(stderr, /--to needs events or a filter/);
});
