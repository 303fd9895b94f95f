import { defineConfig, secret } from 'holdfast';
import { standardWebhooks } from 'holdfast/verify';

export default defineConfig({
  sources: { orders: standardWebhooks({ secrets: secret('ORDERS_SECRET') }) }, // POST /in/orders
  handlers: './handlers.ts',
});
