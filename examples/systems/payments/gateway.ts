/** Holdfast in this application: where events are committed, and the five queues that work them off. */
import { createGateway, defineConfig, type Duration, exponential, type Gateway, never, Reject } from 'holdfast';
import { drivers } from './drivers.ts';
import { emits } from './events.ts';
import type { Rows } from './rows.ts';

const { env } = process;

const configOf = (role: string) => defineConfig({ ...drivers(), role, sources: {}, emits });

export type Payments = Gateway<ReturnType<typeof configOf>>;

const base = (env['RETRY_BASE'] ?? '5s') as Duration;
const openMs = Number(env['BREAKER_OPEN_MS'] ?? 30_000);
const unpaidMs = Number(env['UNPAID_MS'] ?? 30 * 60_000);
const KEPT_MS = 30 * 86_400_000;

export function makeGateway(rows: Rows, role = 'all'): Payments {
  const gateway = createGateway(configOf(role));

  // #region delivery
  // One queue to whoever operates this; to dispatch, a lane for each endpoint of each merchant.
  gateway.endpoints('webhook-delivery', {
    types: ['webhook.*'], // nothing else leaves, whatever a merchant asks for
    retry: exponential({ maxAttempts: 5, base }),
    priority: 'high',
    concurrency: 3,
    breaker: { failures: 5, openMs },
  });
  // #endregion

  // #region database
  gateway.handle(
    'database-events',
    {
      from: 'emitted',
      types: [
        'customer.created',
        'customer.updated',
        'order.created',
        'order.updated',
        'transaction.created',
        'refund.created',
      ],
      retry: exponential({ maxAttempts: 2, base }),
      priority: 'critical',
      concurrency: 2,
    },
    async (event, context) => {
      await context.emit(`webhook.${event.type}`, webhookOf(event), { orderKey: event.orderKey ?? event.id });
      if (event.type !== 'order.created') return;
      const at = event.receivedAt.getTime() + unpaidMs;
      await context.emit('cleanup.order', { order: event.body.id }, { at, dedupeKey: event.body.id });
    },
  );
  // #endregion

  gateway.handle(
    'payment-events',
    {
      from: 'emitted',
      types: ['payment.succeeded', 'payment.failed', 'payment.captured', 'payment.voided', 'payment.refunded'],
      retry: exponential({ maxAttempts: 3, base }),
      priority: 'high',
      concurrency: 2,
    },
    async (event, context) => {
      const { order, status } = event.body;
      await rows.settle(merchantOf(event), order, status);
      await context.emit(`webhook.${event.type}`, webhookOf(event), { orderKey: event.orderKey ?? event.id });
    },
  );

  notifications(gateway);

  cleanup(gateway, rows);
  return gateway;
}

/** What is done later, and what is done every hour. */
function cleanup(gateway: Payments, rows: Rows): void {
  // #region cleanup
  gateway.every('hourly-cleanup', {
    period: '1h',
    type: 'cleanup.due',
    body: (dueAt) => ({ before: new Date(dueAt.getTime() - KEPT_MS).toISOString() }),
  });
  gateway.handle(
    'cleanup-jobs',
    {
      from: 'emitted',
      types: ['cleanup.order', 'cleanup.due'],
      retry: exponential({ base }),
      priority: 'low',
      concurrency: 1,
    },
    async (event) => {
      if ('order' in event.body) await rows.settle(merchantOf(event), event.body.order, 'expired');
      else await rows.forget(new Date(event.body.before));
    },
  );
  // #endregion
}

/** To the provider that sends mail, SMS and push, where there is one; else to the log. */
function notifications(gateway: Payments): void {
  const types = ['notification.*'];
  const url = env['NOTIFICATIONS_URL'];
  if (url !== undefined) {
    gateway.endpoint('notification-events', { from: 'emitted', types, url, retry: exponential({ base }) });
    return;
  }
  gateway.handle('notification-events', { from: 'emitted', types, retry: never() }, (event) => {
    console.log(`${event.type} of ${event.tenant}`);
  });
}

interface Happened {
  readonly type: string;
  readonly tenant: string | null;
  readonly receivedAt: Date;
  readonly body: { readonly id: string; readonly note?: string | undefined };
}

/** What leaves of a row: everything but the merchant's own note. */
function webhookOf({ type, receivedAt, body }: Happened) {
  const { note: _, ...data } = body;
  return { type, occurredAt: receivedAt.toISOString(), data };
}

function merchantOf({ tenant }: { readonly tenant: string | null }): string {
  if (tenant === null) throw new Reject('an event of no merchant');
  return tenant;
}
