/** Spans of a gateway inside an application that has OpenTelemetry set up. */
import assert from 'node:assert/strict';
import { type Context, type SpanOptions, trace, type Tracer, type TracerProvider } from '@opentelemetry/api';
import { test } from 'node:test';
import { createGateway } from '../src/index.ts';
import { none } from '../src/verify/index.ts';

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

interface Seen {
  readonly name: string;
  readonly traceId: string | undefined;
}

test('where the application has registered a tracer, what a gateway does becomes spans of the sender’s trace', async (t) => {
  const seen: Seen[] = [];
  const handled = Promise.withResolvers<void>();
  const tracer = {
    startSpan: (name: string, _options?: SpanOptions, context?: Context) => {
      const traceId = context === undefined ? undefined : trace.getSpanContext(context)?.traceId;
      seen.push({ name, traceId });
      if (name === 'holdfast attempt till') handled.resolve();
      return { setStatus: () => undefined, end: () => undefined };
    },
  } as unknown as Tracer;
  const provider: TracerProvider = { getTracer: () => tracer };
  const config = { store: 'memory:', logLevel: 'silent', sources: { shop: none() } };

  const before = createGateway(config);
  before.handle('till', { from: 'shop' }, () => undefined);
  await before.start();
  assert.equal(trace.setGlobalTracerProvider(provider), true);
  t.after(() => trace.disable());
  const headers = { traceparent: TRACEPARENT };
  await before.fetch(new Request('http://a.test/in/shop', { method: 'POST', body: '{}', headers }));
  await before.stop({ drain: true });
  assert.equal(seen.length, 0, 'one that was started before has none');

  const gateway = createGateway(config);
  gateway.handle('till', { from: 'shop' }, () => undefined);
  await gateway.start();
  await gateway.fetch(new Request('http://a.test/in/shop', { method: 'POST', body: '{}', headers }));
  await handled.promise;
  await gateway.stop({ drain: true });
  const traceId = TRACEPARENT.split('-')[1];
  for (const name of ['holdfast accept', 'holdfast attempt till']) {
    assert.deepEqual(
      seen.filter((span) => span.name === name),
      [{ name, traceId }],
    );
  }
  assert.ok(seen.some(({ name }) => name === 'holdfast commit'));
});
