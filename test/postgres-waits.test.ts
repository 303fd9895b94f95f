/** Who waits for whom on one PostgreSQL: transactions that stay open, backups and retention keep no commit waiting. */
import assert from 'node:assert/strict';
import { describe, type TestContext } from 'node:test';
import { Client } from 'pg';
import { World } from '../src/testing/conformance/world.ts';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

const here = postgresHere();
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** A world, and a connection of somebody else's in whose transaction everything happens that is not committed. */
async function opened(t: TestContext): Promise<{ readonly world: World; readonly tx: Client }> {
  const { worlds, server } = here();
  const world = await World.open(await worlds.harness({ sweptBytesMax: 0 }));
  const tx = new Client({ connectionString: server.url, options: '-c search_path=holdfast_test' });
  tx.on('error', () => undefined);
  await tx.connect();
  await tx.query('BEGIN');
  t.after(async () => {
    await tx.end();
    await world.harness.dispose();
  });
  return { world, tx };
}

function keyed(world: World, dedupeKey: string, dedupeWindowMs = DAY): ReturnType<World['build']['event']> {
  return world.build.event({ dedupeKey, dedupeWindowMs }, 'till');
}

describe('a commit on PostgreSQL', () => {
  testNeeding([postgres], 'waits for no transaction of the application that brought another dedupe key', async (t) => {
    const { world, tx } = await opened(t);
    // The first of an hour, and the first with so long a window.
    await world.store.appendIn?.(tx, { events: [keyed(world, 'theirs')] });
    await world.append(keyed(world, 'ours'));
    await world.append(keyed(world, 'longer', 2 * DAY));
    await tx.query('COMMIT');
    assert.equal((await world.deliveries()).length, 3);
  });

  testNeeding([postgres], 'waits for no purge that sees to the dedupe keys', async (t) => {
    const { world, tx } = await opened(t);
    await tx.query('SELECT turn_epochs_1()');
    await world.append(keyed(world, 'ours'));
  });

  testNeeding([postgres], 'waits for no dedupe keys that cannot go, since a backup reads them', async (t) => {
    const { world, tx } = await opened(t);
    const none = { bodiesMs: null, eventsMs: null, unmatchedMs: null, deadLettersMs: null };
    const purge = (): ReturnType<World['store']['work']['purge']> =>
      world.store.work.purge({ now: world.now, retention: none, heldBefore: [], limit: 100 });
    await world.append(keyed(world, 'old', HOUR));
    await world.advance(DAY);
    await tx.query('LOCK TABLE dedupe IN ACCESS SHARE MODE');
    const commits = new AbortController();
    const purging = purge().finally(() => commits.abort());
    while (!commits.signal.aborted) await world.accept({}, 'till');
    assert.equal((await purging).dedupeKeys, 0);
    await tx.query('COMMIT');
    await world.append(keyed(world, 'next', HOUR));
    await world.advance(DAY);
    assert.equal((await purge()).dedupeKeys, 2, 'they go with the next that are over');
  });
});
