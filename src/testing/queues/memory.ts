/** The memory queue on a harness: the specification that the drivers are held to. */
import { queueDrivers } from '../capabilities.ts';
import type { Clock } from '../../core/clock.ts';
import { MemoryBroker, memoryQueue } from '../../queue/memory.ts';
import type { QueueHarness } from './harness.ts';

const VISIBILITY_MS = 60;

/** The real time, with timers that keep a test's process alive: nothing else does, where everything is in memory. */
const clock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delayMs, run) => {
    const timer = setTimeout(run, Math.max(0, delayMs));
    return { cancel: () => clearTimeout(timer) };
  },
};

/** A fresh broker in memory. */
export async function memoryQueueHarness(): Promise<QueueHarness> {
  const broker = new MemoryBroker();
  return {
    capabilities: queueDrivers.memory,
    visibilityMs: VISIBILITY_MS,
    make: (visibilityMs) => memoryQueue({ clock, broker, visibilityMs }),
    dieHolding: async ({ channel, max, visibilityMs }) => {
      const mortal = memoryQueue({ clock, broker, visibilityMs });
      const { hints } = await mortal.pull({ channels: [channel], max, waitMs: 0 });
      return hints.flatMap(({ ids }) => ids);
    },
    litter: async (channel, bytes) => broker.add(channel, bytes),
    wipe: async () => broker.wipe(),
    kill: async () => broker.stop(),
    start: async () => broker.start(),
    dispose: async () => undefined,
  };
}
