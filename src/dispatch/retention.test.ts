import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentObserver } from '../core/observer.ts';
import type { HistoryStore, PurgeRequest, WorkStore } from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import type { Holds } from './holds.ts';
import { Retention } from './retention.ts';

test('retention rests between steps, longer after a step that took long', async () => {
  const clock = new TestClock();
  const lasts = [10, 1, 1_000, 2];
  const begun: number[] = [];
  const store = {
    purge: async () => {
      begun.push(clock.monotonic());
      clock.advance(lasts[begun.length - 1] ?? 0);
      return { bodies: 0, events: 1, deadLetters: 0, dedupeKeys: 0, held: 0, more: begun.length < lasts.length };
    },
  } as unknown as WorkStore;
  const history = { counts: async () => ({ destinations: [] }) } as unknown as HistoryStore;
  const holds = { heldSinceBefore: () => [] } as unknown as Holds;
  const buried = (): void => assert.fail('nothing is held');
  const clocks = { bodiesMs: 1, eventsMs: 1, unmatchedMs: 1, deadLettersMs: null };
  const retention = new Retention({
    store,
    history,
    clock,
    observer: silentObserver,
    holds,
    clocks,
    heldMaxMs: 1,
    buried,
  });
  retention.start();
  const round = retention.round();
  await clock.advanceSlowly(2_000);
  assert.equal((await round).events, 4);
  const rests = begun.slice(1).map((at, index) => at - (begun[index] ?? 0) - (lasts[index] ?? 0));
  assert.deepEqual(rests, [30, 5, 100]);
  await retention.stop();
});

test('what is held too long is buried one destination after the other, and each is told of', async () => {
  const clock = new TestClock();
  const held = new Map([
    ['till', [2000, 7]],
    ['crm', []],
    ['mail', [1]],
  ]);
  const store = {
    purge: ({ heldBefore }: PurgeRequest) => {
      const steps = heldBefore.flatMap(({ destination }) => held.get(destination)?.shift() ?? []);
      const sum = steps.reduce((count, step) => count + step, 0);
      return Promise.resolve({ bodies: 0, events: 0, deadLetters: 0, dedupeKeys: 0, held: sum, more: false });
    },
  } as unknown as WorkStore;
  const history = { counts: async () => ({ destinations: [] }) } as unknown as HistoryStore;
  const holds = { heldSinceBefore: () => [...held.keys()] } as unknown as Holds;
  const told: [string, number][] = [];
  const buried = (destination: string, count: number): void => void told.push([destination, count]);
  const clocks = { bodiesMs: 1, eventsMs: 1, unmatchedMs: 1, deadLettersMs: null };
  const retention = new Retention({
    store,
    history,
    clock,
    observer: silentObserver,
    holds,
    clocks,
    heldMaxMs: 1,
    buried,
  });
  retention.start();
  const round = retention.round();
  await clock.advanceSlowly(2_000);
  assert.equal((await round).held, 2008);
  assert.deepEqual(told, [
    ['till', 2000],
    ['till', 7],
    ['mail', 1],
  ]);
  await retention.stop();
});
