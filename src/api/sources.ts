/** Sources, as they are set: never with a secret. */
import { z } from '@hono/zod-openapi';
import { jsonRoute, type Route } from './route.ts';

export const sources = jsonRoute({
  method: 'get',
  path: '/api/sources',
  group: 'sources',
  scope: 'read',
  summary: 'Lists the sources: path, how requests are verified, mode.',
  answer: z.object({
    rows: z.array(
      z
        .object({
          name: z.string(),
          path: z.string(),
          verifier: z.string(),
          proves: z.boolean().openapi({ description: 'false: anybody may send.' }),
          mode: z.enum(['queued', 'sync']),
          responders: z.array(z.string()),
          methods: z.array(z.string()),
          dedupeWindowMs: z.number(),
          splits: z.boolean(),
        })
        .openapi('Source'),
    ),
  }),
  handle: (_given, { port }) => ({ rows: port.sources() }),
});

export const sourceRoutes: readonly Route[] = [sources];
