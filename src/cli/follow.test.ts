import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { WebSocketServer } from 'ws';
import { run } from './fixtures/terminal.ts';

test('--follow shows what was asked for: of one type, tenant and request', async (t) => {
  const occurrences = [
    { kind: 'accepted', eventId: 'evt_1', type: 'a', tenant: 'acme', correlationId: 'c1' },
    { kind: 'accepted', eventId: 'evt_2', type: 'b', tenant: 'acme', correlationId: 'c2' },
    { kind: 'accepted', eventId: 'evt_3', type: 'a', tenant: 'other', correlationId: 'c3' },
    { kind: 'rejected', source: 'shop', step: 'verify', reason: 'header_missing' },
  ].map((one) => ({ at: '2026-01-31T12:00:00.000Z', ...one }));
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'holdfast.stream' });
  server.on('connection', (socket) => {
    // Once the other side has answered, it follows.
    socket.ping();
    socket.once('pong', () => {
      socket.send(JSON.stringify({ occurrences, missed: 0 }));
      socket.close();
    });
  });
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const followed = async (...options: string[]): Promise<readonly unknown[]> => {
    const { stdout } = await run(['events', '--follow', '--json', '--url', url, ...options]);
    const lines = stdout.split('\n').filter((line) => line !== '');
    return lines.map((line) => (JSON.parse(line) as { eventId?: string }).eventId ?? null);
  };
  assert.deepEqual(await followed(), ['evt_1', 'evt_2', 'evt_3', null]);
  assert.deepEqual(await followed('--type', 'a'), ['evt_1', 'evt_3']);
  assert.deepEqual(await followed('--tenant', 'acme'), ['evt_1', 'evt_2']);
  assert.deepEqual(await followed('--tenant', 'acme', '--correlation-id', 'c2'), ['evt_2']);
});
