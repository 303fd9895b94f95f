/** What outcomes, replays and actions leave behind is told truly. */
import assert from 'node:assert/strict';
import { LEASE_MS } from './build.ts';
import type { ConformanceCase } from './harness.ts';
import { first, promise, type World } from './world.ts';

async function totals(world: World): Promise<unknown> {
  return first((await world.store.history.counts()).destinations).totals;
}

/** One delivery to the till that ended as a dead letter; answers its id. */
async function deadLetter(world: World): Promise<string> {
  await world.accept({}, 'till');
  return (await world.finish('till', world.build.dead('exhausted'))).deliveryId;
}

const outcomes: readonly ConformanceCase[] = [
  promise('a success ends a delivery with one attempt', 'truthful/settle/normal', async (world) => {
    await world.accept({}, 'till');
    const { deliveryId } = await world.finish('till', world.build.succeeded());
    const { state, attempts, endedAt, reason, note, lastError } = await world.delivery(deliveryId);
    assert.deepEqual([state, attempts, endedAt], ['succeeded', 1, world.now]);
    assert.deepEqual([reason, note, lastError], [null, null, null]);
    assert.deepEqual(await totals(world), { received: 1, succeeded: 1, skipped: 0, failed: 0, dead: 0 });
  }),
  promise('a skip ends a delivery with its note', 'truthful/settle/normal', async (world) => {
    await world.accept({}, 'till');
    const { deliveryId } = await world.finish('till', world.build.skipped('a test order'));
    const { state, attempts, note, lastError } = await world.delivery(deliveryId);
    assert.deepEqual([state, attempts, note, lastError], ['skipped', 1, 'a test order', null]);
    assert.deepEqual(await totals(world), { received: 1, succeeded: 0, skipped: 1, failed: 0, dead: 0 });
  }),
  promise('a retry spends an attempt and says when it comes', 'truthful/settle/normal', async (world) => {
    await world.accept({}, 'till');
    const { deliveryId } = await world.finish('till', world.build.retry(1_000));
    const { state, attempts, dueAt, endedAt, lastError } = await world.delivery(deliveryId);
    assert.deepEqual([state, attempts, dueAt, endedAt], ['due', 1, world.now + 1_000, null]);
    assert.equal(lastError, 'refused by the till');
    await world.advance(1_000);
    const later = await world.delivery(deliveryId);
    assert.deepEqual([later.state, later.dueAt], ['ready', null]);
    assert.deepEqual(await totals(world), { received: 1, succeeded: 0, skipped: 0, failed: 1, dead: 0 });
  }),
  promise('a retry that spends nothing is recorded and counts for nothing', 'truthful/settle/normal', async (world) => {
    await world.accept({}, 'till');
    const { deliveryId } = await world.finish('till', world.build.unavailable(0));
    const { state, attempts, lastError } = await world.delivery(deliveryId);
    assert.deepEqual([state, attempts, lastError], ['ready', 0, 'the till is closed']);
    assert.equal((await world.store.history.attempts(deliveryId)).length, 1);
    assert.deepEqual(await totals(world), { received: 1, succeeded: 0, skipped: 0, failed: 0, dead: 0 });
  }),
  promise('a dead letter has its reason, its note and its error', 'truthful/settle/normal', async (world) => {
    const { state, attempts, reason, note, lastError, resolved } = await world.delivery(await deadLetter(world));
    assert.deepEqual([state, attempts, reason, note], ['dead', 1, 'exhausted', 'dead: exhausted']);
    assert.deepEqual([lastError, resolved], ['no such till', null]);
    assert.deepEqual(await totals(world), { received: 1, succeeded: 0, skipped: 0, failed: 1, dead: 1 });
  }),
  promise('a dead letter without a try spends no attempt', 'truthful/settle/normal', async (world) => {
    await world.accept({}, 'till');
    const outcome = { kind: 'dead', reason: 'body_purged', note: null, holdKey: false, attempt: null } as const;
    const { deliveryId } = await world.finish('till', outcome);
    assert.equal((await world.delivery(deliveryId)).attempts, 0);
    assert.deepEqual(await world.store.history.attempts(deliveryId), []);
    assert.deepEqual(await totals(world), { received: 1, succeeded: 0, skipped: 0, failed: 0, dead: 1 });
  }),
  promise('the newest error stays through a success', 'truthful/settle/repeat', async (world) => {
    await world.accept({}, 'till');
    await world.finish('till', world.build.retry(0, { error: 'one' }));
    await world.finish('till', world.build.retry(0, { error: 'two' }));
    await world.finish('till', world.build.retry(0, { error: null }));
    const { deliveryId } = await world.finish('till', world.build.succeeded());
    const { attempts, lastError } = await world.delivery(deliveryId);
    assert.deepEqual([attempts, lastError], [4, 'two']);
  }),
];

const replays: readonly ConformanceCase[] = [
  promise('a success of a replay resolves the dead letter it repeats', 'truthful/replay/normal', async (world) => {
    const id = await deadLetter(world);
    const answer = await world.replay(id);
    const current = await world.claimOne('till');
    assert.ok(answer.status === 'committed' && answer.deliveryId === current.deliveryId && current.replayOf === id);
    await world.advance(5);
    await world.settle(current, world.build.succeeded());
    assert.deepEqual((await world.delivery(id)).resolved, { at: world.now, by: 'replay', note: 'replayed' });
    assert.deepEqual(await totals(world), { received: 2, succeeded: 1, skipped: 0, failed: 1, dead: 1 });
  }),
  promise(
    'a replay that is skipped resolves it too, one that dies does not',
    'truthful/replay/normal',
    async (world) => {
      const [skipped, died] = [await deadLetter(world), await deadLetter(world)];
      await world.replay(skipped);
      await world.finish('till', world.build.skipped('done by hand'));
      await world.replay(died);
      await world.finish('till', world.build.dead('rejected'));
      assert.equal((await world.delivery(skipped)).resolved?.by, 'replay');
      assert.equal((await world.delivery(died)).resolved, null);
    },
  ),
  promise('what a person resolved keeps their note', 'truthful/replay/normal', async (world) => {
    const id = await deadLetter(world);
    await world.replay(id);
    await world.act({ kind: 'resolve', deliveryIds: [id], note: 'mine', by: 'ada' });
    await world.finish('till', world.build.succeeded());
    assert.equal((await world.delivery(id)).resolved?.note, 'mine');
  }),
  promise('an original has at most one open replay', 'truthful/replay/repeat', async (world) => {
    const id = await deadLetter(world);
    const row = await world.replayRow(id);
    const refused = { status: 'refused', reason: 'replay_open' } as const;
    const { replays: answers } = await world.commit({ replays: [row, row] });
    assert.deepEqual([answers[0]?.status, answers[1]], ['committed', refused]);
    assert.deepEqual(await world.replay(id), refused);
    await world.finish('till', world.build.dead('exhausted'));
    assert.equal((await world.replay(id)).status, 'committed');
  }),
  promise(
    'one replay makes one delivery of an original, however often it is asked',
    'truthful/replay/repeat',
    async (world) => {
      const eventId = await world.accept({});
      const row = { replayId: world.build.replayId(), eventId, destination: 'till', of: null, ordered: true };
      const refused = { status: 'refused', reason: 'replay_open' } as const;
      await world.commit({ replays: [row] });
      await world.finish('till', world.build.succeeded());
      const other = { ...row, replayId: world.build.replayId() };
      const { replays: answers } = await world.commit({ replays: [row, row, other] });
      assert.deepEqual(answers.slice(0, 2), [refused, refused]);
      assert.equal(answers[2]?.status, 'committed');
    },
  ),
  promise('an event is replayed for a destination it never owed anything', 'truthful/replay/normal', async (world) => {
    const eventId = await world.accept({ orderKey: 'k' });
    const row = { replayId: world.build.replayId(), eventId, destination: 'till', of: null, ordered: true };
    const again = { ...row, replayId: world.build.replayId() };
    const { replays: answers, ready } = await world.commit({ replays: [row, again] });
    assert.deepEqual(answers[1], { status: 'refused', reason: 'replay_open' });
    assert.deepEqual(ready, ['till']);
    const made = await world.only({ replayId: row.replayId });
    assert.deepEqual([made.orderKey, made.replayOf, made.state], ['k', null, 'ready']);
    assert.equal((await world.store.history.event(eventId))?.owed, 0);
  }),
  promise('a success is replayed on its own', 'truthful/replay/normal', async (world) => {
    await world.accept({}, 'till');
    const { deliveryId } = await world.finish('till', world.build.succeeded());
    await world.replay(deliveryId);
    await world.finish('till', world.build.succeeded());
    const { state, resolved, attempts } = await world.delivery(deliveryId);
    assert.deepEqual([state, resolved, attempts], ['succeeded', null, 1]);
  }),
  promise('what cannot be replayed is refused by name', 'truthful/replay/stale claim', async (world) => {
    const id = await deadLetter(world);
    await world.accept({}, 'ledger');
    const open = (await world.only({ destination: 'ledger' })).id;
    assert.deepEqual(await world.replay(open), { status: 'refused', reason: 'conflict' });
    const refused = { status: 'refused', reason: 'not_found' } as const;
    const { eventId: other } = await world.delivery(open);
    assert.deepEqual(await world.replay(id, { eventId: 'evt_01h00000000000000000000000' }), refused);
    assert.deepEqual(await world.replay(id, { of: 'dlv_01h00000000000000000000000' }), refused);
    assert.deepEqual(await world.replay(id, { eventId: other }), refused);
    assert.deepEqual(await world.replay(id, { destination: 'ledger' }), refused);
  }),
];

const actions: readonly ConformanceCase[] = [
  promise('only unresolved dead letters are resolved', 'truthful/resolve/repeat', async (world) => {
    const ids = [await deadLetter(world), await deadLetter(world)];
    await world.accept({}, 'till');
    const open = await world.claimOne('till');
    const resolve = { kind: 'resolve', by: 'ada', note: 'n' } as const;
    const deliveryIds = [...ids, ...ids, open.deliveryId, 'dlv_01h00000000000000000000000'];
    assert.equal(await world.act({ ...resolve, deliveryIds }), 2);
    assert.equal(await world.act({ ...resolve, deliveryIds, note: 'again' }), 0);
    assert.equal((await world.delivery(first(ids))).resolved?.note, 'n');
    assert.equal((await world.delivery(open.deliveryId)).resolved, null);
    assert.equal(first((await world.store.history.counts()).destinations).dead, 0);
  }),
  promise('a burial takes the oldest unclaimed up to its limit', 'truthful/bury/repeat', async (world) => {
    for (let made = 0; made < 4; made++) await world.accept({}, 'till', 'ledger');
    await world.claimOne('till');
    await world.accept({}, { destination: 'till', dueAt: world.now + 1_000 });
    const bury = { kind: 'bury', destination: 'till', reason: 'destination_deleted', limit: 2 } as const;
    assert.equal(await world.act(bury), 2);
    assert.deepEqual(await world.states('till'), ['claimed', 'dead', 'dead', 'ready', 'due']);
    assert.deepEqual([await world.act(bury), await world.act(bury)], [2, 0]);
    assert.deepEqual(await world.states('ledger'), Array(4).fill('ready'));
    const [dead] = await world.deliveries({ destination: 'till', states: ['dead'] });
    assert.deepEqual([dead?.reason, dead?.attempts, dead?.endedAt], ['destination_deleted', 0, world.now]);
  }),
  promise('an event that has been begun is not cancelled', 'truthful/cancel/stale claim', async (world) => {
    const eventId = await world.accept({}, { destination: 'till', dueAt: world.now + 9_000 }, 'ledger');
    const cancel = { kind: 'cancel', eventId } as const;
    const current = await world.claimOne('ledger');
    assert.equal(await world.act(cancel), 0, 'it is claimed');
    await world.settle(current, world.build.unavailable(0));
    assert.equal(await world.act(cancel), 0, 'it has been tried');
    await world.finish('ledger', world.build.succeeded());
    assert.equal(await world.act(cancel), 0, 'it has succeeded');
    assert.deepEqual(await world.states('till'), ['due']);
  }),
  promise(
    'an event that was started is not cancelled, though its lease ended',
    'truthful/cancel/stale claim',
    async (world) => {
      const eventId = await world.accept({}, 'till', 'ledger');
      await world.start(await world.claimOne('till'));
      await world.advance(LEASE_MS);
      assert.equal(await world.act({ kind: 'cancel', eventId }), 0);
      assert.deepEqual(await world.states('ledger'), ['ready']);
    },
  ),
  promise('an event that was claimed and given back is cancelled', 'truthful/cancel/normal', async (world) => {
    const eventId = await world.accept({}, 'till');
    await world.release(await world.claimOne('till'));
    assert.equal(await world.act({ kind: 'cancel', eventId }), 1);
    const { state, endedAt } = await world.only({ eventId });
    assert.deepEqual([state, endedAt], ['cancelled', world.now]);
  }),
  promise('cancelling twice, or nothing, affects nothing', 'truthful/cancel/repeat', async (world) => {
    const eventId = await world.accept({}, 'till', { destination: 'ledger', dead: 'backlog_full' });
    const cancel = { kind: 'cancel', eventId } as const;
    assert.deepEqual([await world.act(cancel), await world.act(cancel)], [1, 0]);
    assert.deepEqual(await world.states('ledger'), ['dead']);
    assert.equal(await world.act({ kind: 'cancel', eventId: 'evt_01h00000000000000000000000' }), 0);
  }),
  promise('renaming again affects nothing', 'truthful/rename/repeat', async (world) => {
    await world.accept({}, 'till');
    const rename = { kind: 'rename', from: 'till', to: 'desk' } as const;
    assert.deepEqual([await world.act(rename), await world.act(rename)], [1, 0]);
    assert.equal(await world.act({ kind: 'rename', from: 'desk', to: 'desk' }), 0);
    await world.accept({}, 'till');
    assert.equal(await world.act(rename), 1, 'what comes under the old name is taken over too');
    assert.deepEqual(await world.states('desk'), ['ready', 'ready']);
  }),
  promise('renaming adds totals and makes the new name ready', 'truthful/rename/normal', async (world) => {
    await deadLetter(world);
    await world.accept({}, 'till');
    await world.accept({}, 'desk');
    await world.finish('desk', world.build.succeeded());
    const { actions: done, ready } = await world.commit({ actions: [{ kind: 'rename', from: 'till', to: 'desk' }] });
    assert.deepEqual([done, ready], [[{ status: 'committed', affected: 1 }], ['desk']]);
    const { destinations } = await world.store.history.counts();
    assert.deepEqual(
      destinations.map((row) => row.destination),
      ['desk'],
    );
    assert.deepEqual(await totals(world), { received: 3, succeeded: 1, skipped: 0, failed: 1, dead: 1 });
    assert.equal((await world.claim('desk')).length, 1);
  }),
  promise('a claim outlives the renaming of its destination', 'fenced/rename/normal', async (world) => {
    await world.accept({}, 'till');
    const current = await world.claimOne('till');
    await world.act({ kind: 'rename', from: 'till', to: 'desk' });
    assert.deepEqual(await world.claim('desk'), []);
    assert.deepEqual(await world.store.work.renew([current], 1_000), []);
    assert.equal((await world.settle(current, world.build.succeeded())).status, 'committed');
    assert.deepEqual(await world.states('desk'), ['succeeded']);
  }),
];

/** The cases about outcomes, replays and actions, mostly of the promise `truthful`. */
export const outcomeCases: readonly ConformanceCase[] = [...outcomes, ...replays, ...actions];
