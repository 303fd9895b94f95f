/** The gateway that the examples beside this one mount: one source, one handler. */
import { SECRET } from './sender.ts';
// #region gateway
import { createGateway, defineConfig, type Gateway } from 'holdfast';
import { hmac } from 'holdfast/verify';

const config = defineConfig({
  store: 'memory:', // to keep anything: 'sqlite:./data/holdfast.db'
  logLevel: 'error',
  sources: {
    orders: {
      verify: hmac({ header: 'x-signature', secrets: SECRET }), // secret('ORDERS_SECRET') outside of an example
      type: 'body.type',
      dedupeKey: 'body.id',
    },
  },
});

export function makeGateway(): Gateway<typeof config> {
  const gateway = createGateway(config);
  gateway.handle('billing', { from: 'orders' }, (event) => console.log(`billing: ${event.type} ${event.dedupeKey}`));
  return gateway;
}
// #endregion
