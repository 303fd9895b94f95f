/** What the desk is told by its environment. The token of the bots, `ORDER_BOT_TOKENS`, is read by Holdfast. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

export interface Settings {
  readonly host: string;
  readonly port: number;
  /** The desk's own table; Holdfast has a file of its own beside it. */
  readonly ordersFile: string;
  readonly storeFile: string;
  /** Opens the page and the queue's routes, for any user name. */
  readonly password: string;
  /** Before the second attempt; the third and the fourth wait twice and four times as long. */
  readonly retryBase: string;
}

/** @throws Error when there is no password: orders have customers' addresses in them */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const { HOST, PORT, DATA_DIRECTORY = 'data', DESK_PASSWORD, RETRY_BASE } = environment;
  if (DESK_PASSWORD === undefined || DESK_PASSWORD === '') throw new Error('DESK_PASSWORD is not set.');
  mkdirSync(DATA_DIRECTORY, { recursive: true, mode: 0o700 });
  return {
    host: HOST ?? '127.0.0.1',
    port: Number(PORT ?? 8001),
    ordersFile: join(DATA_DIRECTORY, 'orders.db'),
    storeFile: join(DATA_DIRECTORY, 'holdfast.db'),
    password: DESK_PASSWORD,
    retryBase: RETRY_BASE ?? '1s',
  };
}
