/** What `doctor` looks at in the queue: whether it is there, and whether what is there can carry hints. */
import { handlerChannel } from '../queue/hints.ts';
import type { Queue, QueueReport } from '../queue/queue.ts';
import { systemClock } from '../gateway/clock.ts';
import { makeQueue } from '../gateway/queues.ts';
import { failed, type Finding } from './finding.ts';
import type { Setup } from './locate.ts';

/** Nobody's but the doctor's. */
const CHANNEL = handlerChannel('doctor');
const WAIT_MS = 2_000;

/**
 * Opens the queue of the settings as a gateway would, and carries a hint through a channel of its own: so it is known that
 * the user may push, pull and acknowledge, and what the broker refuses is said in its words. No finding where none is set.
 */
export async function checkQueue({ settings }: Setup): Promise<readonly Finding[]> {
  let queue: Queue | null = null;
  try {
    queue = await makeQueue(settings.queue, systemClock);
    if (queue === null) return [];
    const report = await queue.open();
    await queue.push([{ channel: CHANNEL, ids: [`dlv_${'0'.repeat(26)}`] }]);
    const { hints } = await queue.pull({ channels: [CHANNEL], max: 10, waitMs: WAIT_MS });
    await queue.ack(hints.map(({ receipt }) => receipt));
    return findingsOf(report, hints.length);
  } catch (error) {
    const action = 'Webhooks are accepted without it; workers find what is ready by looking.';
    return [{ action, ...failed('queue', error) }];
  } finally {
    await queue?.close();
  }
}

function findingsOf({ driver, place, settings, warnings }: QueueReport, carried: number): readonly Finding[] {
  const shown = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return [
    { check: 'queue', state: 'ok', text: `${driver} ${place} (${shown.join(', ')})` },
    carried > 0
      ? { check: 'rights', state: 'ok', text: 'the user of the queue may push, pull and acknowledge' }
      : { check: 'queue', state: 'warn', text: `a hint was pushed and did not come back within ${WAIT_MS} ms` },
    { check: 'queue', state: 'ok', text: 'carries hints only: an acknowledgement means what the store says' },
    ...warnings.map((text): Finding => ({ check: 'queue', state: 'warn', text })),
  ];
}
