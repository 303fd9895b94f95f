/** The whole system on real servers: bursts as ROOK sends them, processes that are killed, and what the naive way loses. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';
import { sendLoad, type Simulation } from 'holdfast/testing';
import type { Running } from '../../../scripts/services/kind.ts';
import { mongodb } from '../../../scripts/services/mongodb.ts';
import { redis } from '../../../scripts/services/redis.ts';
import { sqs } from '../../../scripts/services/sqs.ts';
import { testNeeding } from '../../../test/require.ts';
import type { Webhook } from './audit.ts';
import { bursts, sendBursts, usersOf } from './load.ts';
import { kinds, type Reading, readingOf, type RookDocument } from './transforms.ts';
import { KEY, until, type Urls, World } from './world.ts';

/**
 * 200 users are the full size: ROOK_USERS=200. By default it is a tenth, since what stands in for MongoDB decodes documents
 * where MongoDB reads an index, and the six processes share the machine with other tests.
 */
const USERS = Number(process.env['ROOK_USERS'] ?? 20);
const needs = [mongodb, sqs, redis];
type Data = Readonly<Record<string, Reading>>;

/** What a user's data must be in the end: of each kind the newest of these documents. */
function dataOf(documents: readonly RookDocument[], transform = readingOf): Data {
  const data: Record<string, Reading> = {};
  for (const document of documents) {
    const kind = kinds[document.data_structure];
    assert.ok(kind !== undefined);
    const reading = transform(document, kind);
    const known = data[kind.name];
    if (known === undefined || known.measuredAt <= reading.measuredAt) data[kind.name] = reading;
  }
  return data;
}

/** The documents of the user of this burst. */
function documentsOf({ make, burst }: Simulation, user: number): readonly string[] {
  return Array.from({ length: burst }, (_, index) => Buffer.from(make(user * burst + index).body).toString());
}

const parsed = (texts: readonly string[]): RookDocument[] => texts.map((text) => JSON.parse(text) as RookDocument);

/** What is stored of these users that is not as it must be. */
async function wrong(world: World, simulation: Simulation, users: readonly string[]): Promise<readonly string[]> {
  const found = await world.users.find({ externalId: { $in: [...users] } }).toArray();
  const data = new Map(found.map(({ externalId, wearables }) => [externalId, wearables.garmin?.data ?? {}]));
  return users.flatMap((user, index) => {
    const expected = dataOf(parsed(documentsOf(simulation, index)));
    const stored = data.get(user) ?? {};
    return Object.entries(expected)
      .filter(([kind, reading]) => JSON.stringify(stored[kind]) !== JSON.stringify(reading))
      .map(([kind]) => `${user} ${kind}`);
  });
}

const addUsers = (world: World, users: readonly string[]): Promise<unknown> =>
  world.users.insertMany(users.map((externalId) => ({ externalId, wearables: {} })));

/** Sends these documents at once. @returns the 99th percentile of the answers, in milliseconds */
async function send(origin: string, { verifier, make }: Simulation, texts: readonly string[]): Promise<number> {
  const { statuses, latencyMs } = await sendLoad({
    origin,
    verifier,
    count: texts.length,
    make: (index) => ({ ...make(0), body: Buffer.from(texts[index] ?? '') }),
  });
  assert.deepEqual(statuses, { 200: texts.length });
  return latencyMs?.p99 ?? 0;
}

describe('rook-health', () => {
  let urls: Urls | null = null;
  const started: Running[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-rook-'));
  before(async () => {
    if (!needs.every((need) => need.met())) return;
    const start = async (kind: (typeof needs)[number]): Promise<string> => {
      mkdirSync(join(directory, kind.name));
      const running = await kind.start(join(directory, kind.name));
      started.push(running);
      return running.url;
    };
    const [one, two, three] = await Promise.all([start(mongodb), start(sqs), start(redis)]);
    urls = { mongodb: one, sqs: two, redis: three };
  });
  after(async () => {
    await Promise.all(started.map((server) => server.stop()));
    rmSync(directory, { recursive: true, force: true });
  });
  const worldOf = (name: string): World => {
    if (urls === null) throw new Error('The servers do not run.');
    return new World(name, urls);
  };

  testNeeding(needs, 'gives every user every kind of data, though a gateway and two workers are killed', async (t) => {
    await using world = worldOf('burst');
    const [one, two, first, second] = await Promise.all([
      world.start('app.ts'),
      world.start('app.ts'),
      ...Array.from({ length: 3 }, () => world.start('worker.ts')),
    ]);
    assert.ok(first !== undefined && second !== undefined);
    const simulation = bursts(KEY, 'burst');
    const users = usersOf(simulation, USERS);
    const [user = ''] = users;
    await addUsers(world, users);
    await world.cache.set(`wearables:${user}`, '{"old":true}');

    const answered = new Set<number>();
    const killed: Promise<void>[] = [];
    const reports = await sendBursts({
      simulation,
      origins: [one.origin, two.origin],
      users: USERS,
      perS: null,
      answered: (index, status) => {
        if (status !== 200) return;
        answered.add(index);
        if (answered.size === simulation.burst * Math.ceil(USERS / 4)) killed.push(first.kill(), one.kill());
      },
    });
    // ROOK sends again what got no answer, until it has one.
    const total = USERS * simulation.burst;
    for (;;) {
      const again = Array.from({ length: total }, (_, index) => index).filter((index) => !answered.has(index));
      if (again.length === 0) break;
      await sendLoad({
        origin: two.origin,
        verifier: simulation.verifier,
        count: again.length,
        make: (index) => simulation.make(again[index] ?? 0),
        answered: (index, { status }) => void (status === 200 && answered.add(again[index] ?? 0)),
      });
    }
    for (const { latencyMs, perS } of reports) {
      t.diagnostic(`answers: p99 ${latencyMs?.p99.toFixed(0)} ms, ${perS.toFixed(0)}/s in a burst of ${total}`);
    }
    assert.equal(killed.length, 2);
    await until(async () => (await world.users.countDocuments({ 'wearables.garmin.connected': true })) > 0);
    await second.kill();
    await world.drained(two.origin);

    assert.deepEqual(await wrong(world, simulation, users), []);
    const { sources } = await world.api<{ sources: { name: string; accepted: number }[] }>(
      two.origin,
      '/api/queues/stats',
    );
    assert.equal(sources.find(({ name }) => name === 'rook')?.accepted, total);

    // What was read before is not what is read now.
    const shown = await (await fetch(`${two.origin}/api/users/${user}/wearables`)).json();
    const documents = documentsOf(simulation, 0);
    assert.deepEqual((shown as { garmin: { data: Data } }).garmin.data, dataOf(parsed(documents)));

    const audit = await (await fetch(`${two.origin}/api/users/${user}/webhooks`)).json();
    const { rows } = audit as { rows: readonly Webhook[] };
    assert.equal(rows.length, documents.length);
    assert.deepEqual(new Set(rows.map(({ payload }) => payload)), new Set(documents));
    for (const row of rows) {
      assert.deepEqual([row.provider, row.externalUserId, row.processed], ['rook', user, true]);
      assert.ok(row.processedAt !== null && row.processedAt >= row.receivedAt);
    }
  });

  testNeeding(needs, 'loses updates with the naive handler; a replay of the day repairs what was wrong', async () => {
    await using world = worldOf('naive');
    const simulation = bursts(KEY, 'naive');
    const users = usersOf(simulation, 3);
    await addUsers(world, users);
    const [{ origin }, naive] = await Promise.all([
      world.start('app.ts'),
      world.start('worker.ts', { MISTAKE: 'naive' }),
    ]);
    const replayed = async (): Promise<void> => {
      const filter = { destination: 'wearables', since: '1d', what: 'all' };
      const { replay } = await world.api<{ replay: { id: string } }>(origin, '/api/replays', { filter });
      const isDone = async (): Promise<boolean> =>
        (await world.api<{ state: string }>(origin, `/api/replays/${replay.id}`)).state === 'done';
      await until(isDone);
      await world.drained(origin);
    };
    await sendBursts({ simulation, origins: [origin], users: users.length, perS: null });
    await world.drained(origin);
    assert.notDeepEqual(await wrong(world, simulation, users), [], 'the naive handler lost nothing');
    await naive.stop();

    const mistaken = await world.start('worker.ts', { MISTAKE: 'transformation' });
    await replayed();
    const [user] = await world.users.find().toArray();
    assert.equal(user?.wearables.garmin?.data['sleep']?.values['seconds'], -1);
    await mistaken.stop();

    await world.start('worker.ts');
    await replayed();
    assert.deepEqual(await wrong(world, simulation, users), []);
  });

  testNeeding(needs, 'keeps the highest version, and what came before its user did', async (t) => {
    await using world = worldOf('versions');
    const [{ origin }] = await Promise.all([world.start('app.ts'), world.start('worker.ts')]);
    const simulation = bursts(KEY, 'versions');
    const [user = ''] = usersOf(simulation, 1);
    const documents = documentsOf(simulation, 0);
    const p99 = await send(origin, simulation, documents);
    t.diagnostic(`answers: p99 ${p99.toFixed(0)} ms to the ${documents.length} webhooks of one user`);
    await world.drained(origin);
    interface Audit {
      readonly rows: readonly Webhook[];
    }
    const { rows } = (await (await fetch(`${origin}/api/users/${user}/webhooks`)).json()) as Audit;
    assert.deepEqual(new Set(rows.map(({ error }) => error)), new Set(['User not found']));
    assert.equal(rows.length, simulation.burst);

    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ externalId: user });
    assert.equal((await fetch(`${origin}/api/users`, { method: 'POST', headers, body })).status, 201);
    const isWhole = async (): Promise<boolean> => (await wrong(world, simulation, [user])).length === 0;
    await until(isWhole);

    const [sleep] = parsed(documents);
    assert.equal(sleep?.data_structure, 'sleep_summary');
    const steps: readonly (readonly [version: number, seconds: number, stored: number])[] = [
      [3, 300, 300],
      [2, 200, 300],
      [4, 400, 400],
    ];
    for (const [version, seconds, stored] of steps) {
      const text = (documents[0] ?? '')
        .replace('"document_version":1', `"document_version":${version}`)
        .replace(/"sleep_duration_seconds_int":\d+/, `"sleep_duration_seconds_int":${seconds}`);
      await send(origin, simulation, [text]);
      await world.drained(origin);
      const found = await world.users.findOne({ externalId: user });
      assert.equal(found?.wearables.garmin?.data['sleep']?.values['seconds'], stored, `after version ${version}`);
    }
  });
});
