import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentObserver } from '../core/observer.ts';
import { fixed } from '../core/retry.ts';
import type { Attempted } from '../deliver/runner.ts';
import { TestClock } from '../testing/clock.ts';
import { Circuit } from './circuit.ts';
import type { Destination } from './destination.ts';
import type { Running } from './running.ts';

const DESTINATION = {
  name: 'till',
  retry: fixed([]),
  breaker: { failures: 1, openMs: 1000, probes: 1 },
} as unknown as Destination;

test('whoever watches is told when a breaker is half-open because its time is over, once', () => {
  const clock = new TestClock();
  const told: string[] = [];
  const observer = { ...silentObserver, breaker: (_: string, state: string) => void told.push(state) };
  const circuit = new Circuit(DESTINATION, clock, observer);
  const attempt = (kind: 'failed' | 'succeeded'): void => {
    const running = { claims: [{ deliveryId: 'dlv_1' }] } as unknown as Running;
    circuit.began(running);
    circuit.ended(running, { results: [{ kind, delayMs: null }] } as unknown as Attempted);
  };
  attempt('failed');
  clock.advance(999);
  assert.deepEqual([circuit.waitMs, circuit.state, told], [1, 'open', ['open']]);
  clock.advance(1);
  assert.deepEqual(
    [circuit.waitMs, circuit.state, circuit.isOpen, told],
    [0, 'half-open', true, ['open', 'half-open']],
  );
  attempt('failed');
  clock.advance(2000);
  assert.equal(circuit.waitMs, 0);
  attempt('succeeded');
  assert.deepEqual(told, ['open', 'half-open', 'open', 'half-open', 'closed']);
});
