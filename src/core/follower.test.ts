import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { TestClock } from '../testing/clock.ts';
import { Follower } from './follower.ts';

interface Row {
  readonly key: string;
  readonly value: string;
}

/** What is in the store, and the reads that it has taken and not answered. */
let stored: Map<string, string>;
let asked: { readonly answer: () => void; readonly fail: () => void }[];
let tell: () => void;
let known: Map<string, string>;
let failures: number;
let clock: TestClock;

beforeEach(() => {
  stored = new Map([['a', '1']]);
  asked = [];
  tell = () => assert.fail('nobody watches');
  known = new Map();
  failures = 0;
  clock = new TestClock();
});

/** A read is taken at once and answered when the test says so, with what there was when it was taken. */
function list(): Promise<Row[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Row[]>();
  const rows = [...stored].map(([key, value]) => ({ key, value }));
  asked.push({ answer: () => resolve(rows), fail: () => reject(new Error('away')) });
  return promise;
}

function follower(gatherMs = 0): Follower<Row> {
  return new Follower<Row>({
    registry: {
      list,
      watch: (_kind, changed) => {
        tell = changed;
        return () => (tell = () => assert.fail('nobody watches'));
      },
    },
    kind: 'row',
    clock,
    gatherMs,
    known: () => known.keys(),
    apply: (key, row) => void (row === null ? known.delete(key) : known.set(key, row.value)),
    failed: () => failures++,
  });
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

async function started(gatherMs = 0): Promise<Follower<Row>> {
  const follows = follower(gatherMs);
  const starting = follows.start();
  await answered();
  await starting;
  return follows;
}

async function answered(): Promise<void> {
  await turn();
  asked.shift()?.answer();
  await turn();
}

/** As this process does it. */
function write(follows: Follower<Row>, key: string, value: string | null): void {
  if (value === null) stored.delete(key);
  else stored.set(key, value);
  follows.wrote(key);
  if (value === null) known.delete(key);
  else known.set(key, value);
}

test('what others write, change and delete is in memory when it has been told and read', async () => {
  const follows = await started();
  assert.deepEqual([...known], [['a', '1']]);
  stored = new Map([['b', '1']]);
  tell();
  await answered();
  assert.deepEqual([...known], [['b', '1']]);
  follows.stop();
});

test('what this process writes while a read is on its way is not undone by it, and is read again', async () => {
  const follows = await started();
  stored.set('c', '1');
  tell();
  await turn();
  write(follows, 'a', null);
  write(follows, 'b', 'mine');
  await answered();
  assert.deepEqual(Object.fromEntries(known), { b: 'mine', c: '1' });
  assert.equal(asked.length, 1, 'others may have changed them since');
  await answered();
  assert.equal(asked.length, 0);
  follows.stop();
});

test('reads go one after the other; however many ask meanwhile, one more is enough', async () => {
  const follows = await started();
  tell();
  await turn();
  stored.set('a', '2');
  for (let told = 0; told < 10; told++) tell();
  const refreshed = follows.refresh();
  await turn();
  assert.equal(asked.length, 1);
  await answered();
  assert.deepEqual([known.get('a'), asked.length], ['1', 1]);
  await answered();
  await refreshed;
  assert.deepEqual([known.get('a'), asked.length], ['2', 0]);
  follows.stop();
});

test('what cannot be read is read again soon, and said once', async () => {
  const follows = await started();
  stored.set('a', '2');
  tell();
  await turn();
  for (let told = 0; told < 3; told++) tell();
  for (let failed = 0; failed < 2; failed++) {
    asked.shift()?.fail();
    await turn();
  }
  assert.deepEqual([failures, known.get('a'), clock.pending], [1, '1', 1]);
  clock.advance(1000);
  await answered();
  assert.deepEqual([known.get('a'), clock.pending], ['2', 0]);
  follows.stop();
});

test('changes in a row are gathered where that is asked for', async () => {
  const follows = await started(1000);
  for (let told = 0; told < 10; told++) tell();
  await turn();
  assert.equal(asked.length, 0);
  clock.advance(1000);
  await turn();
  assert.equal(asked.length, 1);
  await answered();
  follows.stop();
  assert.equal(clock.pending, 0);
});

test('a start that fails watches nothing; a stop is safe twice, and ends what was to be tried again', async () => {
  const follows = follower();
  follows.stop();
  const starting = follows.start();
  await turn();
  asked.shift()?.fail();
  await assert.rejects(starting, /away/);
  assert.throws(tell, /nobody watches/);
  const other = await started();
  tell();
  await turn();
  asked.shift()?.fail();
  await turn();
  assert.equal(clock.pending, 1);
  other.stop();
  other.stop();
  assert.equal(clock.pending, 0);
});
