import assert from 'node:assert/strict';
import { test } from 'node:test';
import { after, base, Rig } from '../../test/dispatch-rig.ts';
import type { Attempt, Runner } from '../deliver/runner.ts';
import { memoryStore } from '../store/memory.ts';
import { TestClock } from '../testing/clock.ts';
import type { Destination } from './destination.ts';
import { FAN_OUT, fanOutDestination } from './fan-out.ts';
import { ALONE } from './shared.ts';

const names = Array.from({ length: 150 }, (_, index) => `ep_${index}`);

/** Processes of one store, whose endpoints take every `first`, and one of them every `second`. */
class Processes {
  readonly seen: string[] = [];
  readonly #clock = new TestClock();
  readonly #store = memoryStore({ clock: this.#clock });
  readonly #runner = {
    isolation: 'endpoint',
    close: () => Promise.resolve(),
    run: ({ claims }: Attempt) => {
      for (const { destination, event } of claims) if (destination === 'ep_7') this.seen.push(event.type);
      return Promise.resolve({
        results: claims.map(() => ({ kind: 'succeeded', value: undefined })),
        emitted: claims.map(() => []),
      });
    },
  } as unknown as Runner;
  readonly #directory = {
    find: (name: string): Destination | null => (names.includes(name) ? { ...base, name, runner: this.#runner } : null),
    disabledSince: () => null,
    names: () => names,
    matching: ({ type }: { readonly type: string }) => (type === 'first' ? names : ['ep_7']),
    reach: () => names.length,
    mayHave: () => true,
  };

  async start(isShared: boolean): Promise<Rig> {
    const directory = this.#directory;
    const destinations: Destination[] = [];
    const fanOut = fanOutDestination({
      directory,
      registry: this.#store.registry,
      committer: () => rig.dispatcher.committer,
    });
    destinations.push(fanOut);
    const rig: Rig = new Rig(destinations, {
      clock: this.#clock,
      store: this.#store,
      directory,
      shared: { ...ALONE, alone: !isShared },
      odd: (work, clock) => ({
        // So that the other process accepts while the deliveries are being made.
        async commit(batch) {
          if (batch.replays.length > 0) await after(clock, 500);
          return work.commit(batch);
        },
      }),
    });
    return rig.start();
  }
}

for (const [how, count] of [
  ['one process', 1],
  ['two processes of one store', 2],
] as const) {
  test(`an endpoint has the events of a key in their order behind a fan-out: accepted by ${how}`, async () => {
    const processes = new Processes();
    const first = await processes.start(count > 1);
    const second = count > 1 ? await processes.start(true) : first;
    void first.send(1, { type: 'first', orderKey: 'k' });
    await first.advance(20);
    void second.send(1, { type: 'second', orderKey: 'k' });
    await first.advance(20_000);
    assert.deepEqual(processes.seen, ['first', 'second']);
    assert.ok((await first.deliveries()).some(({ destination }) => destination === FAN_OUT));
  });
}
