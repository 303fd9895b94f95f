import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IdMaker } from '../core/id.ts';
import { silentObserver } from '../core/observer.ts';
import { createEgress } from '../deliver/egress/egress.ts';
import type { Runner } from '../deliver/runner.ts';
import { memoryStore } from '../store/memory.ts';
import type { JsonValue } from '../store/store.ts';
import { TestClock } from '../testing/clock.ts';
import { newEndpoint } from './check.ts';
import { ENDPOINT, EndpointDirectory } from './directory.ts';
import { OPEN_POLICY } from './policy.ts';
import { newVaultKey, Vault } from './vault.ts';

async function world() {
  const clock = new TestClock();
  const ids = new IdMaker({ now: () => clock.now(), fill: (bytes) => void crypto.getRandomValues(bytes) });
  const { work, registry } = memoryStore({ clock, ids });
  await work.open();
  const vault = new Vault([newVaultKey()]);
  const changed: string[] = [];
  let reads = 0;
  /** While it is there, what was read is on its way. */
  let slow: Promise<void> | null = null;
  const directory = new EndpointDirectory({
    registry: {
      ...registry,
      list: async (kind) => {
        reads++;
        const rows = await registry.list(kind);
        await slow;
        return rows;
      },
    },
    clock,
    observer: silentObserver,
    vault,
    policy: OPEN_POLICY,
    runner: {} as Runner,
    changed: (id) => void changed.push(id),
  });
  await directory.start();
  const egress = createEgress({ clock, allow: ['127.0.0.1'] });
  const checks = { vault, egress, sources: new Set(['emitted']), policy: OPEN_POLICY, now: clock.now() };
  /** As another process does it: in the store, and nowhere else. */
  const elsewhere = async (id: string, types: readonly string[] | null): Promise<void> => {
    const stored = types === null ? null : await newEndpoint(id, { url: 'http://127.0.0.1:8080/', types }, checks);
    await registry.put({ kind: ENDPOINT, key: id, value: stored as unknown as JsonValue, ifVersion: null });
  };
  /** As this process does it: committed, and taken in with the answer. */
  const here = async (id: string, types: readonly string[] | null): Promise<void> => {
    const stored = await newEndpoint(id, { url: 'http://127.0.0.1:8080/', types }, checks);
    const value = types === null ? null : (stored as unknown as JsonValue);
    const answer = await registry.put({ kind: ENDPOINT, key: id, value, ifVersion: null });
    assert.equal(answer.status, 'committed');
    directory.apply(id, types === null ? null : { stored, version: answer.version });
  };
  /** Reads that begin now are answered when it is called. */
  const slowly = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    slow = promise;
    return () => {
      slow = null;
      resolve();
    };
  };
  return { clock, directory, elsewhere, here, slowly, changed, reads: () => reads, close: () => egress.close() };
}

test('what another process made, changed or deleted is known here within five seconds', async () => {
  const { clock, directory, elsewhere, changed, close } = await world();
  const types = () => directory.entry('ep_1')?.stored.types;
  await elsewhere('ep_1', ['a']);
  await clock.advanceSlowly(5000);
  assert.deepEqual(types(), ['a']);
  await elsewhere('ep_1', ['b']);
  await clock.advanceSlowly(5000);
  assert.deepEqual(types(), ['b']);
  await elsewhere('ep_1', null);
  await clock.advanceSlowly(5000);
  assert.equal(types(), undefined);
  assert.deepEqual(changed, ['ep_1', 'ep_1', 'ep_1']);
  directory.stop();
  assert.equal(clock.pending, 0);
  await close();
});

test('many changes in a row are read once', async () => {
  const { clock, directory, elsewhere, reads, close } = await world();
  const before = reads();
  for (let made = 0; made < 100; made++) await elsewhere(`ep_${made}`, ['a']);
  await clock.advanceSlowly(5000);
  assert.deepEqual([directory.size, reads() - before], [100, 1]);
  directory.stop();
  await close();
});

test('what is made, changed or deleted here while all are read stays so: the read is older', async () => {
  const { clock, directory, elsewhere, here, slowly, changed, close } = await world();
  await here('ep_changed', ['a']);
  await here('ep_deleted', ['a']);
  await clock.advanceSlowly(5000);
  const answer = slowly();
  await elsewhere('ep_other', ['a']);
  await clock.advanceSlowly(5000);
  await here('ep_made', ['a']);
  await here('ep_changed', ['b']);
  await here('ep_deleted', null);
  const before = changed.length;
  answer();
  await clock.advanceSlowly(0);
  const types = Object.fromEntries([...directory.entries()].map(({ id, stored }) => [id, stored.types?.[0]]));
  assert.deepEqual(types, { ep_changed: 'b', ep_made: 'a', ep_other: 'a' });
  assert.deepEqual(changed.slice(before), ['ep_other'], 'nothing came and went');
  await clock.advanceSlowly(5000);
  assert.equal(directory.size, 3);
  directory.stop();
  await close();
});
