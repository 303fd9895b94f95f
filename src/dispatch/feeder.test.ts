import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handler, Rig } from '../../test/dispatch-rig.ts';
import { memoryStore } from '../store/memory.ts';
import { IdMaker } from '../core/id.ts';
import { TestClock } from '../testing/clock.ts';
import { Builder } from '../testing/conformance/build.ts';

test('what waits for very many destinations is claimed for some of them at a time', async () => {
  const names = Array.from({ length: 300 }, (_, index) => `d${index}`);
  const clock = new TestClock();
  const ids = new IdMaker({ now: () => clock.now(), fill: (bytes) => void crypto.getRandomValues(bytes) });
  const store = memoryStore({ clock, ids });
  await store.work.open();
  const build = new Builder(clock);
  await store.work.commit(build.batch({ appends: [{ events: [build.event({}, ...names)] }] }));
  const asked: number[] = [];
  const rig = await new Rig(
    names.map((name) => handler(name, () => undefined)),
    {
      clock,
      store,
      runningMax: 1000,
      odd: (work) => ({
        claim: (request) => {
          asked.push(request.wants.length);
          return work.claim(request);
        },
      }),
    },
  ).start();
  await rig.advance(100);
  assert.deepEqual(new Set(await rig.states()), new Set(['succeeded']));
  assert.ok(Math.max(...asked) <= 64, `for ${Math.max(...asked)} destinations at once`);
});
