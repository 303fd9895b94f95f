import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStore } from '../store/memory.ts';
import type { RegistryStore } from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import type { Destination } from './destination.ts';
import { Members } from './members.ts';

const endpoint = {
  name: 'ep_1',
  concurrency: { min: 4, max: 4 },
  ratePerS: null,
  runner: { isolation: 'endpoint' },
} as unknown as Destination;

/** Processes on one registry, each with time of its own: one that stands still does not notice. */
class World {
  readonly clock = new TestClock();
  readonly registry: RegistryStore;
  /** Documents written, by anybody. */
  writes = 0;
  down = false;
  readonly members: Members[] = [];
  readonly clocks: TestClock[] = [];
  readonly #store = memoryStore({ clock: this.clock });

  constructor() {
    const { registry } = this.#store;
    this.registry = {
      ...registry,
      list: async (kind) => {
        if (this.down) throw new Error('The store is down.');
        return registry.list(kind);
      },
      beat: async (write) => {
        if (this.down) throw new Error('The store is down.');
        this.writes++;
        return registry.put(write);
      },
    };
  }

  static async open(): Promise<World> {
    const world = new World();
    await world.#store.work.open();
    return world;
  }

  async join(settled: () => boolean = () => true): Promise<Members> {
    const number = this.members.length;
    const clock = new TestClock();
    let made = 0;
    const members = new Members({
      registry: this.registry,
      clock,
      makeId: () => `prc_${number}_${made++}`,
      self: {
        host: 'here',
        pid: number,
        role: 'all',
        release: '1.0.0',
        startedAt: number,
        attempts: true,
        runs: number === 0 ? ['own'] : [],
      },
      changed: () => undefined,
      settled,
    });
    this.members.push(members);
    this.clocks.push(clock);
    await members.start();
    return members;
  }

  /** Time passes for all but those that stand still; at no moment can the others do more together than the whole. */
  async pass(ms: number, ...still: readonly Members[]): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) {
      for (const [index, clock] of this.clocks.entries()) {
        const one = this.members[index];
        if (one !== undefined && still.includes(one)) continue;
        await clock.advanceSlowly(50);
        const total = this.partsOf(this.members.filter((member) => !still.includes(member)));
        assert.ok(total <= 4, `${total} attempts at once`);
      }
    }
  }

  get parts(): readonly number[] {
    return this.members.map((one) => (one.lapsed ? 0 : (one.part(endpoint)?.concurrency.max ?? 0)));
  }

  partsOf(members: readonly Members[]): number {
    return this.members.reduce((sum, one, index) => sum + (members.includes(one) ? (this.parts[index] ?? 0) : 0), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.members) await one.stop();
    await this.#store.work.close();
  }
}

test('a process alone has the whole at once', async () => {
  await using world = await World.open();
  const alone = await world.join();
  assert.deepEqual(world.parts, [4]);
  assert.equal(alone.company, false);
  assert.deepEqual(
    alone.list().map(({ id, self, seenMsAgo }) => ({ id, self, seenMsAgo })),
    [{ id: 'prc_0_0', self: true, seenMsAgo: 0 }],
  );
});

test('who joins takes its part when the others have given it up, and gives it back when it goes', async () => {
  await using world = await World.open();
  await world.join();
  const second = await world.join();
  assert.deepEqual(world.parts, [4, 0]);
  await world.pass(2600);
  assert.deepEqual(world.parts, [2, 2]);
  assert.ok(world.members.every(({ company }) => company));
  await world.join();
  await world.join();
  await world.pass(2600);
  assert.deepEqual(world.parts, [1, 1, 1, 1]);
  assert.equal(second.list().length, 4);
  await second.stop();
  world.members.splice(1, 1);
  world.clocks.splice(1, 1);
  await world.pass(2000);
  assert.deepEqual(
    world.parts.toSorted((a, b) => a - b),
    [1, 1, 2],
  );
});

test('who joins waits for what runs beyond the parts, but not for ever', async () => {
  await using world = await World.open();
  await world.join(() => false);
  await world.join();
  await world.pass(9000);
  assert.deepEqual(world.parts, [2, 0]);
  await world.pass(4000);
  assert.deepEqual(world.parts, [2, 2]);
});

test('what a process had that stands still goes to the others, and it finds out before it does anything', async () => {
  await using world = await World.open();
  const first = await world.join();
  const second = await world.join();
  await world.pass(2600);
  await world.pass(6000, second);
  assert.equal(world.parts[0], 2, 'not yet');
  await world.pass(3500, second);
  assert.equal(first.part(endpoint)?.concurrency.max, 4);
  assert.equal(first.list().length, 1);
  // It goes on: the time that passed is there at once.
  world.clocks[1]?.advance(10_500);
  assert.ok(second.lapsed);
  assert.deepEqual(world.parts, [4, 0]);
  await world.pass(3000);
  assert.deepEqual(world.parts, [2, 2]);
  assert.deepEqual(
    first.list().map(({ id }) => id),
    ['prc_0_0', 'prc_1_1'],
  );
});

test('while the store is down nobody has a part, and nobody is dropped for it', async () => {
  await using world = await World.open();
  const first = await world.join();
  await world.join();
  await world.pass(2600);
  world.down = true;
  await world.pass(20_000);
  assert.deepEqual(world.parts, [0, 0]);
  world.down = false;
  await world.pass(2500);
  assert.deepEqual(world.parts, [2, 2]);
  assert.deepEqual(
    first.list().map(({ id }) => id),
    ['prc_0_0', 'prc_1_0'],
  );
});

test('an endpoint of the code is divided among those that have it, and a handler is not', async () => {
  await using world = await World.open();
  const first = await world.join();
  await world.join();
  await world.pass(2600);
  assert.equal(first.part({ ...endpoint, name: 'own' })?.concurrency.max, 4);
  const handler = { ...endpoint, runner: { ...endpoint.runner, isolation: 'inline' } } as const;
  assert.equal(first.part(handler), handler);
});

test('a heartbeat is one write in two seconds, under keys that are used again', async () => {
  await using world = await World.open();
  for (let round = 0; round < 3; round++) {
    const one = await world.join();
    await world.pass(1000);
    world.writes = 0;
    await world.pass(10_000);
    assert.equal(world.writes, 5);
    await one.stop();
    world.members.pop();
    world.clocks.pop();
  }
  const one = await world.join();
  assert.deepEqual(
    (await world.registry.list('process')).map(({ key }) => key),
    ['1'],
  );
  assert.equal(one.list().length, 1);
});

test('a store that no other process can open hears nothing', async () => {
  const clock = new TestClock();
  const { work, registry } = memoryStore({ clock });
  await work.open();
  const self = { host: 'here', pid: 1, role: 'all', release: '1', startedAt: 0, attempts: true, runs: [] };
  const given = { registry, clock, makeId: () => 'prc_1', self, changed: assert.fail, settled: () => true };
  const alone = new Members(given);
  await alone.start();
  await clock.advanceSlowly(60_000);
  assert.equal(alone.part(endpoint), endpoint);
  assert.deepEqual(await registry.list('process'), []);
  assert.equal(alone.list().length, 1);
  await alone.stop();
});
