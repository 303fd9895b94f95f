/** An outcome counts once, and only under the current claim. */
import assert from 'node:assert/strict';
import { LEASE_MS, settlement } from './build.ts';
import type { ConformanceCase } from './harness.ts';
import { first, promise, requiring } from './world.ts';

const stale = { status: 'refused', reason: 'stale_claim' } as const;

/** The cases of the promise `fenced`. */
export const fenceCases: readonly ConformanceCase[] = [
  promise(
    'an outcome under a claim whose lease ended is refused and changes nothing',
    'fenced/settle/stale claim',
    async (world) => {
      await world.accept({}, 'till');
      const claim = await world.claimOne('till');
      await world.advance(LEASE_MS);
      const emitted = world.build.event({ source: 'emitted' }, 'ledger');
      const answer = { status: 202, headers: [], body: new Uint8Array([1]) };
      const before = await world.everything();
      assert.deepEqual(await world.settle(claim, world.build.succeeded(), { emits: [emitted], answer }), stale);
      assert.deepEqual(await world.everything(), before);
      assert.equal(await world.store.history.event(emitted.event.id), null);
    },
  ),
  promise('an outcome under a claim that another replaced is refused', 'fenced/claim/stale claim', async (world) => {
    await world.accept({}, 'till');
    const old = await world.claimOne('till');
    await world.advance(LEASE_MS);
    const current = await world.claimOne('till');
    assert.equal(current.deliveryId, old.deliveryId);
    assert.ok(current.claim > old.claim, 'the number of a claim rises');
    assert.deepEqual(await world.settle(old, world.build.succeeded()), stale);
    assert.equal(await world.state(current.deliveryId), 'claimed');
    assert.equal((await world.settle(current, world.build.succeeded())).status, 'committed');
  }),
  promise('the second of two outcomes under one claim is refused', 'fenced/settle/repeat', async (world) => {
    await world.accept({}, 'till');
    const claim = await world.finish('till', world.build.retry(0));
    assert.deepEqual(await world.settle(claim, world.build.succeeded()), stale);
    assert.equal((await world.delivery(claim.deliveryId)).attempts, 1);
    assert.equal(await world.state(claim.deliveryId), 'ready');
  }),
  promise('a claim settles until the last millisecond of its lease', 'fenced/settle/normal', async (world) => {
    await world.accept({}, 'till');
    const claim = await world.claimOne('till');
    await world.advance(LEASE_MS - 1);
    assert.equal((await world.settle(claim, world.build.succeeded())).status, 'committed');
  }),
  promise('what is claimed is not claimed again while its lease holds', 'fenced/claim/repeat', async (world) => {
    await world.accept({}, 'till');
    await world.claimOne('till');
    await world.advance(LEASE_MS - 1);
    assert.deepEqual(await world.claim('till'), []);
    await world.advance(1);
    assert.equal((await world.claim('till')).length, 1);
  }),
  promise('the numbers of claims rise from claim to claim of a delivery', 'fenced/claim/normal', async (world) => {
    await world.accept({}, 'till');
    const numbers: number[] = [];
    for (let round = 0; round < 4; round++) {
      const claim = await world.claimOne('till');
      numbers.push(claim.claim);
      await world.release(claim);
    }
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].toSorted((a, b) => a - b),
    );
  }),
  promise('a claim that was given back settles nothing', 'fenced/release/stale claim', async (world) => {
    await world.accept({}, 'till');
    const claim = await world.claimOne('till');
    assert.deepEqual(await world.release(claim), { status: 'committed' });
    assert.deepEqual(await world.release(claim), stale);
    assert.deepEqual(await world.settle(claim, world.build.succeeded()), stale);
    assert.equal(await world.state(claim.deliveryId), 'ready');
  }),
  promise('what was given back is claimed anew at once, or after its delay', 'fenced/release/normal', async (world) => {
    await world.accept({}, 'till');
    await world.release(await world.claimOne('till'));
    await world.release(await world.claimOne('till'), 1_000);
    assert.deepEqual(await world.claim('till'), []);
    await world.advance(1_000);
    assert.equal((await world.claimOne('till')).attempts, 0);
  }),
  promise(
    'an outcome whose commit failed counts when it is committed again',
    'fenced/settle/crash before commit',
    async (world) => {
      await world.accept({}, 'till');
      const claim = await world.claimOne('till');
      const settlements = [settlement(claim, world.build.succeeded())];
      await world.harness.interrupt(world.build.batch({ settlements }));
      assert.equal(await world.state(claim.deliveryId), 'claimed');
      assert.equal((await world.settle(claim, world.build.succeeded())).status, 'committed');
      assert.equal((await world.delivery(claim.deliveryId)).attempts, 1);
    },
  ),
  promise('what ended before a crash is not attempted again', 'fenced/settle/crash after commit', async (world) => {
    await world.accept({}, 'till');
    const claim = await world.finish('till', world.build.succeeded());
    await world.reopen('crashed');
    await world.advance(LEASE_MS);
    assert.deepEqual(await world.claim('till'), []);
    assert.deepEqual(await world.settle(claim, world.build.retry(0)), stale);
  }),
  promise('what ended before a proper close is not attempted again', 'fenced/settle/reopen', async (world) => {
    await world.accept({}, 'till');
    const claim = await world.finish('till', world.build.dead('exhausted'));
    await world.reopen('closed');
    assert.deepEqual(await world.claim('till'), []);
    assert.deepEqual(await world.settle(claim, world.build.succeeded()), stale);
  }),
  promise('a start under a stale claim is refused', 'fenced/start/stale claim', async (world) => {
    await world.accept({}, 'till');
    const claim = await world.claimOne('till');
    await world.advance(LEASE_MS);
    assert.deepEqual(await world.start(claim), [stale]);
  }),
  promise('renewing extends a lease from now', 'fenced/renew/normal', async (world) => {
    await world.accept({}, 'till');
    const claim = await world.claimOne('till');
    await world.advance(LEASE_MS - 1);
    assert.deepEqual(await world.store.work.renew([claim], LEASE_MS), []);
    await world.advance(LEASE_MS - 1);
    assert.deepEqual(await world.claim('till'), []);
    assert.equal((await world.settle(claim, world.build.succeeded())).status, 'committed');
  }),
  promise(
    'renewing again counts from the newest time, also when that is sooner',
    'fenced/renew/repeat',
    async (world) => {
      await world.accept({}, 'till');
      const claim = await world.claimOne('till');
      await world.store.work.renew([claim], 10 * LEASE_MS);
      assert.deepEqual(await world.store.work.renew([claim], 1_000), []);
      assert.deepEqual(await world.store.work.renew([], 1_000), []);
      await world.advance(1_000);
      assert.equal((await world.claim('till')).length, 1);
    },
  ),
  promise('renewing a stale claim answers it and changes nothing', 'fenced/renew/stale claim', async (world) => {
    await world.accept({}, 'till');
    await world.accept({}, 'till');
    const claims = await world.claim('till');
    const old = first(claims);
    await world.release(old);
    const current = first(await world.claim('till'));
    const refused = await world.store.work.renew(claims, LEASE_MS);
    assert.deepEqual(
      refused.map((claim) => [claim.deliveryId, claim.claim]),
      [[old.deliveryId, old.claim]],
    );
    assert.equal((await world.settle(current, world.build.succeeded())).status, 'committed');
  }),
  requiring(
    ['embedded'],
    promise('a crash ends every claim at once', 'fenced/claim/crash after commit', async (world) => {
      await world.accept({}, 'till');
      const old = await world.claimOne('till');
      await world.reopen('crashed');
      assert.deepEqual(await world.settle(old, world.build.succeeded()), stale);
      const current = await world.claimOne('till');
      assert.deepEqual(await world.settle(old, world.build.succeeded()), stale);
      assert.equal((await world.settle(current, world.build.succeeded())).status, 'committed');
    }),
  ),
  promise('closing ends claims', 'fenced/close/reopen', async (world) => {
    await world.accept({}, 'till');
    const old = await world.claimOne('till');
    await world.reopen('closed');
    assert.equal(await world.state(old.deliveryId), 'ready');
    await world.claimOne('till');
    assert.deepEqual(await world.settle(old, world.build.succeeded()), stale);
  }),
];
