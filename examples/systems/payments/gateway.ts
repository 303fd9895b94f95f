/** Holdfast in this application: where events are committed, and the five queues that work them off. */
import { createGateway, defineConfig, type Duration, exponential, type Gateway, type HandlerEvent } from 'holdfast';
import { drivers } from './drivers.ts';
import { emits } from './events.ts';
import type { Rows } from './rows.ts';

const { env } = process;

const configOf = (role: string) => defineConfig({ ...drivers(), role, sources: {}, emits });

export type Payments = Gateway<ReturnType<typeof configOf>>;

const base = (env['RETRY_BASE'] ?? '5s') as Duration;
const attempts = (maxAttempts: number) => exponential({ maxAttempts, base });
const openMs = Number(env['BREAKER_OPEN_MS'] ?? 30_000);
const unpaidMs = Number(env['UNPAID_MS'] ?? 30 * 60_000);
const KEPT_MS = 30 * 86_400_000;

export function makeGateway(rows: Rows, role = 'all'): Payments {
  const gateway = createGateway(configOf(role));

  // #region delivery
  // One queue to whoever operates this; to dispatch, a lane for each endpoint of each merchant.
  gateway.endpoints('webhook-delivery', {
    types: ['webhook.*'], // nothing else leaves, whatever a merchant asks for
    retry: attempts(5),
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
      types: ['customer.*', 'order.*', 'transaction.*', 'refund.*'],
      retry: attempts(2),
      priority: 'critical',
      concurrency: 2,
    },
    async (event, { emit }) => {
      await emit(`webhook.${event.type}`, webhookOf(event), { orderKey: event.orderKey ?? event.id });
      if (event.type !== 'order.created') return;
      const at = event.receivedAt.getTime() + unpaidMs;
      await emit('cleanup.order', { order: event.body.id }, { at, dedupeKey: event.body.id });
    },
  );
  // #endregion

  gateway.handle(
    'payment-events',
    { from: 'emitted', types: ['payment.*'], retry: attempts(3), priority: 'high', concurrency: 2 },
    async (event, { emit }) => {
      await rows.settle(event.tenant, event.body.order, event.body.status);
      await emit(`webhook.${event.type}`, webhookOf(event), { orderKey: event.orderKey ?? event.id });
    },
  );

  // To the provider that sends mail, SMS and push, where there is one; else to the log.
  const notices = { from: 'emitted', types: ['notification.*'], retry: attempts(5) } as const;
  const url = env['NOTIFICATIONS_URL'];
  if (url !== undefined) gateway.endpoint('notification-events', { ...notices, url });
  else gateway.handle('notification-events', notices, ({ type, tenant }) => console.log(`${type} of ${tenant}`));

  // #region cleanup
  // What is done later, and what is done every hour.
  gateway.every('hourly-cleanup', {
    period: '1h',
    type: 'cleanup.due',
    body: (dueAt) => ({ before: new Date(dueAt.getTime() - KEPT_MS).toISOString() }),
  });
  gateway.handle(
    'cleanup-jobs',
    { from: 'emitted', types: ['cleanup.*'], retry: attempts(5), priority: 'low', concurrency: 1 },
    async ({ tenant, body }) => {
      if ('order' in body) await rows.settle(tenant, body.order, 'expired');
      else await rows.forget(new Date(body.before));
    },
  );
  // #endregion
  return gateway;
}

/** What leaves of a row: everything but the merchant's own note. */
function webhookOf(event: HandlerEvent<{ readonly id: string; readonly note?: string | undefined }>) {
  const { note: _, ...data } = event.body;
  return { type: event.type, occurredAt: event.receivedAt.toISOString(), data };
}
