/** Figures of queues as they are shown: each destination's live side beside its counts, and all of them together. */
import { z } from '@hono/zod-openapi';
import { isId } from '../core/id.ts';
import type { DestinationCounts, StoreCounts } from '../store/store.ts';
import type { AdminPort, DestinationLive, EndpointsQueueLive } from './port.ts';
import { isoTimeOrNull, time } from './schema.ts';

export const status = z.enum(['running', 'paused', 'disabled', 'absent', 'stopped']);
export const breaker = z.enum(['closed', 'open', 'half-open', 'none']);
export const count = z.number().int();

export const figures = {
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

export const destinationStats = z
  .object({
    name: z.string(),
    status,
    running: z.boolean(),
    breaker,
    pausedBy: z.string().nullable(),
    pausedAt: time.nullable(),
    breakersOpen: count
      .optional()
      .openapi({ description: 'Of managed endpoints that are one queue: of how many the breaker is not closed.' }),
    ...figures,
  })
  .openapi('QueueStats');

export const sourceStats = z.object({ name: z.string(), accepted: count, duplicates: count, differing: count });

/** A destination's live side beside its counts; either may be missing. */
interface Queue {
  readonly name: string;
  readonly live: DestinationLive | EndpointsQueueLive | null;
  readonly counts: DestinationCounts | null;
}

export function queuesOf(port: AdminPort, counts: StoreCounts): Queue[] {
  const live = new Map(shownOf(port).map((destination) => [destination.name, destination]));
  const counted = new Map(foldedOf(port, counts).map((destination) => [destination.destination, destination]));
  const names = new Set([...live.keys(), ...counted.keys()]);
  return [...names].toSorted().map((queue) => ({
    name: queue,
    live: live.get(queue) ?? port.destination(queue),
    counts: counted.get(queue) ?? null,
  }));
}

/** Destinations as an operator sees them: managed endpoints by one name, where they have one. */
export function shownOf(port: AdminPort): readonly (DestinationLive | EndpointsQueueLive)[] {
  const together = port.endpointsQueue();
  if (together === null) return port.destinations();
  return [...port.destinations().filter(({ name: queue }) => !isId('ep', queue)), together];
}

function foldedOf(port: AdminPort, { destinations }: StoreCounts): readonly DestinationCounts[] {
  const together = port.endpointsQueue();
  if (together === null) return destinations;
  const { ep = [], own = [] } = Object.groupBy(destinations, (row) => (isId('ep', row.destination) ? 'ep' : 'own'));
  const none = { destination: together.name, ...NO_COUNTS, totals: NO_TOTALS };
  return [...own, ep.reduce((sum, row) => ({ ...added(sum, row), destination: together.name }), none)];
}

function added(a: DestinationCounts, b: DestinationCounts): DestinationCounts {
  const ages = [a.oldestReadyAt, b.oldestReadyAt].filter((at) => at !== null);
  return {
    destination: a.destination,
    blocked: a.blocked + b.blocked,
    due: a.due + b.due,
    ready: a.ready + b.ready,
    claimed: a.claimed + b.claimed,
    dead: a.dead + b.dead,
    oldestReadyAt: ages.length === 0 ? null : Math.min(...ages),
    totals: {
      received: a.totals.received + b.totals.received,
      succeeded: a.totals.succeeded + b.totals.succeeded,
      skipped: a.totals.skipped + b.totals.skipped,
      failed: a.totals.failed + b.totals.failed,
      dead: a.totals.dead + b.totals.dead,
    },
  };
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

export function statsOf({ name, live, counts }: Queue, now: number): z.output<typeof destinationStats> {
  return {
    name,
    status: live?.state ?? 'absent',
    running: live?.state === 'running',
    breaker: live?.breaker ?? 'none',
    pausedBy: live?.pausedBy ?? null,
    pausedAt: isoTimeOrNull(live?.pausedAt ?? null),
    ...(live !== null && 'breakersOpen' in live ? { breakersOpen: live.breakersOpen } : {}),
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
export function overallOf(port: AdminPort, queues: readonly z.output<typeof destinationStats>[], now: number): Figures {
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
