/** Everything in a SQLite store moved into PostgreSQL, and the ways in which that is refused, broken off and gone on with. */
import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { moveStore, openWhole, type MoveReport } from '../src/gateway/move-store.ts';
import { HoldfastError } from '../src/errors.ts';
import type { Store } from '../src/store/store.ts';
import { sqliteHarness } from '../src/store/sqlite/harness.ts';
import { Builder, settlement } from '../src/testing/conformance/build.ts';
import type { StoreHarness } from '../src/testing/conformance/harness.ts';
import { plain } from '../src/testing/conformance/plain.ts';
import { compareHistories, historyCommands, historyDraws } from '../src/testing/histories.ts';
import { memoryHarness } from '../src/testing/memory-harness.ts';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

const ALL = { slots: 1_000, bytesMax: 1_000_000_000 };
const NAMES = ['till', 'ledger', 'desk', 'office'];

/** All that History tells, without what is the driver's own: ids of deliveries, and bytes on disk. */
async function told({ history }: Store): Promise<unknown> {
  const events: unknown[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const listed = await history.events({}, { limit: 7, oldestFirst: true, ...(cursor !== undefined && { cursor }) });
    for (const { id } of listed.rows) events.push(await history.event(id));
    cursor = listed.cursor;
  }
  const deliveries: unknown[] = [];
  const numbers = new Map<string, number>();
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page = { limit: 7, oldestFirst: true, ...(cursor !== undefined && { cursor }) };
    const listed = await history.deliveries({}, page);
    for (const { id, replayOf, ...rest } of listed.rows) {
      numbers.set(id, numbers.size);
      const of = replayOf === null ? null : numbers.get(replayOf);
      assert.notEqual(of, undefined, 'what it repeats was committed before it');
      assert.equal((await history.delivery(id))?.eventId, rest.eventId);
      deliveries.push({ ...rest, of, attempts: rest.attempts, tries: await history.attempts(id) });
    }
    cursor = listed.cursor;
  }
  const { bytesOnDisk: _, ...counts } = await history.counts();
  return plain({ events, deliveries, counts });
}

/** What is worked off when everything succeeds: round by round what can be claimed, and what became of it. */
async function workedOff({ work }: Store, harness: StoreHarness): Promise<readonly unknown[]> {
  const build = new Builder(harness.clock);
  const rounds: unknown[] = [];
  for (let round = 0; round < 40; round++) {
    const wants = NAMES.map((destination) => ({ destination, ...ALL }));
    const { claims } = await work.claim({ now: harness.clock.now(), leaseMs: 60_000, wants });
    rounds.push(
      claims.map((one) => [one.destination, one.event.id, one.orderKey, one.attempts, one.crashes, one.answered]),
    );
    const settlements = claims.map((claim) => settlement(claim, build.succeeded()));
    await work.commit(build.batch({ settlements }));
    if (claims.length === 0) await harness.advance(1_000);
  }
  return rounds;
}

/** A SQLite store with this history behind it, opened again; `null` when the history cannot be told alone. */
async function storeOf(
  seed: number,
  length: number,
): Promise<{ readonly harness: StoreHarness; readonly store: Store }> {
  let harness: StoreHarness | undefined;
  const keeping = async (): Promise<StoreHarness> => {
    harness = await sqliteHarness({ bucketKeys: 8 });
    return { ...harness, dispose: () => Promise.resolve() };
  };
  await compareHistories(historyCommands(historyDraws(seed, length)), memoryHarness, keeping);
  assert.ok(harness !== undefined);
  return { harness, store: await harness.reopen({ crash: false }) };
}

async function into(store: Store, harness: StoreHarness, target: Store): Promise<MoveReport> {
  return moveStore({ source: store, target, clock: harness.clock, progressed: () => undefined });
}

/** What the directed tests move: held and waiting keys, a replay in a dead letter's place, dedupe keys, documents. */
async function eventful(harness: StoreHarness): Promise<{ readonly store: Store; readonly ids: readonly string[] }> {
  const store = await harness.open();
  const build = new Builder(harness.clock);
  const key = (name: string): { dedupeKey: string; dedupeWindowMs: number } => ({
    dedupeKey: name,
    dedupeWindowMs: 9e8,
  });
  const gone = build.event({ ...key('gone') }, 'ledger');
  const events = [1, 2, 3].map((number) => build.event({ orderKey: 'k', ...key(`d${number}`) }, 'till'));
  const bare = build.event({ ...key('bare'), text: 'a body' });
  await store.work.commit(build.batch({ appends: [{ events: [gone, ...events, bare] }] }));
  const claims = async (destination: string) => {
    const wants = [{ destination, ...ALL }];
    return (await store.work.claim({ now: harness.clock.now(), leaseMs: 60_000, wants })).claims;
  };
  const settlements = [
    ...(await claims('ledger')).map((claim) => settlement(claim, build.succeeded())),
    ...(await claims('till')).map((claim) => settlement(claim, build.dead('rejected', true))),
  ];
  await store.work.commit(build.batch({ settlements }));
  await harness.advance(10_000);
  const eventId = events[0]?.event.id ?? '';
  const [held] = (await store.history.deliveries({ eventId }, { limit: 1 })).rows;
  const replay = { replayId: build.replayId(), eventId, destination: 'till', of: held?.id ?? null, ordered: true };
  await store.work.commit(
    build.batch({
      replays: [replay],
      documents: [
        { kind: 'note', key: 'a', value: { text: 'kept' }, ifVersion: null },
        { kind: 'note', key: 'a', value: { text: 'kept' }, ifVersion: null },
        { kind: 'replay', key: 'r', value: { state: 'running', cursor: '4711' }, ifVersion: null },
        { kind: 'process', key: 'p', value: {}, ifVersion: null },
      ],
    }),
  );
  const retention = { bodiesMs: null, eventsMs: 5_000, unmatchedMs: null, deadLettersMs: null };
  const step = { now: harness.clock.now(), retention, heldBefore: [], limit: 1_000 };
  assert.equal((await store.work.purge(step)).events, 1);
  return { store, ids: events.map(({ event }) => event.id) };
}

function refusedAs(code: string): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === code;
}

describe('a store that is moved', () => {
  const here = postgresHere();
  const both = (
    work: (one: { harness: StoreHarness; other: StoreHarness; target: Store }) => Promise<void>,
  ): (() => Promise<void>) => {
    return async () => {
      await using cleaning = new AsyncDisposableStack();
      const harness = await sqliteHarness();
      cleaning.defer(() => harness.dispose());
      const other = await here().worlds.harness();
      cleaning.defer(() => other.dispose());
      const target = await other.open();
      await work({ harness, other, target });
    };
  };

  testNeeding([postgres], 'is the same after it, and is worked off in the same order', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const { harness, store } = await storeOf(seed, 60);
      const other = await here().worlds.harness();
      try {
        const target = await other.open();
        await other.advance(harness.clock.now() - other.clock.now());
        const before = await told(store);
        const report = await into(store, harness, target);
        assert.deepEqual(await told(target), before, `seed ${seed}`);
        assert.deepEqual(await told(store), before, 'the source is as it was');
        assert.equal(report.events, (await store.history.counts()).events);
        assert.deepEqual(await workedOff(target, other), await workedOff(store, harness), `seed ${seed}`);
      } finally {
        await harness.dispose();
        await other.dispose();
      }
    }
  });

  testNeeding(
    [postgres],
    'keeps who holds a key and whose place a replay has, what is a duplicate, and documents',
    both(async ({ harness, other, target }) => {
      const { store, ids } = await eventful(harness);
      await other.advance(harness.clock.now() - other.clock.now());
      const report = await into(store, harness, target);
      assert.deepEqual(report.dedupeKeys, { moved: 4, left: 1 }, 'the key of the purged event is not moved');
      const build = new Builder(other.clock);
      const repeats = ['d2', 'gone'].map((dedupeKey) =>
        build.event({ dedupeKey, id: build.replayId().replace('rpl', 'evt') }),
      );
      const { appends } = await target.work.commit(
        build.batch({ appends: repeats.map((event) => ({ events: [event] })) }),
      );
      const answers = appends.flatMap((one) => (one.status === 'committed' ? one.events : []));
      assert.deepEqual(answers[0], { status: 'duplicate', eventId: ids[1], differs: true, answer: null });
      assert.equal(answers[1]?.status, 'committed');
      const order = (await workedOff(target, other)).flat().map((one) => (one as readonly unknown[])[1]);
      assert.deepEqual(order, ids, 'the replay goes first, in the place of the one that held the key');
      assert.deepEqual(await target.registry.list('note'), await store.registry.list('note'));
      const { value } = (await target.registry.get('replay', 'r')) ?? {};
      assert.deepEqual(value, { state: 'running', cursor: null }, 'a cursor of the old store means nothing here');
      assert.deepEqual(await target.registry.list('process'), []);
    }),
  );

  testNeeding(
    [postgres],
    'is whole after the move was broken off and gone on with, at every step',
    both(async ({ harness, other, target: first }) => {
      const { store } = await eventful(harness);
      let target = first;
      let stops = 0;
      const attempt = async (): Promise<'broken off' | 'done'> => {
        let steps = 0;
        const progressed = (): void => {
          // Each time it gets one step further than the last, since what it did before is there.
          if (steps++ === 1) throw new Error('broken off');
        };
        try {
          await moveStore({ source: store, target, clock: harness.clock, progressed, stepRows: 1 });
          return 'done';
        } catch (error) {
          assert.equal((error as Error).message, 'broken off');
          return 'broken off';
        }
      };
      while ((await attempt()) === 'broken off') {
        await assert.rejects(openWhole(await other.reopen({ crash: false })), refusedAs('move_unfinished'));
        target = await other.reopen({ crash: false });
        assert.ok(++stops < 20);
      }
      assert.ok(stops > 1, `${stops} stops`);
      await openWhole(target);
      assert.deepEqual(await told(target), await told(store));
      await into(store, harness, target);
    }),
  );

  testNeeding(
    [postgres],
    'goes into nothing but an empty store, or the one that its move began in',
    both(async ({ harness, other, target }) => {
      const { store } = await eventful(harness);
      await target.registry.put({ kind: 'note', key: 'b', value: 1, ifVersion: null });
      await assert.rejects(into(store, harness, target), refusedAs('move_refused'));
      await target.registry.put({ kind: 'note', key: 'b', value: null, ifVersion: null });
      await assert.rejects(into(store, harness, target), refusedAs('move_refused'), 'its version would go on');
      await assert.rejects(into(target, other, store), refusedAs('move_unsupported'));
    }),
  );

  testNeeding(
    [postgres],
    'is refused once either has been worked on since',
    both(async ({ harness, other, target }) => {
      const { store } = await eventful(harness);
      await into(store, harness, target);
      const build = new Builder(other.clock);
      const event = build.event({ id: build.replayId().replace('rpl', 'evt') }, 'till');
      await target.work.commit(build.batch({ appends: [{ events: [event] }] }));
      await assert.rejects(into(store, harness, target), refusedAs('move_refused'));
      await store.work.commit(build.batch({ appends: [{ events: [build.event({}, 'till')] }] }));
      await assert.rejects(into(store, harness, target), refusedAs('move_refused'));
    }),
  );
});
