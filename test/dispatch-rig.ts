/** A dispatcher on a memory store and a clock that stands still, with the verbs in which its tests speak. */
import type { DeliveryState } from '../src/core/delivery.ts';
import type { StoredEvent } from '../src/core/event.ts';
import { IdMaker } from '../src/core/id.ts';
import { silentObserver } from '../src/core/observer.ts';
import { fixed } from '../src/core/retry.ts';
import { type BatchHandler, type Handler, inlineBatchRunner, inlineRunner } from '../src/deliver/handler.ts';
import { memoryStore } from '../src/store/memory.ts';
import type { DeliveryRecord, WorkStore } from '../src/store/store.ts';
import { TestClock } from '../src/testing/clock.ts';
import { NO_RESPONDERS, type Responders } from '../src/dispatch/answers.ts';
import type { Broker } from '../src/dispatch/broker.ts';
import type { Destination } from '../src/dispatch/destination.ts';
import { Dispatcher } from '../src/dispatch/dispatcher.ts';
import { type Directory, NO_DIRECTORY } from '../src/dispatch/lanes.ts';
import type { Shared } from '../src/dispatch/shared.ts';

export const base: Omit<Destination, 'name' | 'runner'> = {
  formerly: [],
  from: new Set(['s']),
  types: null,
  accepts: null,
  priority: 'normal',
  concurrency: { min: 10, max: 10 },
  batch: null,
  ratePerS: null,
  timeoutMs: 30_000,
  retry: fixed(['1s', '1s']),
  breaker: { failures: 20, openMs: 10_000, probes: 1 },
  ordered: true,
  onDead: 'continue',
  backlogMax: null,
  overflow: 'dead',
};

interface RigOptions {
  readonly runningMax?: number;
  readonly handOffBytesMax?: number;
  readonly store?: ReturnType<typeof memoryStore>;
  readonly clock?: TestClock;
  readonly responders?: Responders;
  readonly directory?: Directory;
  readonly shared?: Shared;
  readonly broker?: Broker;
  /** Whether a person paused it. */
  readonly paused?: (destination: string) => boolean;
  /** Calls of the store that are otherwise than those of the memory store. */
  readonly odd?: (work: WorkStore, clock: TestClock) => Partial<WorkStore>;
}

interface EventOverrides {
  readonly orderKey?: string;
  readonly type?: string;
  readonly body?: string;
}

export class Rig {
  readonly clock: TestClock;
  readonly ids: IdMaker;
  readonly store: ReturnType<typeof memoryStore>;
  readonly dispatcher: Dispatcher;

  constructor(destinations: readonly Destination[], options: RigOptions = {}) {
    this.clock = options.clock ?? new TestClock();
    this.ids = new IdMaker({ now: () => this.clock.now(), fill: (bytes) => void crypto.getRandomValues(bytes) });
    this.store = options.store ?? memoryStore({ clock: this.clock, ids: this.ids });
    this.dispatcher = new Dispatcher({
      store: Object.assign(Object.create(this.store.work) as WorkStore, options.odd?.(this.store.work, this.clock)),
      clock: this.clock,
      ids: this.ids,
      observer: silentObserver,
      random: () => 0.5,
      destinations,
      directory: options.directory ?? NO_DIRECTORY,
      ...(options.shared !== undefined && { shared: options.shared }),
      paused: options.paused ?? (() => false),
      role: 'all',
      broker: options.broker ?? null,
      lookMs: 5000,
      runningMax: options.runningMax ?? 100,
      responders: options.responders ?? NO_RESPONDERS,
      elsewhere: null,
      damaged: () => undefined,
      handOffBytesMax: options.handOffBytesMax ?? 1 << 20,
      leaseMs: 60_000,
      release: 'test',
      committerChanged: () => undefined,
    });
  }

  /** @param unclean as after a crash */
  async start(unclean = false): Promise<this> {
    const report = await this.store.work.open();
    this.dispatcher.start(unclean || report.unclean, new Map());
    return this;
  }

  event(overrides: EventOverrides = {}): StoredEvent {
    return {
      id: this.ids.make('evt'),
      source: 's',
      type: overrides.type ?? 't',
      tenant: null,
      dedupeKey: null,
      orderKey: overrides.orderKey ?? null,
      receivedAt: this.clock.now(),
      method: 'POST',
      path: '/in/s',
      query: '',
      headers: [],
      body: Buffer.from(overrides.body ?? '{}'),
      correlationId: 'c',
      traceparent: null,
      unfit: null,
      duplicateOf: null,
    };
  }

  async send(count: number, overrides: EventOverrides = {}): Promise<string[]> {
    const events = Array.from({ length: count }, () => this.event(overrides));
    await Promise.all(
      events.map((event) =>
        this.dispatcher.append({ events: [{ event, dedupeWindowMs: 0, deliveries: this.dispatcher.route(event) }] }),
      ),
    );
    return events.map(({ id }) => id);
  }

  async advance(ms: number): Promise<void> {
    await this.clock.advanceSlowly(ms);
    await settle();
  }

  async deliveries(): Promise<readonly DeliveryRecord[]> {
    return (await this.store.history.deliveries({}, { limit: 1000, oldestFirst: true })).rows;
  }

  async states(): Promise<DeliveryState[]> {
    return (await this.deliveries()).map(({ state }) => state);
  }
}

export function handler(name: string, code: Handler, overrides: Partial<Destination> = {}): Destination {
  return { ...base, name, runner: inlineRunner(code), ...overrides };
}

export function batchHandler(name: string, code: BatchHandler, overrides: Partial<Destination> = {}): Destination {
  return { ...base, name, runner: inlineBatchRunner(code), batch: { size: 3, withinMs: 1000 }, ...overrides };
}

/** Lets promises get on. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Resolves after so long by a clock. */
export function after(clock: TestClock, ms: number): Promise<void> {
  return new Promise((resolve) => void clock.schedule(ms, resolve));
}
