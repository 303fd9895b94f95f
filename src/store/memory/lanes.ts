/**
 * What is ready, derived: a delivery is ready when it is open, unclaimed, due, and not blocked by an earlier one of its
 * order key. The heaps only suggest where to look; every suggestion is checked against the row.
 */
import type { DeliveryState } from '../../core/delivery.ts';
import { Heap } from './heap.ts';
import { type DeliveryRow, holds, type KeyQueue } from './rows.ts';

interface Lane {
  readonly destination: string;
  /** By `seq`: what may be ready. */
  readonly ready: Heap<DeliveryRow>;
  /** By `dueAt`: what may fall due. */
  readonly later: Heap<DeliveryRow>;
  /** By the monotonic end of their leases: what may be claimed. */
  readonly leases: Heap<DeliveryRow>;
}

/** The order keys and the lanes of all destinations. */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  readonly #queues = new Map<string, KeyQueue>();
  #offered = new Set<DeliveryRow>();

  /** Brings a row to where it belongs now. To be called after every change of a row. */
  place(row: DeliveryRow): void {
    const name = row.ended === null || holds(row) ? queueName(row) : null;
    if (row.queue?.name !== name) {
      this.remove(row);
      if (name !== null) this.#enter(row, name);
    }
    if (row.leaseUntil !== null) this.#lane(row.destination).leases.push(row.leaseUntil, row);
    this.#offer(row);
    this.#offerHead(row.queue);
  }

  /** Takes a row out of the queue of its order key; the next one there may be free now. */
  remove(row: DeliveryRow): void {
    const { queue } = row;
    if (queue === null) return;
    row.queue = null;
    queue.rows.splice(queue.rows.indexOf(row), 1);
    if (queue.rows.length === 0) this.#queues.delete(queue.name);
    this.#offerHead(queue);
  }

  /** Ends the claims whose leases have ended. To be called before anything else looks at rows. */
  expire(monotonic: number): void {
    for (const { leases } of this.#lanes.values()) {
      for (let top = leases.peek(); top !== undefined && top.key <= monotonic; top = leases.peek()) {
        leases.pop();
        if (top.item.leaseUntil !== top.key) continue;
        top.item.leaseUntil = null;
        this.place(top.item);
      }
    }
  }

  stateOf(row: DeliveryRow, now: number): DeliveryState {
    if (row.ended !== null) return row.ended;
    if (row.leaseUntil !== null) return 'claimed';
    if (!isFree(row)) return 'blocked';
    return row.dueAt !== null && row.dueAt > now ? 'due' : 'ready';
  }

  /** The ready delivery of a destination that was committed first. */
  nextReady(destination: string, now: number): DeliveryRow | null {
    const lane = this.#lane(destination);
    this.#ripen(lane, now);
    for (let top = lane.ready.peek(); top !== undefined; top = lane.ready.peek()) {
      const row = top.item;
      if (waits(lane, row) && (row.dueAt ?? 0) <= now) return row;
      lane.ready.pop();
      if (waits(lane, row) && row.dueAt !== null) lane.later.push(row.dueAt, row);
    }
    return null;
  }

  /** Takes what {@link nextReady} answered out of the way, until it is {@link place}d again. */
  pass(row: DeliveryRow): DeliveryRow {
    this.#lane(row.destination).ready.pop();
    return row;
  }

  /** When the next delivery of a destination falls due, or the next lease ends; `null`: never. */
  nextAt(destination: string, now: number, monotonic: number): number | null {
    const lane = this.#lane(destination);
    this.#ripen(lane, now);
    const due = firstKey(lane.later, (row, key) => waits(lane, row) && row.dueAt === key);
    const lease = firstKey(
      lane.leases,
      (row, key) => row.destination === destination && row.ended === null && row.leaseUntil === key,
    );
    return earlier(due, lease === null ? null : now + lease - monotonic);
  }

  /** Forgets what {@link offered} would answer. */
  forgetOffers(): void {
    this.#offered.clear();
  }

  /** Destinations of the rows that came to wait since {@link forgetOffers} and are ready, by name. */
  offered(now: number): string[] {
    const ready = [...this.#offered].filter((row) => this.stateOf(row, now) === 'ready');
    return [...new Set(ready.map((row) => row.destination))].toSorted();
  }

  #lane(destination: string): Lane {
    let lane = this.#lanes.get(destination);
    if (lane === undefined) {
      lane = { destination, ready: new Heap(), later: new Heap(), leases: new Heap() };
      this.#lanes.set(destination, lane);
    }
    return lane;
  }

  #enter(row: DeliveryRow, name: string): void {
    let queue = this.#queues.get(name);
    if (queue === undefined) {
      queue = { name, rows: [] };
      this.#queues.set(name, queue);
    }
    const at = queue.rows.findLastIndex((other) => isBefore(other, row));
    queue.rows.splice(at + 1, 0, row);
    row.queue = queue;
  }

  #offerHead(queue: KeyQueue | null): void {
    const head = queue === null ? null : headOf(queue);
    if (head !== null) this.#offer(head);
  }

  #offer(row: DeliveryRow): void {
    const lane = this.#lane(row.destination);
    if (!waits(lane, row)) return;
    if (row.dueAt === null) lane.ready.push(row.seq, row);
    else lane.later.push(row.dueAt, row);
    this.#offered.add(row);
  }

  /** Moves what has fallen due to where it can be found by the order of commits. */
  #ripen(lane: Lane, now: number): void {
    for (let top = lane.later.peek(); top !== undefined && top.key <= now; top = lane.later.peek()) {
      lane.later.pop();
      lane.ready.push(top.item.seq, top.item);
    }
  }
}

/** Whether a row of this lane is open, unclaimed and free. */
function waits(lane: Lane, row: DeliveryRow): boolean {
  return row.destination === lane.destination && row.ended === null && row.leaseUntil === null && isFree(row);
}

/** Whether nothing of its order key stands before it. */
function isFree(row: DeliveryRow): boolean {
  return row.queue === null ? row.orderKey === null : headOf(row.queue) === row;
}

/**
 * The one delivery of an order key that is not blocked: the first open one, unless a dead letter holds the key before
 * it. A replay that took the place of such a dead letter has the same place and is not held by it.
 */
function headOf(queue: KeyQueue): DeliveryRow | null {
  const first = queue.rows.find((row) => row.ended === null);
  if (first === undefined) return null;
  return (queue.rows[0]?.place ?? first.place) === first.place ? first : null;
}

/** Order keys are of one destination and tenant. */
function queueName(row: DeliveryRow): string | null {
  if (row.orderKey === null) return null;
  return JSON.stringify([row.destination, row.event.event.tenant, row.orderKey]);
}

function isBefore(a: DeliveryRow, b: DeliveryRow): boolean {
  return a.place < b.place || (a.place === b.place && a.seq < b.seq);
}

/** The lowest key of a heap that still holds; what does not is dropped. */
function firstKey(heap: Heap<DeliveryRow>, isTrue: (row: DeliveryRow, key: number) => boolean): number | null {
  for (let top = heap.peek(); top !== undefined; top = heap.peek()) {
    if (isTrue(top.item, top.key)) return top.key;
    heap.pop();
  }
  return null;
}

function earlier(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}
