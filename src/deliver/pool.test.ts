/** What a pool makes of its children, whatever they are: told by children of the test's own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { TestClock } from '../testing/clock.ts';
import type { ToChild } from './child.ts';
import { attemptAt } from './fixtures/attempt.ts';
import { Pool } from './pool.ts';
import type { ChildEvents } from './pool-slot.ts';

const GRACE_MS = 1000;
const IDLE_MS = 30_000;

interface FakeChild {
  readonly events: ChildEvents;
  readonly asked: ToChild[];
  killed: boolean;
}

function rig(min: number, max: number) {
  const clock = new TestClock();
  const children: FakeChild[] = [];
  const concurrency = { min, max };
  const module = new URL('file:///handler.js');
  const options = { module, name: 'billing', clock, concurrency, graceMs: GRACE_MS, idleMs: IDLE_MS };
  const pool = new Pool('process', options, (events) => {
    const child: FakeChild = { events, asked: [], killed: false };
    children.push(child);
    return {
      send: (asked) => void child.asked.push(asked),
      kill: () => void (child.killed = true),
      hold: () => undefined,
    };
  });
  const child = (index: number): FakeChild => children[index] ?? assert.fail(`there is no child ${index}`);
  return { clock, pool, children, child };
}

/** Ends what it runs, well. */
function finish({ asked, events }: FakeChild): void {
  const run = asked.findLast(({ kind }) => kind === 'run');
  assert.ok(run?.kind === 'run');
  events.said({
    kind: 'done',
    id: run.id,
    attempted: { results: [{ kind: 'succeeded', value: undefined }], emitted: [[]] },
  });
}

test('a child that is done at the moment it is killed gets no other attempt', async () => {
  const { clock, pool, child } = rig(1, 1);
  const slow = attemptAt({});
  const first = pool.run(slow);
  child(0).events.said({ kind: 'ready' });
  const second = pool.run(attemptAt({}));
  slow.abort();
  clock.advance(GRACE_MS);
  assert.ok(child(0).killed);
  finish(child(0));
  child(0).events.exited('the process was ended by SIGKILL');
  child(1).events.said({ kind: 'ready' });
  finish(child(1));
  assert.deepEqual([(await first).results[0]?.kind, (await second).results[0]?.kind], ['timeout', 'succeeded']);
});

test('of children that become idle together as many stay as are to be kept warm', async () => {
  const { clock, pool, children, child } = rig(1, 3);
  const attempts = [0, 1, 2].map(() => pool.run(attemptAt({})));
  for (const { events } of children) events.said({ kind: 'ready' });
  for (const one of children) finish(one);
  await Promise.all(attempts);
  clock.advance(IDLE_MS);
  assert.deepEqual(
    children.map(({ asked }) => asked.some(({ kind }) => kind === 'close')),
    [true, true, false],
  );
  for (const index of [0, 1]) child(index).events.exited('the process exited with code 0');
  await turn();
  assert.equal(children.length, 3, 'none is started in their place');
});
