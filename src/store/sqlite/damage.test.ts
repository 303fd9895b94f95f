import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, it, type TestContext } from 'node:test';
import type { StoredEvent } from '../../core/event.ts';
import { HoldfastError } from '../../errors.ts';
import { TestClock } from '../../testing/clock.ts';
import { Builder } from '../../testing/conformance/build.ts';
import { type Store, StoreError } from '../store.ts';
import { idMaker, scratch } from './harness.ts';
import { sqliteStore } from './index.ts';

const COPIES = 60;

interface Filled {
  readonly path: string;
  readonly clock: TestClock;
  readonly events: ReadonlyMap<string, StoredEvent>;
}

/** A closed store with events of every size, in commits of every size. */
async function filled(t: TestContext): Promise<Filled> {
  const { path, remove } = scratch();
  t.after(remove);
  const clock = new TestClock();
  const store = sqliteStore({ path, clock, ids: idMaker(clock), writer: 'inline', synchronous: 'OFF' });
  await store.work.open();
  const build = new Builder(clock);
  const events = new Map<string, StoredEvent>();
  for (let commit = 0; commit < 24; commit++) {
    const made = Array.from({ length: 1 + (commit % 5) * 8 }, () =>
      build.event({ text: randomBytes(40 + (commit % 7) * 300).toString('base64') }, 'till'),
    );
    for (const { event } of made) events.set(event.id, event);
    await store.work.commit(build.batch({ appends: [{ events: made }] }));
  }
  await store.work.close();
  return { path, clock, events };
}

/** Whether what was thrown says that the file is damaged. */
function tellsDamage(error: unknown): boolean {
  return (error instanceof HoldfastError && error.code === 'store_corrupt') || error instanceof StoreError;
}

/** Reads and claims everything; whatever is given must be what was put in. Answers how much was refused as damaged. */
async function readAll(store: Store, { events, clock }: Filled): Promise<number> {
  let refused = 0;
  const attempt = async <Result>(read: () => Promise<Result>): Promise<Result | null> => {
    try {
      return await read();
    } catch (error) {
      assert.ok(tellsDamage(error), `not told as damage: ${String(error)}`);
      refused++;
      return null;
    }
  };
  for (const [id, sent] of events) {
    const record = await attempt(() => store.history.event(id));
    if (record === null) refused++;
    else assert.deepEqual(record.event, sent);
  }
  const wants = [{ destination: 'till', slots: 20, bytesMax: 1e9 }];
  for (let round = 0, empty = 0; empty < 3 && round < 200; round++) {
    const answer = await attempt(() => store.work.claim({ now: clock.now(), leaseMs: 60_000, wants }));
    for (const { event } of answer?.claims ?? []) assert.deepEqual(event, events.get(event.id));
    if ((answer?.claims.length ?? 0) === 0) empty++;
  }
  return refused;
}

describe('a damaged file', () => {
  it('is refused, or gives only what was put in', async (t) => {
    const store = await filled(t);
    const whole = readFileSync(store.path);
    let damagedCopies = 0;
    for (let copy = 0; copy < COPIES; copy++) {
      const bytes = Buffer.from(whole);
      const at = Math.floor((copy / COPIES) * bytes.length) + (copy % 97);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (copy % 8));
      const path = `${store.path}-${copy}`;
      writeFileSync(path, bytes);
      const options = { clock: store.clock, ids: idMaker(store.clock), writer: 'inline', synchronous: 'OFF' } as const;
      const damaged = sqliteStore({ path, ...options });
      try {
        await damaged.work.open();
      } catch (error) {
        assert.ok(tellsDamage(error), `byte ${at}: not told as damage: ${String(error)}`);
        damagedCopies++;
        continue;
      }
      if ((await readAll(damaged, store)) > 0) damagedCopies++;
      await damaged.work.close();
    }
    assert.ok(damagedCopies > COPIES / 2, `damage was seen in ${damagedCopies} of ${COPIES} copies only`);
  });

  it('that was cut off is refused, or gives only what was put in', async (t) => {
    const store = await filled(t);
    const whole = readFileSync(store.path);
    for (const share of [0.1, 0.5, 0.9, 0.99]) {
      const path = `${store.path}-cut`;
      copyFileSync(store.path, path);
      writeFileSync(path, whole.subarray(0, Math.floor(whole.length * share)));
      const cut = sqliteStore({ path, clock: store.clock, ids: idMaker(store.clock), writer: 'inline' });
      try {
        await cut.work.open();
        await readAll(cut, store);
      } catch (error) {
        assert.ok(tellsDamage(error), `cut at ${share}: ${String(error)}`);
      }
      await cut.work.close();
    }
  });
});
