/** A process that pulls hints, says which, and then does nothing until it is killed. Arguments: url, channel, max, visibility. */
import { queueAt } from './queues-harness.ts';

const [, , url = '', channel = '', max = '', visibilityMs = ''] = process.argv;
const queue = queueAt(url, Number(visibilityMs));
await queue.open();
for (;;) {
  const { hints } = await queue.pull({ channels: [channel], max: Number(max), waitMs: 1000 });
  if (hints.length > 0) process.send?.(hints.flatMap(({ ids }) => ids));
}
