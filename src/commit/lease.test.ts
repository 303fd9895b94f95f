import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Claim } from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import { World } from '../testing/conformance/world.ts';
import { memoryHarness } from '../testing/memory-harness.ts';
import { Lease } from './lease.ts';

const SET_MS = 2000;

async function took(lease: Lease, clock: TestClock, ms: number): Promise<number> {
  return lease.timed((leaseMs) => {
    clock.advance(ms);
    return Promise.resolve(leaseMs);
  });
}

describe('a lease', () => {
  test('is what was set while the store is quick', async () => {
    const clock = new TestClock();
    const lease = new Lease(clock, SET_MS);
    for (let call = 0; call < 100; call++) assert.equal(await took(lease, clock, 200), SET_MS);
  });

  test('is eight of the slowest calls when that is longer, ten times what was set at most', async () => {
    const clock = new TestClock();
    const lease = new Lease(clock, SET_MS);
    await took(lease, clock, 500);
    await took(lease, clock, 20);
    assert.equal(lease.ms, 4000);
    await took(lease, clock, 10_000);
    assert.equal(lease.ms, 10 * SET_MS);
  });

  test('is what was set again within a minute of the last slow call', async () => {
    const clock = new TestClock();
    const lease = new Lease(clock, SET_MS);
    clock.advance(29_000);
    await took(lease, clock, 500);
    clock.advance(29_000);
    assert.equal(lease.ms, 4000);
    clock.advance(31_000);
    assert.equal(lease.ms, SET_MS);
  });

  test('learns nothing of a call that failed', async () => {
    const clock = new TestClock();
    const lease = new Lease(clock, SET_MS);
    await assert.rejects(
      lease.timed(() => {
        clock.advance(5000);
        return Promise.reject(new Error('away'));
      }),
    );
    assert.equal(lease.ms, SET_MS);
  });
});

type Timing = Pick<Lease, 'timed'>;

/** Two processes take turns at one delivery on a store whose every call takes longer than the lease that was set. */
class Contest {
  static readonly CALL_MS = 3000;
  static readonly CLAIMS_MAX = 40;
  readonly #world: World;
  readonly #held = new Map<Timing, Claim>();
  #claims = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** How often it is claimed until an outcome counts. */
  async run(leases: readonly Timing[]): Promise<number> {
    await this.#world.accept({}, 'ledger');
    while (this.#claims < Contest.CLAIMS_MAX) {
      for (const lease of leases) if (await this.#step(lease)) return this.#claims;
    }
    return this.#claims;
  }

  /** One call of one process: it claims, or settles what it has claimed. `true`: that counts. */
  async #step(lease: Timing): Promise<boolean> {
    const claim = this.#held.get(lease);
    await lease.timed(async (leaseMs) => {
      if (claim === undefined) await this.#claim(lease, leaseMs);
      await this.#world.advance(Contest.CALL_MS);
    });
    if (claim === undefined) return false;
    this.#held.delete(lease);
    return (await this.#world.settle(claim, this.#world.build.succeeded())).status === 'committed';
  }

  async #claim(lease: Timing, leaseMs: number): Promise<void> {
    const [claim] = await this.#world.claim('ledger', 1, leaseMs);
    if (claim === undefined) return;
    this.#held.set(lease, claim);
    this.#claims++;
  }
}

describe('a store whose calls take longer than the lease', () => {
  test('has the outcome of the second attempt of either process at the latest', async () => {
    const world = await World.open(await memoryHarness());
    const { clock } = world.harness;
    const claims = await new Contest(world).run([new Lease(clock, SET_MS), new Lease(clock, SET_MS)]);
    assert.ok(claims <= 4, `it was claimed ${claims} times`);
  });

  test('control: with leases as set it never has one', async () => {
    const world = await World.open(await memoryHarness());
    const asSet: Timing = { timed: (call) => call(SET_MS) };
    assert.equal(await new Contest(world).run([asSet, { ...asSet }]), Contest.CLAIMS_MAX);
  });
});
