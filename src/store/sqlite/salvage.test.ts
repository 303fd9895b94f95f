import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { describe, test } from 'node:test';
import type { StoredEvent } from '../../core/event.ts';
import { HoldfastError } from '../../errors.ts';
import { TestClock } from '../../testing/clock.ts';
import { Builder } from '../../testing/conformance/build.ts';
import { idMaker, scratch } from './harness.ts';
import { sqliteStore } from './index.ts';
import { salvage, type SalvagedEvent, type SalvageReport } from './salvage.ts';

interface Salvaged {
  readonly events: Map<string, SalvagedEvent>;
  readonly problems: string[];
  readonly report: SalvageReport;
}

/** A closed store with this many commits of three events each, and what was put into it. */
async function filled(commits: number): Promise<{ path: string; remove: () => void; sent: Map<string, StoredEvent> }> {
  const place = scratch();
  const { path } = place;
  const clock = new TestClock();
  const ids = idMaker(clock);
  const store = sqliteStore({ path, clock, ids, writer: 'inline', synchronous: 'OFF' });
  await store.work.open();
  const build = new Builder(clock);
  const sent = new Map<string, StoredEvent>();
  for (let commit = 0; commit < commits; commit++) {
    const events = [0, 1, 2].map(() =>
      build.event({ text: randomBytes(900).toString('base64') }, { destination: 'till' }),
    );
    for (const { event } of events) sent.set(event.id, event);
    await store.work.commit(build.batch({ appends: [{ events }] }));
  }
  await store.work.close();
  return { path, remove: () => place.remove(), sent };
}

function salvaged(path: string): Salvaged {
  const events = new Map<string, SalvagedEvent>();
  const problems: string[] = [];
  const report = salvage(path, {
    event: (event) => void events.set(event.id, event),
    problem: (place) => void problems.push(place),
  });
  return { events, problems, report };
}

/** `null`: refused as a whole, with the code that says so. */
function attempted(path: string): Salvaged | null {
  try {
    return salvaged(path);
  } catch (error) {
    assert.ok(error instanceof HoldfastError && error.code === 'store_corrupt', String(error));
    return null;
  }
}

describe('salvage', () => {
  test('exports every event of a sound file, byte for byte, with its deliveries', async () => {
    const { path, remove, sent } = await filled(20);
    const { events, report } = salvaged(path);
    assert.deepEqual(report, { events: 60, bodiesLost: 0, problems: 0 });
    for (const [id, event] of sent) {
      const found = events.get(id);
      assert.deepEqual(found?.body, event.body);
      assert.deepEqual(found?.headers, event.headers);
      assert.deepEqual(found?.deliveries, [{ destination: 'till', state: 'open' }]);
    }
    remove();
  });

  test('of a damaged file exports what is intact, says what is not, and never gives wrong bytes', async () => {
    const { path, remove, sent } = await filled(40);
    const sound = readFileSync(path);
    let least = sent.size;
    let refused = 0;
    for (let at = 4096 + 100; at < sound.length; at += 9973) {
      const damagedFile = Buffer.from(sound);
      randomBytes(64).copy(damagedFile, at);
      writeFileSync(path, damagedFile);
      const found = attempted(path);
      if (found === null) {
        refused++; // The pages that say which tables there are: without them this is no database.
        continue;
      }
      const { events, problems, report } = found;
      for (const [id, { body }] of events) {
        if (body !== null) assert.deepEqual(body, sent.get(id)?.body, `wrong bytes after damage at ${at}`);
      }
      if (report.bodiesLost > 0 || events.size < sent.size)
        assert.notEqual(problems.length, 0, `silent loss, damage at ${at}`);
      least = Math.min(least, events.size);
    }
    assert.ok(least < sent.size, 'some damage was found');
    assert.ok(refused < 10, `${refused} files were refused whole`);
    remove();
  });

  test('goes on behind a page that cannot be read', async () => {
    const { path, remove, sent } = await filled(400);
    const sound = readFileSync(path);
    const pages = Math.floor(sound.length / 4096);
    let most = 0;
    for (const page of [0.3, 0.5, 0.7].map((part) => Math.floor(pages * part))) {
      const damagedFile = Buffer.from(sound);
      damagedFile.fill(0xff, page * 4096, (page + 1) * 4096);
      writeFileSync(path, damagedFile);
      most = Math.max(most, salvaged(path).events.size);
    }
    assert.ok(most > sent.size * 0.9, `${most} of ${sent.size}`);
    remove();
  });

  test('finds what is intact between two damaged places, however far behind the first one it lies', async () => {
    const { path, remove, sent } = await filled(300);
    const database = new DatabaseSync(path, { readOnly: true });
    const sql = "SELECT pageno FROM dbstat WHERE name = 'chunk' AND pagetype = 'leaf' ORDER BY path";
    const leaves = database.prepare(sql).all();
    database.close();
    const file = readFileSync(path);
    const [first, last] = [Math.floor(leaves.length * 0.6), Math.floor(leaves.length * 0.9)];
    for (const [index, { pageno }] of leaves.entries()) {
      const page = Number(pageno);
      if (index < last && index !== first) file.fill(0xff, (page - 1) * 4096, page * 4096);
    }
    writeFileSync(path, file);
    const ids = [...sent.keys()];
    const found = [...salvaged(path).events.keys()].map((id) => ids.indexOf(id));
    const middle = found.filter((at) => at < sent.size * 0.75);
    assert.ok(middle.length > 0, `only ${found.length}, from ${found[0]} on`);
    remove();
  });
});
