/** What was answered is there, whole; what was not answered is there whole or not at all. */
import assert from 'node:assert/strict';
import type { CommitBatch } from '../../store/store.ts';
import { settlement } from './build.ts';
import type { ConformanceCase, Operation } from './harness.ts';
import { plain } from './plain.ts';
import { first, promise, requiring, type World } from './world.ts';

/** One kind of row, for which durability is shown under every condition. */
interface Scenario {
  readonly operation: Operation;
  /** What is committed, as the subject of a sentence. */
  readonly what: string;
  /** Makes what has to be there before, and says what to commit. */
  readonly prepare: (world: World) => Promise<Prepared>;
}

interface Prepared {
  readonly rows: Partial<CommitBatch>;
  /** Throws, unless all that the rows do has been done. */
  readonly check: (world: World) => Promise<void>;
}

async function appendScenario(world: World): Promise<Prepared> {
  const events = [world.build.event({ text: 'one' }, 'till', 'ledger'), world.build.event({ text: 'two' }, 'till')];
  return {
    rows: { appends: [{ events }] },
    async check() {
      assert.deepEqual(await world.states('till'), ['ready', 'ready']);
      assert.deepEqual(await world.states('ledger'), ['ready']);
      for (const { event } of events) {
        assert.deepEqual(plain((await world.store.history.event(event.id))?.event.body), plain(event.body));
      }
    },
  };
}

async function settleScenario(world: World): Promise<Prepared> {
  const eventId = await world.accept({}, 'till');
  const claim = await world.claimOne('till');
  const emitted = world.build.event({ source: 'emitted', type: 'receipt' }, 'printer');
  const answer = { status: 201, headers: [['X-Till', '7']] as const, body: new Uint8Array([0, 255]) };
  const outcome = world.build.succeeded();
  return {
    rows: { settlements: [settlement(claim, outcome, { emits: [emitted], answer })] },
    async check() {
      assert.equal(await world.state(claim.deliveryId), 'succeeded');
      assert.deepEqual(await world.states('printer'), ['ready']);
      assert.deepEqual(plain((await world.store.history.event(eventId))?.answer), plain(answer));
      assert.deepEqual(await world.store.history.attempts(claim.deliveryId), [outcome.attempt]);
    },
  };
}

async function releaseScenario(world: World): Promise<Prepared> {
  await world.accept({}, 'till');
  const claim = await world.claimOne('till');
  const dueAt = world.now + 90_000;
  return {
    rows: { releases: [{ claim, delayMs: 90_000 }] },
    async check() {
      const { state, attempts, ...rest } = await world.delivery(claim.deliveryId);
      assert.deepEqual({ state, attempts, dueAt: rest.dueAt }, { state: 'due', attempts: 0, dueAt });
    },
  };
}

async function replayScenario(world: World): Promise<Prepared> {
  await world.accept({}, 'till');
  const { deliveryId } = await world.finish('till', world.build.dead('exhausted'));
  const row = await world.replayRow(deliveryId);
  return {
    rows: { replays: [row] },
    async check() {
      const replayed = await world.only({ replayId: row.replayId });
      assert.equal(replayed.replayOf, deliveryId);
      assert.equal(replayed.state, 'ready');
      assert.equal(await world.state(deliveryId), 'dead');
    },
  };
}

async function resolveScenario(world: World): Promise<Prepared> {
  await world.accept({}, 'till');
  const { deliveryId } = await world.finish('till', world.build.dead('rejected'));
  const at = world.now;
  return {
    rows: { actions: [{ kind: 'resolve', deliveryIds: [deliveryId], note: 'paid by hand', by: 'ada' }] },
    async check() {
      const { resolved } = await world.delivery(deliveryId);
      assert.deepEqual(resolved, { at, by: 'ada', note: 'paid by hand' });
    },
  };
}

async function buryScenario(world: World): Promise<Prepared> {
  await world.accept({}, 'till');
  await world.accept({}, 'till');
  return {
    rows: { actions: [{ kind: 'bury', destination: 'till', reason: 'cleared', limit: 100 }] },
    async check() {
      const rows = await world.deliveries({ destination: 'till' });
      assert.deepEqual(
        rows.map(({ state, reason }) => [state, reason]),
        [
          ['dead', 'cleared'],
          ['dead', 'cleared'],
        ],
      );
    },
  };
}

async function cancelScenario(world: World): Promise<Prepared> {
  const eventId = await world.accept({}, { destination: 'till', dueAt: world.now + 3_600_000 }, 'ledger');
  return {
    rows: { actions: [{ kind: 'cancel', eventId }] },
    async check() {
      const rows = await world.deliveries({ eventId });
      assert.deepEqual(
        rows.map((row) => row.state),
        ['cancelled', 'cancelled'],
      );
      assert.deepEqual(await world.claim('ledger'), []);
    },
  };
}

async function renameScenario(world: World): Promise<Prepared> {
  await world.accept({}, 'till');
  await world.finish('till', world.build.succeeded());
  await world.accept({}, 'till');
  return {
    rows: { actions: [{ kind: 'rename', from: 'till', to: 'desk' }] },
    async check() {
      assert.deepEqual(await world.states('till'), []);
      assert.deepEqual(await world.states('desk'), ['succeeded', 'ready']);
      const { destinations } = await world.store.history.counts();
      assert.deepEqual(
        destinations.map((row) => [row.destination, row.totals.received, row.totals.succeeded]),
        [['desk', 2, 1]],
      );
    },
  };
}

async function documentScenario(world: World): Promise<Prepared> {
  const value = { paused: true, by: ['ada', null, 1.5] };
  return {
    rows: { documents: [{ kind: 'note', key: 'till', value, ifVersion: 0 }] },
    async check() {
      const expected = { kind: 'note', key: 'till', value, version: 1 };
      assert.deepEqual(await world.store.registry.get('note', 'till'), expected);
    },
  };
}

const scenarios: readonly Scenario[] = [
  { operation: 'append', what: 'an append', prepare: appendScenario },
  { operation: 'settle', what: 'an outcome with its emits and its answer', prepare: settleScenario },
  { operation: 'release', what: 'a release', prepare: releaseScenario },
  { operation: 'replay', what: 'a replay', prepare: replayScenario },
  { operation: 'resolve', what: 'a resolution', prepare: resolveScenario },
  { operation: 'bury', what: 'a burial', prepare: buryScenario },
  { operation: 'cancel', what: 'a cancellation', prepare: cancelScenario },
  { operation: 'rename', what: 'a renaming', prepare: renameScenario },
  { operation: 'document', what: 'a document', prepare: documentScenario },
];

/** The same five cases for every kind of row. */
function casesOf({ operation, what, prepare }: Scenario): readonly ConformanceCase[] {
  return [
    promise(`${what} that was committed is there`, `durable/${operation}/normal`, async (world) => {
      const { rows, check } = await prepare(world);
      await assert.rejects(check(world), 'the case would show nothing: its effect is there already');
      await world.commit(rows);
      await check(world);
    }),
    promise(
      `${what} whose token was committed already changes nothing and is answered alike`,
      `durable/${operation}/repeat`,
      async (world) => {
        const { rows, check } = await prepare(world);
        const batch = world.build.batch(rows);
        const answers = await world.store.work.commit(batch);
        const before = await world.everything();
        await world.commit({});
        assert.deepEqual(plain(await world.store.work.commit(batch)), plain(answers));
        assert.deepEqual(await world.everything(), before);
        await check(world);
      },
    ),
    promise(
      `${what} whose commit failed leaves nothing behind`,
      `durable/${operation}/crash before commit`,
      async (world) => {
        const { rows, check } = await prepare(world);
        const batch = world.build.batch(rows);
        const before = await world.everything();
        await world.harness.interrupt(batch);
        assert.deepEqual(await world.everything(), before);
        await world.reopen('crashed');
        await assert.rejects(check(world));
      },
    ),
    promise(`${what} survives a crash after its commit`, `durable/${operation}/crash after commit`, async (world) => {
      const { rows, check } = await prepare(world);
      await world.commit(rows);
      await world.reopen('crashed');
      await check(world);
    }),
    promise(`${what} survives closing and opening`, `durable/${operation}/reopen`, async (world) => {
      const { rows, check } = await prepare(world);
      await world.commit(rows);
      await world.reopen('closed');
      await check(world);
    }),
  ];
}

/** The cases of the promise `durable`. */
export const durableCases: readonly ConformanceCase[] = [
  ...scenarios.flatMap(casesOf),
  promise('a batch without rows is committed', 'durable/append/normal', async (world) => {
    const before = await world.everything();
    const answers = await world.commit({});
    const none = { appends: [], starts: [], settlements: [], releases: [], replays: [], actions: [], documents: [] };
    assert.deepEqual(answers, { ...none, ready: [] });
    assert.deepEqual(await world.everything(), before);
  }),
  promise(
    'rows whose commit failed can be committed after all',
    'durable/append/crash before commit',
    async (world) => {
      const batch = world.build.batch({
        appends: [{ events: [world.build.event({ dedupeKey: 'k' }, { destination: 'till', handOff: 'claim' })] }],
        documents: [{ kind: 'note', key: 'a', value: 1, ifVersion: 0 }],
      });
      await world.harness.interrupt(batch);
      const { appends, documents } = await world.store.work.commit(batch);
      assert.equal(first(appends).status, 'committed');
      assert.deepEqual(documents, [{ status: 'committed', version: 1 }]);
      assert.equal((await world.deliveries()).length, 1);
      assert.equal((await world.store.history.counts()).sources[0]?.duplicates, 0);
    },
  ),
  promise('nothing of a commit that failed can be claimed', 'durable/append/crash before commit', async (world) => {
    const later = { destination: 'ledger', dueAt: world.now + 10 };
    const events = [world.build.event({}, 'till', later), world.build.event({ orderKey: 'k' }, 'till')];
    await world.harness.interrupt(world.build.batch({ appends: [{ events }] }));
    assert.deepEqual(await world.wakeUps('till', 'ledger'), { ready: [], nextAt: null });
    await world.advance(10);
    assert.deepEqual([...(await world.claim('till')), ...(await world.claim('ledger'))], []);
    assert.deepEqual((await world.store.history.counts()).destinations, []);
  }),
  promise('a row that is refused hinders no other of its batch', 'durable/settle/stale claim', async (world) => {
    await world.accept({}, 'till');
    const claim = await world.claimOne('till');
    await world.release(claim);
    const event = world.build.event({}, 'ledger');
    const answers = await world.commit({
      appends: [{ events: [event] }],
      settlements: [settlement(claim, world.build.succeeded())],
      documents: [{ kind: 'note', key: 'a', value: 1, ifVersion: 7 }],
    });
    assert.deepEqual(answers.settlements, [{ status: 'refused', reason: 'stale_claim' }]);
    assert.deepEqual(answers.documents, [{ status: 'refused', reason: 'conflict' }]);
    assert.equal(first(answers.appends).status, 'committed');
    assert.deepEqual(await world.states('ledger'), ['ready']);
  }),
  requiring(
    ['rowBytesMax'],
    promise(
      'an append is refused whole when one of its events is too large',
      'durable/append/normal',
      async (world) => {
        const body = new Uint8Array((world.harness.capabilities.rowBytesMax ?? 0) + 1);
        const large = world.build.event({ body }, 'till');
        const small = world.build.event({ dedupeKey: 'k' }, 'till');
        const other = world.build.event({}, 'ledger');
        const { appends } = await world.commit({ appends: [{ events: [small, large] }, { events: [other] }] });
        assert.deepEqual(appends[0], { status: 'refused', reason: 'too_large' });
        assert.equal(appends[1]?.status, 'committed');
        assert.deepEqual(await world.states('till'), []);
        assert.equal(first(await world.append(small)).status, 'committed');
      },
    ),
  ),
  requiring(
    ['rowBytesMax'],
    promise('an outcome is refused with an emit that is too large', 'durable/settle/normal', async (world) => {
      await world.accept({}, 'till');
      const claim = await world.claimOne('till');
      const body = new Uint8Array((world.harness.capabilities.rowBytesMax ?? 0) + 1);
      const emits = [world.build.event({}, 'ledger'), world.build.event({ body }, 'ledger')];
      const refused = { status: 'refused', reason: 'too_large' };
      assert.deepEqual(await world.settle(claim, world.build.succeeded(), { emits }), refused);
      assert.equal(await world.state(claim.deliveryId), 'claimed');
      assert.deepEqual(await world.states('ledger'), []);
    }),
  ),
  requiring(
    ['durableTokens'],
    promise('a token is remembered after a crash', 'durable/append/crash after commit', async (world) => {
      const batch = world.build.batch({ appends: [{ events: [world.build.event({}, 'till')] }] });
      const answers = await world.store.work.commit(batch);
      await world.reopen('crashed');
      assert.deepEqual(plain(await world.store.work.commit(batch)), plain(answers));
      assert.equal((await world.deliveries()).length, 1);
    }),
  ),
];
