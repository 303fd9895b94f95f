import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EMITTED } from '../core/event.ts';
import { IdMaker } from '../core/id.ts';
import { silentObserver } from '../core/observer.ts';
import { never } from '../core/retry.ts';
import { inlineRunner } from '../deliver/handler.ts';
import { makeEmitted } from '../deliver/emitted.ts';
import { memoryStore } from '../store/memory.ts';
import type { HistoryStore, Store } from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import { NO_RESPONDERS } from './answers.ts';
import type { Destination } from './destination.ts';
import { Dispatcher } from './dispatcher.ts';
import { Group } from './group.ts';
import { NO_DIRECTORY } from './lanes.ts';
import { Replays } from './replay.ts';

/** Two starts of the same rig share clock and store: the second is the restart. */
class Rig {
  readonly clock: TestClock;
  readonly store: Store;
  readonly dispatcher: Dispatcher;
  readonly replays: Replays;
  broken = true;
  handled = 0;

  constructor(before?: Rig, destinations: readonly string[] = ['h']) {
    this.clock = before?.clock ?? new TestClock();
    const ids = new IdMaker({ now: () => this.clock.now(), fill: (bytes) => void crypto.getRandomValues(bytes) });
    this.store = before?.store ?? memoryStore({ clock: this.clock, ids });
    const shared = { clock: this.clock, ids, observer: silentObserver };
    this.dispatcher = new Dispatcher({
      ...shared,
      store: this.store.work,
      random: () => 0.5,
      destinations: destinations.map((name) => this.#destination(name)),
      directory: NO_DIRECTORY,
      paused: () => false,
      role: 'all',
      broker: null,
      lookMs: 5000,
      runningMax: 100,
      responders: NO_RESPONDERS,
      elsewhere: null,
      damaged: () => undefined,
      handOffBytesMax: 1 << 20,
      leaseMs: 60_000,
      release: 'test',
      committerChanged: () => undefined,
    });
    const { committer, lanes } = this.dispatcher;
    const takers = (): string[] => [...lanes.fixed()];
    this.replays = new Replays({ ...shared, ...this.store, committer, lanes, group: new Group(null), takers });
  }

  #destination(name: string): Destination {
    const runner = inlineRunner(() => {
      this.handled++;
      if (this.broken) throw new Error('broken');
    });
    return {
      name,
      formerly: [],
      from: new Set([EMITTED]),
      types: null,
      accepts: null,
      priority: 'normal',
      concurrency: { min: 10, max: 10 },
      batch: null,
      ratePerS: null,
      timeoutMs: 30_000,
      retry: never(),
      breaker: null,
      ordered: true,
      onDead: 'continue',
      backlogMax: null,
      overflow: 'dead',
      runner,
    };
  }

  /** The replays of another process on the same store. */
  beside(history: HistoryStore = this.store.history): Replays {
    const ids = new IdMaker({ now: () => this.clock.now(), fill: (bytes) => void crypto.getRandomValues(bytes) });
    const { committer, lanes } = this.dispatcher;
    const shared = { clock: this.clock, ids, observer: silentObserver };
    return new Replays({
      ...shared,
      ...this.store,
      history,
      committer,
      lanes,
      group: new Group(null),
      takers: () => [...lanes.fixed()],
    });
  }

  async start(): Promise<this> {
    await this.store.work.open();
    this.dispatcher.start(false, new Map());
    return this;
  }

  async dead(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      await this.dispatcher.append({ events: [this.dispatcher.emitted(makeEmitted('t', { index }, {}), null)] });
    }
    await settle();
    assert.equal((await this.deadLetters()).length, count);
    this.broken = false;
    this.handled = 0;
  }

  async deadLetters(): Promise<readonly unknown[]> {
    return (await this.store.history.deliveries({ states: ['dead'], resolved: false }, { limit: 1000 })).rows;
  }

  async advance(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      await this.clock.advanceSlowly(100);
      await settle();
    }
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a bulk replay', () => {
  test('plans first, then makes each delivery once, and resolves the dead letters that succeed', async () => {
    const rig = await new Rig().start();
    await rig.dead(25);
    assert.deepEqual((await rig.replays.plan({})).byDestination, { h: 25 });
    const { id } = await rig.replays.start({ filter: {}, ratePerS: 10, by: 'test' });
    await rig.advance(5000);
    const status = await rig.replays.get(id);
    assert.deepEqual([status?.state, status?.planned, status?.made, status?.refused], ['done', 25, 25, 0]);
    assert.equal(rig.handled, 25);
    assert.equal((await rig.deadLetters()).length, 0);
  });

  test('in vain leaves one dead letter of each, however often it is repeated', async () => {
    const rig = await new Rig().start();
    await rig.dead(5);
    rig.broken = true;
    for (let round = 1; round <= 3; round++) {
      const { planned } = await rig.replays.start({ filter: {}, by: 'test' });
      await rig.advance(200);
      assert.deepEqual([planned, rig.handled, (await rig.deadLetters()).length], [5, round * 5, 5]);
    }
    rig.broken = false;
    await rig.replays.start({ filter: {}, by: 'test' });
    await rig.advance(200);
    assert.deepEqual([rig.handled, (await rig.deadLetters()).length], [20, 0]);
  });

  test('of all that ended makes each delivery once, whatever was replayed before', async () => {
    const rig = await new Rig().start();
    await rig.dead(3);
    for (let round = 1; round <= 3; round++) {
      const { planned } = await rig.replays.start({ filter: { what: 'all' }, by: 'test' });
      await rig.advance(200);
      assert.deepEqual([planned, rig.handled], [3, round * 3]);
    }
  });

  test('goes on after a restart midway, and makes none twice', async () => {
    const before = await new Rig().start();
    await before.dead(25);
    const { id } = await before.replays.start({ filter: {}, ratePerS: 10, by: 'test' });
    await before.advance(500);
    before.replays.stop();
    await before.dispatcher.stop(0);
    await before.dispatcher.committer.close();
    const made = (await before.replays.get(id))?.made ?? 0;
    assert.ok(made > 0 && made < 25, `midway: ${made}`);
    await before.store.work.close();
    const after = await new Rig(before).start();
    after.broken = false;
    await after.replays.resume();
    await after.advance(5000);
    assert.equal((await after.replays.get(id))?.state, 'done');
    assert.equal(before.handled + after.handled, 25);
  });

  test('is taken over when its process has died, and not while it goes on', async () => {
    const one = await new Rig().start();
    await one.dead(25);
    const { id } = await one.replays.start({ filter: {}, ratePerS: 10, by: 'test' });
    const two = one.beside();
    await two.takeOver();
    await one.advance(1100);
    await two.takeOver();
    const made = async (): Promise<number> => (await one.replays.get(id))?.made ?? 0;
    assert.ok((await made()) < 25, 'midway');
    one.replays.stop();
    await one.advance(1100);
    const before = await made();
    await one.advance(60_000);
    assert.equal(await made(), before, 'nobody goes on by himself');
    await two.takeOver();
    await one.advance(60_000);
    await two.takeOver();
    await one.advance(10_000);
    const status = await one.replays.get(id);
    assert.deepEqual([status?.state, status?.made, status?.refused, one.handled], ['done', 25, 0, 25]);
  });

  test('that two processes run makes each delivery once, and counts it once', async () => {
    const rig = await new Rig().start();
    await rig.dead(25);
    const { id } = await rig.replays.start({ filter: {}, ratePerS: 10, by: 'test' });
    const others = [rig.beside(), rig.beside()];
    for (const other of others) await other.resume();
    await rig.advance(6000);
    const status = await rig.replays.get(id);
    assert.deepEqual([status?.state, status?.made, status?.refused, rig.handled], ['done', 25, 0, 25]);
  });

  test('that two processes run is made at its rate, whenever the second one began', async () => {
    const rig = await new Rig().start();
    await rig.dead(60);
    const { id } = await rig.replays.start({ filter: {}, ratePerS: 10, by: 'test' });
    await rig.advance(500);
    await rig.beside().resume();
    await rig.advance(3000);
    // One chunk a second, and one more when the second began.
    assert.ok(((await rig.replays.get(id))?.made ?? 0) <= 50);
    await rig.advance(10_000);
    const status = await rig.replays.get(id);
    assert.deepEqual([status?.state, status?.made, status?.refused, rig.handled], ['done', 60, 0, 60]);
  });

  test('asks its store for whole numbers of rows, also at two and a half a second', async () => {
    const rig = await new Rig().start();
    await rig.dead(5);
    const { history } = rig.store;
    const limits = new Set<number>();
    const replays = rig.beside({
      ...history,
      deliveries: (filter, page) => (limits.add(page.limit), history.deliveries(filter, page)),
    });
    const { id } = await replays.start({ filter: {}, ratePerS: 2.5, by: 'test' });
    await rig.advance(3000);
    assert.equal((await replays.get(id))?.state, 'done');
    assert.deepEqual([...limits], [1000, 2]);
  });

  test('that is slow is not taken over while its process waits for the next chunk', async () => {
    const rig = await new Rig().start();
    await rig.dead(3);
    const { id } = await rig.replays.start({ filter: {}, ratePerS: 0.01, by: 'test' });
    const other = rig.beside();
    await rig.advance(1000);
    await other.takeOver();
    await rig.clock.advanceSlowly(60_000);
    await other.takeOver();
    await settle();
    assert.equal((await rig.replays.get(id))?.made, 1);
    await rig.clock.advanceSlowly(60_000);
    await settle();
    assert.equal((await rig.replays.get(id))?.made, 2);
  });

  test('takes nothing that died after it began', async () => {
    const rig = await new Rig().start();
    await rig.dead(5);
    const { id } = await rig.replays.start({ filter: {}, ratePerS: 1, by: 'test' });
    rig.broken = true;
    await rig.advance(500);
    await rig.dispatcher.append({ events: [rig.dispatcher.emitted(makeEmitted('t', {}, {}), null)] });
    await rig.advance(10_000);
    assert.equal((await rig.replays.get(id))?.made, 5);
  });

  test('stops when cancelled; what was made is delivered', async () => {
    const rig = await new Rig().start();
    await rig.dead(20);
    const { id } = await rig.replays.start({ filter: {}, ratePerS: 5, by: 'test' });
    await rig.advance(300);
    assert.equal((await rig.replays.cancel(id))?.state, 'cancelled');
    await rig.advance(10_000);
    const status = await rig.replays.get(id);
    assert.equal(status?.state, 'cancelled');
    assert.equal(rig.handled, status.made);
    assert.ok(rig.handled < 20);
  });

  test('makes no more once it is cancelled, also while it lets live traffic go first', async () => {
    const rig = await new Rig().start();
    await rig.dead(5);
    // It has more to do than it can run, as far as anybody sees.
    Object.defineProperty(rig.dispatcher.lanes.get('h'), 'concurrency', { value: -1 });
    const { id } = await rig.replays.start({ filter: {}, by: 'test' });
    await rig.advance(500);
    assert.equal((await rig.replays.cancel(id))?.made, 0);
    await rig.advance(6000);
    assert.equal(rig.handled, 0);
  });

  test('refuses a second replay of a delivery while the first is open', async () => {
    const rig = await new Rig().start();
    await rig.dead(1);
    rig.dispatcher.lanes.get('h')?.pause();
    const [letter] = (await rig.store.history.deliveries({}, { limit: 1 })).rows;
    await rig.replays.delivery(letter?.id ?? '');
    await assert.rejects(rig.replays.delivery(letter?.id ?? ''), { code: 'replay_open' });
  });

  test('that is refused counts for nothing in the backlog', async () => {
    const rig = await new Rig().start();
    await rig.dead(1);
    const lane = rig.dispatcher.lanes.get('h');
    lane?.pause();
    const [letter] = (await rig.store.history.deliveries({}, { limit: 1 })).rows;
    await rig.replays.delivery(letter?.id ?? '');
    await assert.rejects(rig.replays.delivery(letter?.id ?? ''), { code: 'replay_open' });
    assert.equal(lane?.open, 1);
  });

  test('of an event goes to all of the destinations that it went to, however many', async () => {
    const names = Array.from({ length: 1100 }, (_, index) => `h${index}`);
    const rig = await new Rig(undefined, names).start();
    rig.broken = false;
    const sent = rig.dispatcher.emitted(makeEmitted('t', {}, {}), null);
    await rig.dispatcher.append({ events: [sent] });
    while (rig.handled < names.length) await settle();
    assert.equal((await rig.replays.event(sent.event.id, null)).length, names.length);
  });

  test('of an event makes none where one of them is still to be delivered', async () => {
    const rig = await new Rig(undefined, ['a', 'b']).start();
    rig.dispatcher.lanes.get('b')?.pause();
    await rig.dead(1);
    const [letter] = (await rig.store.history.deliveries({ states: ['dead'] }, { limit: 1 })).rows;
    const eventId = letter?.eventId ?? '';
    await assert.rejects(rig.replays.event(eventId, null), { code: 'replay_open', message: /'b'/ });
    assert.equal((await rig.deadLetters()).length, 1);
    assert.equal((await rig.store.history.deliveries({ eventId }, { limit: 10 })).rows.length, 2);
    assert.equal((await rig.replays.event(eventId, ['a'])).length, 1);
  });

  test('refuses a destination that does not exist, and says so', async () => {
    const rig = await new Rig().start();
    for (const filter of [{ to: 'nobody' }, { destination: 'nobody' }]) {
      await assert.rejects(rig.replays.plan(filter), { code: 'destination_unknown' });
      await assert.rejects(rig.replays.start({ filter, by: 'test' }), { code: 'destination_unknown' });
    }
    assert.equal((await rig.replays.plan({ destination: 'h' })).count, 0);
  });
});
