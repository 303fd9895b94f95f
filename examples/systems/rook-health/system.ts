/** How `npm run system rook-health` runs it. */
import type { System } from '../../../scripts/system.ts';

export default {
  about: 'bursts of health data for one user, no lost updates: Express, MongoDB, SQS, Redis',
  services: { mongodb: 'MONGODB_URL', sqs: 'SQS_URL', redis: 'REDIS_URL' },
  programs: ['app.ts', 'worker.ts', 'worker.ts'],
  env: () => ({
    ROOK_SECRET_HASH_KEY: process.env['ROOK_SECRET_HASH_KEY'] ?? 'a key for trying out',
    HOLDFAST_ADMIN_TOKEN: process.env['HOLDFAST_ADMIN_TOKEN'] ?? 'a-token-for-trying-out',
    // A single mongod, or what stands in for one, is no replica set: an acknowledged webhook may be lost with its disk.
    HOLDFAST_ALLOW_WEAKER_DURABILITY: 'true',
  }),
  look: `
  page      http://127.0.0.1:8440/api/users/USER/wearables
  bursts    ROOK_SECRET_HASH_KEY='a key for trying out' npx node --conditions=holdfast-source examples/systems/rook-health/load.ts 20
`,
} satisfies System;
