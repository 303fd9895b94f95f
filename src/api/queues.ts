/** Queues: health, figures and facts of each destination; pause, resume, retry, clear. */
import { z } from '@hono/zod-openapi';
import { isId } from '../core/id.ts';
import type { AdminPort } from './port.ts';
import {
  breaker,
  count,
  destinationStats,
  figures,
  overallOf,
  queuesOf,
  shownOf,
  sourceStats,
  statsOf,
  status,
} from './queue-figures.ts';
import { HoldfastError } from '../errors.ts';
import { asHoldfastError } from './problem.ts';
import { jsonRoute, type Route } from './route.ts';
import { storeReportShape } from './store-report.ts';
import { name } from './schema.ts';

const params = z.object({ destination: name });

const stats = jsonRoute({
  method: 'get',
  path: '/api/queues/stats',
  group: 'queues',
  scope: 'read',
  summary: 'Figures in all and of each destination.',
  answer: z.object({
    status: z.enum(['operational', 'degraded', 'unavailable']),
    running: z.boolean(),
    overall: z.object(figures),
    destinations: z.array(destinationStats),
    sources: z.array(sourceStats),
    events: count,
    bytesOnDisk: count,
  }),
  async handle(_given, { port, now }) {
    const counts = await port.counts();
    const destinations = queuesOf(port, counts).map((queue) => statsOf(queue, now()));
    return {
      status: queuesStatus(port),
      running: port.ready().ready,
      overall: overallOf(port, destinations, now()),
      destinations,
      sources: counts.sources.map(({ source, ...totals }) => ({ name: source, ...totals })),
      events: counts.events,
      bytesOnDisk: counts.bytesOnDisk,
    };
  },
});

/**
 * In one word: `degraded` when the store works but a destination is held or its breaker is open. Endpoints of the API do
 * not count: among thousands there is always one that is down, and it is not this gateway that is.
 */
export function queuesStatus(port: AdminPort): 'operational' | 'degraded' | 'unavailable' {
  if (!port.ready().ready) return 'unavailable';
  const own = shownOf(port).filter(({ name: queue }) => !isId('ep', queue));
  const troubled = own.some(({ state, breaker }) => state !== 'running' || breaker === 'open');
  return troubled ? 'degraded' : 'operational';
}

const health = jsonRoute({
  method: 'get',
  path: '/api/queues/health',
  group: 'queues',
  scope: 'read',
  summary: 'Whether each destination works off what it is owed.',
  answer: z.object({
    status: z.enum(['operational', 'degraded', 'unavailable']),
    ready: z.boolean(),
    reason: z.string().nullable(),
    driver: z.string().nullable(),
    inMemoryMode: z.boolean(),
    destinations: z.array(
      z.object({
        name: z.string(),
        status,
        breaker,
        size: count,
        oldestReadyAgeMs: z.number().nullable(),
        deadLetters: count,
      }),
    ),
  }),
  async handle(_given, { port, now }) {
    const counts = await port.counts();
    const report = port.report();
    return {
      status: queuesStatus(port),
      ...port.ready(),
      driver: report?.driver ?? null,
      inMemoryMode: report?.durability === 'none',
      destinations: queuesOf(port, counts).map((queue) => {
        const { name, status, breaker, size, oldestReadyAgeMs, deadLetters } = statsOf(queue, now());
        return { name, status, breaker, size, oldestReadyAgeMs, deadLetters };
      }),
    };
  },
});

const info = jsonRoute({
  method: 'get',
  path: '/api/queues/info',
  group: 'queues',
  scope: 'read',
  summary: 'What the store is and promises, and how each destination is set.',
  answer: z.object({
    store: storeReportShape.nullable(),
    destinations: z.array(
      z.object({
        name: z.string(),
        status,
        kind: z.enum(['handler', 'batch', 'endpoint', 'absent']),
        isolation: z.enum(['inline', 'thread', 'process', 'endpoint']).nullable(),
        from: z.array(z.string()),
        types: z.array(z.string()).nullable(),
        priority: z.string(),
        ordered: z.boolean(),
        workersTotal: count,
      }),
    ),
  }),
  handle(_given, { port }) {
    return {
      store: port.report(),
      destinations: shownOf(port).map((live) => {
        const { name, state, kind, isolation, from, types, priority, ordered, runningMax } = live;
        return { name, status: state, kind, isolation, from, types, priority, ordered, workersTotal: runningMax };
      }),
    };
  },
});

/** What the audit log compares of a destination. */
function stateOf({ port, name: destination }: { readonly port: AdminPort; readonly name: string }): unknown {
  const live = port.destination(destination);
  return live === null ? null : { state: live.state, pausedBy: live.pausedBy, pausedAt: live.pausedAt };
}

const pause = jsonRoute({
  method: 'post',
  path: '/api/queues/{destination}/pause',
  group: 'queues',
  scope: 'admin',
  summary: 'Holds a destination: what it is owed waits; ingest goes on.',
  audit: 'queue.pause',
  params,
  answer: null,
  errors: ['destination_unknown'],
  async handle({ params }, { port, by, changed }) {
    const of = { port, name: params.destination };
    const before = stateOf(of);
    await port.pause(params.destination, by);
    changed({ before, after: stateOf(of) });
    return null;
  },
});

const resume = jsonRoute({
  method: 'post',
  path: '/api/queues/{destination}/resume',
  group: 'queues',
  scope: 'admin',
  summary: 'Lets a paused destination go on.',
  audit: 'queue.resume',
  params,
  answer: null,
  errors: ['destination_unknown'],
  async handle({ params }, { port, by, changed }) {
    const of = { port, name: params.destination };
    const before = stateOf(of);
    await port.resume(params.destination, by);
    changed({ before, after: stateOf(of) });
    return null;
  },
});

const retry = jsonRoute({
  method: 'post',
  path: '/api/queues/{destination}/retry',
  group: 'queues',
  scope: 'admin',
  summary: 'Replays all dead letters of a destination that are not resolved; GET /api/replays/ID says how far it is.',
  audit: 'queue.retry',
  params,
  answer: z.object({ replayId: z.string(), planned: count }),
  errors: ['destination_unknown'],
  async handle({ params: { destination } }, { port, by, changed }) {
    if (port.destination(destination) === null)
      throw new HoldfastError('destination_unknown', { detail: `'${destination}'.` });
    changed({});
    const { id, planned } = await port.startReplay({ filter: { destination }, by });
    changed({ note: `${id}: ${planned}` });
    return { replayId: id, planned };
  },
});

const clear = jsonRoute({
  method: 'post',
  path: '/api/queues/{destination}/clear',
  group: 'queues',
  scope: 'admin',
  summary: 'Makes dead letters of all open deliveries of a destination; they can be replayed.',
  audit: 'queue.clear',
  params,
  answer: z.object({ cleared: count }),
  errors: ['destination_unknown'],
  async handle({ params }, { port, by, changed }) {
    const cleared = await port.clear(params.destination, by).catch((error: unknown) => {
      // Where there is no such destination, nothing was begun.
      if (asHoldfastError(error).code !== 'destination_unknown') changed({});
      throw error;
    });
    changed({ note: `cleared ${cleared}` });
    return { cleared };
  },
});

/** By name, for callers within the process. */
export const queues = { health, stats, info, pause, resume, retry, clear };

export const queueRoutes: readonly Route[] = Object.values(queues);
