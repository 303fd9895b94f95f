/** What the store is and promises, as routes show it. */
import { z } from '@hono/zod-openapi';
import type { StoreReport } from '../store/store.ts';

const texts = z.array(z.string());

/** The whole report. */
export const storeReportShape = z.object({
  driver: z.string(),
  ackMeaning: z.string().openapi({ description: 'What a 2xx of this gateway means.' }),
  durability: z.enum(['none', 'process-crash', 'power-cut']),
  copies: z.number().int().min(0),
  version: z.string().nullable().openapi({ description: 'Of the server, or of the library that keeps the file.' }),
  settings: z.record(z.string(), z.union([z.string(), z.number()])),
  weaker: texts.openapi({ description: 'What is set weaker than an acknowledgement promises; empty: nothing.' }),
  lacking: texts.openapi({ description: 'Rights that the user of the store needs and lacks; empty: none.' }),
  clockAheadMs: z.number().nullable().openapi({
    description: "How far the server's clock was ahead of this machine's at the start; null: it is the same clock.",
  }),
  shared: z.boolean().openapi({ description: 'Whether several processes work on it at once.' }),
  unclean: z.boolean(),
  format: z.number().int().min(0),
});

/** Told without a token, for it is a state: that it runs only because a weaker store was allowed. */
export function weakerOf(report: StoreReport | null): { readonly weakerDurability?: true } {
  return report !== null && report.weaker.length > 0 ? { weakerDurability: true } : {};
}
