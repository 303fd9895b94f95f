import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import { ingestWorld, sent } from '../../test/ingest-world.ts';
import { silentObserver } from '../core/observer.ts';
import { TestClock } from '../testing/clock.ts';
import { bearer, hmac, timestampedHmac } from '../verify/index.ts';
import type { Verifier } from '../verify/verifier.ts';
import { verifyAgain } from './again.ts';
import type { SourceConfig } from './source.ts';
import { SqliteRejections } from './rejections-sqlite.ts';
import { MemoryRejections, type Rejection, type RejectionBounds, type RejectionLog } from './rejections.ts';

const directory = mkdtempSync(join(tmpdir(), 'holdfast-rejections-'));
after(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;

const kinds: Readonly<Record<string, (bounds: RejectionBounds) => RejectionLog>> = {
  memory: (bounds) => new MemoryRejections(bounds),
  sqlite: (bounds) =>
    new SqliteRejections({ ...bounds, observer: silentObserver, path: join(directory, `${files++}.db`) }),
};

let made = 0;
function rejection(parts: Partial<Rejection> = {}): Rejection {
  return {
    id: `rej_${String(++made).padStart(26, '0')}`,
    source: 'shop',
    receivedAt: 1000 + made,
    method: 'POST',
    path: '/in/shop',
    query: 'a=b',
    headers: ['X-A', '\xe9', 'X-A', '2'],
    body: Buffer.from([0, 255, 10]),
    remoteAddress: '192.0.2.1',
    step: 'verify',
    code: 'not_verified',
    reason: 'signature_mismatch',
    detail: null,
    correlationId: 'c',
    verifiable: true,
    ...parts,
  };
}

const bounds = (clock: TestClock, parts: Partial<RejectionBounds> = {}): RejectionBounds => ({
  countMax: 100,
  bytesMax: 1_000_000,
  perS: 100,
  clock,
  ...parts,
});

for (const [kind, make] of Object.entries(kinds)) {
  const opened = async (parts: Partial<RejectionBounds> = {}): Promise<RejectionLog> => {
    const log = make(bounds(new TestClock(), parts));
    await log.open();
    return log;
  };
  const ids = async (log: RejectionLog): Promise<string[]> =>
    (await log.list({}, { limit: 1000, oldestFirst: true })).rows.map(({ id }) => id);

  test(`${kind}: a rejection is kept whole`, async () => {
    const log = await opened();
    const one = rejection({ detail: 'header' });
    log.add(one);
    const got = await log.get(one.id);
    assert.deepEqual({ ...got, body: Buffer.from(got?.body ?? []) }, one);
    const { headers: _headers, body: _body, ...summary } = one;
    assert.deepEqual((await log.list({}, { limit: 10 })).rows, [{ ...summary, bodyBytes: 3 }]);
    assert.equal(await log.get('rej_none'), null);
    await log.close();
  });

  test(`${kind}: lists by filter, in pages, in both directions`, async () => {
    const log = await opened();
    const all = Array.from({ length: 5 }, () => rejection());
    const other = rejection({ source: 'other', reason: 'header_missing', code: 'bad_request' });
    for (const one of [...all, other]) log.add(one);
    const first = await log.list({ source: 'shop' }, { limit: 3 });
    const second = await log.list({ source: 'shop' }, { limit: 3, cursor: first.cursor ?? '' });
    assert.deepEqual(
      [...first.rows, ...second.rows].map(({ id }) => id),
      all.map(({ id }) => id).toReversed(),
    );
    assert.equal(second.cursor, null);
    const oldest = await log.list({}, { limit: 2, oldestFirst: true });
    const next = await log.list({}, { limit: 2, oldestFirst: true, cursor: oldest.cursor ?? '' });
    assert.deepEqual(
      [...oldest.rows, ...next.rows].map(({ id }) => id),
      all.slice(0, 4).map(({ id }) => id),
    );
    const found = async (filter: Parameters<RejectionLog['list']>[0]): Promise<number> =>
      (await log.list(filter, { limit: 10 })).rows.length;
    assert.equal(await found({ reason: 'header_missing' }), 1);
    assert.equal(await found({ code: 'bad_request' }), 1);
    assert.equal(await found({ ids: [other.id, all[0]?.id ?? ''] }), 2);
    assert.equal(await found({ since: all[3]?.receivedAt ?? 0, until: other.receivedAt }), 2);
    await log.close();
  });

  test(`${kind}: bounded in number and bytes; a flood pushes out its own kind only`, async () => {
    const log = await opened({ countMax: 4 });
    const real = rejection({ reason: 'signature_mismatch' });
    log.add(real);
    const flood = Array.from({ length: 10 }, () => rejection({ reason: 'header_missing' }));
    for (const one of flood) log.add(one);
    assert.deepEqual(await ids(log), [real.id, ...flood.slice(-3).map(({ id }) => id)]);
    const counts = await log.counts();
    assert.deepEqual([counts.kept, counts.dropped], [4, 7]);
    await log.close();
    const small = await opened({ bytesMax: 2000 });
    for (let index = 0; index < 5; index++) small.add(rejection({ body: Buffer.alloc(500) }));
    assert.ok((await small.counts()).bytes <= 2000);
    small.add(rejection({ body: Buffer.alloc(5000) }));
    assert.deepEqual([(await small.counts()).kept, (await small.counts()).dropped], [2, 4]);
    await small.close();
  });

  test(`${kind}: beyond the rate they are only counted`, async () => {
    const clock = new TestClock();
    const log = make(bounds(clock, { perS: 2 }));
    await log.open();
    for (let index = 0; index < 10; index++) log.add(rejection());
    log.add(rejection({ source: 'other' }));
    assert.deepEqual([(await log.counts()).kept, (await log.counts()).dropped], [3, 8]);
    clock.advance(500);
    log.add(rejection());
    assert.equal((await log.counts()).kept, 4);
    await log.close();
  });

  test(`${kind}: with room for none, none is kept`, async () => {
    for (const parts of [{ countMax: 0 }, { bytesMax: 0 }, { perS: 0 }]) {
      const log = await opened(parts);
      for (let index = 0; index < 3; index++) log.add(rejection());
      assert.ok((await log.counts()).kept <= 1);
      await log.close();
    }
  });

  test(`${kind}: deleting says how many there were`, async () => {
    const log = await opened();
    const one = rejection();
    log.add(one);
    assert.equal(await log.delete([one.id, one.id, 'rej_none']), 1);
    assert.deepEqual([await ids(log), (await log.counts()).bytes], [[], 0]);
    await log.close();
    await log.close();
  });

  test(`${kind}: after the secret is corrected, verify-again accepts what was refused, judged by when it came`, async () => {
    const clock = new TestClock();
    const log = make(bounds(clock));
    await log.open();
    const right = timestampedHmac({ header: 'x-sig', secrets: 'right' });
    const wrong = ingestWorld({
      clock,
      sources: { shop: timestampedHmac({ header: 'x-sig', secrets: 'wrong' }) },
      ports: { rejections: log },
    });
    const request = { ...sent('{"id":1}', [], '/in/shop?a=b') };
    const signed = { ...request, headers: [...((await right.sign?.(request, clock.now())) ?? []), 'X-Other', '1'] };
    const unsigned = { ...request, headers: ['x-sig', 'nonsense'] };
    const intake = wrong.acceptor.named('shop');
    assert.ok(intake);
    for (const one of [signed, unsigned]) assert.equal((await wrong.acceptor.accept(intake, one)).status, 401);
    clock.advance(3_600_000);
    const corrected = ingestWorld({
      clock,
      sources: { shop: { verify: right, dedupeKey: 'body.id' } },
      ports: { rejections: log },
    });
    assert.deepEqual(await verifyAgain(corrected.acceptor, { source: 'other' }), {
      accepted: 0,
      refused: 0,
      unverifiable: 0,
    });
    assert.deepEqual(await verifyAgain(corrected.acceptor, { source: 'shop' }), {
      accepted: 1,
      refused: 1,
      unverifiable: 0,
    });
    const [event] = corrected.events;
    assert.deepEqual(
      [event?.headers, event?.query, event?.receivedAt],
      [signed.headers, 'a=b', clock.now() - 3_600_000],
    );
    assert.deepEqual(Buffer.from(event?.body ?? []), signed.body);
    assert.deepEqual(await verifyAgain(corrected.acceptor, {}), { accepted: 0, refused: 1, unverifiable: 0 });
    assert.equal((await log.counts()).kept, 1);
    await log.close();
  });
}

test('verify-again: what was committed counts, whatever it is answered with; nobody is waited for', async () => {
  const right = hmac({ header: 'x-sig', secrets: 'right' });
  const { rejections } = ingestWorld({ sources: {} }).acceptor.ports;
  const owed = { destination: 'shop.answer', orderKey: null, dueAt: null, dead: null, handOff: 'no' } as const;
  const world = (verify: Verifier, settings: Partial<SourceConfig> = {}) =>
    ingestWorld({
      sources: { shop: { verify, ...settings } },
      ports: { rejections, route: () => [owed], awaitAnswer: () => assert.fail('a responder was waited for') },
    });
  const request = sent('{"id":1}', [], '/in/shop');
  const signed = { ...request, headers: [...((await right.sign?.(request, 0)) ?? [])] };
  const refuse = async (): Promise<void> => {
    const { acceptor } = world(hmac({ header: 'x-sig', secrets: 'wrong' }));
    const intake = acceptor.named('shop');
    assert.ok(intake);
    assert.equal((await acceptor.accept(intake, signed)).status, 401);
  };
  // Some providers want another status than 2xx, and some want 200 for what is refused.
  const settings: readonly Partial<SourceConfig>[] = [
    { answer: { status: 422 } },
    { mode: 'sync', responder: 'shop.answer', answer: { status: 409 } },
  ];
  for (const setting of settings) {
    await refuse();
    const { acceptor, events } = world(right, setting);
    assert.deepEqual(await verifyAgain(acceptor, {}), { accepted: 1, refused: 0, unverifiable: 0 });
    assert.deepEqual(await verifyAgain(acceptor, {}), { accepted: 0, refused: 0, unverifiable: 0 });
    assert.equal(events.length, 1);
  }
  await refuse();
  const polite = { ...hmac({ header: 'x-sig', secrets: 'other' }) };
  const { acceptor } = world({ ...polite, defaults: { ...polite.defaults, rejectAnswer: { status: 200 } } });
  assert.deepEqual(await verifyAgain(acceptor, {}), { accepted: 0, refused: 1, unverifiable: 0 });
  assert.equal((await rejections.counts()).kept, 1);
});

test('verify-again: two calls at once take each rejection once', async () => {
  const right = hmac({ header: 'x-sig', secrets: 'right' });
  const wrong = ingestWorld({ sources: { shop: hmac({ header: 'x-sig', secrets: 'wrong' }) } });
  const intake = wrong.acceptor.named('shop');
  assert.ok(intake);
  const request = sent('{"id":1}', [], '/in/shop');
  const signed = { ...request, headers: [...((await right.sign?.(request, 0)) ?? [])] };
  for (let count = 0; count < 60; count++) await wrong.acceptor.accept(intake, signed);
  const { rejections } = wrong.acceptor.ports;
  const { acceptor, events } = ingestWorld({ sources: { shop: right }, ports: { rejections } });
  const answers = await Promise.all([verifyAgain(acceptor, {}), verifyAgain(acceptor, { source: 'shop' })]);
  assert.deepEqual(
    answers.map(({ accepted }) => accepted),
    [60, 0],
  );
  assert.equal(events.length, 60);
});

test('what only a credential proves cannot be verified again, and says so', async () => {
  const world = (verify: Verifier, rejections?: RejectionLog) =>
    ingestWorld({ sources: { shop: verify }, ...(rejections && { ports: { rejections } }) });
  const wrong = world(bearer({ tokens: 'wrong' }));
  const intake = wrong.acceptor.named('shop');
  assert.ok(intake);
  await wrong.acceptor.accept(intake, sent('{}', ['Authorization', 'Bearer right']));
  const { rejections } = wrong.acceptor.ports;
  const [kept] = (await rejections.list({}, { limit: 1 })).rows;
  assert.equal(kept?.verifiable, false);
  assert.deepEqual((await rejections.get(kept.id))?.headers, ['Authorization', '[redacted]']);
  const right = world(bearer({ tokens: 'right' }), rejections);
  assert.deepEqual(await verifyAgain(right.acceptor, {}), { accepted: 0, refused: 1, unverifiable: 1 });
  const gone = ingestWorld({ sources: { other: hmac({ header: 'x', secrets: 's' }) }, ports: { rejections } });
  assert.deepEqual(await verifyAgain(gone.acceptor, {}), { accepted: 0, refused: 1, unverifiable: 1 });
});

test('sqlite: survives a restart, is written while nobody asks, and is readable by its owner only', async () => {
  const clock = new TestClock();
  const path = join(directory, 'again.db');
  const open = async (): Promise<SqliteRejections> => {
    const log = new SqliteRejections({ ...bounds(clock), observer: silentObserver, path });
    await log.open();
    return log;
  };
  const first = await open();
  first.add(rejection());
  assert.equal(clock.pending, 1);
  clock.advance(200);
  const reader = await open();
  assert.equal((await reader.counts()).kept, 1);
  await reader.close();
  await first.close();
  assert.equal(clock.pending, 0);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test('sqlite: damage behind the first page is put aside at the next start, too', async () => {
  const path = join(directory, 'damaged-later.db');
  const notes: string[] = [];
  const observer = { ...silentObserver, note: (_level: string, message: string) => void notes.push(message) };
  const open = async (): Promise<SqliteRejections> => {
    const log = new SqliteRejections({ ...bounds(new TestClock()), observer, path });
    await log.open();
    return log;
  };
  const first = await open();
  for (let index = 0; index < 8; index++) first.add(rejection({ body: Buffer.alloc(3000, index) }));
  await first.close();
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(statSync(path).size - 4096, 0xee), 0, null, 4096);
  closeSync(file);

  const second = await open();
  assert.deepEqual(notes, ['the rejection log was damaged and begins anew']);
  second.add(rejection());
  assert.equal((await second.counts()).kept, 1);
  await second.close();
});

test('sqlite: a file that can neither be written nor read loses rejections, and nothing else', async () => {
  const path = join(directory, 'gone.db');
  const notes: string[] = [];
  const observer = { ...silentObserver, note: (_level: string, message: string) => void notes.push(message) };
  const clock = new TestClock();
  const log = new SqliteRejections({ ...bounds(clock), observer, path });
  await log.open();
  const other = new DatabaseSync(path);
  other.exec('DROP TABLE rejections');
  other.close();
  for (let round = 0; round < 2; round++) {
    log.add(rejection());
    clock.advance(1000);
  }
  assert.deepEqual(notes, ['rejections cannot be written']);
  assert.equal((await log.counts()).dropped, 2);
  await log.close();
});

test('sqlite: a damaged file is put aside, and said so', async () => {
  const path = join(directory, 'damaged.db');
  writeFileSync(path, 'this is no database, and longer than a header would be. '.repeat(10));
  const notes: string[] = [];
  const observer = { ...silentObserver, note: (_level: string, message: string) => void notes.push(message) };
  const log = new SqliteRejections({ ...bounds(new TestClock()), observer, path });
  await log.open();
  log.add(rejection());
  assert.equal((await log.counts()).kept, 1);
  assert.deepEqual(notes, ['the rejection log was damaged and begins anew']);
  assert.ok(statSync(`${path}.damaged`).size > 0);
  await log.close();
});
