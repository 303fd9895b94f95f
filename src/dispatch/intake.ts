/** What an event owes: decided once, when it is committed. */
import type { StoredEvent } from '../core/event.ts';
import { HoldfastError } from '../errors.ts';
import type { NewDelivery, NewEvent } from '../store/store.ts';
import type { Destination } from './destination.ts';
import { FAN_OUT } from './fan-out.ts';
import type { Lane } from './lane.ts';
import type { Directory, Lanes } from './lanes.ts';
import { Routing } from './routing.ts';

export interface IntakeOptions {
  readonly lanes: Lanes;
  readonly directory: Directory;
  /** Whether other processes may accept events of the same order keys. */
  readonly isShared: boolean;
  /** Whether deliveries may go from memory to their lanes. */
  readonly started: () => boolean;
  /** Whether the sender waits for what a destination makes of events of this source. */
  readonly awaits: (source: string, destination: string) => boolean;
}

/** An event for more endpoints than this owes one delivery, to {@link FAN_OUT}, which makes theirs in steps. */
const FAN_OUT_ABOVE = 100;

export class Intake {
  readonly #options: IntakeOptions;
  readonly #routing: Routing;

  constructor(options: IntakeOptions) {
    this.#options = options;
    const { lanes } = options;
    const fixed = [...lanes.fixed()].flatMap((name) => lanes.get(name) ?? []);
    this.#routing = new Routing(fixed.filter(({ destination }) => destination.name !== FAN_OUT));
  }

  /**
   * The deliveries of an event, due at `at`; each has a place reserved in its lane. `accepted`: its sender was answered, so
   * where a destination would refuse it, it becomes a dead letter there.
   * @throws HoldfastError backlog_full
   */
  deliveries(event: StoredEvent, at: number | null, accepted = false): readonly NewDelivery[] {
    const lanes = this.#lanesFor(event);
    for (const lane of lanes) {
      if (lane.full && lane.destination.overflow === 'refuse' && !accepted) {
        throw new HoldfastError('backlog_full', { detail: `Destination '${lane.destination.name}'.`, retryAfterS: 10 });
      }
    }
    return lanes.map((lane) => this.#delivery(lane, event, at));
  }

  /** One delivery of an event to just this destination, wherever it comes from. @throws HoldfastError destination_unknown */
  only(destination: string, event: StoredEvent): readonly NewDelivery[] {
    const lane = this.#options.lanes.get(destination);
    if (lane === undefined) throw new HoldfastError('destination_unknown', { detail: `'${destination}'.` });
    return [this.#delivery(lane, event, null)];
  }

  /** The names of those that take an event now, whenever it was received. */
  takers(event: StoredEvent): readonly string[] {
    const endpoints = this.#options.directory.matching(event, Number.POSITIVE_INFINITY);
    return [...this.#routing.lanesFor(event).map(({ destination }) => destination.name), ...endpoints];
  }

  /** An event that is appended only if anybody takes it. */
  reported(event: StoredEvent): NewEvent[] {
    if (this.takers(event).length === 0) return [];
    try {
      return [{ event, dedupeWindowMs: 0, deliveries: this.deliveries(event, null) }];
    } catch {
      return []; // The backlog of whoever takes it is full, and refuses.
    }
  }

  /** Routed events that are not going to be committed after all. */
  withdraw(rows: readonly NewEvent[]): void {
    for (const { event, deliveries } of rows) {
      for (const delivery of deliveries)
        this.#options.lanes.awake(delivery.destination)?.inflow.leave(delivery.handOff, event.body?.length ?? 0);
    }
  }

  #lanesFor(event: StoredEvent): readonly Lane[] {
    const { lanes, directory } = this.#options;
    const fixed = this.#routing.lanesFor(event);
    const endpoints = directory.matching(event, event.receivedAt);
    if (endpoints.length === 0) return fixed;
    const fanOut = lanes.awake(FAN_OUT);
    const inTurn = event.orderKey !== null && this.#mayStandBehind(event, fanOut);
    if (fanOut !== undefined && (inTurn || endpoints.length > FAN_OUT_ABOVE)) return [...fixed, fanOut];
    return [...fixed, ...endpoints.flatMap((name) => lanes.get(name) ?? [])];
  }

  /**
   * What has an order key stays behind an earlier event whose deliveries are still being made. On a shared store another
   * process may have taken that one: there all of a key go the same way, where there are enough endpoints for it.
   */
  #mayStandBehind({ tenant }: StoredEvent, fanOut: Lane | undefined): boolean {
    const { isShared, directory } = this.#options;
    if (isShared && directory.reach(tenant) > FAN_OUT_ABOVE) return true;
    return fanOut !== undefined && fanOut.open + fanOut.inflow.count > 0;
  }

  #delivery(lane: Lane, event: StoredEvent, at: number | null): NewDelivery {
    const { destination } = lane;
    const orderKey = orderKeyOf(destination, event);
    const full = lane.full;
    const direct = !full && orderKey === null && at === null && this.#options.started();
    return {
      destination: destination.name,
      orderKey,
      dueAt: at,
      dead: full ? 'backlog_full' : null,
      handOff: lane.reserve(event.body?.length ?? 0, direct, this.#options.awaits(event.source, destination.name)),
    };
  }
}

function orderKeyOf({ ordered }: Destination, { orderKey }: StoredEvent): string | null {
  return ordered ? orderKey : null;
}
