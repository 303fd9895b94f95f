/** Webhooks in, orders in the table: the part that Holdfast does. */
import { createGateway, exponential, secret } from 'holdfast';
import { anyOf, refract } from 'holdfast/verify';
import { message } from './message.ts';
import type { Settings } from './settings.ts';

export const WEBHOOKS = '/api/v2/webhooks';

// #region gateway
/** `changed` is called after orders were written, or something else became of what came in. */
export function makeGateway({ DATA_DIRECTORY, RETRY_BASE }: Settings, changed: () => void) {
  const secrets = secret('ORDER_BOT_TOKENS');
  const bot = {
    path: `${WEBHOOKS}/orders`,
    verify: anyOf(refract({ header: 'x-webhook-token', secrets }), refract({ path: true, secrets })),
    body: message,
    routeUnfit: true, // to be a dead letter that says why, instead of an event that is owed to nobody
  };
  const gateway = createGateway(
    { store: 'sqlite:holdfast.db', bodyBytesMax: '256KiB', alertBacklog: 10_000, sources: { bot } },
    { directory: DATA_DIRECTORY, observer: { attemptEnded: changed } },
  );
  gateway.handleBatch('orders', {
    from: 'bot',
    run: 'thread',
    module: new URL('writer.ts', import.meta.url),
    concurrency: { min: 1, max: 10 },
    size: 25, // one flush to the disk for as many
    within: '20ms',
    retry: exponential({ maxAttempts: 4, base: RETRY_BASE }),
    breaker: { openMs: 1000 },
  });
  return gateway;
}
// #endregion
