import { randomBytes } from 'node:crypto';
import type { System } from '../../../scripts/system.ts';

const token = `hf_${randomBytes(24).toString('base64url')}`;

export default {
  about: 'typed events, five queues, and signed webhooks to merchants: Fastify, PostgreSQL, Redis',
  services: { postgres: 'DATABASE_URL', redis: 'REDIS_URL' },
  programs: ['api.ts', 'worker.ts', 'worker.ts'],
  env: ({ REDIS_URL = '' }) => ({
    QUEUE_DRIVER: 'redis',
    REDIS_HOST: new URL(REDIS_URL).hostname,
    REDIS_PORT: new URL(REDIS_URL).port,
    // The API takes requests and leaves the work to the workers, which say so of themselves.
    ROLE: 'gateway',
    HOLDFAST_ADMIN_TOKEN: token,
    HOLDFAST_ENCRYPTION_KEYS: randomBytes(32).toString('base64'),
    HOLDFAST_EGRESS_ALLOW: '127.0.0.1', // merchants of a demonstration are on this machine
  }),
  look: `
  health     curl -s http://127.0.0.1:3000/health
  queues     curl -s -H 'authorization: Bearer ${token}' http://127.0.0.1:3000/api/queues/stats
  load       OPERATOR_TOKEN=${token} npx node --conditions=holdfast-source examples/systems/payments/load.ts
`,
} satisfies System;
