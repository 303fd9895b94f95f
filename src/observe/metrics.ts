/**
 * The Prometheus metrics, in one table each with its name, labels and sentence. What happens is counted in plain maps;
 * only a scrape turns them into text, so that an event costs some look-ups and no objects.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { type Metric, Registry } from 'prom-client';
import type { DestinationCounts, StoreCounts, StoreReport } from '../store/store.ts';
import type { PartialObserver } from './combine.ts';
import { destinationLabel, isManaged } from './destination-label.ts';
import { type SpoolFigures, spoolMetricTable, spoolReads } from './spool-metrics.ts';
import { type Buckets, BucketsByLabel, Tally } from './tally.ts';

/** What a scrape reads besides what was observed. */
export interface MetricsSources {
  /** Depth and age of the queues. A failure leaves those metrics out and answers the others. */
  counts(): Promise<StoreCounts>;
  destinations(): readonly Live[];
  /** What the store is; `null`: none is open. */
  store(): Pick<StoreReport, 'driver' | 'weaker'> | null;
  /** `null`: there is none. */
  spool?(): SpoolFigures | null;
  /** Milliseconds since 1970. */
  now(): number;
}

/** What a scrape reads of a destination in this process. */
interface Live {
  readonly name: string;
  readonly breaker: 'closed' | 'open' | 'half-open' | 'none';
  readonly running: number;
  readonly runningMax: number;
}

type MetricKind = 'counter' | 'gauge' | 'histogram';

/** Every metric: kind, labels, what it means. docs/reference and the dashboard use these names. */
export const metricTable = {
  webhook_received_total: ['counter', 'source', 'Requests that reached a source.'],
  webhook_queued_total: ['counter', 'source,type', 'Events committed.'],
  webhook_processed_total: [
    'counter',
    'source,destination,outcome',
    'Deliveries that ended: succeeded, skipped or dead.',
  ],
  webhook_response_duration_seconds: ['histogram', 'source', 'From a request to its answer.'],
  webhook_responses_total: ['counter', 'source,status', 'Answers by HTTP status.'],
  webhook_rejections_total: ['counter', 'source,step,reason', 'Requests refused before acceptance.'],
  webhook_duplicates_total: ['counter', 'source,differs', 'Repeats recognised; differs: with another body.'],
  webhook_attempts_total: ['counter', 'destination,outcome', 'Attempts whose outcome was committed.'],
  webhook_attempt_duration_seconds: ['histogram', 'destination', 'Duration of attempts.'],
  webhook_delivery_lag_seconds: ['histogram', 'destination', 'From the commit of an event to the end of an attempt.'],
  webhook_batch_size: ['histogram', 'destination', 'Deliveries in an attempt.'],
  webhook_dead_letters_total: ['counter', 'destination,reason', 'Deliveries that became dead letters.'],
  webhook_queue_depth: ['gauge', 'destination,state', 'Open deliveries by state, and dead letters not resolved.'],
  webhook_processing_lag_seconds: [
    'gauge',
    'destination',
    'Age of the oldest delivery that is ready and not processed.',
  ],
  webhook_breaker_state: ['gauge', 'destination', 'Circuit breaker: 0 closed, 1 half-open, 2 open.'],
  webhook_endpoints_busy: [
    'gauge',
    'breaker',
    'Endpoints of the API that have work or had some just now, by the state of their circuit breaker.',
  ],
  webhook_workers: ['gauge', 'destination,state', 'Attempts running, and the most that may.'],
  webhook_commit_rows: ['histogram', '', 'Rows in a commit.'],
  webhook_commit_duration_seconds: ['histogram', '', 'Duration of a commit.'],
  webhook_commit_failures_total: ['counter', 'failure', 'Commits that failed.'],
  ...spoolMetricTable,
  webhook_event_loop_delay_seconds: ['gauge', 'quantile', 'How late the event loop was, since the last scrape.'],
  webhook_event_loop_blocked_seconds_total: [
    'counter',
    'destination',
    'Time the event loop stood still, by whose code ran.',
  ],
  webhook_store_weaker_durability: [
    'gauge',
    'driver',
    '1: the store may lose what was acknowledged, and was allowed to; 0: it keeps the promise.',
  ],
  process_cpu_seconds_total: ['counter', '', 'CPU time of the process.'],
  process_resident_memory_bytes: ['gauge', '', 'Resident memory of the process.'],
} as const satisfies Record<string, readonly [kind: MetricKind, labels: string, help: string]>;

export type MetricName = keyof typeof metricTable;

const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const LAG_SECONDS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 60, 300, 1800, 3600, 21_600, 86_400];
const SIZES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** One line of the text: which labels, what value. */
interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}
type Read = () => Iterable<Sample>;

/** Counts what happens and tells it to Prometheus. `start` and `stop` are safe twice and in any order. */
export class Metrics {
  readonly #sources: MetricsSources;
  readonly #registry = new Registry();
  #counts: StoreCounts | null = null;
  #live: readonly Live[] = [];
  #loop: ReturnType<typeof monitorEventLoopDelay> | null = null;

  readonly #tallies = {
    received: new Tally(),
    queued: new Tally(),
    processed: new Tally(),
    responses: new Tally(),
    rejections: new Tally(),
    duplicates: new Tally(),
    attempts: new Tally(),
    dead: new Tally(),
    commitFailures: new Tally(),
    blockedMs: new Tally(),
  };
  readonly #responseS = new BucketsByLabel(SECONDS);
  readonly #attemptS = new BucketsByLabel(SECONDS);
  readonly #lagS = new BucketsByLabel(LAG_SECONDS);
  readonly #batchSize = new BucketsByLabel(SIZES);
  readonly #commitRows = new BucketsByLabel(SIZES);
  readonly #commitS = new BucketsByLabel(SECONDS);

  constructor(sources: MetricsSources) {
    this.#sources = sources;
    for (const [name, read] of Object.entries(this.#reads())) this.#register(name as MetricName, read);
  }

  /** Begins to measure the event loop. */
  start(): void {
    if (this.#loop !== null) return;
    this.#loop = monitorEventLoopDelay({ resolution: 20 });
    this.#loop.enable();
  }

  stop(): void {
    this.#loop?.disable();
    this.#loop = null;
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  /** The text of a scrape (https://prometheus.io/docs/instrumenting/exposition_formats/). */
  async text(): Promise<string> {
    this.#counts = await this.#sources.counts().catch(() => null);
    this.#live = this.#sources.destinations();
    return this.#registry.metrics();
  }

  readonly observer: PartialObserver = {
    received: (source) => {
      this.#tallies.received.at(source).count++;
    },
    answered: (source, status, durationMs) => {
      this.#tallies.responses.at(source).at(statusText(status)).count++;
      this.#responseS.at(source).add(durationMs / 1000);
    },
    rejected: (source, step, reason) => {
      this.#tallies.rejections.at(source).at(step).at(reason).count++;
    },
    accepted: (event) => {
      this.#tallies.queued.at(event.source).at(event.type).count++;
    },
    duplicate: (source, _eventId, differs) => {
      this.#tallies.duplicates.at(source).at(differs ? 'yes' : 'no').count++;
    },
    committed: (rows, durationMs) => {
      this.#commitRows.at('').add(rows);
      this.#commitS.at('').add(durationMs / 1000);
    },
    commitFailed: (failure) => {
      this.#tallies.commitFailures.at(failure).count++;
    },
    attemptStarted: (destination, size) => {
      this.#batchSize.at(destinationLabel(destination)).add(size);
    },
    // oxlint-disable-next-line max-params -- the port's own; a rest parameter makes an array, a fifth of an event's cost
    attemptEnded: (destination, event, { outcome, durationMs }, lagMs) => {
      const label = destinationLabel(destination);
      this.#tallies.attempts.at(label).at(outcome).count++;
      this.#attemptS.at(label).add(durationMs / 1000);
      // The store's clock may be ahead of this one, or this one was set back; a sum must not fall.
      this.#lagS.at(label).add(Math.max(0, lagMs) / 1000);
      if (outcome !== 'succeeded' && outcome !== 'skipped') return;
      this.#tallies.processed.at(event.source).at(label).at(outcome).count++;
    },
    died: (destination, event, reason) => {
      const label = destinationLabel(destination);
      this.#tallies.dead.at(label).at(reason).count++;
      this.#tallies.processed
        .at(event?.source ?? '')
        .at(label)
        .at('dead').count++;
    },
    loopBlocked: (ms, destination) => {
      this.#tallies.blockedMs.at(destination ?? '').count += ms;
    },
  };

  /** Where each metric of the table is read from; the compiler sees that none is left out. */
  #reads(): Readonly<Record<MetricName, Read>> {
    const tallies = this.#tallies;
    const tally =
      (name: MetricName, from: Tally, unit = 1): Read =>
      () =>
        tallySamples(name, from, unit);
    const buckets =
      (name: MetricName, from: BucketsByLabel): Read =>
      () =>
        bucketSamples(name, from);
    return {
      webhook_received_total: tally('webhook_received_total', tallies.received),
      webhook_queued_total: tally('webhook_queued_total', tallies.queued),
      webhook_processed_total: tally('webhook_processed_total', tallies.processed),
      webhook_response_duration_seconds: buckets('webhook_response_duration_seconds', this.#responseS),
      webhook_responses_total: tally('webhook_responses_total', tallies.responses),
      webhook_rejections_total: tally('webhook_rejections_total', tallies.rejections),
      webhook_duplicates_total: tally('webhook_duplicates_total', tallies.duplicates),
      webhook_attempts_total: tally('webhook_attempts_total', tallies.attempts),
      webhook_attempt_duration_seconds: buckets('webhook_attempt_duration_seconds', this.#attemptS),
      webhook_delivery_lag_seconds: buckets('webhook_delivery_lag_seconds', this.#lagS),
      webhook_batch_size: buckets('webhook_batch_size', this.#batchSize),
      webhook_dead_letters_total: tally('webhook_dead_letters_total', tallies.dead),
      webhook_queue_depth: () => folded(this.#queues().flatMap(depthSamples), added),
      webhook_processing_lag_seconds: () =>
        folded(
          this.#queues().map((queue) => lagSample(queue, this.#sources.now())),
          Math.max,
        ),
      webhook_breaker_state: () => this.#live.flatMap(breakerSamples),
      webhook_endpoints_busy: () => busySamples(this.#live),
      webhook_workers: () => folded(this.#live.flatMap(workerSamples), added),
      webhook_commit_rows: buckets('webhook_commit_rows', this.#commitRows),
      webhook_commit_duration_seconds: buckets('webhook_commit_duration_seconds', this.#commitS),
      webhook_commit_failures_total: tally('webhook_commit_failures_total', tallies.commitFailures),
      ...spoolReads(
        () => this.#sources.spool?.() ?? null,
        () => this.#sources.now(),
      ),
      webhook_event_loop_delay_seconds: () => this.#loopSamples(),
      webhook_event_loop_blocked_seconds_total: tally(
        'webhook_event_loop_blocked_seconds_total',
        tallies.blockedMs,
        1000,
      ),
      webhook_store_weaker_durability: () => {
        const store = this.#sources.store();
        return store === null ? [] : [{ labels: { driver: store.driver }, value: store.weaker.length > 0 ? 1 : 0 }];
      },
      process_cpu_seconds_total: cpuSamples,
      process_resident_memory_bytes: () => [{ labels: {}, value: process.memoryUsage.rss() }],
    };
  }

  #queues(): readonly DestinationCounts[] {
    return this.#counts?.destinations ?? [];
  }

  #loopSamples(): Sample[] {
    const loop = this.#loop;
    if (loop === null || loop.count === 0) return [];
    const seconds = (nanoseconds: number): number => nanoseconds / 1e9;
    const samples = [50, 99, 100].map((percent) => ({
      labels: { quantile: String(percent / 100) },
      value: seconds(loop.percentile(percent)),
    }));
    loop.reset();
    return samples;
  }

  /** prom-client keeps the text format; what it asks of a metric is its name and `get`. */
  #register(name: MetricName, read: Read): void {
    const [type, , help] = metricTable[name];
    const metric = { name, get: () => ({ name, help, type, aggregator: 'sum', values: [...read()] }) };
    this.#registry.registerMetric(metric as unknown as Metric);
  }
}

/** Texts of all HTTP statuses, made once. */
const STATUSES = Array.from({ length: 600 }, (_, status) => String(status));

function statusText(status: number): string {
  return STATUSES[status] ?? 'other';
}

function labelNames(name: MetricName): readonly string[] {
  const [, labels] = metricTable[name];
  return labels === '' ? [] : labels.split(',');
}

function* tallySamples(name: MetricName, from: Tally, unit: number): Generator<Sample> {
  const names = labelNames(name);
  for (const [values, count] of from.leaves()) {
    if (values.length !== names.length) continue; // Nothing was counted yet.
    yield {
      labels: Object.fromEntries(names.map((label, index) => [label, values[index] ?? ''])),
      value: count / unit,
    };
  }
}

function* bucketSamples(name: MetricName, from: BucketsByLabel): Generator<Sample> {
  const [label] = labelNames(name);
  for (const [value, buckets] of from.byLabel) {
    yield* histogramSamples(name, label === undefined ? {} : { [label]: value }, buckets);
  }
}

function* histogramSamples(name: string, labels: Sample['labels'], buckets: Buckets): Generator<Sample> {
  for (const [bound, count] of buckets.cumulative()) {
    yield { labels: { ...labels, le: bound }, value: count, metricName: `${name}_bucket` };
  }
  yield { labels: { ...labels, le: '+Inf' }, value: buckets.count, metricName: `${name}_bucket` };
  yield { labels, value: buckets.sum, metricName: `${name}_sum` };
  yield { labels, value: buckets.count, metricName: `${name}_count` };
}

function depthSamples(queue: DestinationCounts): Sample[] {
  const { destination, blocked, due, ready, claimed, dead } = queue;
  return Object.entries({ blocked, due, ready, claimed, dead }).map(([state, value]) => ({
    labels: { destination: destinationLabel(destination), state },
    value,
  }));
}

function lagSample({ destination, oldestReadyAt }: DestinationCounts, now: number): Sample {
  return {
    labels: { destination: destinationLabel(destination) },
    value: oldestReadyAt === null ? 0 : Math.max(0, now - oldestReadyAt) / 1000,
  };
}

const BREAKER_VALUES = { closed: 0, 'half-open': 1, open: 2 } as const;

function breakerSamples({ name, breaker }: Live): Sample[] {
  return breaker === 'none' || isManaged(name)
    ? []
    : [{ labels: { destination: name }, value: BREAKER_VALUES[breaker] }];
}

function busySamples(live: readonly Live[]): Sample[] {
  const count = { closed: 0, 'half-open': 0, open: 0, none: 0 };
  for (const { name, breaker } of live) if (isManaged(name)) count[breaker]++;
  const { none: _, ...shown } = count;
  return Object.entries(shown).map(([breaker, value]) => ({ labels: { breaker }, value }));
}

function workerSamples({ name, running, runningMax }: Live): Sample[] {
  const destination = destinationLabel(name);
  return [
    { labels: { destination, state: 'running' }, value: running },
    { labels: { destination, state: 'total' }, value: runningMax },
  ];
}

/** One sample for each set of labels: those of all endpoints have the same. */
function folded(samples: readonly Sample[], fold: (a: number, b: number) => number): Iterable<Sample> {
  const byLabels = new Map<string, Sample>();
  for (const sample of samples) {
    const key = Object.values(sample.labels).join('\0');
    const before = byLabels.get(key);
    byLabels.set(key, before === undefined ? sample : { ...sample, value: fold(before.value, sample.value) });
  }
  return byLabels.values();
}

function added(a: number, b: number): number {
  return a + b;
}

function cpuSamples(): Sample[] {
  const { user, system } = process.cpuUsage();
  return [{ labels: {}, value: (user + system) / 1e6 }];
}
