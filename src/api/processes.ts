/** The processes that work on one store. */
import { z } from '@hono/zod-openapi';
import { jsonRoute, type Route } from './route.ts';
import { isoTime, time } from './schema.ts';

const list = jsonRoute({
  method: 'get',
  path: '/api/processes',
  group: 'processes',
  scope: 'read',
  summary: 'Lists the processes that work on the store, the oldest first; with an embedded store just this one.',
  answer: z.object({
    releases: z
      .array(z.string())
      .openapi({ description: 'Versions that run now; more than one: an upgrade is under way.' }),
    rows: z.array(
      z
        .object({
          id: z.string(),
          self: z.boolean().openapi({ description: 'The one that answers.' }),
          host: z.string(),
          pid: z.number().int(),
          role: z.string(),
          release: z.string(),
          startedAt: time,
          ageMs: z.number().int(),
          seenMsAgo: z.number().int().openapi({ description: 'Time since the one that answers saw that it lives.' }),
          attempts: z.boolean().openapi({ description: 'It takes a part of what endpoints may have.' }),
          runs: z.array(z.string()).openapi({ description: 'Destinations of its own code and config.' }),
        })
        .openapi('Process'),
    ),
  }),
  handle(_given, { port, now }) {
    const members = port.processes();
    const releases = [...new Set(members.map(({ release }) => release))].toSorted();
    const rows = members.map((member) => ({
      ...member,
      runs: [...member.runs],
      startedAt: isoTime(member.startedAt),
      ageMs: Math.max(0, now() - member.startedAt),
      seenMsAgo: Math.round(member.seenMsAgo),
    }));
    return { releases, rows };
  },
});

export const processRoutes: readonly Route[] = [list];
