/** `holdfast migrate-store` as people run it, and a move whose process is killed again and again. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { systemClock } from '../src/gateway/clock.ts';
import type { MoveReport } from '../src/gateway/move-store.ts';
import { idMaker } from '../src/store/sqlite/harness.ts';
import { sqliteStore } from '../src/store/sqlite/index.ts';
import { postgresStore } from '../src/store/postgres/index.ts';
import { Builder } from '../src/testing/conformance/build.ts';
import { Place } from './cli-program.ts';
import { Seeded } from './crash/random.ts';
import { postgres, postgresHere } from './postgres.ts';
import { testNeeding } from './require.ts';

const EVENTS = 400;
const PROGRAM = join(import.meta.dirname, 'migrate-program.ts');

async function fill(path: string): Promise<void> {
  const store = sqliteStore({
    path,
    clock: systemClock,
    ids: idMaker(systemClock),
    writer: 'inline',
    synchronous: 'OFF',
  });
  await store.work.open();
  const build = new Builder(systemClock);
  for (let at = 0; at < EVENTS; at += 20) {
    const events = Array.from({ length: 20 }, (_, index) => {
      return build.event({ orderKey: index % 3 === 0 ? 'k' : null, dedupeKey: `${at + index}` }, 'till', 'desk');
    });
    await store.work.commit(build.batch({ appends: [{ events }] }));
  }
  await store.registry.put({ kind: 'note', key: 'a', value: 1, ifVersion: 0 });
  await store.work.close();
}

/** Runs the move and kills it some time after a random one of its steps; answers its last word, or `null`. */
async function killedMove(arguments_: readonly string[], random: Seeded | null): Promise<string | null> {
  const child = spawn(process.execPath, ['--conditions=holdfast-source', PROGRAM, ...arguments_], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  let left = random === null ? Number.POSITIVE_INFINITY : 1 + Math.floor(random.next() * 14);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    left -= text.split('\n').length - 1;
    if (left <= 0) child.kill('SIGKILL');
  });
  await once(child, 'close');
  return /^done (.*)$/m.exec(said)?.[1] ?? null;
}

describe('holdfast migrate-store', () => {
  const here = postgresHere();
  const target = (schema: string): string => `${here().server.url}?schema=${schema}`;

  testNeeding([postgres], 'killed again and again comes to its end with everything once', async () => {
    await using place = new Place();
    const path = join(place.path, 'store.db');
    await fill(path);
    const random = new Seeded();
    let kills = 0;
    for (let done: string | null = null; done === null; kills++) {
      done = await killedMove([path, target('killed')], kills < 6 ? random : null);
      assert.ok(kills < 7, `seed ${random.seed}`);
    }
    const store = postgresStore({
      url: here().server.url,
      schema: 'killed',
      clock: systemClock,
      process: 'after',
      listenUrl: null,
    });
    await store.work.open();
    const counts = await store.history.counts();
    assert.equal(counts.events, EVENTS, `seed ${random.seed}`);
    const open = counts.destinations.map(({ destination, ready, blocked }) => [destination, ready + blocked] as const);
    assert.deepEqual(Object.fromEntries(open), { desk: EVENTS, till: EVENTS });
    assert.ok(counts.destinations.every(({ blocked }) => blocked > 0));
    await store.work.close();
  });

  testNeeding([postgres], 'says what it moved; a gateway does not start on a target that is not whole', async () => {
    await using place = new Place();
    await fill(join(place.path, 'store.db'));
    const killed = new Seeded(1);
    await killedMove([join(place.path, 'store.db'), target('cli')], killed);
    place.environment['HOLDFAST_STORE'] = target('cli');
    place.environment['HOLDFAST_ALLOW_WEAKER_DURABILITY'] = 'true';
    const start = place.spawn('start', '--port', '0');
    assert.equal(await start.exit, 1);
    assert.match(start.stderr, /A move into this store has not come to its end/);

    const moving = ['migrate-store', '--from', 'sqlite:store.db', '--to', target('cli')];
    const { code, stdout, stderr } = await place.run(...moving);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /400 events, 800 deliveries and 1 documents moved, and the same in both/);
    assert.match(stdout, /400 dedupe keys are remembered/);
    const [report] = await place.json<MoveReport>(...moving);
    assert.equal(report?.events, EVENTS, 'once more it only compares');
    const gateway = await place.start();
    assert.equal(await gateway.signal('SIGTERM'), 0);

    const on = ['migrate-store', '--from', target('cli'), '--to', target('further')];
    const [further] = await place.json<typeof report>(...on);
    assert.deepEqual(further?.digests, report?.digests, 'from one PostgreSQL to another it is the same still');
    assert.deepEqual(further?.dedupeKeys, { moved: EVENTS, left: 0 });
  });

  it('refuses what it cannot do, before it changes anything', async () => {
    await using place = new Place();
    const run = async (...given: readonly string[]) => place.run('migrate-store', ...given);
    assert.equal((await run()).code, 2);
    assert.equal((await run('--from', 'sqlite:a.db')).code, 2);
    assert.match((await run('--from', 'sqlite:a.db', '--to', 'sqlite:a.db')).stderr, /name the same store/);
    assert.match((await run('--from', 'sqlite:a.db', '--to', 'postgres://127.0.0.1:1/x')).stderr, /sqlite:a\.db/);
    await fill(join(place.path, 'store.db'));
    const sqlite = await run('--from', 'sqlite:store.db', '--to', 'sqlite:other.db');
    assert.equal(sqlite.code, 1);
    assert.match(sqlite.stderr, /into postgres:/);
    assert.equal(existsSync(join(place.path, 'other.db')), false);
    assert.match((await run('--from', 'memory:', '--to', 'memory:x')).stderr, /into postgres:/);
    assert.match((await run('--from', 'sqlite:store.db', '--to', 'mongodb://127.0.0.1/x')).stderr, /into postgres:/);
    assert.equal((await run('--from', 'sqlite:store.db', '--to', 'redis://127.0.0.1')).code, 1);
  });

  testNeeding([postgres], 'owns the file it moves: a gateway that runs on it is told of', async () => {
    await using place = new Place();
    const gateway = await place.start();
    const moved = await place.run('migrate-store', '--from', 'sqlite:data/playground.db', '--to', target('owned'));
    assert.equal(moved.code, 1);
    assert.match(moved.stderr, /Another process owns this database file/);
    assert.equal(await gateway.signal('SIGTERM'), 0);
  });
});
