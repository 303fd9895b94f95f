/** The catalogue of what the application emits. */
import { z } from '@hono/zod-openapi';
import { jsonRoute, type Route } from './route.ts';

const list = jsonRoute({
  method: 'get',
  path: '/api/event-types',
  group: 'events',
  scope: ['read', 'emit', 'endpoints'],
  tenants: true,
  summary: 'Lists the types of events that the application emits.',
  answer: z.object({
    strict: z.boolean().openapi({ description: 'true: a type that is not listed cannot be emitted.' }),
    rows: z.array(
      z
        .object({
          type: z.string().openapi({ description: 'With * at its end: every type that begins so.' }),
          description: z.string().nullable(),
          schema: z
            .record(z.string(), z.unknown())
            .nullable()
            .openapi({ description: 'JSON Schema of the body, where it is known.' }),
        })
        .openapi('EventType'),
    ),
  }),
  handle(_given, { port }) {
    const types = port.eventTypes();
    return { strict: types !== null, rows: types ?? [] };
  },
});

export const eventTypeRoutes: readonly Route[] = [list];
