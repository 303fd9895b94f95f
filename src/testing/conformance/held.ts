/** Order keys that a dead letter holds, and replays: where a delivery stands that is made again. */
import assert from 'node:assert/strict';
import type { ConformanceCase } from './harness.ts';
import { bodyText, promise, type World } from './world.ts';

/** A held key: a dead letter that holds it, and what waits behind. Answers the ids. */
async function held(world: World): Promise<{ readonly dead: string; readonly behind: string }> {
  await world.accept({ text: 'a', orderKey: 'k' }, 'till');
  const eventId = await world.accept({ text: 'b', orderKey: 'k' }, 'till');
  const { deliveryId } = await world.finish('till', world.build.dead('exhausted', true));
  return { dead: deliveryId, behind: (await world.only({ eventId })).id };
}

async function bodies(world: World): Promise<readonly string[]> {
  return (await world.claim('till')).map(bodyText);
}

async function replayed(world: World, id: string): Promise<string> {
  const answer = await world.replay(id);
  assert.ok(answer.status === 'committed', JSON.stringify(answer));
  return answer.deliveryId;
}

/** The cases of the promise `ordered` about held keys and replays. */
export const heldCases: readonly ConformanceCase[] = [
  promise(
    'a dead letter that holds its key blocks it until it is resolved',
    'ordered/resolve/normal',
    async (world) => {
      const { dead, behind } = await held(world);
      assert.deepEqual(await bodies(world), []);
      assert.equal(await world.state(behind), 'blocked');
      const resolve = { kind: 'resolve', deliveryIds: [dead], note: 'by hand', by: 'ada' } as const;
      const { ready } = await world.commit({ actions: [resolve] });
      assert.deepEqual(ready, ['till']);
      assert.deepEqual(await bodies(world), ['b']);
    },
  ),
  promise('a held key does not hold others', 'ordered/settle/normal', async (world) => {
    await held(world);
    await world.accept({ text: 'c', orderKey: 'l' }, 'till');
    await world.accept({ text: 'd' }, 'till');
    assert.deepEqual(await bodies(world), ['c', 'd']);
  }),
  promise('a dead letter without an order key holds nothing', 'ordered/settle/normal', async (world) => {
    await world.accept({ text: 'a' }, 'till');
    await world.finish('till', world.build.dead('exhausted', true));
    await world.accept({ text: 'b' }, 'till');
    assert.deepEqual(await bodies(world), ['b']);
  }),
  promise('a replay of a dead letter that holds its key takes its place', 'ordered/replay/normal', async (world) => {
    const { dead, behind } = await held(world);
    const replay = await replayed(world, dead);
    assert.deepEqual([await world.state(replay), await world.state(behind)], ['ready', 'blocked']);
    await world.finish('till', world.build.succeeded());
    assert.deepEqual((await world.delivery(dead)).resolved, { at: world.now, by: 'replay', note: 'replayed' });
    assert.deepEqual(await bodies(world), ['b']);
  }),
  promise('a held key stays held when its replay dies too', 'ordered/replay/normal', async (world) => {
    const { dead, behind } = await held(world);
    const replay = await replayed(world, dead);
    await world.finish('till', world.build.dead('exhausted', false));
    assert.equal(await world.state(behind), 'blocked');
    const again = await replayed(world, replay);
    assert.equal((await world.delivery(again)).replayOf, replay);
    assert.deepEqual(await bodies(world), [], 'the replay of a dead letter that does not hold joins the tail');
    await world.act({ kind: 'resolve', deliveryIds: [dead], note: '', by: 'ada' });
    assert.deepEqual(await bodies(world), ['b']);
  }),
  promise(
    'a replay that died holds the key alone once what it repeats is resolved',
    'ordered/resolve/normal',
    async (world) => {
      const { dead, behind } = await held(world);
      const replay = await replayed(world, dead);
      await world.finish('till', world.build.dead('exhausted', true));
      await world.act({ kind: 'resolve', deliveryIds: [dead], note: 'superseded', by: 'replay' });
      assert.equal(await world.state(behind), 'blocked');
      const again = await replayed(world, replay);
      assert.deepEqual([await world.state(again), await world.state(behind)], ['ready', 'blocked']);
      await world.finish('till', world.build.succeeded());
      assert.equal((await world.delivery(dead)).resolved?.note, 'superseded');
      assert.deepEqual(await bodies(world), ['b']);
    },
  ),
  promise('a replay of a replay in a held key frees it at last', 'ordered/replay/repeat', async (world) => {
    const { dead } = await held(world);
    const replay = await replayed(world, dead);
    await world.finish('till', world.build.dead('exhausted', true));
    const again = await replayed(world, replay);
    assert.equal(await world.state(again), 'ready');
    await world.finish('till', world.build.skipped('already paid'));
    for (const id of [dead, replay]) assert.equal((await world.delivery(id)).resolved?.by, 'replay');
    assert.deepEqual(await bodies(world), ['b']);
  }),
  promise('a replay of anything else joins the tail of its key', 'ordered/replay/normal', async (world) => {
    await world.accept({ text: 'a', orderKey: 'k' }, 'till');
    const { deliveryId } = await world.finish('till', world.build.dead('exhausted'));
    await world.accept({ text: 'b', orderKey: 'k' }, 'till');
    const replay = await replayed(world, deliveryId);
    await world.accept({ text: 'c', orderKey: 'k' }, 'till');
    assert.equal(await world.state(replay), 'blocked');
    const order: string[] = [];
    for (let round = 0; round < 3; round++) order.push(bodyText(await world.finish('till', world.build.succeeded())));
    assert.deepEqual(order, ['b', 'a', 'c']);
  }),
  promise('a replay of a resolved dead letter joins the tail', 'ordered/replay/normal', async (world) => {
    const { dead } = await held(world);
    await world.act({ kind: 'resolve', deliveryIds: [dead], note: '', by: 'ada' });
    const replay = await replayed(world, dead);
    assert.equal(await world.state(replay), 'blocked');
    assert.deepEqual(await bodies(world), ['b']);
  }),
  promise(
    'a replay has the order key of what it repeats, else of its event',
    'ordered/replay/normal',
    async (world) => {
      const eventId = await world.accept(
        { orderKey: 'k' },
        { destination: 'till', orderKey: 'other' },
        { destination: 'desk', orderKey: null },
      );
      for (const destination of ['till', 'desk']) {
        const { deliveryId } = await world.finish(destination, world.build.succeeded());
        await world.replay(deliveryId);
        const [, replay] = await world.deliveries({ eventId, destination });
        assert.equal(replay?.orderKey, destination === 'till' ? 'other' : 'k');
      }
    },
  ),
  promise('a replay without order waits for nothing', 'ordered/replay/normal', async (world) => {
    const { dead } = await held(world);
    await world.replay(dead, { ordered: false });
    assert.deepEqual(await bodies(world), ['a']);
  }),
  promise('places that replays took survive a crash', 'ordered/replay/crash after commit', async (world) => {
    const { dead, behind } = await held(world);
    const replay = await replayed(world, dead);
    await world.reopen('crashed');
    assert.deepEqual([await world.state(replay), await world.state(behind)], ['ready', 'blocked']);
    await world.finish('till', world.build.succeeded());
    assert.deepEqual(await bodies(world), ['b']);
  }),
  promise('places that replays took survive closing and opening', 'ordered/replay/reopen', async (world) => {
    const { dead, behind } = await held(world);
    const replay = await replayed(world, dead);
    await world.reopen('closed');
    assert.deepEqual([await world.state(replay), await world.state(behind)], ['ready', 'blocked']);
  }),
  promise('a resolution frees a held key for good', 'ordered/resolve/crash after commit', async (world) => {
    const { dead } = await held(world);
    await world.act({ kind: 'resolve', deliveryIds: [dead], note: '', by: 'ada' });
    await world.reopen('crashed');
    assert.deepEqual(await bodies(world), ['b']);
  }),
  promise('a held key is free when its dead letter was purged', 'ordered/purge/normal', async (world) => {
    await held(world);
    await world.advance(10_000);
    const retention = { bodiesMs: null, eventsMs: null, unmatchedMs: null, deadLettersMs: 10_000 };
    await world.store.work.purge({ now: world.now, retention, heldBefore: [], limit: 100 });
    assert.deepEqual(await bodies(world), ['b']);
  }),
];
