/** The one place that picks a queue. Drivers load when they are picked, so that their clients are optional. */
import type { Clock } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import { Broker } from '../dispatch/broker.ts';
import type { Role } from '../dispatch/dispatcher.ts';
import { HoldfastError } from '../errors.ts';
import type { Queue } from '../queue/queue.ts';
import type { Settings } from '../settings.ts';
import type { StoreReport } from '../store/store.ts';

/** The queue that a setting names; `null` for none. @throws HoldfastError config_invalid */
export async function makeQueue(url: string | null, clock: Clock): Promise<Queue | null> {
  if (url === null) return null;
  switch (url.slice(0, Math.max(0, url.indexOf(':')))) {
    case 'redis':
    case 'rediss':
      return (await import('../queue/redis/index.ts')).redisQueue({ url, clock });
    case 'nats':
      return (await import('../queue/nats/index.ts')).natsQueue({ url, clock });
    case 'sqs':
      return (await import('../queue/sqs/index.ts')).sqsQueue({ url, clock });
    default: {
      const detail = `queue: expected redis://…, nats://… or sqs://…, got '${url.split(':')[0]}:…'.`;
      throw new HoldfastError('config_invalid', { detail });
    }
  }
}

/** What this process does. @throws HoldfastError config_invalid */
export function roleOf(text: string): Role {
  if (text === 'all' || text === 'gateway' || text === 'worker') return text;
  throw new HoldfastError('config_invalid', { detail: `role: expected all, gateway or worker, got '${text}'.` });
}

/** Opens the queue of the settings, where they name one. @throws HoldfastError config_invalid, client_missing, queue_unfit */
export async function openBroker(
  { queue: url, role }: Settings,
  report: StoreReport,
  parts: { readonly clock: Clock; readonly observer: Observer },
): Promise<Broker | null> {
  const asked = url === null ? (roleOf(role) === 'all' ? null : 'role') : 'queue';
  if (asked !== null && !report.shared) {
    const detail = `${asked}: the store ${report.driver} belongs to one process; several need postgres://… or mongodb://…`;
    throw new HoldfastError('config_invalid', { detail });
  }
  const queue = await makeQueue(url, parts.clock);
  if (queue === null) return null;
  const broker = new Broker({ queue, ...parts });
  await broker.open();
  return broker;
}
