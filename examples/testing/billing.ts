/** A config and a handler, as an application has them, and as `billing.test.ts` tests them. */
import { defineConfig, exponential, type Gateway, RetryLater, secret, Skip } from 'holdfast';
import { hmac } from 'holdfast/verify';

export const config = defineConfig({
  sources: {
    shop: {
      verify: hmac({ header: 'x-signature', secrets: secret('SHOP_SECRET') }),
      type: 'body.event',
      dedupeKey: 'body.id',
      orderKey: 'body.customer',
    },
  },
});

export interface Billing {
  charge(customer: string, amount: number): Promise<'charged' | 'busy'>;
}

/** Registers what a gateway of this config does; the billing service is passed in, so that a test can stand in for it. */
export function register(gateway: Gateway<typeof config>, billing: Billing): void {
  gateway.handle(
    'billing',
    { from: 'shop', types: ['order.created'], retry: exponential({ maxAttempts: 3, base: '10s', jitter: 'none' }) },
    async (event, context) => {
      const { customer, amount } = event.body as { customer: string; amount: number };
      if (amount === 0) throw new Skip('nothing to charge');
      if ((await billing.charge(customer, amount)) === 'busy') throw new RetryLater('1m', 'billing is busy');
      await context.emit('order.charged', { customer, amount });
    },
  );
  gateway.handle('receipts', { from: 'emitted', types: ['order.charged'] }, () => undefined);
}
