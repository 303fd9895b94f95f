import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Claim } from '../store/store.ts';
import { type Queued, Waiting } from './waiting.ts';

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
