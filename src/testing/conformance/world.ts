/** A store on its harness, with the verbs in which cases speak. */
import assert from 'node:assert/strict';
import type { DeliveryState } from '../../core/delivery.ts';
import type {
  Action,
  Claim,
  ClaimRef,
  CommitAnswers,
  CommitBatch,
  CommittedEvent,
  DeliveryFilter,
  DeliveryRecord,
  EventAnswer,
  NewEvent,
  Outcome,
  ReplayAnswer,
  ReplayRow,
  RowAnswer,
  Settlement,
  SettleAnswer,
  Store,
  WakeUps,
} from '../../store/store.ts';
import { Builder, type DeliveryParts, type EventParts, LEASE_MS, settlement } from './build.ts';
import { plain } from './plain.ts';
import type { ConformanceCase, Capability, Condition, Operation, Promised, StoreHarness } from './harness.ts';

/** Above any number of rows that a case makes. */
const ALL = 10_000;

/** What a case has at hand: the harness, the store it opened, and a builder on the same clock. */
export class World {
  readonly harness: StoreHarness;
  readonly build: Builder;
  store: Store;

  private constructor(harness: StoreHarness, store: Store) {
    this.harness = harness;
    this.store = store;
    this.build = new Builder(harness.clock);
  }

  static async open(harness: StoreHarness): Promise<World> {
    return new World(harness, await harness.open());
  }

  get now(): number {
    return this.harness.clock.now();
  }

  async advance(ms: number): Promise<void> {
    await this.harness.advance(ms);
  }

  /** The process ends, properly or not, and another opens the store. */
  async reopen(how: 'closed' | 'crashed'): Promise<void> {
    this.store = await this.harness.reopen({ crash: how === 'crashed' });
  }

  commit(rows: Partial<CommitBatch>): Promise<CommitAnswers> {
    return this.store.work.commit(this.build.batch(rows));
  }

  /** Appends events, each in an append of its own. */
  async append(...events: readonly NewEvent[]): Promise<readonly EventAnswer[]> {
    const { appends } = await this.commit({ appends: events.map((event) => ({ events: [event] })) });
    return appends.flatMap((answer) => {
      assert.ok(answer.status === 'committed', `the append was ${JSON.stringify(answer)}`);
      return answer.events;
    });
  }

  /** Appends one event and answers its id. */
  async accept(parts: EventParts, ...deliveries: readonly DeliveryParts[]): Promise<string> {
    const answer = first(await this.append(this.build.event(parts, ...deliveries)));
    assert.equal(answer.status, 'committed');
    return answer.eventId;
  }

  /** Appends one event whose first delivery is to be handed off, and answers what came of that. */
  async handOff(parts: EventParts, delivery: DeliveryParts): Promise<Claim | null> {
    const answer = first(await this.append(this.build.event(parts, delivery)));
    return first((answer as CommittedEvent).claims);
  }

  async claim(destination: string, slots = ALL, leaseMs = LEASE_MS): Promise<readonly Claim[]> {
    const wants = [{ destination, slots, bytesMax: Number.MAX_SAFE_INTEGER }];
    return (await this.store.work.claim({ now: this.now, leaseMs, wants })).claims;
  }

  /** Claims the one that is first; there must be one. */
  async claimOne(destination: string): Promise<Claim> {
    return first(await this.claim(destination, 1));
  }

  async start(...claims: readonly ClaimRef[]): Promise<readonly RowAnswer[]> {
    return (await this.commit({ starts: claims })).starts;
  }

  async settle(claim: ClaimRef, outcome: Outcome, more: Partial<Settlement> = {}): Promise<SettleAnswer> {
    return first((await this.commit({ settlements: [settlement(claim, outcome, more)] })).settlements);
  }

  /** Claims the first and settles it so. */
  async finish(destination: string, outcome: Outcome): Promise<Claim> {
    const claim = await this.claimOne(destination);
    assert.equal((await this.settle(claim, outcome)).status, 'committed');
    return claim;
  }

  async release(claim: ClaimRef, delayMs = 0): Promise<RowAnswer> {
    return first((await this.commit({ releases: [{ claim, delayMs }] })).releases);
  }

  /** What a replay of a delivery asks for. */
  async replayRow(deliveryId: string, parts: Partial<ReplayRow> = {}): Promise<ReplayRow> {
    const { eventId, destination } = await this.delivery(deliveryId);
    return { replayId: this.build.replayId(), eventId, destination, of: deliveryId, ordered: true, ...parts };
  }

  async replay(deliveryId: string, parts: Partial<ReplayRow> = {}): Promise<ReplayAnswer> {
    return first((await this.commit({ replays: [await this.replayRow(deliveryId, parts)] })).replays);
  }

  /** Does one action and answers how much it affected. */
  async act(action: Action): Promise<number> {
    const answer = first((await this.commit({ actions: [action] })).actions);
    assert.ok(answer.status === 'committed', `the action was ${JSON.stringify(answer)}`);
    return answer.affected;
  }

  async delivery(id: string): Promise<DeliveryRecord> {
    const record = await this.store.history.delivery(id);
    assert.ok(record !== null, `there is no delivery ${id}`);
    return record;
  }

  async state(id: string): Promise<DeliveryState> {
    return (await this.delivery(id)).state;
  }

  /** Deliveries in the order of their commits. */
  async deliveries(filter: DeliveryFilter = {}): Promise<readonly DeliveryRecord[]> {
    return (await this.store.history.deliveries(filter, { limit: ALL, oldestFirst: true })).rows;
  }

  /** The only delivery that the filter finds. */
  async only(filter: DeliveryFilter): Promise<DeliveryRecord> {
    const rows = await this.deliveries(filter);
    assert.equal(rows.length, 1);
    return first(rows);
  }

  /** The states of a destination's deliveries, in the order of their commits. */
  async states(destination: string): Promise<readonly DeliveryState[]> {
    return (await this.deliveries({ destination })).map((row) => row.state);
  }

  wakeUps(...destinations: readonly string[]): Promise<WakeUps> {
    return this.store.work.wakeUps(destinations, this.now);
  }

  /** Everything that History tells, in a form that can be compared. */
  async everything(): Promise<unknown> {
    const events = await this.store.history.events({}, { limit: ALL, oldestFirst: true });
    const deliveries = await this.deliveries();
    return plain({
      events: await Promise.all(events.rows.map((row) => this.store.history.event(row.id))),
      summaries: events.rows,
      deliveries,
      attempts: await Promise.all(deliveries.map((row) => this.store.history.attempts(row.id))),
      counts: { ...(await this.store.history.counts()), bytesOnDisk: 0 },
      documents: await this.store.registry.list('note'),
    });
  }
}

/** The first of a list that must have one. */
export function first<Item>(items: readonly Item[]): Item {
  const [item] = items;
  assert.ok(item !== undefined, 'expected at least one');
  return item;
}

/** The text of an event's body, for comparing. */
export function bodyText(claim: Claim): string {
  return new TextDecoder().decode(claim.event.body ?? new Uint8Array());
}

/** A case: its name, its cell in the matrix, and what it does in a fresh world. */
export function promise(
  name: string,
  cell: `${Promised}/${Operation}/${Condition}`,
  run: (world: World) => Promise<void>,
): ConformanceCase {
  const [promised, operation, condition] = cell.split('/') as [Promised, Operation, Condition];
  return {
    name,
    covers: { promise: promised, operation, condition },
    run: async (harness) => run(await World.open(harness)),
  };
}

/** The same case, for stores with these capabilities only. */
export function requiring(requires: readonly Capability[], item: ConformanceCase): ConformanceCase {
  return { ...item, requires };
}
