/** Crashes are bounded, and innocent neighbours pay nothing. */
import assert from 'node:assert/strict';
import { LEASE_MS, settlement } from './build.ts';
import type { ConformanceCase } from './harness.ts';
import { first, promise, requiring, type World } from './world.ts';

const CRASHED = { kind: 'dead', reason: 'crashed', note: null, holdKey: false, attempt: null } as const;

/** One delivery for the till; answers its id. */
async function one(world: World): Promise<string> {
  const eventId = await world.accept({}, 'till');
  return (await world.only({ eventId })).id;
}

async function crashes(world: World, id: string): Promise<readonly [string, number, number]> {
  const { state, crashes: count, attempts } = await world.delivery(id);
  return [state, count, attempts];
}

/** Claims it, marks it started, and crashes. */
async function crashOnce(world: World): Promise<void> {
  assert.deepEqual(await world.start(await world.claimOne('till')), [{ status: 'committed' }]);
  await world.reopen('crashed');
}

const suspects: readonly ConformanceCase[] = [
  promise(
    'what was started when the process died counts one crash and no attempt',
    'crash-bounded/start/crash after commit',
    async (world) => {
      const id = await one(world);
      await crashOnce(world);
      assert.deepEqual(await crashes(world, id), ['ready', 1, 0]);
      assert.equal((await world.claimOne('till')).crashes, 1);
    },
  ),
  promise(
    'whoever claims after three crashes is told, as often as it takes, and makes a dead letter',
    'crash-bounded/start/crash after commit',
    async (world) => {
      const id = await one(world);
      for (let round = 0; round < 3; round++) await crashOnce(world);
      assert.deepEqual(await crashes(world, id), ['ready', 3, 0]);
      assert.equal((await world.claimOne('till')).crashes, 3);
      await world.reopen('crashed');
      const claim = await world.claimOne('till');
      assert.equal(claim.crashes, 3);
      assert.equal((await world.settle(claim, CRASHED)).status, 'committed');
      assert.deepEqual(await crashes(world, id), ['dead', 3, 0]);
      const { reason, endedAt, resolved } = await world.delivery(id);
      assert.deepEqual({ reason, endedAt, resolved }, { reason: 'crashed', endedAt: world.now, resolved: null });
      assert.deepEqual(await world.claim('till'), []);
      assert.equal(first((await world.store.history.counts()).destinations).totals.dead, 1);
    },
  ),
  promise(
    'what was claimed and not started counts no crash',
    'crash-bounded/claim/crash after commit',
    async (world) => {
      const id = await one(world);
      for (let round = 0; round < 4; round++) {
        await world.claimOne('till');
        await world.reopen('crashed');
      }
      assert.deepEqual(await crashes(world, id), ['ready', 0, 0]);
    },
  ),
  promise('a start whose commit failed counts no crash', 'crash-bounded/start/crash before commit', async (world) => {
    const id = await one(world);
    const claim = await world.claimOne('till');
    await world.harness.interrupt(world.build.batch({ starts: [claim] }));
    await world.reopen('crashed');
    assert.deepEqual(await crashes(world, id), ['ready', 0, 0]);
  }),
  promise(
    'what was handed off as started is a suspect too',
    'crash-bounded/append/crash after commit',
    async (world) => {
      const claim = await world.handOff({}, { destination: 'till', handOff: 'start' });
      if (claim === null) await world.start(await world.claimOne('till'));
      const { id } = await world.only({ destination: 'till' });
      await world.reopen('crashed');
      assert.deepEqual(await crashes(world, id), ['ready', 1, 0]);
    },
  ),
  promise('what was handed off as claimed is no suspect', 'crash-bounded/append/crash after commit', async (world) => {
    await world.handOff({}, { destination: 'till', handOff: 'claim' });
    const { id } = await world.only({ destination: 'till' });
    await world.reopen('crashed');
    assert.deepEqual(await crashes(world, id), ['ready', 0, 0]);
  }),
  promise('a second crash counts only what was started since the first', 'crash-bounded/open/repeat', async (world) => {
    const id = await one(world);
    await crashOnce(world);
    await world.reopen('crashed');
    await world.reopen('crashed');
    assert.deepEqual(await crashes(world, id), ['ready', 1, 0]);
  }),
  promise('started and closed properly is no crash', 'crash-bounded/start/reopen', async (world) => {
    const id = await one(world);
    await world.start(await world.claimOne('till'));
    await world.reopen('closed');
    assert.deepEqual(await crashes(world, id), ['ready', 0, 0]);
    await world.reopen('crashed');
    assert.deepEqual(await crashes(world, id), ['ready', 0, 0]);
  }),
  promise('marked started twice counts one crash', 'crash-bounded/start/repeat', async (world) => {
    const id = await one(world);
    const claim = await world.claimOne('till');
    const answers = await world.start(claim, claim);
    assert.deepEqual(
      [...answers, ...(await world.start(claim))],
      Array.from({ length: 3 }, () => ({ status: 'committed' })),
    );
    await world.reopen('crashed');
    assert.deepEqual(await crashes(world, id), ['ready', 1, 0]);
  }),
  promise(
    'what ended or was given back before the crash is no suspect',
    'crash-bounded/settle/crash after commit',
    async (world) => {
      const ids = [await one(world), await one(world), await one(world)];
      const [a, b, c] = await world.claim('till');
      assert.ok(a !== undefined && b !== undefined && c !== undefined);
      await world.start(a, b, c);
      const settlements = [settlement(a, world.build.succeeded()), settlement(b, world.build.retry(0))];
      await world.commit({ settlements, releases: [{ claim: c, delayMs: 0 }] });
      await world.reopen('crashed');
      assert.deepEqual(await Promise.all(ids.map((id) => crashes(world, id))), [
        ['succeeded', 0, 1],
        ['ready', 0, 1],
        ['ready', 0, 0],
      ]);
    },
  ),
  promise('a start and its outcome may come in one batch', 'crash-bounded/settle/normal', async (world) => {
    const id = await one(world);
    const claim = await world.claimOne('till');
    const settlements = [settlement(claim, world.build.succeeded())];
    const { starts } = await world.commit({ starts: [claim], settlements });
    assert.deepEqual(starts, [{ status: 'committed' }], 'a start applies before the outcome');
    await world.reopen('crashed');
    assert.deepEqual(await crashes(world, id), ['succeeded', 0, 1]);
  }),
  promise('a started try whose lease ended is still a suspect', 'crash-bounded/start/stale claim', async (world) => {
    const id = await one(world);
    await world.start(await world.claimOne('till'));
    await world.advance(LEASE_MS);
    await world.claimOne('till');
    await world.reopen('crashed');
    assert.deepEqual(await crashes(world, id), ['ready', 1, 0]);
    await world.start(await world.claimOne('till'));
    await world.advance(LEASE_MS);
    await world.reopen('crashed');
    assert.deepEqual(await crashes(world, id), ['ready', 2, 0], 'also when nobody claimed it anew');
  }),
];

/** Claims it, marks it started, dies, and its lease ends. */
async function lapseOnce(world: World): Promise<void> {
  await crashOnce(world);
  await world.advance(LEASE_MS);
}

const takenOver: readonly ConformanceCase[] = [
  promise(
    'whoever takes over what was started when a process died counts one crash and no attempt',
    'crash-bounded/claim/crash after commit',
    async (world) => {
      const id = await one(world);
      await lapseOnce(world);
      assert.deepEqual(await crashes(world, id), ['ready', 0, 0], 'nobody has taken it over yet');
      const claim = await world.claimOne('till');
      assert.deepEqual([claim.crashes, claim.attempts, claim.claim], [1, 0, 2]);
      assert.deepEqual(await crashes(world, id), ['claimed', 1, 0]);
      assert.equal((await world.settle(claim, world.build.succeeded())).status, 'committed');
      assert.deepEqual(await crashes(world, id), ['succeeded', 1, 1]);
    },
  ),
  promise(
    'whoever takes over for the third time is told, and makes a dead letter of it',
    'crash-bounded/claim/crash after commit',
    async (world) => {
      const id = await one(world);
      for (let round = 0; round < 3; round++) await lapseOnce(world);
      const claim = await world.claimOne('till');
      assert.equal(claim.crashes, 3);
      assert.equal((await world.settle(claim, CRASHED)).status, 'committed');
      assert.deepEqual(await crashes(world, id), ['dead', 3, 0]);
      assert.equal((await world.delivery(id)).reason, 'crashed');
    },
  ),
  promise(
    'what was claimed and not started counts no crash when it is taken over',
    'crash-bounded/claim/crash after commit',
    async (world) => {
      const id = await one(world);
      for (let round = 0; round < 4; round++) {
        assert.equal((await world.claimOne('till')).crashes, 0);
        await world.reopen('crashed');
        await world.advance(LEASE_MS);
      }
      assert.deepEqual(await crashes(world, id), ['ready', 0, 0]);
    },
  ),
  promise(
    'what was taken over counts one crash, however often it is claimed before it starts again',
    'crash-bounded/claim/crash after commit',
    async (world) => {
      const id = await one(world);
      await lapseOnce(world);
      for (let round = 0; round < 3; round++) {
        assert.equal((await world.claimOne('till')).crashes, 1);
        await world.advance(LEASE_MS);
      }
      await world.release(await world.claimOne('till'));
      assert.deepEqual(await crashes(world, id), ['ready', 1, 0]);
    },
  ),
  promise(
    'what was started and given back counts no crash',
    'crash-bounded/settle/crash after commit',
    async (world) => {
      const ids = [await one(world), await one(world)];
      const [a, b] = await world.claim('till');
      assert.ok(a !== undefined && b !== undefined);
      await world.start(a, b);
      await world.commit({
        settlements: [settlement(a, world.build.retry(0))],
        releases: [{ claim: b, delayMs: 0 }],
      });
      await world.reopen('crashed');
      await world.advance(LEASE_MS);
      for (const claim of await world.claim('till')) assert.equal(claim.crashes, 0);
      assert.deepEqual(await Promise.all(ids.map((id) => crashes(world, id))), [
        ['claimed', 0, 1],
        ['claimed', 0, 0],
      ]);
    },
  ),
  promise('what is renewed is not taken over, and counts no crash', 'crash-bounded/start/normal', async (world) => {
    const id = await one(world);
    const claim = await world.claimOne('till');
    await world.start(claim);
    for (let round = 0; round < 3; round++) {
      await world.advance(LEASE_MS - 1);
      assert.deepEqual(await world.store.work.renew([claim], LEASE_MS), []);
    }
    assert.deepEqual(await world.claim('till'), []);
    assert.deepEqual(await crashes(world, id), ['claimed', 0, 0]);
  }),
  promise(
    'what was handed off as started can be taken over as such',
    'crash-bounded/append/crash after commit',
    async (world) => {
      const claim = await world.handOff({}, { destination: 'till', handOff: 'start' });
      if (claim === null) await world.start(await world.claimOne('till'));
      await world.reopen('crashed');
      await world.advance(LEASE_MS);
      assert.equal((await world.claimOne('till')).crashes, 1);
    },
  ),
];

/** The cases of the promise `crash-bounded`. */
export const crashCases: readonly ConformanceCase[] = [
  ...suspects.map((item) => requiring(['embedded'], item)),
  ...takenOver.map((item) => requiring(['shared'], item)),
  requiring(
    ['embedded'],
    promise('what has crashed is not cancelled any more', 'crash-bounded/start/crash after commit', async (world) => {
      const id = await one(world);
      const { eventId } = await world.delivery(id);
      await crashOnce(world);
      assert.equal(await world.act({ kind: 'cancel', eventId }), 0);
    }),
  ),
  promise('a mark of start does not change what a delivery looks like', 'crash-bounded/start/normal', async (world) => {
    const id = await one(world);
    await world.start(await world.claimOne('till'));
    assert.deepEqual(await crashes(world, id), ['claimed', 0, 0]);
  }),
  requiring(
    ['embedded'],
    promise('a crash is reported, a proper close is not', 'crash-bounded/open/crash after commit', async (world) => {
      assert.equal((await world.store.work.open()).unclean, false);
      await world.reopen('crashed');
      assert.equal((await world.store.work.open()).unclean, true);
      await world.reopen('closed');
      assert.equal((await world.store.work.open()).unclean, false);
    }),
  ),
];
