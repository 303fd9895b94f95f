import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Claim } from '../store/store.ts';
import { type Queued, Waiting } from './waiting.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

let made = 0;

function queued(kind: 'first' | 'retry'): Queued {
  const claim = { deliveryId: `${kind} ${++made}`, attempts: kind === 'first' ? 0 : 1, committedAt: made };
  return { claim: claim as unknown as Claim, bytes: 0, marked: false };
}

function waitingOf(retries: number, firsts: number): Waiting {
  const waiting = new Waiting();
  for (let count = 0; count < retries; count++) waiting.push(queued('retry'));
  for (let count = 0; count < firsts; count++) waiting.push(queued('first'));
  return waiting;
}

const kindOf = ({ claim }: Queued): string => claim.deliveryId.split(' ')[0] ?? '';

test('what keeps failing gets a fifth of the attempts beside what has not been tried, once its credit is used up', () => {
  const waiting = waitingOf(1000, 1000);
  const order = waiting.shift(610).map(kindOf);
  assert.deepEqual(new Set(order.slice(0, 10)), new Set(['retry']));
  assert.equal(order.slice(10).filter((kind) => kind === 'retry').length, 100);
});

test('retries have all of it while nothing else waits, and each kind keeps its order', () => {
  const waiting = waitingOf(100, 3);
  const taken = waiting.shift(103);
  assert.equal(waiting.length, 0);
  for (const kind of ['first', 'retry']) {
    const times = taken.filter((one) => kindOf(one) === kind).map(({ claim }) => claim.committedAt);
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
  }
});

test('is stuffed while retries without credit are all that waits', () => {
  assert.equal(waitingOf(30, 0).stuffed, false, 'there is credit left');
  const waiting = waitingOf(30, 1);
  waiting.shift(10);
  assert.equal(waiting.stuffed, false, 'a first attempt waits');
  waiting.shift(1);
  assert.equal(waiting.stuffed, true);
});

test('what was taken is not kept, however much still waits', async () => {
  const waiting = waitingOf(0, 200);
  const taken: WeakRef<Queued>[] = [];
  for (let count = 0; count < 100; count++) taken.push(...waiting.shift(1).map((one) => new WeakRef(one)));
  // What a WeakRef was made of or asked for stays until the end of the turn.
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  assert.deepEqual([waiting.length, taken.filter((ref) => ref.deref() !== undefined).length], [100, 0]);
});
