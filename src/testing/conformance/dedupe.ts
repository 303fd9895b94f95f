/** One event per dedupe key within its window. */
import assert from 'node:assert/strict';
import type { EventAnswer } from '../../store/store.ts';
import { type EventParts, WINDOW_MS } from './build.ts';
import type { ConformanceCase } from './harness.ts';
import { plain } from './plain.ts';
import { first, promise, type World } from './world.ts';

const KEY = { dedupeKey: 'invoice-7', text: 'first' } as const;
const EVER = { bodiesMs: null, eventsMs: null, unmatchedMs: null, deadLettersMs: null } as const;

/** Sends an event for the till and says how it was taken. */
async function send(world: World, parts: EventParts): Promise<EventAnswer> {
  return first(await world.append(world.build.event(parts, 'till')));
}

async function sendAgain(world: World, parts: EventParts = KEY): Promise<EventAnswer['status']> {
  return (await send(world, parts)).status;
}

const once: readonly ConformanceCase[] = [
  promise('a repeat with the same body is counted and owes nothing', 'deduplicated/append/repeat', async (world) => {
    const eventId = await world.accept(KEY, 'till');
    await world.advance(5);
    const repeat = world.build.event({ ...KEY, correlationId: 'again' }, 'till');
    const [answer] = await world.append(repeat);
    assert.deepEqual(answer, { status: 'duplicate', eventId, differs: false, answer: null });
    assert.equal(await world.store.history.event(repeat.event.id), null);
    assert.equal((await world.deliveries()).length, 1);
    const newest = [{ receivedAt: world.now, differs: false, correlationId: 'again' }];
    assert.deepEqual((await world.store.history.event(eventId))?.duplicates, { count: 1, newest });
    const { sources, events } = await world.store.history.counts();
    assert.deepEqual(sources, [{ source: 'shop', accepted: 1, duplicates: 1, differing: 0 }]);
    assert.equal(events, 1);
  }),
  promise(
    'a repeat with another body is kept as an event that owes nothing',
    'deduplicated/append/repeat',
    async (world) => {
      const eventId = await world.accept(KEY, 'till');
      const repeat = world.build.event({ ...KEY, text: 'other' }, 'till');
      const [answer] = await world.append(repeat);
      assert.deepEqual(answer, { status: 'duplicate', eventId, differs: true, answer: null });
      const kept = await world.store.history.event(repeat.event.id);
      assert.deepEqual(plain(kept?.event), plain({ ...repeat.event, duplicateOf: eventId }));
      assert.equal(kept?.owed, 0);
      assert.equal((await world.deliveries()).length, 1);
      const { sources, events } = await world.store.history.counts();
      assert.deepEqual(sources, [{ source: 'shop', accepted: 1, duplicates: 1, differing: 1 }]);
      assert.equal(events, 2);
    },
  ),
  promise(
    'what differs is told from the first body, not from the newest',
    'deduplicated/append/repeat',
    async (world) => {
      const eventId = await world.accept(KEY, 'till');
      await send(world, { ...KEY, text: 'other' });
      const third = { status: 'duplicate', eventId, differs: true, answer: null } as const;
      assert.deepEqual(await send(world, { ...KEY, text: 'other' }), third);
      assert.deepEqual(await send(world, KEY), { ...third, differs: false });
    },
  ),
  promise('all repeats are counted and the newest ten are kept', 'deduplicated/append/repeat', async (world) => {
    const eventId = await world.accept(KEY, 'till');
    for (let round = 1; round <= 12; round++) await send(world, { ...KEY, correlationId: `c${round}` });
    const duplicates = (await world.store.history.event(eventId))?.duplicates;
    assert.equal(duplicates?.count, 12);
    assert.deepEqual(
      duplicates?.newest.map((one) => one.correlationId),
      ['c12', 'c11', 'c10', 'c9', 'c8', 'c7', 'c6', 'c5', 'c4', 'c3'],
    );
  }),
  promise(
    'a repeat in the same batch and in the same append is a duplicate',
    'deduplicated/append/repeat',
    async (world) => {
      const events = [world.build.event(KEY, 'till'), world.build.event(KEY, 'till'), world.build.event(KEY, 'till')];
      const [one, two, three] = events;
      assert.ok(one !== undefined && two !== undefined && three !== undefined);
      const { appends } = await world.commit({ appends: [{ events: [one, two] }, { events: [three] }] });
      const statuses = appends.flatMap((answer) =>
        'events' in answer ? answer.events.map((item) => item.status) : [],
      );
      assert.deepEqual(statuses, ['committed', 'duplicate', 'duplicate']);
      assert.equal((await world.deliveries()).length, 1);
    },
  ),
  promise('a duplicate gets the stored answer of the first', 'deduplicated/append/repeat', async (world) => {
    const eventId = await world.accept(KEY, 'till');
    const answer = { status: 200, headers: [['A', 'b']] as const, body: new Uint8Array([1, 0]) };
    await world.settle(await world.claimOne('till'), world.build.retry(0), { answer });
    await world.settle(await world.claimOne('till'), world.build.succeeded(), { answer: { ...answer, status: 500 } });
    assert.deepEqual(plain(await send(world, KEY)), plain({ status: 'duplicate', eventId, differs: false, answer }));
  }),
];

const scope: readonly ConformanceCase[] = [
  promise(
    'source, tenant, type and key are each part of what is deduplicated',
    'deduplicated/append/normal',
    async (world) => {
      await world.accept({ ...KEY, tenant: 't', type: 'a' }, 'till');
      const others: readonly EventParts[] = [
        { ...KEY, tenant: 't', type: 'b' },
        { ...KEY, tenant: 'u', type: 'a' },
        { ...KEY, tenant: null, type: 'a' },
        { ...KEY, tenant: '', type: 'a' },
        { ...KEY, tenant: 't', type: 'a', source: 'stall' },
        { ...KEY, tenant: 't', type: 'a', dedupeKey: 'invoice-8' },
        { ...KEY, tenant: 't', type: 'a', dedupeKey: '' },
        { ...KEY, tenant: 'ta', type: '' },
        { ...KEY, tenant: 't', type: '', dedupeKey: 'ainvoice-7' },
        { ...KEY, tenant: 't', type: 'A' },
      ];
      for (const parts of others) assert.equal(await sendAgain(world, parts), 'committed', JSON.stringify(parts));
      for (const parts of others) assert.equal(await sendAgain(world, parts), 'duplicate', JSON.stringify(parts));
    },
  ),
  promise('without a key or a window nothing is deduplicated', 'deduplicated/append/normal', async (world) => {
    const parts = { ...KEY, dedupeWindowMs: 0 };
    assert.equal(await sendAgain(world, parts), 'committed');
    assert.equal(await sendAgain(world, parts), 'committed');
    assert.equal(await sendAgain(world, { text: 'x', dedupeKey: null }), 'committed');
    assert.equal(await sendAgain(world, { text: 'x', dedupeKey: null }), 'committed');
    assert.equal(await sendAgain(world), 'committed', 'a key sent without a window is not remembered');
  }),
  promise('a key is remembered for its window, to the millisecond', 'deduplicated/append/normal', async (world) => {
    await world.accept(KEY, 'till');
    await world.advance(WINDOW_MS - 1);
    assert.equal(await sendAgain(world), 'duplicate');
    await world.advance(1);
    assert.equal(await sendAgain(world), 'committed');
    assert.equal(await sendAgain(world), 'duplicate');
  }),
  promise('the window of the first counts, from when it was received', 'deduplicated/append/normal', async (world) => {
    const receivedAt = world.now - 10_000;
    await world.accept({ ...KEY, receivedAt, dedupeWindowMs: 15_000 }, 'till');
    await world.advance(4_999);
    assert.equal(await sendAgain(world, { ...KEY, dedupeWindowMs: 1 }), 'duplicate');
    assert.equal(await sendAgain(world, { ...KEY, receivedAt: receivedAt - 1 }), 'duplicate');
    await world.advance(1);
    assert.equal(await sendAgain(world), 'committed');
  }),
];

/** Many keys, most of whose events are purged, before and after the process ends. */
async function outlives(world: World, how: 'crashed' | 'closed'): Promise<void> {
  const keys = Array.from({ length: 40 }, (_, index) => ({ ...KEY, dedupeKey: `key ${index}` }));
  for (const parts of keys) {
    await world.accept(parts, 'till');
    await world.finish('till', world.build.succeeded());
    await world.advance(100);
  }
  const retention = { ...EVER, eventsMs: 1_000 };
  await world.store.work.purge({ now: world.now, retention, heldBefore: [], limit: 100 });
  await world.reopen(how);
  for (const parts of keys) assert.equal(await sendAgain(world, parts), 'duplicate', parts.dedupeKey);
  await world.advance(WINDOW_MS - 2_000);
  for (const parts of keys) {
    assert.equal(await sendAgain(world, parts), keys.indexOf(parts) < 21 ? 'committed' : 'duplicate', parts.dedupeKey);
  }
}

const lasting: readonly ConformanceCase[] = [
  promise('a dedupe key outlives its event', 'deduplicated/purge/normal', async (world) => {
    const eventId = await world.accept(KEY, 'till');
    await world.finish('till', world.build.succeeded());
    await world.advance(1_000);
    const retention = { ...EVER, eventsMs: 500, bodiesMs: 100 };
    await world.store.work.purge({ now: world.now, retention, heldBefore: [], limit: 100 });
    assert.equal(await world.store.history.event(eventId), null);
    const duplicate = { status: 'duplicate', eventId, differs: false, answer: null } as const;
    assert.deepEqual(await send(world, KEY), duplicate);
    assert.deepEqual(await send(world, { ...KEY, text: 'other' }), { ...duplicate, differs: true });
  }),
  promise('purging forgets no key before its window has ended', 'deduplicated/purge/repeat', async (world) => {
    await world.accept(KEY, 'till');
    await world.advance(WINDOW_MS - 1);
    for (let round = 0; round < 3; round++) {
      await world.store.work.purge({ now: world.now, retention: EVER, heldBefore: [], limit: 100 });
    }
    assert.equal(await sendAgain(world), 'duplicate');
    await world.advance(1);
    await world.store.work.purge({ now: world.now, retention: EVER, heldBefore: [], limit: 100 });
    assert.equal(await sendAgain(world), 'committed');
  }),
  promise('a dedupe key outlives its event and a crash', 'deduplicated/purge/crash after commit', (world) =>
    outlives(world, 'crashed'),
  ),
  promise('a dedupe key outlives its event and a proper close', 'deduplicated/purge/reopen', (world) =>
    outlives(world, 'closed'),
  ),
  promise('a dedupe key survives a crash', 'deduplicated/append/crash after commit', async (world) => {
    const eventId = await world.accept(KEY, 'till');
    await world.reopen('crashed');
    assert.deepEqual(await send(world, { ...KEY, text: 'other' }), {
      status: 'duplicate',
      eventId,
      differs: true,
      answer: null,
    });
  }),
  promise('a dedupe key survives closing and opening', 'deduplicated/append/reopen', async (world) => {
    await world.accept(KEY, 'till');
    await world.advance(WINDOW_MS - 1);
    await world.reopen('closed');
    assert.equal(await sendAgain(world), 'duplicate');
    await world.advance(1);
    assert.equal(await sendAgain(world), 'committed');
  }),
  promise('a key whose commit failed is not remembered', 'deduplicated/append/crash before commit', async (world) => {
    const events = [world.build.event(KEY, 'till')];
    await world.harness.interrupt(world.build.batch({ appends: [{ events }] }));
    assert.equal(await sendAgain(world), 'committed');
    await world.harness.interrupt(world.build.batch({ appends: [{ events: [world.build.event(KEY, 'till')] }] }));
    await world.reopen('crashed');
    assert.equal(await sendAgain(world), 'duplicate');
    assert.equal((await world.store.history.counts()).sources[0]?.duplicates, 1);
  }),
  promise('what a handler emits is deduplicated like all else', 'deduplicated/settle/normal', async (world) => {
    await world.accept({}, 'till');
    await world.accept({}, 'till');
    const receipt = { source: 'emitted', ...KEY } as const;
    const answers: unknown[] = [];
    for (const claim of await world.claim('till')) {
      const emits = [world.build.event(receipt, 'printer')];
      const answer = await world.settle(claim, world.build.succeeded(), { emits });
      answers.push('emits' in answer ? answer.emits.map((item) => item.status) : answer);
    }
    assert.deepEqual(answers, [['committed'], ['duplicate']]);
    assert.deepEqual(await world.states('printer'), ['ready']);
  }),
  promise('what a refused outcome emitted is not remembered', 'deduplicated/settle/stale claim', async (world) => {
    await world.accept({}, 'till');
    const claim = await world.claimOne('till');
    await world.release(claim);
    await world.settle(claim, world.build.succeeded(), { emits: [world.build.event(KEY, 'printer')] });
    assert.equal(await sendAgain(world), 'committed');
  }),
];

/** The cases of the promise `deduplicated`. */
export const dedupeCases: readonly ConformanceCase[] = [...once, ...scope, ...lasting];
