import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TestClock } from '../testing/clock.ts';
import { Breaker } from './breaker.ts';

function open(): { breaker: Breaker; clock: TestClock } {
  const clock = new TestClock();
  return { breaker: new Breaker({ failures: 3, openMs: 1000, probes: 2 }, clock), clock };
}

/** Lets its time pass and fails the probe. */
function failProbe(breaker: Breaker, clock: TestClock): number {
  clock.advance(breaker.waitMs());
  assert.equal(breaker.state, 'half-open');
  breaker.failed(breaker.began());
  return breaker.waitMs();
}

describe('a breaker', () => {
  it('opens after failures in a row, not before and not with a success between', () => {
    const { breaker } = open();
    breaker.failed();
    breaker.failed();
    breaker.succeeded();
    breaker.failed();
    breaker.failed();
    assert.equal(breaker.state, 'closed');
    breaker.failed();
    assert.equal(breaker.state, 'open');
    assert.ok(!breaker.allows());
    assert.equal(breaker.waitMs(), 1000);
  });

  it('opens at once when the world is said to be down', () => {
    const { breaker } = open();
    breaker.trip();
    assert.equal(breaker.state, 'open');
  });

  it('lets one probe through at a time when its time is over, and closes after enough of them', () => {
    const { breaker, clock } = open();
    breaker.trip();
    clock.advance(999);
    assert.equal(breaker.state, 'open');
    clock.advance(1);
    assert.equal(breaker.state, 'half-open');
    assert.ok(breaker.allows());
    const probe = breaker.began();
    assert.ok(!breaker.allows());
    breaker.succeeded(probe);
    assert.equal(breaker.state, 'half-open');
    assert.ok(breaker.allows());
    breaker.succeeded(breaker.began());
    assert.equal(breaker.state, 'closed');
  });

  it('stays open twice as long after each failed probe, up to ten times, and starts anew once closed', () => {
    const { breaker, clock } = open();
    breaker.trip();
    const waits = [1, 2, 3, 4, 5].map(() => failProbe(breaker, clock));
    assert.deepEqual(waits, [2000, 4000, 8000, 10_000, 10_000]);
    clock.advance(10_000);
    for (let probe = 0; probe < 2; probe++) breaker.succeeded(breaker.began());
    assert.equal(breaker.state, 'closed');
    breaker.trip();
    assert.equal(breaker.waitMs(), 1000);
  });

  it('learns nothing from attempts that began before it opened', () => {
    const { breaker, clock } = open();
    const early = [breaker.began(), breaker.began()];
    breaker.trip();
    breaker.failed(early[0]);
    breaker.trip(early[0]);
    assert.equal(breaker.waitMs(), 1000);
    clock.advance(1000);
    assert.equal(breaker.state, 'half-open');
    breaker.succeeded(early[0]);
    breaker.succeeded(early[1]);
    assert.equal(breaker.state, 'half-open');
    breaker.failed(early[1]);
    assert.equal(breaker.state, 'half-open');
  });

  it('is not stuck by a probe whose outcome never comes', () => {
    const { breaker, clock } = open();
    breaker.trip();
    clock.advance(1000);
    breaker.began();
    assert.equal(breaker.waitMs(), 1000);
    clock.advance(1000);
    assert.ok(breaker.allows());
  });
});
