import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixed } from '../core/retry.ts';
import { silentObserver } from '../core/observer.ts';
import type { Runner } from '../deliver/runner.ts';
import { TestClock } from '../testing/clock.ts';
import { HandOffBudget } from './budget.ts';
import type { Destination } from './destination.ts';
import { Group } from './group.ts';
import { Holds } from './holds.ts';
import { Lane } from './lane.ts';
import type { LaneHost } from './lane-host.ts';
import { Lanes } from './lanes.ts';
import { Slots } from './slots.ts';

const runner: Runner = {
  isolation: 'endpoint',
  run: async () => ({ results: [], emitted: [] }),
  close: async () => undefined,
};

function endpoint(name: string): Destination {
  const plain = { formerly: [], from: new Set(['emitted']), types: null, accepts: null, batch: null, ratePerS: null };
  const paced = { concurrency: { min: 1, max: 1 }, timeoutMs: 1000, retry: fixed([]), breaker: null, runner };
  const rest = { ordered: false, onDead: 'continue', backlogMax: null, overflow: 'dead', priority: 'normal' } as const;
  return { name, ...plain, ...paced, ...rest };
}

/** Thousands of endpoints, of which some are disabled. */
function world(count: number) {
  const clock = new TestClock();
  const all = new Map(Array.from({ length: count }, (_, index) => [`ep_${index}`, endpoint(`ep_${index}`)]));
  const disabled = new Map<string, number>();
  const host = {
    clock,
    observer: silentObserver,
    slots: new Slots(10),
    budget: new HandOffBudget(1000),
    attempts: () => true,
    mayStart: () => true,
    hungry: () => undefined,
    release: () => undefined,
  } as unknown as LaneHost;
  const rested: string[] = [];
  const lanes = new Lanes({
    fixed: [endpoint('crm')],
    directory: {
      find: (name) => all.get(name) ?? null,
      disabledSince: (name) => disabled.get(name) ?? null,
      names: () => [...all.keys()].filter((name) => !disabled.has(name)),
      matching: () => [],
      reach: () => 0,
      mayHave: () => true,
    },
    clock,
    make: (destination) => new Lane(destination, host),
    attempts: () => true,
    paused: (name) => name === 'ep_7',
    rested: (name) => void rested.push(name),
  });
  return { clock, all, disabled, lanes, rested };
}

/** A minute and more, with a look each second. */
function minute(clock: TestClock, lanes: Lanes): void {
  for (let second = 0; second < 62; second++) {
    clock.advance(1000);
    lanes.rest();
  }
}

test('of thousands of endpoints those that have nothing to do have no lane a minute later', () => {
  const { clock, all, lanes, rested } = world(5000);
  assert.equal(lanes.size, 1);
  for (const name of all.keys()) lanes.get(name);
  assert.equal(lanes.size, 5001);
  lanes.get('ep_1')?.wake();
  minute(clock, lanes);
  assert.deepEqual(
    [...lanes.values()].map(({ destination }) => destination.name),
    ['crm', 'ep_1'],
  );
  assert.equal(rested.length, 4999);
});

test('what a lane is owed later is known when it wakes again', () => {
  const { clock, lanes } = world(2);
  const lane = lanes.get('ep_1');
  assert.ok(lane);
  lane.open = 3;
  minute(clock, lanes);
  assert.equal(lanes.awake('ep_1'), undefined);
  assert.equal(lanes.get('ep_1')?.open, 3);
});

test('what ended without its lane is not owed any more, whether the lane sleeps or not', () => {
  const { clock, lanes } = world(2);
  const lane = lanes.get('ep_1');
  assert.ok(lane);
  lane.open = 5;
  lanes.ended('ep_1', 1);
  assert.equal(lane.open, 4);
  minute(clock, lanes);
  lanes.ended('ep_1', 2);
  lanes.ended('ep_0', 2);
  assert.equal(lanes.get('ep_1')?.open, 2);
  assert.equal(lanes.get('ep_0')?.open, 0);
});

test('the lane of an endpoint that is gone goes at once, and leaves nothing', () => {
  const { all, lanes, rested } = world(2);
  const lane = lanes.get('ep_1');
  assert.ok(lane);
  lane.open = 3;
  all.delete('ep_1');
  lanes.changed('ep_1');
  assert.deepEqual([lanes.awake('ep_1'), lanes.get('ep_1'), rested], [undefined, undefined, ['ep_1']]);
});

test('nobody looks for work of endpoints that are paused or disabled, whether or not they have a lane', () => {
  const { disabled, lanes } = world(10);
  disabled.set('ep_3', 0);
  for (const name of ['ep_3', 'ep_4', 'ep_7']) lanes.get(name);
  lanes.get('ep_4')?.pause();
  const working = new Set(lanes.working());
  assert.deepEqual(
    ['crm', 'ep_1', 'ep_3', 'ep_4', 'ep_7'].filter((name) => working.has(name)),
    ['crm', 'ep_1'],
  );
});

test('what a disabled endpoint is owed has been held since it was disabled', () => {
  const { clock, disabled, lanes } = world(3);
  const holds = new Holds({
    lanes,
    clock,
    observer: silentObserver,
    group: new Group(null),
  } as unknown as ConstructorParameters<typeof Holds>[0]);
  disabled.set('ep_1', 1000);
  disabled.set('ep_2', 3000);
  assert.deepEqual(holds.heldSinceBefore(2000, ['ep_0', 'ep_1', 'ep_2', 'crm']), ['ep_1']);
});
