/** Alive and ready, for load balancers and people; metrics for Prometheus. */
import { z } from '@hono/zod-openapi';
import type { SpoolState } from '../commit/spool/state.ts';
import { isId } from '../core/id.ts';
import type { BrokerState } from '../dispatch/broker.ts';
import type { StoreReport } from '../store/store.ts';
import { queuesStatus } from './queues.ts';
import { jsonRoute, rawRoute, type Route, Status } from './route.ts';
import { showSpool, spoolShape } from './spool.ts';
import { storeReportShape, weakerOf } from './store-report.ts';

const state = z.enum(['operational', 'degraded', 'unavailable']);

const withToken = { description: 'Only with the token.' };

const weakerShape = z.literal(true).optional().openapi({
  description: 'There when the store may lose what was acknowledged, and was allowed to. See `weaker` on /ready.',
});

const healthShape = z.object({
  status: z.enum(['ok', 'degraded', 'unavailable']),
  services: z.object({
    queues: state,
    store: state,
    spool: state.optional().openapi({ description: 'Of the setting `spool`: degraded while it is not empty.' }),
    broker: state.optional().openapi({ description: 'Of the setting `queue`, where it is set.' }),
  }),
  features: z.record(z.string(), z.union([z.boolean(), z.string()])),
  queues: z.object({
    ready: z.boolean(),
    driver: z.string().nullable(),
    inMemoryMode: z.boolean(),
    weakerDurability: weakerShape,
    reason: z.string().nullable().optional().openapi(withToken),
    destinations: z.record(z.string(), z.string()).optional().openapi(withToken),
  }),
  version: z.string().optional().openapi(withToken),
});

const health = jsonRoute({
  method: 'get',
  path: '/health',
  group: 'health',
  scope: 'read',
  summary: 'Alive: answered 200 while the process runs. Without the token it tells states only.',
  access: 'open',
  answer: healthShape,
  handle(_given, { port, features, authorized, version }): z.output<typeof healthShape> {
    const { ready, reason } = port.ready();
    const report = port.report();
    const broker = port.queue();
    const queues = queuesStatus(port);
    const spool = port.spool()?.state() ?? null;
    const status = queues === 'operational' ? (spool === null || isQuiet(spool) ? 'ok' : 'degraded') : queues;
    const store = ready && spool?.mode !== 'spooling' ? 'operational' : 'unavailable';
    const destinations = Object.fromEntries(
      // Endpoints of the API, of which there may be thousands, are shown at /api/endpoints.
      [...port.destinations(), port.endpointsQueue()].flatMap((live) =>
        live === null || isId('ep', live.name) ? [] : [[live.name, live.state]],
      ),
    );
    return {
      status,
      services: {
        queues,
        store,
        ...(spool && { spool: spoolService(spool) }),
        ...(broker && { broker: broker.state }),
      },
      features,
      queues: { ready, ...driverOf(report), ...(authorized ? { reason, destinations } : {}) },
      ...(authorized ? { version } : {}),
    };
  },
});

/** Whether everything that was accepted is in the store. */
function isQuiet({ mode, aside }: SpoolState): boolean {
  return mode === 'idle' && aside === 0;
}

function spoolService(spool: SpoolState): z.output<typeof state> {
  if (spool.refuses !== null) return 'unavailable';
  return isQuiet(spool) ? 'operational' : 'degraded';
}

function driverOf(
  report: StoreReport | null,
): Pick<z.output<typeof healthShape>['queues'], 'driver' | 'inMemoryMode' | 'weakerDurability'> {
  const inMemoryMode = report?.durability === 'none';
  return { driver: report?.driver ?? null, inMemoryMode, ...weakerOf(report) };
}

const queueShape = z.object({
  state,
  reason: z.string().nullable(),
  driver: z.string().nullable(),
  place: z.string().nullable(),
  settings: z.record(z.string(), z.union([z.string(), z.number()])),
  warnings: z.array(z.string()),
});

const ready = jsonRoute({
  method: 'get',
  path: '/ready',
  group: 'health',
  scope: 'read',
  summary: 'Ready: 200 when the store or the spool takes commits, else 503. Without the token it tells states only.',
  access: 'open',
  statuses: [200, 503],
  answer: z.object({
    ready: z.boolean(),
    reason: z.string().nullable().optional().openapi(withToken),
    weakerDurability: weakerShape,
    ...storeReportShape.partial().shape,
    spool: spoolShape.optional().openapi({
      description:
        'Only with the token, and where a spool is set. Unless it is idle, `ackMeaning` is that of the spool.',
    }),
    queue: queueShape.optional().openapi({
      description: 'Only with the token, and where a queue is set. Without it nothing is lost: work waits.',
    }),
  }),
  handle(_given, { port, authorized }) {
    const { ready, reason } = port.ready();
    const report = port.report();
    const states = { ready, ...weakerOf(report) };
    const spool = port.spool()?.state() ?? null;
    return new Status(
      ready ? 200 : 503,
      authorized ? { ...states, reason, ...report, ...queueOf(port.queue()), ...spoolOf(spool, reason) } : states,
    );
  },
});

/** What it is, and while it is not idle what a 2xx means. */
function spoolOf(state: SpoolState | null, reason: string | null): Partial<Record<string, unknown>> {
  if (state === null) return {};
  const spool = showSpool(state);
  return state.mode === 'idle' ? { spool } : { reason: reason ?? state.mode, ackMeaning: state.ackMeaning, spool };
}

function queueOf(broker: BrokerState | null): { readonly queue?: z.input<typeof queueShape> } {
  if (broker === null) return {};
  const { state, reason, report } = broker;
  const { driver = null, place = null, settings = {}, warnings = [] } = report ?? {};
  return { queue: { state, reason, driver, place, settings, warnings: [...warnings] } };
}

const metrics = rawRoute({
  method: 'get',
  path: '/metrics',
  group: 'health',
  scope: 'read',
  summary: 'Metrics in the text format of Prometheus.',
  media: ['text/plain'],
  async handle(_given, { port }) {
    return new Response(await port.metrics(), {
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    });
  },
});

/** By name, for callers within the process. */
export const states = { health };

export const healthRoutes: readonly Route[] = [health, ready, metrics];
