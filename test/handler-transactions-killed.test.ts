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
/** Whoever was there at two of the kills is tried alone, so that a third makes one dead letter, and there are three of those. */
const CRASHED_MAX = 3;

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

interface Worked {
  readonly count: number;
  readonly killed: number;
  /** Dead letters: of what was under way at three of the kills. */
  readonly crashed: number;
}

/** Lets workers work off all events, each to its death, and answers what they counted and how many were killed. */
async function worked(mode: 'together' | 'apart'): Promise<Worked> {
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
      while ((await countOf(pool, mode, 'NOT dead')) > 0) assert.equal(worker.exitCode, null);
      worker.kill('SIGKILL');
      await exited;
    } else if ((await exited)[1] === 'SIGKILL') killed++;
  }
  const { rows } = await pool.query<{ count: number }>(`SELECT count FROM counted_${mode}`);
  const crashed = await countOf(pool, mode, `dead AND reason = 'crashed'`);
  await gateway.stop();
  await pool.end();
  return { count: rows[0]?.count ?? -1, killed, crashed };
}

function start(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['--conditions=holdfast-source', program, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** How many deliveries that have not ended well there are. */
async function countOf(pool: Pool, mode: string, which: string): Promise<number> {
  const text = `SELECT count(*)::integer AS count FROM killed_${mode}.delivery WHERE ${which}`;
  return (await pool.query<{ count: number }>(text)).rows[0]?.count ?? -1;
}

describe('200 increments, while their worker is killed between the write and its acknowledgement', () => {
  testNeeding([postgres], 'are counted once each where the handler has a transaction', async () => {
    const { count, killed, crashed } = await worked('together');
    assert.equal(killed, LIVES.length - 1);
    assert.equal(count, EVENTS - crashed);
    assert.ok(crashed <= CRASHED_MAX, `${crashed} dead letters`);
  });

  testNeeding([postgres], 'are counted more often without one: the kills are at the moment that matters', async () => {
    const { count, killed } = await worked('apart');
    assert.equal(killed, LIVES.length - 1);
    assert.ok(count > EVENTS, `counted ${count} for ${EVENTS}`);
  });
});
