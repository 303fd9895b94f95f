import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Priority } from './destination.ts';
import { Slots, type SlotUser } from './slots.ts';

/** Wants slots for ever; counts those it got. */
class Hungry implements SlotUser {
  readonly priority: Priority;
  had = 0;

  constructor(priority: Priority) {
    this.priority = priority;
  }

  useSlot(): boolean {
    this.had++;
    return true;
  }
}

function shared(users: readonly Hungry[], rounds: number): void {
  const slots = new Slots(4);
  const first = new Hungry('normal');
  for (let count = 0; count < 4; count++) assert.ok(slots.take(first));
  for (const user of users) assert.equal(slots.take(user), false);
  for (let round = 0; round < rounds; round++) slots.free();
}

test('a thousand lanes of one priority take turns: none has had two more than another', () => {
  const users = Array.from({ length: 1000 }, () => new Hungry('normal'));
  shared(users, 10_500);
  const had = users.map((user) => user.had);
  assert.ok(Math.max(...had) - Math.min(...had) <= 1, `${Math.min(...had)} to ${Math.max(...had)}`);
});

test('each lane of a higher priority gets four times as much, and none is starved', () => {
  const of = (priority: Priority, count: number) => Array.from({ length: count }, () => new Hungry(priority));
  const [high, normal, low] = [of('high', 5), of('normal', 50), of('low', 20)];
  shared([...high, ...normal, ...low], 30_000);
  const least = (users: readonly Hungry[]) => Math.min(...users.map(({ had }) => had));
  assert.ok(least(low) > 0);
  for (const [more, less] of [
    [high, normal],
    [normal, low],
  ] as const) {
    const ratio = least(more) / least(less);
    assert.ok(ratio > 3.5 && ratio < 4.5, `${ratio}`);
  }
});
