import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ImportKind, parts, refuseImport, refusePackage } from '../scripts/lint/layers.ts';

const allowed: [string, string, ImportKind][] = [
  ['cli/main.ts', 'gateway.ts', 'value'],
  ['gateway.ts', 'ingest/accept.ts', 'value'],
  ['gateway.ts', 'store/sqlite/index.ts', 'lazy'],
  ['ingest/accept.ts', 'commit/committer.ts', 'value'],
  ['commit/committer.ts', 'store/store.ts', 'value'],
  ['dispatch/lane.ts', 'config.ts', 'type'],
  ['store/sqlite/work.ts', 'store/sqlite/schema.ts', 'value'],
  ['store/memory.ts', 'core/event.ts', 'value'],
  ['config.ts', 'store/store.ts', 'type'],
  ['testing/index.ts', 'store/memory.ts', 'value'],
];
const refused: [string, string, ImportKind][] = [
  ['core/event.ts', 'store/store.ts', 'type'],
  ['errors.ts', 'core/event.ts', 'value'],
  ['commit/committer.ts', 'dispatch/lane.ts', 'type'],
  ['deliver/endpoint.ts', 'commit/committer.ts', 'value'],
  ['dispatch/lane.ts', 'store/memory.ts', 'type'],
  ['dispatch/lane.ts', 'config.ts', 'value'],
  ['gateway.ts', 'store/sqlite/index.ts', 'value'],
  ['store/sqlite/work.ts', 'store/memory.ts', 'value'],
  ['store/postgres/work.ts', 'store/sqlite/work.ts', 'value'],
  ['queue/redis.ts', 'store/store.ts', 'type'],
  ['verify/stripe.ts', 'store/store.ts', 'type'],
  ['api/events.ts', 'gateway.ts', 'type'],
  ['gateway.ts', 'testing/index.ts', 'lazy'],
  ['somewhere/else.ts', 'core/event.ts', 'value'],
];

describe('the layers of src/', () => {
  for (const [from, to, kind] of allowed) {
    test(`${from} may import ${to} (${kind})`, () => assert.equal(refuseImport(from, to, kind), null));
  }
  for (const [from, to, kind] of refused) {
    test(`${from} may not import ${to} (${kind})`, () => assert.ok(refuseImport(from, to, kind)));
  }

  test('core imports no package that waits or reads a clock', () => {
    assert.ok(refusePackage('core/retry.ts', 'node:timers'));
    assert.equal(refusePackage('core/id.ts', 'node:crypto'), null);
  });

  test('the table itself points down: no part reaches itself through what it imports', () => {
    const reach = (name: string, seen: Set<string>): Set<string> => {
      for (const next of parts.find((part) => part.name === name)?.imports ?? []) {
        if (!seen.has(next)) reach(next, seen.add(next));
      }
      return seen;
    };
    for (const { name } of parts) assert.ok(!reach(name, new Set()).has(name), name);
  });
});
