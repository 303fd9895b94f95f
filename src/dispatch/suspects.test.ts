import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Claim } from '../store/store.ts';
import type { Lane } from './lane.ts';
import { Suspects } from './suspects.ts';

function suspect(deliveryId: string, crashes: number): Claim {
  return { deliveryId, crashes } as Claim;
}

/** What runs together, group by group, each attempt with the deliveries it is made for. */
class Groups {
  readonly seen: string[][] = [];
  #open: string[] = [];

  lane(concurrency: number, batchSize: number | null): Lane {
    const batch = batchSize === null ? null : { size: batchSize, withinMs: 0 };
    const runSuspects = async (claims: readonly Claim[]): Promise<void> => {
      if (this.#open.length === 0) this.seen.push(this.#open);
      this.#open.push(claims.map(({ deliveryId }) => deliveryId).join('+'));
      await new Promise((resolve) => setImmediate(resolve));
      this.#open = [];
    };
    return { concurrency, destination: { batch }, runSuspects } as unknown as Lane;
  }
}

/** Adds them while the first of them has not begun, and waits until all have run. */
async function runAll(added: readonly (readonly [Lane, Claim])[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let isQuiet = false;
  const suspects = new Suspects({
    quiet: () => isQuiet,
    wait: () => new Promise((looked) => setImmediate(looked)),
    committed: () => Promise.resolve(),
    over: resolve,
  });
  for (const [lane, claim] of added) suspects.add(lane, claim);
  isQuiet = true;
  await promise;
}

describe('suspects', () => {
  test('of one crash run together, as many as their lanes allow', async () => {
    const groups = new Groups();
    const [narrow, wide] = [groups.lane(1, null), groups.lane(10, null)];
    const lanes = [wide, narrow, wide, narrow, wide];
    await runAll(lanes.map((lane, index) => [lane, suspect(String(index), 1)] as const));
    assert.deepEqual(groups.seen, [['0', '1', '2', '4'], ['3']]);
  });

  test('of a destination that takes batches run as batches', async () => {
    const groups = new Groups();
    const lane = groups.lane(1, 3);
    await runAll(Array.from({ length: 7 }, (_, index) => [lane, suspect(String(index), 1)] as const));
    assert.deepEqual(groups.seen, [['0+1+2'], ['3+4+5'], ['6']]);
  });

  test('of two crashes run one by one', async () => {
    const groups = new Groups();
    const lane = groups.lane(10, 3);
    await runAll([2, 1, 2, 1].map((crashes, index) => [lane, suspect(String(index), crashes)] as const));
    assert.deepEqual(groups.seen, [['0'], ['1+3'], ['2']]);
  });
});
