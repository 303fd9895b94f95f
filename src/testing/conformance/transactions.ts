/** What a store writes in a transaction of the application: with it or not at all, and under the same fence. */
import assert from 'node:assert/strict';
import type { OpenTransaction, SettleAnswer, Settlement } from '../../store/store.ts';
import { LEASE_MS, settlement } from './build.ts';
import type { ConformanceCase } from './harness.ts';
import { first, promise, requiring, type World } from './world.ts';

const IDLE_MS = 60_000;
const stale = { status: 'refused', reason: 'stale_claim' } as const;

async function begin({ store }: World): Promise<OpenTransaction> {
  const open = await store.begin?.(IDLE_MS);
  assert.ok(open !== undefined, 'a store with transactions begins one');
  return open;
}

/** Appends an event in a transaction, and answers that and the event's id. */
async function appended(world: World): Promise<{ readonly open: OpenTransaction; readonly id: string }> {
  const open = await begin(world);
  const event = world.build.event({ dedupeKey: 'd', orderKey: 'o' }, { destination: 'till', handOff: 'start' });
  const answer = await world.store.appendIn?.(open.tx, { events: [event] });
  assert.equal(answer?.status, 'committed');
  assert.equal(await world.store.history.event(event.event.id), null, 'nobody sees it before the commit');
  return { open, id: event.event.id };
}

async function settledIn(world: World, open: OpenTransaction, row: Settlement): Promise<SettleAnswer> {
  return first((await world.store.settleIn?.(open.tx, [row])) ?? []);
}

/** Claims the one delivery and settles it in a transaction, with an event emitted. */
async function settled(world: World): Promise<{ readonly open: OpenTransaction; readonly row: Settlement }> {
  await world.accept({}, 'till');
  const open = await begin(world);
  const emits = [world.build.event({ source: 'emitted' }, 'printer')];
  const row = settlement(await world.claimOne('till'), world.build.succeeded(), { emits });
  assert.equal((await settledIn(world, open, row)).status, 'committed');
  return { open, row };
}

const cases: readonly ConformanceCase[] = [
  promise(
    'an event appended in a transaction is ready, unclaimed, when that commits',
    'durable/appendIn/normal',
    async (world) => {
      const { open, id } = await appended(world);
      await open.commit();
      assert.deepEqual(await world.states('till'), ['ready']);
      assert.equal((await world.store.history.event(id))?.event.id, id);
    },
  ),
  promise(
    'an event appended in a transaction that is rolled back was never there',
    'durable/appendIn/crash before commit',
    async (world) => {
      const before = await world.everything();
      const { open } = await appended(world);
      await open.rollback();
      await open.rollback();
      assert.deepEqual(await world.everything(), before);
      const again = first(await world.append(world.build.event({ dedupeKey: 'd' }, 'till')));
      assert.equal(again.status, 'committed', 'its dedupe key is free');
    },
  ),
  promise(
    'an event appended in a transaction survives a crash after its commit, with its dedupe key',
    'durable/appendIn/crash after commit',
    async (world) => {
      const { open, id } = await appended(world);
      await open.commit();
      await world.reopen('crashed');
      const again = first(await world.append(world.build.event({ dedupeKey: 'd' }, 'till')));
      assert.deepEqual([again.status, again.eventId], ['duplicate', id]);
    },
  ),
  promise(
    'an outcome in a transaction, with what was emitted, is there when that commits',
    'durable/settleIn/normal',
    async (world) => {
      const { open, row } = await settled(world);
      assert.equal(await world.state(row.claim.deliveryId), 'claimed', 'nobody sees it before the commit');
      await open.commit();
      assert.equal(await world.state(row.claim.deliveryId), 'succeeded');
      assert.deepEqual(await world.states('printer'), ['ready']);
    },
  ),
  promise(
    'an outcome in a transaction that is rolled back leaves the claim as it was',
    'durable/settleIn/crash before commit',
    async (world) => {
      const { open, row } = await settled(world);
      await open.rollback();
      assert.equal(await world.state(row.claim.deliveryId), 'claimed');
      assert.deepEqual(await world.states('printer'), []);
      assert.equal((await world.settle(row.claim, row.outcome)).status, 'committed');
    },
  ),
  promise(
    'an outcome in a transaction survives a crash after its commit',
    'durable/settleIn/crash after commit',
    async (world) => {
      const { open, row } = await settled(world);
      await open.commit();
      await world.reopen('crashed');
      await world.advance(LEASE_MS);
      assert.equal(await world.state(row.claim.deliveryId), 'succeeded');
      assert.deepEqual(await world.claim('till'), []);
    },
  ),
  promise(
    'an outcome in a transaction under a claim that another replaced is refused, with its emits',
    'fenced/settleIn/stale claim',
    async (world) => {
      await world.accept({}, 'till');
      const old = await world.claimOne('till');
      await world.advance(LEASE_MS);
      const current = await world.claimOne('till');
      const open = await begin(world);
      const emits = [world.build.event({ source: 'emitted' }, 'printer')];
      assert.deepEqual(await settledIn(world, open, settlement(old, world.build.succeeded(), { emits })), stale);
      await open.commit();
      assert.equal(await world.state(current.deliveryId), 'claimed');
      assert.deepEqual(await world.states('printer'), []);
    },
  ),
  promise(
    'of an outcome in a transaction and another under the same claim the first to commit counts',
    'fenced/settleIn/repeat',
    async (world) => {
      const { open, row } = await settled(world);
      await open.commit();
      assert.deepEqual(await world.settle(row.claim, world.build.retry(1000)), stale);
      const late = await begin(world);
      assert.deepEqual(await settledIn(world, late, row), stale);
      await late.rollback();
      assert.equal(await world.state(row.claim.deliveryId), 'succeeded');
    },
  ),
];

/** The cases of stores whose transactions the application can share. */
export const transactionCases: readonly ConformanceCase[] = cases.map((item) => requiring(['transactions'], item));
