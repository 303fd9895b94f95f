/** Versioned documents. */
import assert from 'node:assert/strict';
import type { DocumentAnswer, JsonValue } from '../../store/store.ts';
import type { ConformanceCase } from './harness.ts';
import { promise, requiring, type World } from './world.ts';

const conflict = { status: 'refused', reason: 'conflict' } as const;

/** Puts a value for a version. */
type Write = readonly [value: JsonValue | null, ifVersion: number | null];

function put(world: World, [value, ifVersion]: Write, key = 'a'): Promise<DocumentAnswer> {
  return world.store.registry.put({ kind: 'note', key, value, ifVersion });
}

async function version(world: World, key = 'a'): Promise<number | null> {
  return (await world.store.registry.get('note', key))?.version ?? null;
}

const versions: readonly ConformanceCase[] = [
  promise('a document that is not there is null', 'truthful/get/normal', async (world) => {
    assert.equal(await world.store.registry.get('note', 'a'), null);
    assert.deepEqual(await world.store.registry.list('note'), []);
  }),
  promise('versions rise from one with every write', 'durable/put/normal', async (world) => {
    assert.deepEqual(await put(world, ['x', 0]), { status: 'committed', version: 1 });
    assert.deepEqual(await put(world, ['y', 1]), { status: 'committed', version: 2 });
    assert.deepEqual(await put(world, ['y', null]), { status: 'committed', version: 3 });
    const expected = { kind: 'note', key: 'a', value: 'y', version: 3 };
    assert.deepEqual(await world.store.registry.get('note', 'a'), expected);
  }),
  promise('a write for another version is a conflict and changes nothing', 'durable/put/repeat', async (world) => {
    assert.deepEqual(await put(world, ['x', 1]), conflict);
    await put(world, ['x', 0]);
    for (const stale of [0, 2, -1]) assert.deepEqual(await put(world, ['y', stale]), conflict);
    assert.equal((await world.store.registry.get('note', 'a'))?.value, 'x');
    assert.deepEqual(await put(world, [null, 2]), conflict);
    assert.equal(await version(world), 1);
  }),
  promise(
    'of two that write the same version in one batch the second is refused',
    'durable/document/normal',
    async (world) => {
      const write = { kind: 'note', key: 'a', ifVersion: 0 } as const;
      const { documents } = await world.commit({
        documents: [
          { ...write, value: 1 },
          { ...write, value: 2 },
        ],
      });
      assert.deepEqual(documents, [{ status: 'committed', version: 1 }, conflict]);
      assert.equal((await world.store.registry.get('note', 'a'))?.value, 1);
    },
  ),
  promise('a deleted document is gone, and its versions are not given again', 'durable/put/normal', async (world) => {
    await put(world, ['x', 0]);
    assert.deepEqual(await put(world, [null, 1]), { status: 'committed', version: 2 });
    assert.equal(await world.store.registry.get('note', 'a'), null);
    assert.deepEqual(await world.store.registry.list('note'), []);
    assert.deepEqual(await put(world, ['y', 2]), conflict);
    assert.deepEqual(await put(world, ['y', 0]), { status: 'committed', version: 3 });
  }),
  promise('deleting what is not there changes nothing', 'durable/put/repeat', async (world) => {
    assert.deepEqual(await put(world, [null, null]), { status: 'committed', version: 0 });
    await put(world, ['x', 0]);
    await put(world, [null, null]);
    assert.deepEqual(await put(world, [null, null]), { status: 'committed', version: 2 });
    assert.deepEqual(await put(world, [null, 0]), { status: 'committed', version: 2 });
  }),
  promise('any JSON value is given back as it was', 'exact/put/normal', async (world) => {
    const values: readonly JsonValue[] = [
      false,
      0,
      -1.5e-7,
      9_007_199_254_740_991,
      '',
      'caf\u00e9 \u{1f6d2} \0 "\'\\',
      [],
      {},
      [null, [true], { 'a b': { c: [] } }],
    ];
    for (const [index, value] of values.entries()) await put(world, [value, 0], `k${index}`);
    for (const [index, value] of values.entries()) {
      assert.deepEqual((await world.store.registry.get('note', `k${index}`))?.value, value);
    }
  }),
];

const lasting: readonly ConformanceCase[] = [
  promise('documents of a kind are listed by key, and no others', 'truthful/list/normal', async (world) => {
    for (const key of ['b', 'B', 'a', 'a/b', '10', '9']) await put(world, [key, 0], key);
    await world.store.registry.put({ kind: 'notes', key: 'a', value: 1, ifVersion: 0 });
    const listed = await world.store.registry.list('note');
    assert.deepEqual(
      listed.map((row) => row.key),
      ['10', '9', 'B', 'a', 'a/b', 'b'],
    );
    assert.deepEqual(listed[3], { kind: 'note', key: 'a', value: 'a', version: 1 });
    assert.equal(await world.store.registry.get('no', 'tea'), null);
  }),
  promise('a document that was put survives a crash', 'durable/put/crash after commit', async (world) => {
    await put(world, ['x', 0]);
    await put(world, ['gone', 0], 'b');
    await put(world, [null, 1], 'b');
    await world.reopen('crashed');
    assert.equal(await version(world), 1);
    assert.deepEqual(await put(world, ['y', 0], 'b'), { status: 'committed', version: 3 });
  }),
  promise('a document that was put survives closing and opening', 'durable/put/reopen', async (world) => {
    await put(world, ['x', 0]);
    await world.reopen('closed');
    assert.deepEqual(await put(world, ['y', 1]), { status: 'committed', version: 2 });
    assert.deepEqual(
      (await world.store.registry.list('note')).map((row) => row.value),
      ['y'],
    );
  }),
];

const watching: readonly ConformanceCase[] = [
  promise('a watcher hears of documents of its kind within five seconds', 'truthful/watch/normal', async (world) => {
    let heard = 0;
    const stop = world.store.registry.watch('note', () => heard++);
    await put(world, ['x', 0]);
    await world.advance(5_000);
    assert.ok(heard > 0, 'it was put');
    heard = 0;
    await world.commit({ documents: [{ kind: 'note', key: 'b', value: 1, ifVersion: 0 }] });
    await world.advance(5_000);
    assert.ok(heard > 0, 'it was written in a commit');
    heard = 0;
    await world.store.registry.put({ kind: 'other', key: 'a', value: 1, ifVersion: 0 });
    await world.advance(5_000);
    assert.equal(heard, 0, 'it was of another kind');
    stop();
    stop();
    await put(world, ['y', 1]);
    await world.advance(5_000);
    assert.equal(heard, 0, 'nobody watched any more');
  }),
  promise('two watchers hear of the same document', 'truthful/watch/repeat', async (world) => {
    const heard = new Set<string>();
    const stops = ['a', 'b'].map((name) => world.store.registry.watch('note', () => heard.add(name)));
    await put(world, ['x', 0]);
    await world.advance(5_000);
    for (const stop of stops) stop();
    assert.deepEqual([...heard].toSorted(), ['a', 'b']);
  }),
];

const beating: readonly ConformanceCase[] = [
  promise(
    'a sign of life is a document like any other, of which only the newest is kept',
    'durable/put/normal',
    async (world) => {
      const { registry } = world.store;
      const beat = (value: JsonValue | null, ifVersion: number | null, key = '1'): Promise<DocumentAnswer> => {
        assert.ok(registry.beat !== undefined);
        return registry.beat({ kind: 'beat', key, value, ifVersion });
      };
      assert.deepEqual(await beat('x', 1), conflict);
      assert.deepEqual(await beat('x', 0), { status: 'committed', version: 1 });
      assert.deepEqual(await beat('y', 0), conflict);
      assert.deepEqual(await beat('y', 1), { status: 'committed', version: 2 });
      await beat({ a: [1] }, 0, '2');
      const written = [
        { kind: 'beat', key: '1', value: 'y', version: 2 },
        { kind: 'beat', key: '2', value: { a: [1] }, version: 1 },
      ];
      assert.deepEqual(await registry.list('beat'), written);
      assert.deepEqual(await registry.get('beat', '1'), written[0]);
      assert.deepEqual(await beat(null, 2), { status: 'committed', version: 3 });
      assert.deepEqual(await beat(null, 3), conflict);
      assert.deepEqual(await registry.list('beat'), [written[1]]);
      assert.deepEqual(await beat('z', 0), { status: 'committed', version: 4 });
      await world.reopen('crashed');
      assert.equal((await world.store.registry.get('beat', '1'))?.value, 'z');
    },
  ),
];

/** The cases about the registry, of the promises `durable`, `exact` and `truthful`. */
export const registryCases: readonly ConformanceCase[] = [
  ...versions,
  ...lasting,
  ...watching,
  ...beating.map((item) => requiring(['shared'], item)),
];
