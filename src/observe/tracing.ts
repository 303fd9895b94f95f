/**
 * OpenTelemetry spans, made from what was observed, after it happened: one for each accepted event and each attempt,
 * children of the trace the sender named in `traceparent`, and one for each commit. Only where `@opentelemetry/api` is
 * installed and an SDK has registered a tracer provider before the start; which one is the application's choice.
 */
import type * as Api from '@opentelemetry/api';
import type { Context, SpanOptions } from '@opentelemetry/api';
import type { Clock } from '../core/clock.ts';
import type { StoredEvent } from '../core/event.ts';
import type { PartialObserver } from './combine.ts';
import { destinationLabel } from './destination-label.ts';

/** The package, once it is loaded. */
type Loaded = typeof Api;

/** W3C trace context (https://www.w3.org/TR/trace-context/#traceparent-header). */
const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})/;

/**
 * The observer that makes spans; `null` where `@opentelemetry/api` is not installed.
 * @param load For tests; by default imports the package.
 */
export async function tracingObserver(
  clock: Clock,
  load: () => Promise<Loaded> = () => import('@opentelemetry/api'),
): Promise<PartialObserver | null> {
  const api = await load().catch(() => null);
  if (api === null) return null;
  const span = spanMaker(api);
  return {
    accepted: (event, owed) => {
      const attributes = { 'holdfast.owed': owed, ...about(event) };
      span(
        'holdfast accept',
        { attributes, startTime: event.receivedAt, kind: api.SpanKind.CONSUMER },
        {
          parent: parentOf(api, event),
          endTime: clock.now(),
          failed: null,
        },
      );
    },
    attemptEnded: (destination, event, attempt) => {
      const attributes = {
        ...about(event),
        'holdfast.destination': destination,
        'holdfast.attempt': attempt.number,
        'holdfast.outcome': attempt.outcome,
      };
      span(
        `holdfast attempt ${destinationLabel(destination)}`,
        { attributes, startTime: attempt.startedAt },
        {
          parent: parentOf(api, event),
          endTime: attempt.startedAt + attempt.durationMs,
          failed: attempt.outcome === 'succeeded' || attempt.outcome === 'skipped' ? null : attempt.error,
        },
      );
    },
    committed: (rows, durationMs) => {
      const endTime = clock.now();
      const options = { attributes: { 'holdfast.rows': rows }, startTime: endTime - durationMs };
      span('holdfast commit', options, { parent: api.ROOT_CONTEXT, endTime, failed: null });
    },
  };
}

/** The same, where somebody takes the spans: making them for nobody would cost every webhook a few microseconds. */
export async function registeredTracing(
  clock: Clock,
  load: () => Promise<Loaded> = () => import('@opentelemetry/api'),
): Promise<PartialObserver | null> {
  const api = await load().catch(() => null);
  return api === null || !isRegistered(api) ? null : tracingObserver(clock, () => Promise.resolve(api));
}

function isRegistered(api: Loaded): boolean {
  const provider = api.trace.getTracerProvider();
  // Until something is registered, the provider stands for one that does nothing: the same for all that stand so.
  const nobody = new api.ProxyTracerProvider().getDelegate();
  return !(provider instanceof api.ProxyTracerProvider) || provider.getDelegate() !== nobody;
}

interface SpanEnd {
  readonly parent: Context;
  readonly endTime: number;
  /** What went wrong; `null`: nothing. */
  readonly failed: string | null;
}

function spanMaker(api: Loaded): (name: string, options: SpanOptions, end: SpanEnd) => void {
  const tracer = api.trace.getTracer('holdfast');
  return (name, options, { parent, endTime, failed }) => {
    const made = tracer.startSpan(name, options, parent);
    if (failed !== null) made.setStatus({ code: api.SpanStatusCode.ERROR, message: failed });
    made.end(endTime);
  };
}

function parentOf(api: Loaded, event: StoredEvent): Context {
  const match = TRACEPARENT.exec(event.traceparent ?? '');
  if (match === null) return api.ROOT_CONTEXT;
  const [, traceId = '', spanId = '', flags = '00'] = match;
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return api.trace.setSpanContext(api.ROOT_CONTEXT, context);
}

function about(event: StoredEvent): Record<string, string> {
  return {
    'holdfast.event': event.id,
    'holdfast.source': event.source,
    'holdfast.type': event.type,
    'holdfast.correlation_id': event.correlationId,
  };
}
