/** Log, metrics, figures and live stream, told by one observer. */
import type { AdminPort } from '../api/port.ts';
import type { Settings } from '../settings.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { Observer } from '../core/observer.ts';
import { HoldfastError } from '../errors.ts';
import { combineObservers, type PartialObserver } from '../observe/combine.ts';
import { Log, type LogLevel } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import { Stats } from '../observe/stats.ts';
import { StreamHub } from '../observe/stream.ts';
import { registeredTracing } from '../observe/tracing.ts';

export interface Observing {
  readonly observer: Observer;
  readonly stats: Stats;
  readonly metrics: Metrics;
  readonly hub: StreamHub;
  /** Makes spans from now on, where the application takes them. */
  trace(): Promise<void>;
  /** Metrics read depth and breakers from the admin side, once it exists. */
  serve(port: AdminPort): void;
  /** Calls `run` at intervals until `stop`. */
  readonly every: (ms: number, run: () => void) => void;
  stop(): void;
}

export function observe(parts: { settings: Settings; clock: Clock; extra: Partial<Observer> }): Observing {
  const { settings, clock, extra } = parts;
  let port: AdminPort | null = null;
  const timers = new Set<Timer>();
  const stats = new Stats(clock);
  const hub = new StreamHub(clock);
  const log = new Log({ level: settings.logLevel as LogLevel, clock });
  const metrics = new Metrics({
    counts: () => port?.counts() ?? Promise.reject(new HoldfastError('not_started')),
    destinations: () => port?.destinations() ?? [],
    store: () => port?.report() ?? null,
    spool: () => port?.spool()?.state() ?? null,
    now: () => clock.now(),
  });
  let spans: PartialObserver = {};
  // Not known yet: the package loads when the gateway starts.
  const tracing: PartialObserver = {
    accepted: (event, owed) => spans.accepted?.(event, owed),
    attemptEnded: (...ended) => spans.attemptEnded?.(...ended),
    committed: (rows, durationMs) => spans.committed?.(rows, durationMs),
  };
  const observer = combineObservers(log.observer, metrics.observer, stats.observer, hub.observer, tracing, extra);
  return {
    observer,
    stats,
    metrics,
    hub,
    trace: async () => {
      spans = (await registeredTracing(clock)) ?? {};
    },
    serve: (given) => {
      port = given;
    },
    every: (ms, run) => {
      const again = (): void => {
        const timer = clock.schedule(ms, () => {
          timers.delete(timer);
          run();
          again();
        });
        timers.add(timer);
      };
      again();
    },
    stop: () => {
      for (const timer of timers) timer.cancel();
      timers.clear();
      metrics.stop();
    },
  };
}
