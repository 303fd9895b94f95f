/** Nothing is kept longer or shorter than said, and nothing unfinished goes. */
import assert from 'node:assert/strict';
import type { PurgeAnswer, PurgeRequest, Retention } from '../../store/store.ts';
import type { ConformanceCase } from './harness.ts';
import { promise, type World } from './world.ts';

const EVER: Retention = { bodiesMs: null, eventsMs: null, unmatchedMs: null, deadLettersMs: null };

/** Purges until nothing is left to do, in steps of `limit`. Answers the sums; `more` is whether it took several. */
async function purge(
  world: World,
  retention: Partial<Retention>,
  more: Partial<PurgeRequest> = {},
): Promise<Omit<PurgeAnswer, 'more' | 'dedupeKeys'>> {
  const sums = { bodies: 0, events: 0, deadLetters: 0, held: 0 };
  for (let step = 0; ; step++) {
    assert.ok(step < 1_000, 'purging does not end');
    const request = { now: world.now, heldBefore: [], limit: 100, ...more, retention: { ...EVER, ...retention } };
    const answer = await world.store.work.purge(request);
    sums.bodies += answer.bodies;
    sums.events += answer.events;
    sums.deadLetters += answer.deadLetters;
    sums.held += answer.held;
    if (!answer.more) return sums;
  }
}

async function has(world: World, eventId: string): Promise<boolean> {
  return (await world.store.history.event(eventId)) !== null;
}

/** One event that succeeded at the till; answers its id. */
async function done(world: World): Promise<string> {
  const eventId = await world.accept({}, 'till');
  await world.finish('till', world.build.succeeded());
  return eventId;
}

const none = { bodies: 0, events: 0, deadLetters: 0, held: 0 };

const ended: readonly ConformanceCase[] = [
  promise('what ended well goes with its deliveries when its time has come', 'retained/purge/normal', async (world) => {
    const eventId = await done(world);
    await world.advance(999);
    assert.deepEqual(await purge(world, { eventsMs: 1_000 }), none);
    assert.ok(await has(world, eventId));
    await world.advance(1);
    assert.deepEqual(await purge(world, { eventsMs: 1_000 }), { ...none, events: 1 });
    assert.equal(await has(world, eventId), false);
    assert.deepEqual(await world.deliveries(), []);
    assert.equal((await world.store.history.counts()).events, 0);
  }),
  promise('age counts from the last end, not from the receipt', 'retained/purge/normal', async (world) => {
    const eventId = await world.accept({}, 'till', 'ledger');
    await world.finish('till', world.build.succeeded());
    await world.advance(5_000);
    await world.finish('ledger', world.build.succeeded());
    await world.advance(999);
    assert.deepEqual(await purge(world, { eventsMs: 1_000 }), none);
    await world.advance(1);
    assert.deepEqual(await purge(world, { eventsMs: 1_000 }), { ...none, events: 1 });
    assert.equal(await has(world, eventId), false);
  }),
  promise('nothing that is open goes, nor its body', 'retained/purge/normal', async (world) => {
    await world.accept({}, { destination: 'till', dueAt: world.now + 100_000 });
    await world.accept({ orderKey: 'k' }, 'ledger');
    await world.accept({ orderKey: 'k' }, 'ledger');
    await world.claimOne('ledger');
    await world.advance(20_000);
    const all = { bodiesMs: 0, eventsMs: 0, unmatchedMs: 0, deadLettersMs: 0 };
    assert.deepEqual(await purge(world, all), none);
    assert.equal((await world.deliveries()).length, 3);
    assert.ok((await world.claim('ledger', 10, 1)).every((claim) => claim.event.body !== null));
  }),
  promise('bodies go before their events and leave their sizes', 'retained/purge/normal', async (world) => {
    const eventId = await done(world);
    await world.advance(500);
    assert.deepEqual(await purge(world, { bodiesMs: 500, eventsMs: 1_000 }), { ...none, bodies: 1 });
    assert.deepEqual(await purge(world, { bodiesMs: 500, eventsMs: 1_000 }), none);
    const record = await world.store.history.event(eventId);
    assert.equal(record?.event.body, null);
    assert.ok((record?.bodyBytes ?? 0) > 0);
  }),
  promise('an event whose body has gone is not replayed', 'retained/replay/normal', async (world) => {
    await done(world);
    await purge(world, { bodiesMs: 0 });
    const { id } = await world.only({ destination: 'till' });
    assert.deepEqual(await world.replay(id), { status: 'refused', reason: 'body_purged' });
  }),
  promise(
    'unmatched events have a clock of their own, for their bodies too',
    'retained/purge/normal',
    async (world) => {
      const eventId = await world.accept({ text: 'unmatched' });
      await world.advance(5_000);
      assert.deepEqual(await purge(world, { bodiesMs: 0, eventsMs: 0, unmatchedMs: 5_001 }), none);
      assert.ok((await world.store.history.event(eventId))?.event.body);
      await world.advance(1);
      assert.deepEqual(await purge(world, { unmatchedMs: 5_001 }), { ...none, events: 1 });
    },
  ),
  promise('duplicates with another body go with what ended well', 'retained/purge/normal', async (world) => {
    const key = { dedupeKey: 'k' };
    await world.accept({ ...key, text: 'a' }, 'till');
    await world.append(world.build.event({ ...key, text: 'b' }, 'till'));
    assert.deepEqual(await purge(world, { unmatchedMs: 0 }), none);
    assert.deepEqual(await purge(world, { eventsMs: 0 }), { ...none, events: 1 });
  }),
];

const deadLetters: readonly ConformanceCase[] = [
  promise(
    'unresolved dead letters stay with their bodies until their own time',
    'retained/purge/normal',
    async (world) => {
      const eventId = await world.accept({}, 'till', 'ledger');
      await world.finish('till', world.build.dead('exhausted'));
      await world.finish('ledger', world.build.succeeded());
      await world.advance(5_000);
      assert.deepEqual(await purge(world, { bodiesMs: 0, eventsMs: 0, unmatchedMs: 0 }), none);
      assert.ok((await world.store.history.event(eventId))?.event.body);
      assert.deepEqual(await purge(world, { deadLettersMs: 5_000 }), { ...none, events: 1, deadLetters: 1 });
    },
  ),
  promise(
    'a resolved dead letter goes with what ended well, from its resolution',
    'retained/resolve/normal',
    async (world) => {
      await world.accept({}, 'till');
      const { deliveryId } = await world.finish('till', world.build.dead('exhausted'));
      await world.advance(5_000);
      await world.act({ kind: 'resolve', deliveryIds: [deliveryId], note: '', by: 'ada' });
      await world.advance(999);
      assert.deepEqual(await purge(world, { eventsMs: 1_000, deadLettersMs: 0 }), none);
      await world.advance(1);
      assert.deepEqual(await purge(world, { eventsMs: 1_000 }), { ...none, events: 1 });
    },
  ),
  promise('an event that is being replayed stays', 'retained/replay/normal', async (world) => {
    const eventId = await done(world);
    const { id } = await world.only({ destination: 'till' });
    await world.replay(id);
    await world.advance(5_000);
    assert.deepEqual(await purge(world, { bodiesMs: 0, eventsMs: 0, deadLettersMs: 0 }), none);
    assert.ok(await has(world, eventId));
  }),
  promise('what was held too long becomes a dead letter', 'retained/purge/normal', async (world) => {
    await world.accept({}, 'till', 'ledger');
    await world.accept({}, 'till');
    await world.claimOne('till');
    await world.advance(10);
    await world.accept({}, 'till');
    const heldBefore = [{ destination: 'till', before: world.now }];
    assert.deepEqual(await purge(world, {}, { heldBefore }), { ...none, held: 1 });
    assert.deepEqual(await world.states('till'), ['claimed', 'dead', 'ready']);
    assert.deepEqual(await world.states('ledger'), ['ready']);
    assert.equal((await world.only({ states: ['dead'] })).reason, 'held_too_long');
  }),
];

const steps: readonly ConformanceCase[] = [
  promise('small steps come to the same as one', 'retained/purge/repeat', async (world) => {
    for (let made = 0; made < 7; made++) await done(world);
    for (let made = 0; made < 5; made++) await world.accept({}, 'ledger');
    const heldBefore = [{ destination: 'ledger', before: world.now + 1 }];
    const expected = { ...none, events: 7, held: 5 };
    assert.deepEqual(await purge(world, { eventsMs: 0 }, { limit: 2, heldBefore }), expected);
    assert.deepEqual(await purge(world, { eventsMs: 0 }, { heldBefore }), none);
  }),
  promise('what was purged stays purged after a crash', 'retained/purge/crash after commit', async (world) => {
    const eventId = await done(world);
    const kept = await done(world);
    const { id } = await world.only({ eventId: kept });
    await world.replay(id);
    await purge(world, { eventsMs: 0 });
    await world.reopen('crashed');
    assert.equal(await has(world, eventId), false);
    assert.ok(await has(world, kept));
  }),
  promise('what was purged stays purged after closing and opening', 'retained/purge/reopen', async (world) => {
    const eventId = await done(world);
    await purge(world, { bodiesMs: 0 });
    await world.reopen('closed');
    assert.equal((await world.store.history.event(eventId))?.event.body, null);
    await purge(world, { eventsMs: 0 });
    await world.reopen('closed');
    assert.equal(await has(world, eventId), false);
  }),
  promise('a store without limits keeps everything', 'retained/purge/normal', async (world) => {
    await done(world);
    await world.accept({});
    await world.advance(1_000_000_000);
    assert.deepEqual(await purge(world, {}), none);
    assert.equal((await world.store.history.counts()).events, 2);
  }),
  promise('totals survive purges, crashes and proper closes', 'truthful/counts/reopen', async (world) => {
    await done(world);
    await world.append(...['a', 'a'].map((dedupeKey) => world.build.event({ dedupeKey, text: 'same' }, 'till')));
    await world.finish('till', world.build.dead('exhausted'));
    const { destinations, sources } = await world.store.history.counts();
    await purge(world, { eventsMs: 0, deadLettersMs: 0 });
    await world.reopen('crashed');
    await world.reopen('closed');
    const after = await world.store.history.counts();
    assert.deepEqual(after.sources, sources);
    assert.deepEqual(
      after.destinations,
      destinations.map((row) => ({ ...row, dead: 0 })),
    );
  }),
];

/** The cases of the promise `retained`. */
export const retentionCases: readonly ConformanceCase[] = [...ended, ...deadLetters, ...steps];
