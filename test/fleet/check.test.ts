/** The checker of a fleet sees each thing that must not be: a log in which it happened makes it red. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allEnded, check } from './check.ts';
import type { Sent } from './senders.ts';
import { FREE, type LogLine, ORDERED } from './wire.ts';

const sent = { acknowledged: new Map([['o1', ['o1:1', 'o1:2']]]) } as Sent;

function line(destination: string, key: string, more: Partial<LogLine> = {}): LogLine {
  return {
    member: 'worker-1.1',
    destination,
    delivery: `${destination} ${key}`,
    order: 'o1',
    key,
    ended: false,
    ...more,
  };
}

/** Both webhooks at both destinations, each begun and ended, in order. */
function good(): LogLine[] {
  return [ORDERED, FREE].flatMap((destination) =>
    ['o1:1', 'o1:2'].flatMap((key) => [line(destination, key), line(destination, key, { ended: true })]),
  );
}

const none = new Set<string>();

test('a log of what should happen is clean', () => {
  assert.deepEqual(check(sent, good(), none), { breaches: [], acknowledged: 2, repeated: 0, unexplained: 0 });
  assert.ok(allEnded(sent, good()));
});

test('what was acknowledged and never ended is told', () => {
  const log = good().filter(({ destination, key, ended }) => !(destination === FREE && key === 'o1:2' && ended));
  assert.deepEqual(check(sent, log, none).breaches, ['mail o1:2 was acknowledged and never ended']);
  assert.ok(!allEnded(sent, log));
});

test('what begins before the one before it has ended is told', () => {
  const [begun, ended, next, ...rest] = good() as [LogLine, LogLine, LogLine, ...LogLine[]];
  assert.deepEqual(check(sent, [begun, next, ended, ...rest], none).breaches, ['o1:2 began when o1:1 had not ended']);
});

test('what is left out is told', () => {
  const log = good().filter(({ destination, key }) => !(destination === ORDERED && key === 'o1:1'));
  assert.deepEqual(check(sent, log, none).breaches, [
    'ledger o1:1 was acknowledged and never ended',
    'o1:2 began when o1:0 had ended',
  ]);
});

test('one webhook that became two deliveries is told', () => {
  const log = [...good(), line(FREE, 'o1:1', { delivery: 'another' })];
  assert.deepEqual(check(sent, log, none).breaches, ['mail o1:1 is two deliveries']);
});

test('a repeat is explained by a process that was killed, and by nothing else', () => {
  const log = [...good(), line(FREE, 'o1:1', { member: 'worker-2.1' })];
  const seen = (disturbed: ReadonlySet<string>): readonly number[] => {
    const { repeated, unexplained } = check(sent, log, disturbed);
    return [repeated, unexplained];
  };
  assert.deepEqual(
    [seen(none), seen(new Set(['worker-1.1']))],
    [
      [1, 1],
      [1, 0],
    ],
  );
});
