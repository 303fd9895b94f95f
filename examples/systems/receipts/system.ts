import type { System } from '../../../scripts/system.ts';
import { DEMO } from './demo.ts';

const system: System = {
  about: 'millions of delivery receipts, written in batches, each counted once',
  services: { postgres: 'DATABASE_URL', nats: 'NATS_URL' },
  programs: ['web.ts', 'worker.ts'],
  env: ({ NATS_URL = '' }) => ({
    NATS_URL: NATS_URL.includes('?') ? NATS_URL : `${NATS_URL}?stream=webhooks&subject=webhook.hints&maxBytes=1GiB`,
    TELNYX_WEBHOOK_SECRET: DEMO.telnyxPublicKey,
    RESEND_WEBHOOK_SECRET: DEMO.resendSecret,
    HOLDFAST_ADMIN_TOKEN: 'demo',
  }),
  look: `
  figures   curl -s -H 'authorization: Bearer demo' http://127.0.0.1:6001/metrics
  queue     curl -s -H 'authorization: Bearer demo' http://127.0.0.1:6001/api/queues/stats
  load      ORIGIN=http://127.0.0.1:8080 RATE=500 npx node --conditions=holdfast-source examples/systems/receipts/load.ts 5000
`,
};
export default system;
