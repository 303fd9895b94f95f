/** Bytes in are bytes stored. */
import assert from 'node:assert/strict';
import type { ConformanceCase } from './harness.ts';
import { plain } from './plain.ts';
import { first, promise, type World } from './world.ts';
import type { EventParts } from './build.ts';

/** Every byte there is, twice, so that no text encoding can pass for right. */
const EVERY_BYTE = Uint8Array.from({ length: 512 }, (_, index) => index % 256);

const awkward: readonly EventParts[] = [
  { body: EVERY_BYTE },
  { body: new Uint8Array() },
  { text: '{"a":1.0, "a" : 2}\r\n\0' },
  { headers: ['X-A', '1', 'x-a', '2', 'X-A', '', 'Set-Cookie', 'b=\u00e9\u00ff; c'] },
  { headers: [] },
  { source: 'caf\u00e9', type: 'a.b/c d:"\u{1f6d2}', tenant: "o'neil; --", path: '/in/%20/\u00e4' },
  { type: '', tenant: '', orderKey: '', dedupeKey: '', query: '', path: '' },
  {
    query: 'a=%00&a=b&&c',
    correlationId: '\u0001',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  },
  { unfit: 'body.id: expected a string', method: 'PUT', receivedAt: 1_700_000_000_001 },
];

/** Accepts the awkward events and compares what History tells of them, and what a claim brings, to the letter. */
async function showExact(world: World, between: () => Promise<void>): Promise<void> {
  const made = awkward.map((parts) => world.build.event(parts, 'till'));
  await world.append(...made);
  await between();
  for (const { event } of made) {
    const record = await world.store.history.event(event.id);
    assert.deepEqual(plain(record?.event), plain(event));
    assert.equal(record?.bodyBytes, event.body?.length);
  }
  const claims = await world.claim('till');
  const byId = new Map(claims.map((claim) => [claim.event.id, claim]));
  for (const { event } of made) assert.deepEqual(plain(byId.get(event.id)?.event), plain(event));
}

/** The cases of the promise `exact`. */
export const exactCases: readonly ConformanceCase[] = [
  promise('an event is given back to the byte', 'exact/append/normal', (world) =>
    showExact(world, async () => undefined),
  ),
  promise('an event is given back to the byte after a crash', 'exact/append/crash after commit', (world) =>
    showExact(world, () => world.reopen('crashed')),
  ),
  promise('an event is given back to the byte after closing', 'exact/append/reopen', (world) =>
    showExact(world, () => world.reopen('closed')),
  ),
  promise('an event that is handed off is given as it was', 'exact/append/normal', async (world) => {
    const made = world.build.event({ body: EVERY_BYTE }, { destination: 'till', handOff: 'claim' });
    const answer = first(await world.append(made));
    assert.ok(answer.status === 'committed');
    const claim = first(answer.claims) ?? (await world.claimOne('till'));
    assert.deepEqual(plain(claim.event), plain(made.event));
  }),
  promise('a body of a mebibyte is given back whole', 'exact/append/normal', async (world) => {
    const bytes = Math.min(world.harness.capabilities.rowBytesMax ?? 1_048_576, 1_048_576);
    const body = Uint8Array.from({ length: bytes }, (_, index) => (index * 31) % 256);
    const eventId = await world.accept({ body }, 'till');
    assert.deepEqual(
      plain((await world.store.history.event(eventId))?.event),
      plain({ ...(await world.claimOne('till')).event, body }),
    );
  }),
  promise('a differing duplicate is given back to the byte', 'exact/append/repeat', async (world) => {
    await world.accept({ dedupeKey: 'k' }, 'till');
    const repeat = world.build.event({ dedupeKey: 'k', body: EVERY_BYTE, headers: ['A', 'b'] }, 'till');
    const answer = first(await world.append(repeat));
    const record = await world.store.history.event(repeat.event.id);
    assert.deepEqual(plain(record?.event), plain({ ...repeat.event, duplicateOf: answer.eventId }));
  }),
  promise('an answer is given back to the byte', 'exact/settle/normal', async (world) => {
    const eventId = await world.accept({}, 'till');
    const answer = {
      status: 299,
      headers: [
        ['X-A', '1'],
        ['x-a', ''],
      ] as const,
      body: EVERY_BYTE,
    };
    await world.settle(await world.claimOne('till'), world.build.succeeded(), { answer });
    await world.reopen('closed');
    assert.deepEqual(plain((await world.store.history.event(eventId))?.answer), plain(answer));
  }),
];
