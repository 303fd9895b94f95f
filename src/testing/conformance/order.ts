/** Same order key, in order, without stalling other keys. */
import assert from 'node:assert/strict';
import { settlement } from './build.ts';
import type { ConformanceCase } from './harness.ts';
import { first, promise, requiring, type World } from './world.ts';

/** Accepts one event per text, all of one order key, for the till. Answers the ids of the deliveries. */
async function queue(world: World, ...texts: readonly string[]): Promise<readonly string[]> {
  const events = texts.map((text) => world.build.event({ text, orderKey: 'k' }, 'till'));
  await world.append(...events);
  const ids: string[] = [];
  for (const { event } of events) ids.push((await world.only({ eventId: event.id })).id);
  return ids;
}

/** Claims all that is ready for the till, lets it succeed, until nothing is ready. Answers bodies in that order. */
async function drain(world: World): Promise<readonly string[]> {
  const bodies: string[] = [];
  for (;;) {
    const claims = await world.claim('till');
    if (claims.length === 0) return bodies;
    for (const claim of claims) {
      bodies.push(new TextDecoder().decode(claim.event.body ?? new Uint8Array()));
      await world.settle(claim, world.build.succeeded());
    }
  }
}

const inOrder: readonly ConformanceCase[] = [
  promise('deliveries of one order key are claimed one after the other', 'ordered/claim/normal', async (world) => {
    await queue(world, 'a', 'b', 'c');
    for (const expected of ['a', 'b', 'c']) {
      const claims = await world.claim('till');
      assert.deepEqual(
        claims.map((claim) => new TextDecoder().decode(claim.event.body ?? undefined)),
        [expected],
      );
      assert.equal(
        (await world.states('till')).filter((state) => state === 'blocked').length,
        'c'.charCodeAt(0) - expected.charCodeAt(0),
      );
      await world.settle(first(claims), world.build.succeeded());
    }
  }),
  promise('other keys, tenants and destinations are not kept waiting', 'ordered/append/normal', async (world) => {
    const key = { orderKey: 'k' };
    await world.accept(key, 'till', 'ledger');
    await world.accept({ ...key, tenant: 'acme' }, 'till');
    await world.accept({ ...key, tenant: '' }, 'till');
    await world.accept({ orderKey: 'l' }, 'till');
    await world.accept({ orderKey: null }, 'till');
    await world.accept(key, { destination: 'till', orderKey: null });
    await world.accept({ orderKey: '' }, 'till');
    assert.equal((await world.claim('till')).length, 7);
    assert.equal((await world.claim('ledger')).length, 1);
    await world.accept(key, 'till', 'ledger');
    assert.deepEqual(await world.claim('till'), []);
    assert.deepEqual(await world.claim('ledger'), []);
  }),
  promise('what is ready is claimed in the order of commits', 'ordered/claim/normal', async (world) => {
    const texts = ['a', 'b', 'c', 'd', 'e'];
    await world.append(...texts.map((text) => world.build.event({ text, orderKey: text }, 'till')));
    const [a, b] = await world.claim('till', 2);
    assert.ok(a !== undefined && b !== undefined);
    await world.release(b);
    await world.settle(a, world.build.retry(0));
    assert.deepEqual(await drain(world), texts);
  }),
  promise('a delivery that waits for its retry keeps its key blocked', 'ordered/settle/normal', async (world) => {
    const [, second = ''] = await queue(world, 'a', 'b');
    await world.finish('till', world.build.retry(1_000));
    assert.deepEqual(await world.claim('till'), []);
    assert.equal(await world.state(second), 'blocked');
    await world.advance(1_000);
    assert.deepEqual(await drain(world), ['a', 'b']);
  }),
  promise('a delivery that is not due keeps its key blocked', 'ordered/append/normal', async (world) => {
    const later = { destination: 'till', dueAt: world.now + 1_000 };
    await world.accept({ text: 'a', orderKey: 'k' }, later);
    await world.accept({ text: 'b', orderKey: 'k' }, 'till');
    assert.deepEqual(await world.states('till'), ['due', 'blocked']);
    assert.deepEqual(await world.claim('till'), []);
    await world.advance(1_000);
    assert.deepEqual(await drain(world), ['a', 'b']);
  }),
  promise(
    'a delivery that was given back is still before those of its key',
    'ordered/release/normal',
    async (world) => {
      await queue(world, 'a', 'b');
      await world.release(await world.claimOne('till'), 1_000);
      assert.deepEqual(await world.claim('till'), []);
      await world.advance(1_000);
      assert.deepEqual(await drain(world), ['a', 'b']);
    },
  ),
  promise('while its lease has not ended a claim keeps its key blocked', 'ordered/claim/stale claim', async (world) => {
    await queue(world, 'a', 'b');
    await world.claim('till', 1, 1_000);
    await world.advance(999);
    assert.deepEqual(await world.claim('till'), []);
    await world.advance(1);
    assert.deepEqual(await drain(world), ['a', 'b']);
  }),
  promise('a blocked delivery is not claimed by its id', 'ordered/claim/normal', async (world) => {
    const ids = await queue(world, 'a', 'b');
    const wants = [{ destination: 'till', slots: 10, bytesMax: 1_000_000 }];
    const { claims } = await world.store.work.claim({ now: world.now, leaseMs: 1_000, wants, ids });
    assert.deepEqual(
      claims.map((claim) => claim.deliveryId),
      [ids[0]],
    );
  }),
  promise('a blocked delivery is not handed off', 'ordered/append/normal', async (world) => {
    await queue(world, 'a');
    for (const handOff of ['claim', 'start'] as const) {
      assert.equal(await world.handOff({ orderKey: 'k' }, { destination: 'till', handOff }), null);
    }
    assert.deepEqual(await world.states('till'), ['ready', 'blocked', 'blocked']);
  }),
  promise('an outcome frees its key for what is appended with it', 'ordered/settle/normal', async (world) => {
    await queue(world, 'a');
    const claim = await world.claimOne('till');
    const events = [world.build.event({ text: 'b', orderKey: 'k' }, 'till')];
    const settlements = [settlement(claim, world.build.succeeded())];
    const { ready } = await world.commit({ appends: [{ events }], settlements });
    assert.deepEqual(ready, ['till']);
    assert.deepEqual(await world.states('till'), ['succeeded', 'ready']);
  }),
];

const lasting: readonly ConformanceCase[] = [
  promise('order keys survive a crash', 'ordered/append/crash after commit', async (world) => {
    await queue(world, 'a', 'b');
    await queue(world, 'c');
    await world.claimOne('till');
    await world.reopen('crashed');
    assert.deepEqual((await world.states('till')).slice(1), ['blocked', 'blocked']);
    await world.advance(60_000);
    await queue(world, 'd');
    assert.deepEqual(await drain(world), ['a', 'b', 'c', 'd']);
  }),
  promise('order keys survive closing and opening', 'ordered/append/reopen', async (world) => {
    await queue(world, 'a', 'b');
    await world.finish('till', world.build.retry(1_000));
    await world.reopen('closed');
    await queue(world, 'c');
    assert.deepEqual(await world.claim('till'), []);
    await world.advance(1_000);
    assert.deepEqual(await drain(world), ['a', 'b', 'c']);
  }),
  promise('a delivery whose commit failed blocks nothing', 'ordered/append/crash before commit', async (world) => {
    const events = [world.build.event({ orderKey: 'k' }, 'till')];
    await world.harness.interrupt(world.build.batch({ appends: [{ events }] }));
    await queue(world, 'b');
    assert.deepEqual(await drain(world), ['b']);
  }),
  promise('an outcome whose commit failed frees nothing', 'ordered/settle/crash before commit', async (world) => {
    await queue(world, 'a', 'b');
    const settlements = [settlement(await world.claimOne('till'), world.build.succeeded())];
    await world.harness.interrupt(world.build.batch({ settlements }));
    assert.deepEqual(await world.states('till'), ['claimed', 'blocked']);
    assert.deepEqual(await world.claim('till'), []);
  }),
  promise('an outcome that was refused frees nothing', 'ordered/settle/stale claim', async (world) => {
    await queue(world, 'a', 'b');
    const claim = await world.claimOne('till');
    await world.release(claim);
    await world.settle(claim, world.build.succeeded());
    assert.deepEqual(await world.states('till'), ['ready', 'blocked']);
  }),
  promise(
    'a dead letter that holds its key holds it after a crash',
    'ordered/settle/crash after commit',
    async (world) => {
      await queue(world, 'a', 'b');
      await world.finish('till', world.build.dead('exhausted', true));
      await world.reopen('crashed');
      assert.deepEqual(await world.states('till'), ['dead', 'blocked']);
      assert.deepEqual(await world.claim('till'), []);
    },
  ),
];

const freed: readonly ConformanceCase[] = [
  promise('a dead letter that holds its key holds it after a proper close', 'ordered/settle/reopen', async (world) => {
    await queue(world, 'a', 'b');
    await world.finish('till', world.build.dead('exhausted', true));
    await world.reopen('closed');
    await queue(world, 'c');
    assert.deepEqual(await world.states('till'), ['dead', 'blocked', 'blocked']);
  }),
  promise('a renamed destination keeps its order after a crash', 'ordered/rename/crash after commit', async (world) => {
    await world.accept({ text: 'a', orderKey: 'k' }, 'desk');
    await queue(world, 'b');
    await world.act({ kind: 'rename', from: 'desk', to: 'till' });
    await world.reopen('crashed');
    assert.deepEqual(await world.states('till'), ['ready', 'blocked']);
    assert.deepEqual(await drain(world), ['a', 'b']);
  }),
  promise('every end of a delivery frees its key', 'ordered/settle/normal', async (world) => {
    await queue(world, 'a', 'b', 'c', 'd');
    await world.finish('till', world.build.succeeded());
    await world.finish('till', world.build.skipped('no need'));
    await world.finish('till', world.build.dead('exhausted'));
    assert.deepEqual(await drain(world), ['d']);
  }),
  promise('a burial frees the key of what was not buried', 'ordered/bury/normal', async (world) => {
    await queue(world, 'a', 'b', 'c');
    assert.equal(await world.act({ kind: 'bury', destination: 'till', reason: 'cleared', limit: 2 }), 2);
    assert.deepEqual(await drain(world), ['c']);
  }),
  promise('a cancellation frees its key', 'ordered/cancel/normal', async (world) => {
    const eventId = await world.accept({ orderKey: 'k' }, { destination: 'till', dueAt: world.now + 1_000 });
    await queue(world, 'b');
    assert.equal(await world.act({ kind: 'cancel', eventId }), 1);
    assert.deepEqual(await drain(world), ['b']);
  }),
  promise('a delivery that is dead from birth blocks nothing', 'ordered/append/normal', async (world) => {
    await world.accept({ orderKey: 'k' }, { destination: 'till', dead: 'backlog_full' });
    await queue(world, 'b');
    assert.deepEqual(await drain(world), ['b']);
  }),
  requiring(
    ['embedded'],
    promise(
      'a dead letter of crashes frees its key, or holds it',
      'ordered/claim/crash after commit',
      async (world) => {
        await queue(world, 'a', 'b', 'c');
        for (const holdKey of [false, true]) {
          for (let round = 0; round < 3; round++) {
            await world.start(await world.claimOne('till'));
            await world.reopen('crashed');
          }
          const crashed = { kind: 'dead', reason: 'crashed', note: null, holdKey, attempt: null } as const;
          assert.equal((await world.settle(await world.claimOne('till'), crashed)).status, 'committed');
        }
        assert.deepEqual(await world.states('till'), ['dead', 'dead', 'blocked']);
      },
    ),
  ),
  promise('a renamed destination keeps its order', 'ordered/rename/normal', async (world) => {
    await world.accept({ text: 'a', orderKey: 'k' }, 'desk');
    await world.accept({ text: 'b', orderKey: 'k' }, 'desk');
    const claim = await world.claimOne('desk');
    await world.act({ kind: 'rename', from: 'desk', to: 'till' });
    await queue(world, 'c');
    assert.deepEqual(await world.states('till'), ['claimed', 'blocked', 'blocked']);
    assert.equal((await world.settle(claim, world.build.succeeded())).status, 'committed');
    assert.deepEqual(await drain(world), ['b', 'c']);
  }),
  promise('destinations that become one have one order', 'ordered/rename/normal', async (world) => {
    await world.accept({ text: 'a', orderKey: 'k' }, 'desk');
    await queue(world, 'b');
    await world.accept({ text: 'c', orderKey: 'k' }, 'desk');
    await world.act({ kind: 'rename', from: 'desk', to: 'till' });
    assert.deepEqual(await world.states('till'), ['ready', 'blocked', 'blocked']);
    assert.deepEqual(await drain(world), ['a', 'b', 'c']);
  }),
];

/** The cases of the promise `ordered`, but for held keys and replays. */
export const orderCases: readonly ConformanceCase[] = [...inOrder, ...lasting, ...freed];
