/** The spool of this gateway: what it keeps while the store takes no commits. */
import { z } from '@hono/zod-openapi';
import type { SpoolState } from '../commit/spool/state.ts';
import { HoldfastError } from '../errors.ts';
import { jsonRoute, type Route } from './route.ts';
import { isoTime, isoTimeOrNull, time } from './schema.ts';

const count = z.number().int();

export const spoolShape = z.object({
  mode: z.enum(['idle', 'spooling', 'draining']).openapi({
    description: 'idle: empty, commits go to the store; spooling: the store takes none; draining: it does again.',
  }),
  since: time.nullable(),
  events: count,
  appends: count.openapi({ description: 'Requests and emits that brought them.' }),
  bytes: count,
  bytesMax: count,
  oldestAt: time.nullable(),
  aside: count.openapi({ description: 'Acknowledged, but refused by the store: kept until a person looks.' }),
  refuses: z.string().nullable().openapi({ description: 'Why it takes nothing more for now.' }),
});

/** The spool, as it is shown. */
export function showSpool(state: SpoolState): z.output<typeof spoolShape> {
  const { mode, events, appends, bytes, bytesMax, aside, refuses } = state;
  const times = { since: isoTimeOrNull(state.since), oldestAt: isoTimeOrNull(state.oldestAt) };
  return { mode, events, appends, bytes, bytesMax, aside, refuses, ...times };
}

/** `GET /api/spool`, and what `holdfast spool status` prints. */
export const spoolDetailShape = spoolShape.extend({
  totals: z
    .object({ spooled: count, drained: count, aliases: count, differing: count })
    .openapi({ description: 'Events since the process started; aliases and differing are repeats found late.' }),
  asideRows: z.array(
    z.object({ place: count, eventIds: z.array(z.string()), spooledAt: time, asideAt: time, reason: z.string() }),
  ),
});

const spool = jsonRoute({
  method: 'get',
  path: '/api/spool',
  group: 'queues',
  scope: 'read',
  summary: 'Shows what this gateway keeps on its own disk while the store takes no commits.',
  answer: spoolDetailShape,
  errors: ['not_found'],
  async handle(_given, { port }): Promise<z.output<typeof spoolDetailShape>> {
    const given = port.spool();
    if (given === null) throw new HoldfastError('not_found', { detail: 'This gateway has no spool.' });
    const state = given.state();
    const rows = (await given.aside()).map(({ spooledAt, asideAt, eventIds, ...row }) => {
      return { ...row, eventIds: [...eventIds], spooledAt: isoTime(spooledAt), asideAt: isoTime(asideAt) };
    });
    return { ...showSpool(state), totals: state.totals, asideRows: rows };
  },
});

export const spoolRoutes: readonly Route[] = [spool];
