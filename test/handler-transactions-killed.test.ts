/** A worker that is killed between what its handler wrote and the acknowledgement, with and without a transaction. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe } from 'node:test';
import { createGateway, defineConfig, type Gateway } from 'holdfast';
import { none } from 'holdfast/verify';
import { Pool } from 'pg';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

const EVENTS = 200;
/** At which of its writes each life of the worker ends; the last one lives. */
const LIVES = ['7,8', '12', '31', '1', '2', ''];

const here = postgresHere();
const program = join(import.meta.dirname, 'fixtures', 'counting-worker.ts');

/** Accepts all events, and attempts none of them: that is what the workers are for. */
async function accepting(store: string): Promise<Gateway> {
  const config = defineConfig({ store, logLevel: 'silent', role: 'gateway', sources: { shop: { verify: none() } } });
  const gateway = createGateway(config) as unknown as Gateway;
  gateway.handle('till', { from: 'shop' }, () => assert.fail('it only accepts'));
  await gateway.start();
  return gateway;
}

/** Lets workers work off all events, each to its death, and answers what they counted and how many were killed. */
async function worked(mode: 'together' | 'apart'): Promise<{ readonly count: number; readonly killed: number }> {
  const store = `${here().server.url}?schema=killed_${mode}`;
  const pool = new Pool({ connectionString: here().server.url, max: 2 });
  await pool.query(`CREATE TABLE counted_${mode} (count integer NOT NULL)`);
  await pool.query(`INSERT INTO counted_${mode} VALUES (0)`);
  const gateway = await accepting(store);
  const sent = Array.from({ length: EVENTS }, (_, index) =>
    gateway.fetch(new Request('http://test/in/shop', { method: 'POST', body: JSON.stringify({ index }) })),
  );
  for (const answer of await Promise.all(sent)) assert.equal(answer.status, 200);

  let killed = 0;
  for (const deaths of LIVES) {
    const worker = start([store, `counted_${mode}`, mode, deaths]);
    const exited = once(worker, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    if (deaths === '') {
      while (await isOpen(pool, mode)) assert.equal(worker.exitCode, null);
      worker.kill('SIGKILL');
      await exited;
    } else if ((await exited)[1] === 'SIGKILL') killed++;
  }
  const { rows } = await pool.query<{ count: number }>(`SELECT count FROM counted_${mode}`);
  await gateway.stop();
  await pool.end();
  return { count: rows[0]?.count ?? -1, killed };
}

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['--conditions=holdfast-source', program, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function isOpen(pool: Pool, mode: string): Promise<boolean> {
  const { rows } = await pool.query<{ open: boolean }>(`SELECT EXISTS (SELECT FROM killed_${mode}.delivery) AS open`);
  return rows[0]?.open === true;
}

describe('200 increments, while their worker is killed between the write and its acknowledgement', () => {
  testNeeding([postgres], 'are counted once each where the handler has a transaction', async () => {
    assert.deepEqual(await worked('together'), { count: EVENTS, killed: LIVES.length - 1 });
  });

  testNeeding([postgres], 'are counted more often without one: the kills are at the moment that matters', async () => {
    const { count, killed } = await worked('apart');
    assert.equal(killed, LIVES.length - 1);
    assert.ok(count > EVENTS, `counted ${count} for ${EVENTS}`);
  });
});
