/** `npm run services` starts the servers and stops them again. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { answers } from '../scripts/services/kind.ts';
import { nats } from '../scripts/services/nats.ts';
import { redis } from '../scripts/services/redis.ts';
import { testNeeding } from './require.ts';

const program = join(import.meta.dirname, '..', 'scripts', 'services.ts');

testNeeding([redis, nats], 'services run until Ctrl-C, at the URLs that are printed, and stop then', async () => {
  const child = spawn(process.execPath, [program, 'redis', 'nats'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  const ports = new Map<string, number>();
  for await (const line of createInterface({ input: child.stdout })) {
    const [name = '', url = ''] = line.split(/\s+/);
    if (name === 'Ctrl-C') break;
    ports.set(name, Number(new URL(url).port));
  }
  assert.deepEqual([...ports.keys()], ['redis', 'nats']);
  assert.ok(await answers(ports.get('redis') ?? 0, 'PING\r\n', '+PONG'));
  assert.ok(await answers(ports.get('nats') ?? 0, '', 'INFO'));
  child.kill('SIGINT');
  assert.deepEqual(await exited, [0, null]);
  for (const port of ports.values()) assert.equal(await answers(port, '', ''), false);
});

test('services say which there are when asked for another', () => {
  const { status, stderr } = spawnSync(process.execPath, [program, 'kafka'], { encoding: 'utf8' });
  assert.equal(status, 2);
  assert.match(stderr, /'kafka' is none of postgres, mongodb, redis, nats, sqs/);
});
