/** What both programs share: where webhooks come from, where they are kept, what tells workers of them. */
import { defineConfig, type Gateway } from 'holdfast';
import { rook } from 'holdfast/verify';
import type { RookDocument } from './transforms.ts';

/** @throws Error naming the variable that is not set */
export function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`Set ${name}.`);
  return value;
}

// #region config
export const configOf = (role: 'gateway' | 'worker') =>
  defineConfig({
    role,
    store: setting('MONGODB_URL'),
    queue: queueUrl(),
    leaseMs: '60s', // a worker that has been silent for so long is dead: others take over what it had
    sources: {
      rook: {
        path: '/api/webhooks/rook/health-data',
        verify: rook<RookDocument>(), // X-ROOK-HASH, with ROOK_SECRET_HASH_KEY; its order key is the user
        tenant: 'body.user_id', // whose data it is: lists and replays can ask for one user
      },
    },
  });

export type HealthGateway = Gateway<ReturnType<typeof configOf>>;

function queueUrl(): string {
  const url = new URL(setting('SQS_URL'));
  url.searchParams.set('visibility', '60s');
  url.searchParams.set('retention', '4d');
  return url.href;
}
// #endregion
