/**
 * Who waits for whom on one PostgreSQL. Transactions that stay open, backups and retention keep no commit waiting for long,
 * and what waits for another sees what that one did.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext } from 'node:test';
import { Client } from 'pg';
import { settlement } from '../src/testing/conformance/build.ts';
import { batchRows, turnsOf, verdictsOf } from '../src/store/postgres/batch-rows.ts';
import type { CommitBatch } from '../src/store/store.ts';
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

/** Commits a batch as another process would, in a transaction that stays open. */
async function commitIn(tx: Client, batch: CommitBatch): Promise<void> {
  const verdicts = verdictsOf(batch, new Set());
  const { json, bytes, seqs, claims, starts } = batchRows(batch, verdicts, turnsOf(batch, verdicts));
  const values = [999, 1, batch.token, batch.leaseMs, json, bytes, seqs, claims, starts];
  await tx.query('SELECT commit_1($1, $2, $3, $4, $5, $6, $7, $8, $9)', values);
}

/** Resolves when somebody waits for a lock, or this has ended. */
async function waitsOrEnds(work: Promise<unknown>): Promise<void> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  void work.then(end, end);
  while (!ended.signal.aborted) {
    const [row] = await here().worlds.query('SELECT count(*)::integer AS count FROM pg_locks WHERE NOT granted');
    if (Number(row?.['count']) > 0) return;
  }
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

describe('what people look at on PostgreSQL', () => {
  testNeeding(
    [postgres],
    'keeps no commit waiting for a connection, however slow it is and however many look',
    async (t) => {
      const { world, tx } = await opened(t);
      const store = here().worlds.store(world.harness.clock, { process: 'looked at', connectionsMax: 4 });
      await store.work.open();
      await world.accept({}, 'till');
      const { id } = await world.only({ destination: 'till' });
      await tx.query('LOCK TABLE attempt IN ACCESS EXCLUSIVE MODE');
      let over = 0;
      const looks = Array.from({ length: 12 }, () => store.history.attempts(id).finally(() => over++));
      const { appends } = await store.work.commit(world.build.batch({ appends: [{ events: [keyed(world, 'k')] }] }));
      assert.deepEqual([appends[0]?.status, over], ['committed', 0]);
      await tx.query('COMMIT');
      assert.deepEqual((await Promise.all(looks)).flat(), []);
      await store.work.close();
    },
  );
});

describe('a replay on PostgreSQL that succeeds', () => {
  testNeeding(
    [postgres],
    'lets the order key go on that the dead letter held, though it has none itself',
    async (t) => {
      const { world, tx } = await opened(t);
      await world.accept({ orderKey: 'key' }, 'till');
      await world.settle(await world.claimOne('till'), world.build.dead('exhausted', true));
      const dead = await world.only({ destination: 'till' });
      await world.replay(dead.id, { ordered: false });
      const claim = await world.claimOne('till');
      const next = world.build.event({ orderKey: 'key' }, 'till');
      await commitIn(tx, world.build.batch({ appends: [{ events: [next] }] }));
      const settling = world.commit({ settlements: [settlement(claim, world.build.succeeded())] });
      await waitsOrEnds(settling);
      await tx.query('COMMIT');
      await settling;
      assert.equal((await world.claimOne('till')).event.id, next.event.id);
    },
  );
});

describe('what somebody does to deliveries on PostgreSQL', () => {
  testNeeding([postgres], 'is done also while retention moves them', async (t) => {
    const { world, tx } = await opened(t);
    await world.accept({}, 'till');
    await world.finish('till', world.build.dead('exhausted'));
    const dead = await world.only({ destination: 'till' });
    const later = await world.accept({}, { destination: 'later', dueAt: world.now + 9 * DAY });
    await world.accept({}, 'done', { destination: 'later', dueAt: world.now + 9 * DAY });
    const begun = await world.finish('done', world.build.succeeded());
    await world.advance(3 * DAY);
    const clocks = JSON.stringify({ events: DAY, bodies: null, unmatched: null, deadLetters: null });
    await tx.query('SELECT * FROM keep_1($1, $2, 0, 1000)', [clocks, Math.floor(dead.committedAt / DAY)]);
    const acting = world.commit({
      actions: [
        { kind: 'resolve', deliveryIds: [dead.id], by: 'somebody', note: 'seen' },
        { kind: 'cancel', eventId: later },
        { kind: 'cancel', eventId: begun.event.id },
      ],
    });
    await waitsOrEnds(acting);
    await tx.query('COMMIT');
    const affected = (await acting).actions.map((answer) => ('affected' in answer ? answer.affected : answer.reason));
    assert.deepEqual(affected, [1, 1, 0]);
    assert.equal((await world.delivery(dead.id)).resolved?.by, 'somebody');
  });
});

describe('a purge on PostgreSQL', () => {
  testNeeding(
    [postgres],
    'that waits in a circle with a transaction of the application is made after it',
    async (t) => {
      const { world, tx } = await opened(t);
      await world.accept({}, 'held');
      await world.advance(DAY);
      const [slots] = await here().worlds.query(
        `SELECT array_agg(k ORDER BY hashtext(format('[null, "%s"]', k)) & 255) AS keys FROM unnest($1::text[]) k`,
        [Array.from({ length: 50 }, (_, index) => `key ${index}`)],
      );
      const keys = slots?.['keys'] as readonly string[];
      const emit = (orderKey: string | undefined): Promise<unknown> =>
        Promise.resolve(
          world.store.appendIn?.(tx, { events: [world.build.event({ orderKey: orderKey ?? '' }, 'till')] }),
        );
      await emit(keys.at(-1));
      const none = { bodiesMs: null, eventsMs: null, unmatchedMs: null, deadLettersMs: null };
      const heldBefore = [{ destination: 'held', before: world.now }];
      const purging = world.store.work.purge({ now: world.now, retention: none, heldBefore, limit: 10 });
      await waitsOrEnds(purging);
      await emit(keys[0]);
      await tx.query('COMMIT');
      assert.equal((await purging).held, 1);
    },
  );
});
