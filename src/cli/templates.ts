/** The files that `init` writes; examples/quickstart/ is the same, and a test holds the two together. */

const config = `// What comes in, and how it is known to be genuine. Data, no application code.
// \`npx holdfast doctor\` checks it; the settings are in docs/reference/configuration.md.
import { defineConfig, secret } from 'holdfast';
import { hmac } from 'holdfast/verify';

export default defineConfig({
  // Committed here before it is acknowledged. \`memory:\` for trying things out: nothing survives the process.
  store: 'sqlite:./data/holdfast.db',

  sources: {
    // POST /in/orders, with the HMAC-SHA256 of the body, in hex, in the header x-signature. The secret comes from the
    // environment or the .env beside this file; while it is rotated, both with a comma between them.
    orders: {
      verify: hmac({ header: 'x-signature', secrets: secret('ORDERS_SECRET') }),
      type: 'body.type',
      // A repeat within seven days is recognised and not processed again.
      dedupeKey: 'body.id',
      // Events of one customer are handled one after the other.
      orderKey: 'body.customer',
    },
  },

  // Registers what is done with them.
  handlers: './src/handlers.ts',
});
`;

const handlers = `// What is done with what comes in. A handler returns: done. It throws: tried again by its retry policy, and a dead letter
// in the end. Handlers may see an event twice after a crash: make them idempotent by event.id.
import { exponential, type Gateway, Reject } from 'holdfast';
import type config from '../holdfast.config.ts';

/** What an order webhook holds. To have it checked, give the source a \`body\` schema in the config. */
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
    process.stderr.write(\`invoice requested: \${event.text()}\\n\`);
  });
}
`;

/** By path, relative to where \`init\` runs. */
export const initFiles: Readonly<Record<string, string>> = {
  'holdfast.config.ts': config,
  'src/handlers.ts': handlers,
};
