/** What a store tells about ready work is true: claims, hand-off, wake-ups, its own report. */
import assert from 'node:assert/strict';
import type { ClaimAnswer, ClaimRequest } from '../../store/store.ts';
import { LEASE_MS } from './build.ts';
import type { ConformanceCase } from './harness.ts';
import { bodyText, first, promise, requiring, type World } from './world.ts';

/** Accepts one event a text for a destination, each body the text. */
async function texts(world: World, destination: string, ...bodies: readonly string[]): Promise<void> {
  await world.append(...bodies.map((text) => world.build.event({ text }, destination)));
}

function claim(world: World, request: Partial<ClaimRequest>): Promise<ClaimAnswer> {
  return world.store.work.claim({ now: world.now, leaseMs: LEASE_MS, wants: [], ...request });
}

function shown({ claims, more }: ClaimAnswer): unknown {
  return { claims: claims.map((one) => `${one.destination} ${bodyText(one)}`), more };
}

const claiming: readonly ConformanceCase[] = [
  promise('a claim carries all that an attempt needs', 'truthful/claim/normal', async (world) => {
    const receivedAt = world.now - 50;
    const made = world.build.event({ receivedAt, orderKey: 'k' }, 'till');
    await world.append(made);
    await world.finish('till', world.build.retry(0));
    await world.finish('till', world.build.unavailable(0));
    const { deliveryId, claim: number, ref, ...rest } = await world.claimOne('till');
    assert.equal(deliveryId, (await world.only({})).id);
    assert.ok(number > 0);
    assert.deepEqual(
      { ...rest, event: rest.event.id },
      {
        destination: 'till',
        event: made.event.id,
        orderKey: 'k',
        attempts: 1,
        crashes: 0,
        committedAt: world.now,
        replayOf: null,
        answered: false,
      },
      `ref is the driver's own: ${typeof ref}`,
    );
  }),
  promise('claiming where nothing is ready answers nothing', 'truthful/claim/normal', async (world) => {
    assert.deepEqual(shown(await claim(world, {})), { claims: [], more: [] });
    await texts(world, 'till', 'a');
    const wants = [{ destination: 'ledger', slots: 5, bytesMax: 100 }];
    assert.deepEqual(shown(await claim(world, { wants })), { claims: [], more: [] });
  }),
  promise('each destination gets its slots, in the order of wants', 'truthful/claim/normal', async (world) => {
    await texts(world, 'till', 'a', 'b', 'c');
    await texts(world, 'ledger', 'd', 'e');
    const wants = [
      { destination: 'ledger', slots: 5, bytesMax: 100 },
      { destination: 'none', slots: 5, bytesMax: 100 },
      { destination: 'till', slots: 2, bytesMax: 100 },
    ];
    const expected = { claims: ['ledger d', 'ledger e', 'till a', 'till b'], more: ['till'] };
    assert.deepEqual(shown(await claim(world, { wants })), expected);
    assert.deepEqual(shown(await claim(world, { wants })), { claims: ['till c'], more: [] });
  }),
  promise('no slots claim nothing and tell of more', 'truthful/claim/normal', async (world) => {
    await texts(world, 'till', 'a');
    const wants = [{ destination: 'till', slots: 0, bytesMax: 100 }];
    assert.deepEqual(shown(await claim(world, { wants })), { claims: [], more: ['till'] });
  }),
  promise('a claim stops after the body that passes its bytes', 'truthful/claim/normal', async (world) => {
    await texts(world, 'till', '1234', '5678', '9', 'x');
    const wants = [{ destination: 'till', slots: 10, bytesMax: 7 }];
    assert.deepEqual(shown(await claim(world, { wants })), { claims: ['till 1234', 'till 5678'], more: ['till'] });
    const little = [{ destination: 'till', slots: 10, bytesMax: 1 }];
    assert.deepEqual(shown(await claim(world, { wants: little })), { claims: ['till 9', 'till x'], more: [] });
  }),
  promise('ids are claimed where they are ready and wanted, once', 'truthful/claim/repeat', async (world) => {
    await texts(world, 'till', 'a', 'b', 'c');
    await texts(world, 'ledger', 'd');
    await world.accept({ text: 'e' }, { destination: 'till', dueAt: world.now + 1 });
    const ids = (await world.deliveries()).map((row) => row.id).toReversed();
    const wants = [{ destination: 'till', slots: 1, bytesMax: 0 }];
    const some = ids.filter((_, index) => index !== 3);
    const expected = { claims: ['till a', 'till c'], more: ['till'] };
    assert.deepEqual(shown(await claim(world, { wants, ids: [...some, ...some, 'dlv_none'] })), expected);
    assert.deepEqual(shown(await claim(world, { wants, ids: some })), { claims: [], more: ['till'] });
    assert.deepEqual(shown(await claim(world, { wants, ids: [] })), { claims: [], more: ['till'] });
    await world.advance(1);
    assert.deepEqual(shown(await claim(world, { wants, ids })), { claims: ['till b', 'till e'], more: [] });
  }),
  promise('a delivery is claimed when it is due, not before', 'truthful/claim/normal', async (world) => {
    await world.accept({}, { destination: 'till', dueAt: world.now + 1_000 });
    await world.advance(999);
    assert.deepEqual(await world.states('till'), ['due']);
    assert.deepEqual(await world.claim('till'), []);
    await world.advance(1);
    assert.deepEqual(await world.states('till'), ['ready']);
    assert.equal((await world.claim('till')).length, 1);
  }),
  promise('an answer that is stored shows in the claims of its event', 'truthful/claim/normal', async (world) => {
    await world.accept({}, 'till', 'ledger');
    const answer = { status: 200, headers: [], body: new Uint8Array() };
    await world.settle(await world.claimOne('till'), world.build.retry(0), { answer });
    assert.equal((await world.claimOne('till')).answered, true);
    assert.equal((await world.claimOne('ledger')).answered, true);
  }),
  promise('what is ready is ready after closing and opening', 'truthful/claim/reopen', async (world) => {
    await texts(world, 'till', 'a', 'b');
    await world.claimOne('till');
    await world.reopen('closed');
    await texts(world, 'till', 'c');
    assert.deepEqual((await world.claim('till')).map(bodyText), ['a', 'b', 'c']);
  }),
  promise('many are claimed once each', 'truthful/claim/normal', async (world) => {
    const names = Array.from({ length: 300 }, (_, index) => `e${index}`);
    await texts(world, 'till', ...names);
    const seen: string[] = [];
    for (let round = 0; round < 4; round++) seen.push(...(await world.claim('till', 100)).map(bodyText));
    assert.deepEqual(seen, names);
  }),
];

const handingOff: readonly ConformanceCase[] = [
  promise('what is handed off is claimed', 'fenced/append/normal', async (world) => {
    const handed = await world.handOff({ text: 'a' }, { destination: 'till', handOff: 'claim' });
    const current = handed ?? (await world.claimOne('till'));
    assert.equal(bodyText(current), 'a');
    assert.deepEqual(await world.states('till'), ['claimed']);
    assert.deepEqual(await world.claim('till'), []);
    assert.equal((await world.settle(current, world.build.succeeded())).status, 'committed');
  }),
  promise('a hand-off has the lease of its commit', 'fenced/append/stale claim', async (world) => {
    const handed = await world.handOff({}, { destination: 'till', handOff: 'start' });
    const old = handed ?? (await world.claimOne('till'));
    await world.advance(LEASE_MS - 1);
    assert.deepEqual(await world.claim('till'), []);
    await world.advance(1);
    assert.ok((await world.claimOne('till')).claim > old.claim);
    assert.equal((await world.settle(old, world.build.succeeded())).status, 'refused');
  }),
  promise('what is not due or dead from birth is not handed off', 'truthful/append/normal', async (world) => {
    const handOff = 'claim';
    const event = world.build.event(
      {},
      { destination: 'till', handOff, dueAt: world.now + 1 },
      { destination: 'till2', handOff, dead: 'backlog_full' },
      'ledger',
    );
    const answer = first(await world.append(event));
    assert.ok(answer.status === 'committed' && answer.eventId === event.event.id);
    assert.deepEqual(answer.claims, [null, null, null]);
    const dead = await world.only({ destination: 'till2' });
    assert.deepEqual([dead.state, dead.reason, dead.endedAt, dead.attempts], ['dead', 'backlog_full', world.now, 0]);
  }),
  promise('a commit tells which destinations it made ready', 'truthful/append/normal', async (world) => {
    const events = [world.build.event({}, 'till', { destination: 'later', dueAt: world.now + 1 }, 'ledger')];
    const { ready } = await world.commit({ appends: [{ events }] });
    assert.deepEqual([...ready].toSorted(), ['ledger', 'till']);
    assert.deepEqual((await world.commit({})).ready, []);
    const current = await world.claimOne('till');
    assert.deepEqual((await world.commit({ releases: [{ claim: current, delayMs: 0 }] })).ready, ['till']);
  }),
];

const choosing: readonly ConformanceCase[] = [
  promise(
    'first attempts can be claimed although retries stand before them',
    'truthful/claim/normal',
    async (world) => {
      await texts(world, 'till', 'a', 'b', 'c');
      for (let failed = 0; failed < 2; failed++) await world.finish('till', world.build.retry(0));
      await world.accept({ text: 'k', orderKey: 'k' }, { destination: 'till', orderKey: 'k' });
      await world.accept({ text: 'l', orderKey: 'k' }, { destination: 'till', orderKey: 'k' });
      await world.accept({ text: 'm' }, { destination: 'till', dueAt: world.now + 5 });
      const wants = [{ destination: 'till', slots: 5, bytesMax: 100, firsts: true }];
      const retried = (await world.deliveries({ destination: 'till' })).filter(({ attempts }) => attempts > 0);
      const answer = await claim(world, { wants });
      assert.ok(answer.claims.every(({ attempts }) => attempts === 0));
      assert.equal(answer.claims.length, 4 - retried.length);
      assert.deepEqual(answer.more, ['till']);
      // Passed over is not taken: they are claimed in their turn.
      const left = await claim(world, { wants: [{ destination: 'till', slots: 5, bytesMax: 100 }] });
      assert.deepEqual(
        left.claims.map(({ deliveryId }) => deliveryId),
        retried.map(({ id }) => id),
      );
      await world.advance(5);
      assert.deepEqual(shown(await claim(world, { wants })), { claims: ['till m'], more: [] });
    },
  ),
];

const offering: readonly ConformanceCase[] = [
  requiring(
    ['offers'],
    promise(
      'what is not handed off is told by its id, and can be claimed by it',
      'truthful/append/normal',
      async (world) => {
        const made = world.build.event(
          {},
          { destination: 'till' },
          { destination: 'ledger', handOff: 'claim' },
          { destination: 'mail', dueAt: world.now + 5 },
          { destination: 'full', dead: 'backlog_full' },
        );
        const answer = first(await world.append(made));
        assert.ok(answer.status === 'committed');
        const [till = null, ...others] = answer.offers ?? [];
        assert.deepEqual(others, [null, null, null]);
        assert.equal(till, first(await world.deliveries({ destination: 'till' })).id);
        const wants = [{ destination: 'till', slots: 0, bytesMax: 0 }];
        const { claims } = await claim(world, { wants, ids: till === null ? [] : [till] });
        assert.deepEqual(
          claims.map(({ deliveryId }) => deliveryId),
          [till],
        );
      },
    ),
  ),
];

const waking: readonly ConformanceCase[] = [
  promise(
    'wake-ups name what is ready, of the destinations asked for only',
    'truthful/wakeUps/normal',
    async (world) => {
      await texts(world, 'till', 'a');
      await texts(world, 'ledger', 'b');
      assert.deepEqual(await world.wakeUps('till', 'none'), { ready: ['till'], nextAt: null });
      assert.deepEqual(await world.wakeUps(), { ready: [], nextAt: null });
      await world.finish('till', world.build.succeeded());
      assert.deepEqual(await world.wakeUps('till'), { ready: [], nextAt: null });
    },
  ),
  promise('wake-ups name the next time that something falls due', 'truthful/wakeUps/normal', async (world) => {
    for (const delay of [3_000, 1_000, 2_000])
      await world.accept({}, { destination: 'till', dueAt: world.now + delay });
    await world.accept({}, { destination: 'ledger', dueAt: world.now + 500 });
    const nextAt = world.now + 1_000;
    assert.deepEqual(await world.wakeUps('till'), { ready: [], nextAt });
    assert.deepEqual(await world.wakeUps('till', 'ledger'), { ready: [], nextAt: nextAt - 500 });
    await world.advance(1_000);
    const after = { ready: ['ledger', 'till'], nextAt: nextAt + 1_000 };
    const { ready, nextAt: next } = await world.wakeUps('till', 'ledger');
    assert.deepEqual({ ready: [...ready].toSorted(), nextAt: next }, after);
  }),
  promise('wake-ups name the end of a lease', 'truthful/wakeUps/normal', async (world) => {
    await texts(world, 'till', 'a');
    await world.advance(321);
    await world.claim('till', 1, 7_000);
    assert.deepEqual(await world.wakeUps('till'), { ready: [], nextAt: world.now + 7_000 });
    await world.advance(7_000);
    assert.deepEqual(await world.wakeUps('till'), { ready: ['till'], nextAt: null });
  }),
  promise('a blocked delivery wakes nobody', 'truthful/wakeUps/normal', async (world) => {
    await world.accept({ orderKey: 'k' }, 'till');
    await world.finish('till', world.build.dead('exhausted', true));
    await world.accept({ orderKey: 'k' }, 'till');
    await world.accept({ orderKey: 'k' }, { destination: 'till', dueAt: world.now + 5 });
    assert.deepEqual(await world.wakeUps('till'), { ready: [], nextAt: null });
  }),
  promise('wake-ups change nothing', 'truthful/wakeUps/repeat', async (world) => {
    await texts(world, 'till', 'a');
    await world.accept({}, { destination: 'till', dueAt: world.now + 5 });
    const before = await world.everything();
    assert.deepEqual(await world.wakeUps('till'), await world.wakeUps('till'));
    assert.deepEqual(await world.everything(), before);
  }),
  promise('wake-ups are the same after closing and opening', 'truthful/wakeUps/reopen', async (world) => {
    await texts(world, 'till', 'a');
    await world.claimOne('till');
    await world.accept({}, { destination: 'till', dueAt: world.now + 5 });
    await world.reopen('closed');
    assert.deepEqual(await world.wakeUps('till'), { ready: ['till'], nextAt: world.now + 5 });
  }),
  promise('wake-ups are the same after a crash', 'truthful/wakeUps/crash after commit', async (world) => {
    await texts(world, 'till', 'a');
    await world.accept({}, { destination: 'till', dueAt: world.now + 5 });
    await world.reopen('crashed');
    assert.deepEqual(await world.wakeUps('till'), { ready: ['till'], nextAt: world.now + 5 });
  }),
];

const opening: readonly ConformanceCase[] = [
  promise('a store says what its acknowledgement means', 'truthful/open/normal', async (world) => {
    const report = await world.store.work.open();
    assert.ok(report.ackMeaning.length > 10 && report.driver.length > 0);
    assert.ok(report.copies >= 1 && report.format >= 1);
    assert.equal(report.unclean, false);
  }),
  promise('opening again answers the same report', 'truthful/open/repeat', async (world) => {
    assert.deepEqual(await world.store.work.open(), await world.store.work.open());
  }),
  promise('closing twice is safe', 'durable/close/repeat', async (world) => {
    await texts(world, 'till', 'a');
    await world.store.work.close();
    await world.store.work.close();
    await world.reopen('closed');
    assert.deepEqual(await world.states('till'), ['ready']);
  }),
  promise('a closed store takes no commits', 'durable/close/normal', async (world) => {
    const batch = world.build.batch({ appends: [{ events: [world.build.event({}, 'till')] }] });
    await world.store.work.close();
    await assert.rejects(world.store.work.commit(batch), { name: 'StoreError', failure: 'unavailable' });
    await world.reopen('closed');
    assert.deepEqual(await world.deliveries(), []);
  }),
];

/** The cases about claims, wake-ups and reports, of the promises `truthful`, `fenced` and `durable`. */
export const claimCases: readonly ConformanceCase[] = [
  ...claiming,
  ...handingOff,
  ...choosing,
  ...offering,
  ...waking,
  ...opening,
];
