import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AdaptiveConcurrency } from './concurrency.ts';

const calm = { waiting: 0, lagMs: 0, running: 0 };

describe('adaptive concurrency', () => {
  it('grows by half while work waits too long, up to its maximum', () => {
    const concurrency = new AdaptiveConcurrency({ min: 1, max: 10 });
    const limits = [1, 2, 3, 4, 5, 6, 7].map(() =>
      concurrency.adapt({ waiting: 100, lagMs: 5000, running: concurrency.limit }),
    );
    assert.deepEqual(limits, [2, 3, 4, 6, 9, 10, 10]);
  });

  it('grows while the lag falls, as long as that would take minutes', () => {
    const concurrency = new AdaptiveConcurrency({ min: 1, max: 10 });
    for (let lagMs = 3_600_000; concurrency.limit < 10; lagMs -= 9000) {
      assert.ok(lagMs > 3_500_000, 'worked off by one, with nine idle');
      concurrency.adapt({ waiting: 100, lagMs, running: concurrency.limit });
    }
  });

  it('holds while the lag falls and is over soon, is short, or slots are free', () => {
    const concurrency = new AdaptiveConcurrency({ min: 2, max: 10 });
    concurrency.adapt({ waiting: 100, lagMs: 5000, running: 2 });
    assert.equal(concurrency.limit, 3);
    assert.equal(concurrency.adapt({ waiting: 90, lagMs: 4000, running: 3 }), 3);
    assert.equal(concurrency.adapt({ waiting: 10, lagMs: 400, running: 3 }), 3);
    assert.equal(concurrency.adapt({ waiting: 10, lagMs: 5000, running: 2 }), 3);
  });

  it('shrinks one by one to its minimum, each after a while of calm', () => {
    const concurrency = new AdaptiveConcurrency({ min: 1, max: 3 });
    for (let look = 0; look < 3; look++) concurrency.adapt({ waiting: 9, lagMs: 5000, running: concurrency.limit });
    const limits = Array.from({ length: 12 }, () => concurrency.adapt(calm));
    assert.deepEqual(limits, [3, 3, 3, 3, 2, 2, 2, 2, 2, 1, 1, 1]);
  });

  it('begins the while anew when work comes between', () => {
    const concurrency = new AdaptiveConcurrency({ min: 1, max: 2 });
    concurrency.adapt({ waiting: 9, lagMs: 5000, running: 1 });
    for (let look = 0; look < 4; look++) concurrency.adapt(calm);
    concurrency.adapt({ waiting: 1, lagMs: 10, running: 2 });
    for (let look = 0; look < 4; look++) assert.equal(concurrency.adapt(calm), 2);
  });

  it('is a fixed number when both bounds are the same', () => {
    const concurrency = new AdaptiveConcurrency({ min: 4, max: 4 });
    assert.equal(concurrency.adapt({ waiting: 100, lagMs: 60_000, running: 4 }), 4);
    for (let look = 0; look < 20; look++) assert.equal(concurrency.adapt(calm), 4);
  });
});
