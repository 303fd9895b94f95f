/** What the desk is told by its environment. The token of the bots, `ORDER_BOT_TOKENS`, is read by Holdfast. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

export type Settings = ReturnType<typeof readSettings>;

/** @throws Error when there is no password: orders have customers' addresses in them */
export function readSettings({
  HOST,
  PORT,
  DATA_DIRECTORY = 'data',
  DESK_PASSWORD = '',
  RETRY_BASE,
}: NodeJS.ProcessEnv) {
  if (DESK_PASSWORD === '') throw new Error('DESK_PASSWORD is not set.');
  mkdirSync(DATA_DIRECTORY, { recursive: true, mode: 0o700 });
  return {
    host: HOST ?? '127.0.0.1',
    port: Number(PORT ?? 8001),
    /** The desk's own table; Holdfast has a file of its own beside it. */
    ordersFile: join(DATA_DIRECTORY, 'orders.db'),
    storeFile: join(DATA_DIRECTORY, 'holdfast.db'),
    password: DESK_PASSWORD,
    /** Before the second attempt; the third and the fourth wait up to twice and four times as long. */
    retryBase: RETRY_BASE ?? '1s',
  };
}
