import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AttemptOutcome, AttemptRecord } from '../core/delivery.ts';
import type { StoredEvent } from '../core/event.ts';
import { formatId } from '../core/id.ts';
import { type Observer, silentObserver } from '../core/observer.ts';
import { HoldfastError } from '../errors.ts';
import { TEST_START, TestClock } from '../testing/clock.ts';
import { combineObservers } from './combine.ts';
import { Log, redactFields } from './log.ts';
import { Metrics, metricTable } from './metrics.ts';
import { prettyLine } from './pretty.ts';
import { LogHistogram, MANAGED_MAX, MinuteRate, Stats } from './stats.ts';
import { StreamHub, type StreamOccurrence } from './stream.ts';
import { LABEL_VALUES_MAX, OTHER, Tally } from './tally.ts';
import { tracingObserver } from './tracing.ts';

const event = (parts: Partial<StoredEvent> = {}): StoredEvent => ({
  id: 'evt_1',
  source: 'shop',
  type: 'order.paid',
  tenant: null,
  dedupeKey: null,
  orderKey: null,
  receivedAt: TEST_START,
  method: 'POST',
  path: '/in/shop',
  query: 'token=canary-query',
  headers: ['Authorization', 'canary-header'],
  body: Buffer.from('canary-body'),
  correlationId: 'c-1',
  traceparent: null,
  unfit: null,
  duplicateOf: null,
  ...parts,
});

const attempt = (outcome: AttemptOutcome = 'succeeded', durationMs = 10): AttemptRecord => ({
  number: 1,
  startedAt: TEST_START,
  durationMs,
  outcome,
  status: null,
  error: outcome === 'succeeded' ? null : 'it broke',
  worker: 'test:1/0.0.0',
  exchange: null,
});

/** The id of an endpoint that is managed through the API. */
const endpoint = (number: number): string =>
  formatId(
    'ep',
    Uint8Array.from({ length: 16 }, (_, at) => (at < 4 ? number >>> (8 * (3 - at)) : 7)),
  );

/** Every method once. */
function tellAll(observer: Observer): void {
  observer.received('shop');
  observer.answered('shop', 200, 3);
  observer.rejected('shop', 'verify', 'signature_mismatch');
  observer.accepted(event(), 1);
  observer.queued('billing');
  observer.duplicate('shop', 'evt_1', true);
  observer.committed(3, 2);
  observer.commitFailed('unavailable', 'the disk is full');
  observer.attemptStarted('billing', 1);
  observer.attemptEnded('billing', event(), attempt(), 20);
  observer.attemptEnded('billing', event(), attempt('failed'), 20);
  observer.died('billing', event(), 'exhausted', null);
  observer.breaker('billing', 'open', 'five failures');
  observer.rested('billing');
  observer.loopBlocked(250, 'billing');
  observer.note('info', 'started', { port: 8420, adminToken: 'canary-token' });
}

const methods = Object.keys(silentObserver) as (keyof Observer)[];

describe('combined observers', () => {
  test('tell each of them everything, in order, with all values', () => {
    const told: string[] = [];
    const teller = (name: string): Observer =>
      Object.fromEntries(
        methods.map((method) => [method, (...values: unknown[]) => told.push(`${name} ${method} ${values.length}`)]),
      ) as never;
    tellAll(combineObservers(teller('a'), silentObserver, teller('b')));
    assert.deepEqual(new Set(told.map((line) => line.split(' ')[1])), new Set(methods));
    assert.deepEqual(
      told.filter((line) => line.includes(' received ')),
      ['a received 4', 'b received 4'],
    );
  });

  test('are silent where nobody listens', () => {
    const combined = combineObservers({}, silentObserver);
    for (const method of methods) assert.equal(combined[method], silentObserver[method]);
  });

  test('never throw, and say once that one failed', ({ mock }) => {
    const warn = mock.method(process, 'emitWarning', () => undefined);
    const fail = (): never => {
      throw new Error('observer');
    };
    const failing = Object.fromEntries(methods.map((method) => [method, fail]));
    let heard = 0;
    const combined = combineObservers(failing, { received: () => heard++ });
    tellAll(combined);
    tellAll(combined);
    assert.equal(heard, 2);
    assert.equal(warn.mock.callCount(), methods.length);
  });
});

describe('stats', () => {
  test('a rate is over the last minute and forgets what is older', () => {
    const rate = new MinuteRate();
    rate.add(10, 2);
    rate.add(69, 3);
    assert.equal(rate.sum(69), 5);
    assert.equal(rate.sum(70), 3);
    assert.equal(rate.sum(1000), 0);
    rate.add(1001, 1);
    assert.equal(rate.sum(1002), 1);
  });

  test('quantiles are at most a tenth too high and never too low', () => {
    const histogram = new LogHistogram();
    assert.deepEqual([histogram.average(), histogram.quantile(0.95)], [null, null]);
    for (let ms = 1; ms <= 1000; ms++) histogram.add(ms);
    assert.equal(histogram.average(), 500.5);
    const p95 = histogram.quantile(0.95) ?? 0;
    assert.ok(p95 >= 950 && p95 <= 950 * 1.095, String(p95));
    const wide = new LogHistogram();
    for (const ms of [0, 1e12]) wide.add(ms);
    assert.ok((wide.quantile(1) ?? 0) > 3 * 86_400_000);
  });

  test('figures of a destination and of all together', () => {
    const clock = new TestClock();
    const stats = new Stats(clock);
    const observer = combineObservers(stats.observer);
    for (let time = 0; time < 120; time++) {
      clock.advance(1000);
      observer.queued('billing');
      observer.attemptEnded('billing', event(), attempt('succeeded', 10), 0);
      if (time % 2 === 0) observer.attemptEnded('crm', event(), attempt('timeout', 30), 0);
    }
    const billing = stats.of('billing');
    assert.deepEqual([billing.receivedPerS, billing.processedPerS, billing.failedPerS], [1, 1, 0]);
    assert.equal(billing.processingMsAverage, 10);
    assert.equal(stats.of('crm').failedPerS, 0.5);
    const overall = stats.overall();
    assert.deepEqual([overall.processedPerS, overall.failedPerS], [1, 0.5]);
    assert.ok(Math.abs((overall.processingMsAverage ?? 0) - 50 / 3) < 0.01);
    assert.equal(stats.of('nobody').processingMsP95, null);
  });

  test('a young destination is not made slower than it is', () => {
    const clock = new TestClock();
    const stats = new Stats(clock);
    stats.observer.queued?.('billing');
    clock.advance(2000);
    for (let time = 0; time < 9; time++) stats.observer.queued?.('billing');
    assert.equal(stats.of('billing').receivedPerS, 5);
  });

  test('peaks survive a restart', () => {
    const stats = new Stats(new TestClock());
    stats.sawOpen([
      ['billing', 5],
      ['crm', 7],
    ]);
    stats.sawOpen([
      ['billing', 9],
      ['crm', 0],
    ]);
    const later = new Stats(new TestClock());
    later.restorePeaks(stats.peaks());
    later.sawOpen([['billing', 1]]);
    assert.deepEqual([later.of('billing').peakOpen, later.of('crm').peakOpen, later.overall().peakOpen], [9, 7, 12]);
  });

  test('an endpoint of the API has figures while it has work, and none once its lane rests', () => {
    const stats = new Stats(new TestClock());
    const observer = combineObservers(stats.observer);
    stats.sawOpen([[endpoint(0), 5]]);
    assert.equal(stats.of(endpoint(0)).peakOpen, 0);
    observer.queued(endpoint(0));
    observer.attemptEnded(endpoint(0), event(), attempt(), 0);
    stats.sawOpen([[endpoint(0), 5]]);
    const { peakOpen, receivedPerS, processingMsAverage } = stats.of(endpoint(0));
    assert.deepEqual([peakOpen, receivedPerS, processingMsAverage], [5, 1, 10]);
    assert.deepEqual(stats.peaks(), { '': 5 });
    observer.rested(endpoint(0));
    assert.deepEqual([stats.of(endpoint(0)).peakOpen, stats.of(endpoint(0)).processingMsAverage], [0, null]);
    assert.equal(stats.overall().receivedPerS, 1);
  });

  test('of more endpoints than are remembered the first are forgotten, handlers never', () => {
    const stats = new Stats(new TestClock());
    stats.observer.queued?.('billing');
    for (let made = 0; made <= MANAGED_MAX; made++) stats.observer.queued?.(endpoint(made));
    const counted = [endpoint(0), endpoint(1), 'billing'].map((name) => stats.of(name).receivedPerS);
    assert.deepEqual(counted, [0, 1, 1]);
  });
});

describe('metrics', () => {
  const counts = { blocked: 1, due: 2, ready: 3, claimed: 4, dead: 5, oldestReadyAt: TEST_START - 2000 };
  const totals = { received: 0, succeeded: 0, skipped: 0, failed: 0, dead: 0 };
  const make = (parts: Partial<ConstructorParameters<typeof Metrics>[0]> = {}): Metrics =>
    new Metrics({
      counts: async () => ({
        destinations: [{ destination: 'billing', ...counts, totals }],
        sources: [],
        events: 0,
        bytesOnDisk: 0,
      }),
      destinations: () => [{ name: 'billing', breaker: 'half-open', running: 2, runningMax: 8 }],
      store: () => ({ driver: 'memory', weaker: [] }),
      now: () => TEST_START,
      ...parts,
    });

  test('every metric of the table is told, with the values that were observed', async () => {
    const metrics = make();
    metrics.start();
    metrics.start();
    tellAll(combineObservers(metrics.observer));
    const text = await metrics.text();
    metrics.stop();
    metrics.stop();
    for (const [name, [kind]] of Object.entries(metricTable))
      assert.ok(text.includes(`# TYPE ${name} ${kind}\n`), name);
    for (const line of [
      'webhook_received_total{source="shop"} 1',
      'webhook_queued_total{source="shop",type="order.paid"} 1',
      'webhook_processed_total{source="shop",destination="billing",outcome="succeeded"} 1',
      'webhook_processed_total{source="shop",destination="billing",outcome="dead"} 1',
      'webhook_responses_total{source="shop",status="200"} 1',
      'webhook_response_duration_seconds_bucket{source="shop",le="0.0025"} 0',
      'webhook_response_duration_seconds_bucket{source="shop",le="0.005"} 1',
      'webhook_response_duration_seconds_bucket{source="shop",le="+Inf"} 1',
      'webhook_response_duration_seconds_sum{source="shop"} 0.003',
      'webhook_response_duration_seconds_count{source="shop"} 1',
      'webhook_rejections_total{source="shop",step="verify",reason="signature_mismatch"} 1',
      'webhook_duplicates_total{source="shop",differs="yes"} 1',
      'webhook_attempts_total{destination="billing",outcome="failed"} 1',
      'webhook_batch_size_count{destination="billing"} 1',
      'webhook_dead_letters_total{destination="billing",reason="exhausted"} 1',
      'webhook_queue_depth{destination="billing",state="ready"} 3',
      'webhook_processing_lag_seconds{destination="billing"} 2',
      'webhook_breaker_state{destination="billing"} 1',
      'webhook_workers{destination="billing",state="running"} 2',
      'webhook_commit_rows_bucket{le="2"} 0',
      'webhook_commit_rows_bucket{le="4"} 1',
      'webhook_commit_duration_seconds_count 1',
      'webhook_commit_failures_total{failure="unavailable"} 1',
      'webhook_event_loop_blocked_seconds_total{destination="billing"} 0.25',
    ]) {
      assert.ok(text.includes(`${line}\n`), `${line} is missing from\n${text}`);
    }
    assert.match(text, /process_resident_memory_bytes \d+/);
  });

  test('the values of a label are bounded, whatever is sent', async () => {
    const metrics = make();
    const observer = combineObservers(metrics.observer);
    for (let type = 0; type < LABEL_VALUES_MAX * 5; type++) observer.accepted(event({ type: `type-${type}` }), 1);
    const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('webhook_queued_total{'));
    assert.equal(lines.length, LABEL_VALUES_MAX + 1);
    assert.ok(lines.includes(`webhook_queued_total{source="shop",type="${OTHER}"} ${LABEL_VALUES_MAX * 4}`));
  });

  test('thousands of endpoints of the API are one value of a label, and add up', async () => {
    const many = 3000;
    const owed = { blocked: 0, due: 1, ready: 2, claimed: 0, dead: 0, totals };
    const metrics = make({
      counts: async () => ({
        destinations: Array.from({ length: many }, (_, number) => ({
          destination: endpoint(number),
          ...owed,
          oldestReadyAt: TEST_START - number * 1000,
        })),
        sources: [],
        events: 0,
        bytesOnDisk: 0,
      }),
      destinations: () => [
        { name: endpoint(1), breaker: 'open', running: 1, runningMax: 10 },
        { name: endpoint(2), breaker: 'closed', running: 2, runningMax: 10 },
        { name: endpoint(3), breaker: 'open', running: 3, runningMax: 10 },
      ],
    });
    const observer = combineObservers(metrics.observer);
    for (let number = 0; number < many; number++) {
      observer.attemptStarted(endpoint(number), 1);
      observer.attemptEnded(endpoint(number), event(), attempt(), 20);
      observer.died(endpoint(number), event(), 'exhausted', null);
    }
    const text = await metrics.text();
    assert.doesNotMatch(text, /ep_/);
    assert.doesNotMatch(text, /destination="other"/);
    for (const line of [
      `webhook_attempts_total{destination="endpoints",outcome="succeeded"} ${many}`,
      `webhook_dead_letters_total{destination="endpoints",reason="exhausted"} ${many}`,
      `webhook_processed_total{source="shop",destination="endpoints",outcome="dead"} ${many}`,
      `webhook_delivery_lag_seconds_count{destination="endpoints"} ${many}`,
      `webhook_queue_depth{destination="endpoints",state="ready"} ${2 * many}`,
      `webhook_processing_lag_seconds{destination="endpoints"} ${many - 1}`,
      'webhook_workers{destination="endpoints",state="running"} 6',
      'webhook_endpoints_busy{breaker="open"} 2',
      'webhook_endpoints_busy{breaker="closed"} 1',
    ]) {
      assert.ok(text.includes(`${line}\n`), `${line} is missing`);
    }
    const lines = text.split('\n').filter((line) => line.includes('endpoints"'));
    assert.equal(new Set(lines.map((line) => line.slice(0, line.lastIndexOf(' ')))).size, lines.length);
  });

  test('a label value cannot forge a line', async () => {
    const metrics = make();
    combineObservers(metrics.observer).accepted(event({ type: 'a"} 1\nforged{x="' }), 1);
    assert.doesNotMatch(await metrics.text(), /^forged/m);
  });

  test('no sum falls where the clocks of store and process differ', async () => {
    const metrics = make();
    for (const lagMs of [100, -60_000])
      combineObservers(metrics.observer).attemptEnded('billing', event(), attempt(), lagMs);
    const text = await metrics.text();
    assert.match(text, /webhook_delivery_lag_seconds_sum\{destination="billing"\} 0.1\n/);
    assert.match(text, /webhook_delivery_lag_seconds_count\{destination="billing"\} 2\n/);
  });

  test('a store that does not answer leaves out its own metrics only', async () => {
    const metrics = make({ counts: () => Promise.reject(new Error('closed')) });
    combineObservers(metrics.observer).received('shop');
    const text = await metrics.text();
    assert.match(text, /webhook_received_total\{source="shop"\} 1/);
    assert.doesNotMatch(text, /webhook_queue_depth\{/);
  });

  test('two do not share anything', async () => {
    const [one, other] = [make(), make()];
    combineObservers(one.observer).received('shop');
    assert.doesNotMatch(await other.text(), /webhook_received_total\{/);
  });

  test('a tally counts at its leaves', () => {
    const tally = new Tally();
    tally.at('a').at('x').count += 2;
    tally.at('a').at('y').count++;
    assert.deepEqual(
      [...tally.leaves()],
      [
        [['a', 'x'], 2],
        [['a', 'y'], 1],
      ],
    );
  });
});

describe('the live stream', () => {
  test('tells watchers what happens, until they leave', () => {
    const hub = new StreamHub(new TestClock());
    const observer = combineObservers(hub.observer);
    const seen: StreamOccurrence[] = [];
    const leave = hub.watch((occurrence) => seen.push(occurrence));
    tellAll(observer);
    leave();
    leave();
    tellAll(observer);
    assert.deepEqual(
      seen.map(({ kind }) => kind),
      ['rejected', 'accepted', 'duplicate', 'attempt', 'attempt', 'dead', 'breaker', 'note'],
    );
    assert.doesNotMatch(JSON.stringify(seen), /canary/);
    assert.deepEqual(seen[3], {
      kind: 'attempt',
      at: TEST_START,
      eventId: 'evt_1',
      source: 'shop',
      type: 'order.paid',
      tenant: null,
      correlationId: 'c-1',
      destination: 'billing',
      number: 1,
      outcome: 'succeeded',
      durationMs: 10,
      lagMs: 20,
      error: null,
    });
  });

  test('lets a watcher go that throws, and keeps the others', () => {
    const hub = new StreamHub(new TestClock());
    let seen = 0;
    hub.watch(() => {
      throw new Error('gone');
    });
    hub.watch(() => seen++);
    hub.observer.breaker?.('billing', 'open', '');
    hub.observer.breaker?.('billing', 'closed', '');
    assert.deepEqual([seen, hub.watching], [2, 1]);
  });
});

describe('the log', () => {
  function logged(
    level: 'debug' | 'info',
    tell: (observer: Observer, clock: TestClock) => void,
  ): Record<string, unknown>[] {
    const lines: string[] = [];
    const clock = new TestClock();
    const log = new Log({ level, clock, stream: { write: (line) => lines.push(line) } });
    tell(combineObservers(log.observer), clock);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  test('has nothing about single events above debug, and the correlation id in every line about one', () => {
    const info = logged('info', (observer) => tellAll(observer));
    assert.deepEqual(
      info.map(({ msg }) => msg),
      [
        'request refused',
        'commit failed',
        'dead letter: every attempt failed',
        'circuit breaker open',
        'event loop stood still for 250 ms',
        'started',
      ],
    );
    const debug = logged('debug', (observer) => tellAll(observer));
    for (const line of [...info, ...debug]) {
      assert.equal(
        'eventId' in line && line['msg'] !== 'duplicate' ? line['correlationId'] : 'c-1',
        'c-1',
        String(line['msg']),
      );
      assert.equal(line['time'], new Date(TEST_START).toISOString());
    }
    assert.ok(debug.some(({ msg }) => msg === 'attempt succeeded'));
    assert.ok(debug.some(({ msg, error }) => msg === 'attempt failed' && error === 'it broke'));
  });

  test('does not even listen to single events unless debug is on', () => {
    const log = new Log({ clock: new TestClock(), stream: { write: () => undefined } });
    for (const method of [
      'received',
      'answered',
      'queued',
      'committed',
      'attemptStarted',
      'attemptEnded',
      'duplicate',
    ] as const) {
      assert.equal(log.observer[method], undefined, method);
    }
  });

  test('holds no body, header, query or secret at any level', () => {
    const lines = JSON.stringify(logged('debug', (observer) => tellAll(observer)));
    assert.doesNotMatch(lines, /canary/);
  });

  test('of thousands of endpoints that fail it says a few lines a minute, and how many it left out', () => {
    const lines = logged('info', (observer, clock) => {
      for (let number = 0; number < 2000; number++) {
        observer.breaker(endpoint(number), 'open', 'failures in a row');
        observer.died(endpoint(number), event(), 'exhausted', null);
      }
      clock.advance(60_000);
      observer.breaker(endpoint(0), 'open', 'failures in a row');
    });
    const opened = lines.filter(({ msg }) => msg === 'circuit breaker open');
    assert.deepEqual([opened.length, opened.at(-1)?.['unsaid']], [6, 1995]);
    assert.equal(opened[0]?.['destination'], endpoint(0));
    assert.equal(lines.length - opened.length, 5);
  });

  test('says once per type what matched no destination', () => {
    const lines = logged('info', (observer) => {
      for (let time = 0; time < 3; time++) observer.accepted(event(), 0);
      observer.accepted(event({ type: 'other' }), 0);
      observer.accepted(event({ type: 'unfit', unfit: 'x' }), 0);
      observer.accepted(event({ type: 'repeat', duplicateOf: 'evt_0' }), 0);
      for (let type = 0; type < 2000; type++) observer.accepted(event({ type: `flood-${type}` }), 0);
    });
    assert.deepEqual(
      lines.slice(0, 3).map(({ type }) => type),
      ['order.paid', 'other', 'flood-0'],
    );
    assert.equal(lines.length, 1000);
  });

  test('says a flood in a few lines and how many it left out', () => {
    const lines = logged('info', (observer, clock) => {
      for (let time = 0; time < 1000; time++) observer.rejected('shop', 'verify', 'signature_mismatch');
      observer.rejected('shop', 'verify', 'header_missing');
      clock.advance(60_000);
      observer.rejected('shop', 'verify', 'signature_mismatch');
    });
    assert.equal(lines.length, 7);
    assert.equal(lines.at(-1)?.['unsaid'], 995);
  });

  test('redacts by name, cuts long text and deep structures', () => {
    const fields = {
      nested: { webhookSecret: 'a', 'x-signature': 'b', password: 'c', fine: 1 },
      long: 'x'.repeat(5000),
    };
    const shown = redactFields(fields);
    assert.deepEqual(shown['nested'], {
      webhookSecret: '[redacted]',
      'x-signature': '[redacted]',
      password: '[redacted]',
      fine: 1,
    });
    assert.ok(String(shown['long']).length < 2100);
    const deep = { a: { b: { c: { d: { e: { f: 1 } } } } } };
    assert.match(JSON.stringify(redactFields(deep)), /\[deep\]/);
    assert.match(JSON.stringify(redactFields({ error: new Error('why') })), /"message":"why"/);
  });

  test('is readable on a terminal, which no value can steer', () => {
    const json = JSON.stringify({
      level: 'warn',
      time: '2026-01-01T12:34:56.000Z',
      msg: 'dead\u001b[2J letter\n',
      type: 'a\rb',
      none: null,
    });
    const line = prettyLine(`${json}\n`);
    assert.ok(line.startsWith('12:34:56 '));
    assert.equal(line.split('\n').length, 2);
    for (const part of ['[2J', '\r', 'none']) assert.ok(!line.includes(part), part);
    assert.equal(prettyLine('plain text\n'), 'plain text\n');
  });

  test('refuses a level that there is not', () => {
    const make = (): Log => new Log({ clock: new TestClock(), level: 'loud' as never });
    assert.throws(make, (error) => error instanceof HoldfastError && error.code === 'config_invalid');
  });

  test('writes pretty lines where asked', () => {
    const lines: string[] = [];
    const log = new Log({ clock: new TestClock(), format: 'pretty', stream: { write: (line) => lines.push(line) } });
    log.logger.warn({ port: 1 }, 'hello');
    assert.match(lines[0] ?? '', /^00:00:00 .*warn.* hello .*port=1/);
  });
});

describe('tracing', () => {
  test('makes spans in the trace of the sender', async () => {
    const api = await import('@opentelemetry/api');
    const spans: {
      name: string;
      parent: string | undefined;
      start: unknown;
      end: unknown;
      status: number | undefined;
    }[] = [];
    const provider = {
      getTracer: () => ({
        startSpan: (name: string, options: { startTime?: unknown }, context: never) => {
          const span = {
            name,
            parent: api.trace.getSpanContext(context)?.traceId,
            start: options.startTime,
            end: undefined as unknown,
            status: undefined as number | undefined,
          };
          spans.push(span);
          return {
            setStatus: ({ code }: { code: number }) => {
              span.status = code;
            },
            end: (at: unknown) => {
              span.end = at;
            },
          };
        },
      }),
    };
    api.trace.setGlobalTracerProvider(provider as never);
    const clock = new TestClock();
    const tracing = await tracingObserver(clock);
    api.trace.disable();
    assert.ok(tracing !== null);
    const observer = combineObservers(tracing);
    clock.advance(5);
    const traceId = 'a'.repeat(32);
    observer.accepted(event({ traceparent: `00-${traceId}-${'b'.repeat(16)}-01` }), 1);
    observer.attemptEnded('billing', event({ traceparent: 'nonsense' }), attempt('failed'), 0);
    observer.committed(3, 2);
    assert.deepEqual(spans, [
      { name: 'holdfast accept', parent: traceId, start: TEST_START, end: TEST_START + 5, status: undefined },
      { name: 'holdfast attempt billing', parent: undefined, start: TEST_START, end: TEST_START + 10, status: 2 },
      { name: 'holdfast commit', parent: undefined, start: TEST_START + 3, end: TEST_START + 5, status: undefined },
    ]);
  });

  test('does nothing where the package is not installed', async () => {
    assert.equal(await tracingObserver(new TestClock(), () => Promise.reject(new Error('not found'))), null);
  });
});
