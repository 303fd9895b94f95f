/**
 * What the brokers cost: hints and ids a second, pushed, pulled and acknowledged by one process, and the bytes that a
 * waiting hint takes.
 *
 *   node --conditions=holdfast-source bench/queues.ts [--hints 20000] [redis] [nats] [sqs]
 */
import { parseArgs } from 'node:util';
import { type BrokerName, brokers, bytesOf, channels, hintsOf, pushAll, withBroker } from './fleet/hints.ts';
import { lacks } from './fleet/servers.ts';
import { HINT_IDS_MAX, type Queue } from '../src/queue/queue.ts';
import { machine } from './machine.ts';

const PULL_HINTS = 100;
/** moto is Python and stands in for a service of a data centre: its rates say little, and take long. */
const SQS_SHARE = 0.02;

async function pullAll(queue: Queue, count: number): Promise<number> {
  const begun = performance.now();
  for (let left = count; left > 0;) {
    const { hints } = await queue.pull({ channels, max: PULL_HINTS, waitMs: 1000 });
    await queue.ack(hints.map(({ receipt }) => receipt));
    left -= hints.length;
  }
  return (count / (performance.now() - begun)) * 1000;
}

/** How long from a push to the answer of a pull that waits in another queue object; the median, in ms. */
async function wakeMs(from: Queue, to: Queue): Promise<number> {
  const took: number[] = [];
  for (let turn = 0; turn < 50; turn++) {
    const waiting = to.pull({ channels, max: 1, waitMs: 5000 });
    await to.depth(channels.slice(0, 1));
    const begun = performance.now();
    await from.push(hintsOf(1, 1));
    const { hints } = await waiting;
    took.push(performance.now() - begun);
    await to.ack(hints.map(({ receipt }) => receipt));
  }
  return took.toSorted((a, b) => a - b)[25] ?? 0;
}

async function measure(name: BrokerName, hintsAsked: number): Promise<void> {
  await withBroker(name, async (broker) => {
    const [queue, other] = [await broker.queue(), await broker.queue()];
    await pushAll(queue, hintsOf(channels.length, 1));
    await pullAll(queue, channels.length);
    const count = Math.round(hintsAsked * (name === 'sqs' ? SQS_SHARE : 1));
    for (const idsEach of [1, HINT_IDS_MAX]) {
      const before = await bytesOf(broker);
      const pushed = await pushAll(queue, hintsOf(count, idsEach));
      const bytes = ((await bytesOf(broker)) - before) / count;
      const pulled = await pullAll(queue, count);
      console.log(
        `${name.padEnd(6)} ${String(idsEach).padStart(3)} ids a hint: ${Math.round(pushed)} hints/s pushed, ` +
          `${Math.round(pulled)} hints/s pulled and acknowledged, ${Math.round(bytes)} bytes a waiting hint`,
      );
    }
    console.log(
      `${name.padEnd(6)} ${(await wakeMs(queue, other)).toFixed(1)} ms from a push to a waiting pull (median)`,
    );
  });
}

const { values, positionals } = parseArgs({ options: { hints: { type: 'string' } }, allowPositionals: true });
console.log(machine());
for (const name of brokers) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const lacking = lacks(name);
  if (lacking === null) await measure(name, Number(values.hints ?? 20_000));
  else console.log(`${name}: skipped, ${lacking}`);
}
