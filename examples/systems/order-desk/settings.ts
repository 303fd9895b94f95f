/** What the desk is told by its environment. The token of the bots, `ORDER_BOT_TOKENS`, is read by Holdfast. */
import { z } from 'zod';

const settings = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().default(8001),
  /** Of the desk's own table, and of Holdfast's file beside it. */
  DATA_DIRECTORY: z.string().default('data'),
  /** There has to be one: orders have customers' addresses in them. */
  DESK_PASSWORD: z.string().min(1),
  /** Before the second attempt; the third and the fourth wait up to twice and four times as long. */
  RETRY_BASE: z.string().default('1s'),
});

export type Settings = z.infer<typeof settings>;
export const readSettings = (): Settings => settings.parse(process.env);
