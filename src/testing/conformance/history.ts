/** What History tells is true. */
import assert from 'node:assert/strict';
import type { DeliveryFilter, EventFilter, Listed } from '../../store/store.ts';
import type { ConformanceCase } from './harness.ts';
import { first, promise, type World } from './world.ts';

/** All rows of a list, page by page. */
async function paged<Row>(list: (cursor?: string) => Promise<Listed<Row>>): Promise<readonly (readonly Row[])[]> {
  const pages: (readonly Row[])[] = [];
  let cursor: string | null = null;
  do {
    const page: Listed<Row> = await (cursor === null ? list() : list(cursor));
    pages.push(page.rows);
    cursor = page.cursor;
    assert.ok(pages.length < 100, 'paging does not end');
  } while (cursor !== null);
  return pages;
}

async function eventIds(world: World, filter: EventFilter): Promise<readonly string[]> {
  const { rows } = await world.store.history.events(filter, { limit: 1_000, oldestFirst: true });
  return rows.map((row) => row.id);
}

const events: readonly ConformanceCase[] = [
  promise('an event that is not there is null', 'truthful/event/normal', async (world) => {
    assert.equal(await world.store.history.event('evt_01h00000000000000000000000'), null);
    assert.equal(await world.store.history.event('nonsense'), null);
    assert.equal(await world.store.history.delivery('nonsense'), null);
    assert.deepEqual(await world.store.history.attempts('nonsense'), []);
  }),
  promise('an event is told with what it owed', 'truthful/event/normal', async (world) => {
    const made = world.build.event({ text: '12345' }, 'till', 'ledger');
    await world.append(made);
    const record = await world.store.history.event(made.event.id);
    assert.equal(record?.event.id, made.event.id);
    const { bodyBytes, owed, duplicates, answer } = record;
    assert.deepEqual({ bodyBytes, owed, answer }, { bodyBytes: 5, owed: 2, answer: null });
    assert.deepEqual(duplicates, { count: 0, newest: [] });
  }),
  promise('events are listed newest first, page by page', 'truthful/events/normal', async (world) => {
    const ids: string[] = [];
    for (let made = 0; made < 7; made++) ids.push(await world.accept({}, 'till'));
    const pages = await paged((cursor) => world.store.history.events({}, { limit: 3, ...(cursor && { cursor }) }));
    const expected = ids.toReversed();
    assert.deepEqual(
      pages.map((page) => page.map((row) => row.id)),
      [expected.slice(0, 3), expected.slice(3, 6), expected.slice(6)],
    );
    const oldest = { limit: 7, oldestFirst: true };
    const listed = await world.store.history.events({}, oldest);
    assert.deepEqual([listed.rows.map((row) => row.id), listed.cursor], [ids, null]);
  }),
  promise('a page continues where it ended while events come in', 'truthful/events/repeat', async (world) => {
    const ids: string[] = [];
    for (let made = 0; made < 4; made++) ids.push(await world.accept({}));
    const newest = await world.store.history.events({}, { limit: 2 });
    const oldest = await world.store.history.events({}, { limit: 2, oldestFirst: true });
    const late = await world.accept({});
    const cursors = [newest.cursor, oldest.cursor].map((cursor) => ({ cursor: cursor ?? '', limit: 9 }));
    const [down, up] = await Promise.all(
      cursors.map((page, index) => world.store.history.events({}, { ...page, oldestFirst: index === 1 })),
    );
    assert.deepEqual(
      down?.rows.map((row) => row.id),
      [ids[1], ids[0]],
    );
    assert.deepEqual(
      up?.rows.map((row) => row.id),
      [ids[2], ids[3], late],
    );
  }),
  promise('an event is listed without its body and headers', 'truthful/events/normal', async (world) => {
    const made = world.build.event({ tenant: 't', orderKey: 'o', dedupeKey: 'd', unfit: 'u', text: 'abc' }, 'till');
    await world.append(made);
    const { id, source, type, tenant, dedupeKey, orderKey, receivedAt, correlationId, unfit } = made.event;
    const named = { id, source, type, tenant, dedupeKey, orderKey, receivedAt, correlationId, unfit };
    const { rows } = await world.store.history.events({}, { limit: 1 });
    assert.deepEqual(rows, [{ ...named, bodyBytes: 3, duplicateOf: null, owed: 1 }]);
  }),
  promise('each filter of events finds what fits it', 'truthful/events/normal', async (world) => {
    const plain = await world.accept({ dedupeKey: 'plain' }, 'till');
    await world.advance(10);
    const parts = { source: 's', type: 't', tenant: 'n', correlationId: 'c', dedupeKey: 'd' } as const;
    const special = await world.accept(parts);
    const repeat = world.build.event({ ...parts, text: 'other', correlationId: 'c2' });
    await world.append(repeat);
    const differing = repeat.event.id;
    const finds: readonly (readonly [EventFilter, readonly string[]])[] = [
      [{}, [plain, special, differing]],
      [{ source: 's' }, [special, differing]],
      [{ type: 't' }, [special, differing]],
      [{ tenant: 'n' }, [special, differing]],
      [{ correlationId: 'c' }, [special]],
      [{ dedupeKey: 'd' }, [special, differing]],
      [{ since: world.now }, [special, differing]],
      [{ until: world.now }, [plain]],
      [{ since: world.now - 10, until: world.now + 1, source: 'shop' }, [plain]],
      [{ unmatched: true }, [special]],
      [{ unmatched: false }, [plain, differing]],
      [{ source: 's', type: 'order.paid' }, []],
    ];
    for (const [filter, found] of finds) assert.deepEqual(await eventIds(world, filter), found, JSON.stringify(filter));
  }),
];

/** One delivery of each kind to the till, by its state; the ledger has one more. */
async function oneOfEach(world: World): Promise<Record<string, string>> {
  const ids: Record<string, string> = {};
  const note = async (name: string): Promise<void> => {
    ids[name] = (await world.deliveries({ destination: 'till' })).at(-1)?.id ?? '';
  };
  const finish = {
    succeeded: world.build.succeeded(),
    skipped: world.build.skipped('s'),
    dead: world.build.dead('rejected'),
  };
  for (const [name, outcome] of Object.entries(finish)) {
    await world.accept({ type: name }, 'till');
    await world.finish('till', outcome);
    await note(name);
  }
  await world.advance(10);
  await world.accept({ type: 'claimed', orderKey: 'k' }, 'till');
  await world.claimOne('till');
  await note('claimed');
  await world.accept({ type: 'blocked', orderKey: 'k' }, 'till');
  await note('blocked');
  await world.accept(
    { type: 'due', source: 'stall', tenant: 'acme' },
    { destination: 'till', dueAt: world.now + 1_000 },
  );
  await note('due');
  await world.accept({ type: 'ready', tenant: 'acme' }, 'till', 'ledger');
  await note('ready');
  return ids;
}

const deliveries: readonly ConformanceCase[] = [
  promise('each filter of deliveries finds what fits it', 'truthful/deliveries/normal', async (world) => {
    const ids = await oneOfEach(world);
    const eventId = (await world.delivery(ids['ready'] ?? '')).eventId;
    const finds: readonly (readonly [DeliveryFilter, readonly string[]])[] = [
      [{ states: ['ready', 'due'] }, ['due', 'ready']],
      [{ states: ['blocked', 'claimed'] }, ['claimed', 'blocked']],
      [{ states: ['succeeded', 'skipped'] }, ['succeeded', 'skipped']],
      [{ states: [] }, []],
      [{ reason: 'rejected' }, ['dead']],
      [{ reason: 'exhausted' }, []],
      [{ resolved: false }, ['dead']],
      [{ resolved: true }, []],
      [{ eventId }, ['ready']],
      [{ eventId: 'evt_01h00000000000000000000000' }, []],
      [{ source: 'stall' }, ['due']],
      [{ type: 'blocked' }, ['blocked']],
      [{ tenant: 'acme' }, ['due', 'ready']],
      [{ tenant: 'acme', states: ['due'] }, ['due']],
      [{ tenant: 'other' }, []],
      [{ until: world.now }, ['succeeded', 'skipped', 'dead']],
      [{ since: world.now, states: ['claimed'] }, ['claimed']],
    ];
    for (const [filter, names] of finds) {
      const found = await world.deliveries({ ...filter, destination: 'till' });
      assert.deepEqual(
        found.map((row) => row.id),
        names.map((name) => ids[name]),
        JSON.stringify(filter),
      );
    }
    await world.act({ kind: 'resolve', deliveryIds: [ids['dead'] ?? ''], note: '', by: 'ada' });
    assert.equal((await world.only({ resolved: true })).id, ids['dead']);
    assert.deepEqual(await world.deliveries({ resolved: false }), []);
  }),
  promise('deliveries are listed newest first, page by page', 'truthful/deliveries/normal', async (world) => {
    for (let made = 0; made < 3; made++) await world.accept({}, 'till', 'ledger');
    const all = (await world.deliveries()).map((row) => row.id);
    const pages = await paged((cursor) => world.store.history.deliveries({}, { limit: 4, ...(cursor && { cursor }) }));
    assert.deepEqual(
      pages.map((page) => page.length),
      [4, 2],
    );
    assert.deepEqual(
      pages.flat().map((row) => row.id),
      all.toReversed(),
    );
    const filtered = await paged((cursor) =>
      world.store.history.deliveries(
        { destination: 'till' },
        { limit: 1, oldestFirst: true, ...(cursor && { cursor }) },
      ),
    );
    assert.deepEqual(
      filtered.map((page) => page.map((row) => row.destination)),
      [['till'], ['till'], ['till']],
    );
  }),
  promise('the replays of a delivery are listed after it', 'truthful/deliveries/repeat', async (world) => {
    const eventId = await world.accept({}, 'till');
    const { deliveryId } = await world.finish('till', world.build.dead('exhausted'));
    await world.accept({}, 'till');
    const row = await world.replayRow(deliveryId);
    await world.commit({ replays: [row] });
    const rows = await world.deliveries({ eventId });
    assert.deepEqual(
      rows.map((one) => [one.replayOf, one.replayId]),
      [
        [null, null],
        [deliveryId, row.replayId],
      ],
    );
    assert.equal((await world.deliveries()).at(-1)?.replayId, row.replayId);
  }),
  promise('a delivery is told with what its event says', 'truthful/delivery/normal', async (world) => {
    const receivedAt = world.now - 7;
    const parts = { source: 's', type: 't', tenant: 'n', orderKey: 'k', receivedAt } as const;
    const eventId = await world.accept(parts, { destination: 'till', dueAt: world.now + 5 });
    const { id, ...rest } = await world.only({ eventId });
    assert.deepEqual(await world.delivery(id), { id, ...rest });
    assert.deepEqual(rest, {
      eventId,
      destination: 'till',
      ...parts,
      state: 'due',
      attempts: 0,
      crashes: 0,
      committedAt: world.now,
      dueAt: world.now + 5,
      endedAt: null,
      reason: null,
      note: null,
      resolved: null,
      replayOf: null,
      replayId: null,
      lastError: null,
    });
  }),
];

const rest: readonly ConformanceCase[] = [
  promise('attempts are kept as they were, oldest first', 'truthful/attempts/normal', async (world) => {
    await world.accept({}, 'till');
    const made = [
      world.build.retry(0, {
        number: 1,
        status: 503,
        durationMs: 1234.5,
        error: 'caf\u00e9 \u{1f6d2}',
        worker: 'h:2/9',
      }),
      world.build.unavailable(0),
      world.build.retry(0, { number: 2, outcome: 'timeout', error: null }),
      { ...world.build.succeeded(), attempt: world.build.attempt({ number: 3, status: 204 }) },
    ];
    for (const outcome of made) await world.finish('till', outcome);
    const { id } = await world.only({});
    assert.deepEqual(
      await world.store.history.attempts(id),
      made.map((outcome) => outcome.attempt),
    );
    await world.reopen('crashed');
    assert.equal((await world.store.history.attempts(id)).length, 4);
  }),
  promise(
    'what an endpoint was sent and answered is kept with its attempt',
    'truthful/attempts/normal',
    async (world) => {
      await world.accept({}, 'crm', 'till');
      const first = world.build.attempt({ status: 200, exchange: world.build.exchange() });
      await world.finish('crm', { kind: 'succeeded', attempt: first });
      const lost = world.build.exchange({ response: null, remoteAddress: null, code: 'connect_refused' });
      const failed = world.build.attempt({ outcome: 'failed', error: 'refused', exchange: lost });
      await world.finish('till', { kind: 'retry', delayMs: 0, spends: true, attempt: failed });
      await world.finish('till', { kind: 'succeeded', attempt: { ...first, number: 2 } });
      const attemptsOf = async (destination: string) => {
        const { id } = await world.only({ destination });
        return world.store.history.attempts(id);
      };
      for (const how of ['crashed', 'closed'] as const) {
        assert.deepEqual(await attemptsOf('crm'), [first]);
        assert.deepEqual(await attemptsOf('till'), [failed, { ...first, number: 2 }]);
        await world.reopen(how);
      }
    },
  ),
  promise('the newest hundred attempts are kept and all are counted', 'truthful/attempts/repeat', async (world) => {
    await world.accept({}, 'till');
    for (let number = 1; number <= 103; number++) await world.finish('till', world.build.retry(0, { number }));
    const { id, attempts } = await world.only({});
    const kept = await world.store.history.attempts(id);
    assert.deepEqual([attempts, kept.length, kept[0]?.number, kept.at(-1)?.number], [103, 100, 4, 103]);
  }),
  promise('counts tell every state and the oldest that is ready', 'truthful/counts/normal', async (world) => {
    assert.deepEqual((await world.store.history.counts()).destinations, []);
    await oneOfEach(world);
    const { destinations, sources, events: kept } = await world.store.history.counts();
    assert.deepEqual(
      destinations.map((row) => row.destination),
      ['ledger', 'till'],
    );
    assert.deepEqual(destinations[1], {
      destination: 'till',
      blocked: 1,
      due: 1,
      ready: 1,
      claimed: 1,
      dead: 1,
      oldestReadyAt: world.now,
      totals: { received: 7, succeeded: 1, skipped: 1, failed: 1, dead: 1 },
    });
    assert.deepEqual(
      sources.map((row) => [row.source, row.accepted]),
      [
        ['shop', 6],
        ['stall', 1],
      ],
    );
    assert.equal(kept, 7);
  }),
  promise('the oldest ready is by its receipt', 'truthful/counts/normal', async (world) => {
    const receivedAt = world.now - 500;
    await world.accept({}, 'till');
    await world.accept({ receivedAt }, 'till');
    await world.accept({ receivedAt: 5 }, { destination: 'till', dueAt: world.now + 1 });
    assert.equal(first((await world.store.history.counts()).destinations).oldestReadyAt, receivedAt);
  }),
  promise('History is the same after closing and opening', 'truthful/deliveries/reopen', async (world) => {
    await oneOfEach(world);
    const claimed = await world.only({ states: ['claimed'] });
    await world.advance(60_000);
    assert.equal(await world.state(claimed.id), 'ready');
    const before = await world.everything();
    await world.reopen('closed');
    assert.deepEqual(await world.everything(), before);
  }),
  promise('History is the same after a crash', 'truthful/deliveries/crash after commit', async (world) => {
    await oneOfEach(world);
    await world.advance(60_000);
    const before = await world.everything();
    await world.reopen('crashed');
    assert.deepEqual(await world.everything(), before);
  }),
];

/** The cases about History, of the promise `truthful`. */
export const historyCases: readonly ConformanceCase[] = [...events, ...deliveries, ...rest];
