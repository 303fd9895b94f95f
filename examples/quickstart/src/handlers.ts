// What is done with what comes in. A handler returns: done. It throws: tried again by its retry policy, and a dead letter
// in the end. Handlers may see an event twice after a crash: make them idempotent by event.id.
import { exponential, type Gateway, Reject } from 'holdfast';
import type config from '../holdfast.config.ts';

/** What an order webhook holds. To have it checked, give the source a `body` schema in the config. */
interface Order {
  readonly id: string;
  readonly customer: string;
}

export default function handlers(gateway: Gateway<typeof config>): void {
  gateway.handle(
    'billing',
    { from: 'orders', types: ['order.*'], retry: exponential({ maxAttempts: 5, base: '5s' }) },
    async (event, { emit }) => {
      const order = event.body as Order;
      // A dead letter at once: trying again cannot help.
      if (order.customer === '') throw new Reject('an order without a customer');
      // Committed together with the success of this handler, or not at all.
      await emit('invoice.requested', { order: order.id, customer: order.customer });
    },
  );

  gateway.handle('invoices', { from: 'emitted', types: ['invoice.requested'] }, (event) => {
    process.stderr.write(`invoice requested: ${event.text()}\n`);
  });
}
