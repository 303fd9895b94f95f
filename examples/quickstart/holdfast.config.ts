// What comes in, and how it is known to be genuine. Data, no application code.
// `npx holdfast doctor` checks it; the settings are in docs/reference/configuration.md.
import { defineConfig, secret } from 'holdfast';
import { hmac } from 'holdfast/verify';

export default defineConfig({
  // Committed here before it is acknowledged. `memory:` for trying things out: nothing survives the process.
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
