/** Bulk replays: planned first, then run in the background after live traffic, cancellable. */
import { z } from '@hono/zod-openapi';
import { HoldfastError } from '../errors.ts';
import type { ReplayFilter, ReplayStatus } from './port.ts';
import { jsonRoute, type Route, Status } from './route.ts';
import { deadReason, given, idOf, isoTimeOrNull, name, text, time, timeOf, when } from './schema.ts';
import { replayShape, showReplay } from './shapes.ts';

const params = z.object({ id: idOf('rpl') });

const filterInput = z.strictObject({
  destination: name.optional(),
  source: name.optional(),
  type: text.optional(),
  tenant: text.optional(),
  since: when.optional(),
  until: when.optional(),
  what: z.enum(['dead', 'all', 'unmatched']).optional().openapi({
    description: 'dead (default): dead letters not resolved; all: every ended delivery; unmatched: events.',
  }),
  reason: deadReason.optional(),
  to: name.optional().openapi({ description: 'Another destination than before.' }),
});

function filterOf(filter: z.output<typeof filterInput>, now: number): ReplayFilter {
  const { since, until, ...rest } = filter;
  return given({ ...rest, since: since && timeOf(since, now), until: until && timeOf(until, now) });
}

const plan = z
  .object({
    count: z.number().int(),
    atLeast: z.boolean().openapi({ description: 'true: counting stopped at its limit.' }),
    byDestination: z.record(z.string(), z.number().int()),
    oldestAt: time.nullable(),
    newestAt: time.nullable(),
  })
  .openapi('ReplayPlan');

const start = jsonRoute({
  method: 'post',
  path: '/api/replays',
  group: 'replays',
  scope: 'admin',
  summary: 'Replays by filter; with dryRun it only says what would be replayed.',
  audit: 'replay.start',
  about:
    'It has everything received up to its start and nothing later, survives restarts, and runs after live traffic.',
  body: z.strictObject({
    filter: filterInput,
    ratePerS: z
      .number()
      .min(0.01)
      .max(10_000)
      .optional()
      .openapi({ description: 'Deliveries made per second; default 100.' }),
    dryRun: z.boolean().default(false),
  }),
  answer: z.object({ plan: plan.nullable(), replay: replayShape.nullable() }),
  statuses: [202, 200],
  errors: ['destination_unknown'],
  async handle({ body }, { port, now, by, changed }) {
    const filter = filterOf(body.filter, now());
    if (body.dryRun) {
      changed(null);
      const { oldestAt, newestAt, ...planned } = await port.planReplay(filter);
      return {
        plan: { ...planned, oldestAt: isoTimeOrNull(oldestAt), newestAt: isoTimeOrNull(newestAt) },
        replay: null,
      };
    }
    const replay = await port.startReplay({ filter, by, ...given({ ratePerS: body.ratePerS }) });
    changed({ target: replay.id, note: `planned ${replay.planned}`, after: showReplay(replay) });
    return new Status(202, { plan: null, replay: showReplay(replay) });
  },
});

const list = jsonRoute({
  method: 'get',
  path: '/api/replays',
  group: 'replays',
  scope: 'read',
  summary: 'Lists bulk replays.',
  answer: z.object({ rows: z.array(replayShape) }),
  async handle(_given, { port }) {
    return { rows: (await port.replays()).map(showReplay) };
  },
});

const one = jsonRoute({
  method: 'get',
  path: '/api/replays/{id}',
  group: 'replays',
  scope: 'read',
  summary: 'Shows how far a bulk replay is.',
  params,
  answer: replayShape,
  errors: ['not_found'],
  async handle({ params }, { port }) {
    return showReplay(found(await port.replay(params.id)));
  },
});

const cancel = jsonRoute({
  method: 'delete',
  path: '/api/replays/{id}',
  group: 'replays',
  scope: 'admin',
  summary: 'Stops a bulk replay; deliveries it has made stay.',
  audit: 'replay.cancel',
  params,
  answer: replayShape,
  errors: ['not_found'],
  async handle({ params }, { port, changed }) {
    const before = showReplay(found(await port.replay(params.id)));
    const after = showReplay(found(await port.cancelReplay(params.id)));
    changed({ note: `made ${after.made} of ${after.planned}`, before, after });
    return after;
  },
});

function found(replay: ReplayStatus | null): ReplayStatus {
  if (replay === null) throw new HoldfastError('not_found');
  return replay;
}

/** By name, for callers within the process. */
export const replays = { start, list, one, cancel };

export const replayRoutes: readonly Route[] = Object.values(replays);
