import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentObserver } from '../core/observer.ts';
import { HoldfastError } from '../errors.ts';
import { memoryQueue } from '../queue/memory.ts';
import { QueueError } from '../queue/queue.ts';
import { TestClock } from '../testing/clock.ts';
import { Broker } from './broker.ts';

test('a broker that came late and unfit is used once somebody has put it right', async () => {
  const clock = new TestClock();
  const queue = memoryQueue({ clock });
  const open = queue.open.bind(queue);
  const failures = [
    new QueueError('connection refused'),
    new HoldfastError('queue_unfit', { detail: 'Stream HOLDFAST: it is sealed.' }),
  ];
  queue.open = async () => {
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
    return open();
  };
  const broker = new Broker({ queue, clock, observer: silentObserver });
  await broker.open();
  assert.equal(broker.state.reason, 'connection refused');
  await clock.advanceSlowly(1000);
  assert.match(broker.state.reason ?? '', /it is sealed/);
  await clock.advanceSlowly(1000);
  assert.equal(broker.state.state, 'operational');
  await broker.close();
});
