/** Queues: health, figures and facts of each destination; pause, resume, clear. */
import { z } from '@hono/zod-openapi';
import { isId } from '../core/id.ts';
import type { DestinationCounts, StoreCounts } from '../store/store.ts';
import type { AdminPort, DestinationLive } from './port.ts';
import { jsonRoute, type Route } from './route.ts';
import { storeReportShape } from './store-report.ts';
import { isoTimeOrNull, name, time } from './schema.ts';

const params = z.object({ destination: name });

const status = z.enum(['running', 'paused', 'disabled', 'absent', 'stopped']);
const breaker = z.enum(['closed', 'open', 'half-open', 'none']);
const count = z.number().int();

const figures = {
  size: count.openapi({ description: 'Open deliveries.' }),
  peakSize: count.openapi({ description: 'Most open deliveries seen, over restarts.' }),
  blocked: count,
  due: count,
  ready: count,
  claimed: count,
  received: count.openapi({
    description: 'Deliveries committed, replays included; totals survive restarts and purges.',
  }),
  processed: count.openapi({ description: 'Deliveries that succeeded or were skipped.' }),
  failed: count.openapi({ description: 'Attempts that failed, retried or not.' }),
  deadLetters: count.openapi({ description: 'Not resolved.' }),
  deadLettersTotal: count,
  successRate: z.number().nullable().openapi({ description: 'Processed ÷ received; null before the first.' }),
  workersRunning: count,
  workersTotal: count,
  processingMsAverage: z.number().nullable().openapi({ description: 'Of attempts of this process.' }),
  processingMsP95: z.number().nullable(),
  receivedPerS: z.number().openapi({ description: 'Over the last minute.' }),
  processedPerS: z.number(),
  failedPerS: z.number(),
  oldestReadyAgeMs: z.number().nullable().openapi({ description: 'How long the oldest ready delivery has waited.' }),
};

type Figures = z.output<z.ZodObject<typeof figures>>;

const destinationStats = z
  .object({
    name: z.string(),
    status,
    running: z.boolean(),
    breaker,
    pausedBy: z.string().nullable(),
    pausedAt: time.nullable(),
    ...figures,
  })
  .openapi('QueueStats');

const sourceStats = z.object({ name: z.string(), accepted: count, duplicates: count, differing: count });

/** A destination's live side beside its counts; either may be missing. */
interface Queue {
  readonly name: string;
  readonly live: DestinationLive | null;
  readonly counts: DestinationCounts | null;
}

function queuesOf(port: AdminPort, counts: StoreCounts): Queue[] {
  const live = new Map(port.destinations().map((destination) => [destination.name, destination]));
  const counted = new Map(counts.destinations.map((destination) => [destination.destination, destination]));
  const names = new Set([...live.keys(), ...counted.keys()]);
  return [...names].toSorted().map((queue) => ({
    name: queue,
    live: live.get(queue) ?? port.destination(queue),
    counts: counted.get(queue) ?? null,
  }));
}

const NO_COUNTS = { blocked: 0, due: 0, ready: 0, claimed: 0, dead: 0, oldestReadyAt: null };
const NO_TOTALS = { received: 0, succeeded: 0, skipped: 0, failed: 0, dead: 0 };
const NOT_LIVE = {
  peakOpen: 0,
  receivedPerS: 0,
  processedPerS: 0,
  failedPerS: 0,
  processingMsAverage: null,
  processingMsP95: null,
  running: 0,
  runningMax: 0,
};

/** What figures need of a destination's live side. */
type Live = Pick<DestinationLive, keyof typeof NOT_LIVE>;

function figuresOf(live: Live, counts: DestinationCounts | null, now: number): Figures {
  const { blocked, due, ready, claimed, dead, oldestReadyAt } = counts ?? NO_COUNTS;
  const totals = counts?.totals ?? NO_TOTALS;
  const { peakOpen, running, runningMax, ...rates } = live;
  const size = blocked + due + ready + claimed;
  const processed = totals.succeeded + totals.skipped;
  return {
    size,
    peakSize: Math.max(size, peakOpen),
    blocked,
    due,
    ready,
    claimed,
    received: totals.received,
    processed,
    failed: totals.failed,
    deadLetters: dead,
    deadLettersTotal: totals.dead,
    successRate: successRate(processed, totals.received),
    workersRunning: running,
    workersTotal: runningMax,
    processingMsAverage: rates.processingMsAverage === null ? null : rounded(rates.processingMsAverage),
    processingMsP95: rates.processingMsP95 === null ? null : rounded(rates.processingMsP95),
    receivedPerS: rounded(rates.receivedPerS),
    processedPerS: rounded(rates.processedPerS),
    failedPerS: rounded(rates.failedPerS),
    oldestReadyAgeMs: oldestReadyAt === null ? null : Math.max(0, now - oldestReadyAt),
  };
}

function successRate(processed: number, received: number): number | null {
  return received === 0 ? null : rounded(processed / received);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function statsOf({ name, live, counts }: Queue, now: number): z.output<typeof destinationStats> {
  return {
    name,
    status: live?.state ?? 'absent',
    running: live?.state === 'running',
    breaker: live?.breaker ?? 'none',
    pausedBy: live?.pausedBy ?? null,
    pausedAt: isoTimeOrNull(live?.pausedAt ?? null),
    ...figuresOf(live ?? NOT_LIVE, counts, now),
  };
}

const SUMMED = [
  'size',
  'blocked',
  'due',
  'ready',
  'claimed',
  'received',
  'processed',
  'failed',
  'deadLetters',
  'deadLettersTotal',
  'workersRunning',
  'workersTotal',
] as const satisfies readonly (keyof Figures)[];

/** All destinations together: counts are sums, live figures are those of the process. */
function overallOf(port: AdminPort, queues: readonly z.output<typeof destinationStats>[], now: number): Figures {
  const live = { ...NOT_LIVE, ...port.overall() };
  const ages = queues.flatMap(({ oldestReadyAgeMs }) => (oldestReadyAgeMs === null ? [] : [oldestReadyAgeMs]));
  const sums = Object.fromEntries(SUMMED.map((field) => [field, queues.reduce((sum, queue) => sum + queue[field], 0)]));
  const overall = { ...figuresOf(live, null, now), ...sums };
  return {
    ...overall,
    peakSize: Math.max(overall.size, live.peakOpen),
    successRate: successRate(overall.processed, overall.received),
    oldestReadyAgeMs: ages.length === 0 ? null : Math.max(...ages),
  };
}

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
  const own = port.destinations().filter(({ name: queue }) => !isId('ep', queue));
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
      destinations: port.destinations().map((live) => {
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
    changed({});
    const cleared = await port.clear(params.destination, by);
    changed({ note: `cleared ${cleared}` });
    return { cleared };
  },
});

/** By name, for callers within the process. */
export const queues = { health, stats, info, pause, resume, clear };

export const queueRoutes: readonly Route[] = Object.values(queues);
