import { randomBytes } from 'node:crypto';
import type { System } from '../../../scripts/system.ts';

const token = randomBytes(24).toString('base64url');
const password = randomBytes(9).toString('base64url');

export default {
  about: 'hundreds of Discord-shaped webhooks in seconds, live to the browser: one process, SQLite, nothing else',
  services: {},
  programs: ['main.ts'],
  env: () => ({ ORDER_BOT_TOKENS: token, DESK_PASSWORD: password }),
  look: `
  page      http://127.0.0.1:8001/                (any user, password ${password})
  stats     curl -s -u :${password} http://127.0.0.1:8001/api/v2/webhooks/queue/stats
  bursts    ORDER_BOT_TOKENS=${token} DESK_PASSWORD=${password} npx node --conditions=holdfast-source examples/systems/order-desk/load.ts
`,
} satisfies System;
