/**
 * The queues of order keys. Of each at most one delivery may run: the first open one, unless a dead letter holds the
 * key before it. It is marked `free`; of a queue are read only those in front, and as many behind them as are needed.
 */
import type { Filter } from 'mongodb';
import { type DeliveryRow, inTurn, isQueued } from './delivery.ts';
import type { DeliveryDocument } from './documents.ts';
import type { WorkingSet } from './working.ts';

const PAGE = 16;

type Position = readonly [place: number, seq: number];
const START: Position = [Number.NEGATIVE_INFINITY, 0];

interface Queue {
  readonly destination: string;
  readonly line: string;
  /** Every delivery of the queue up to here has been read. `null`: every one. */
  readTo: Position | null;
}

export class Queues {
  readonly #set: WorkingSet;
  readonly #queues = new Map<string, Queue>();
  /** What has been read or made of each line. */
  readonly #rows = new Map<string, Set<DeliveryRow>>();

  constructor(set: WorkingSet) {
    this.#set = set;
  }

  keep(row: DeliveryRow): void {
    const line = row.now.line ?? '';
    this.#rows.set(line, (this.#rows.get(line) ?? new Set()).add(row));
  }

  /** Reads who is in front of these queues, all at once. */
  async load(names: Iterable<readonly [destination: string, line: string]>): Promise<void> {
    const missing = new Map<string, Queue>();
    for (const [destination, line] of names) {
      const name = nameOf(destination, line);
      if (!this.#queues.has(name)) missing.set(name, { destination, line, readTo: START });
    }
    if (missing.size === 0) return;
    const lines = [...new Set([...missing.values()].map((queue) => queue.line))];
    const destinations = [...missing.values()].flatMap((queue) => this.#set.storedNames(queue.destination));
    const filter = { queue: { $in: lines }, destination: { $in: [...new Set(destinations)] }, front: true };
    const front = await this.#set.find(filter, { place: 1, seq: 1 });
    for (const [name, queue] of missing) {
      const mine = front.filter((row) => row.now.line === queue.line && row.now.destination === queue.destination);
      queue.readTo = this.#readTo(mine);
      this.#queues.set(name, queue);
    }
  }

  /** Reads who comes next in the queues of these, beside each other: their turn is likely to end with this batch. */
  async readBehind(rows: Iterable<DeliveryRow>): Promise<void> {
    const behind = new Set<Queue>();
    for (const { now } of rows) {
      const queue = now.line === null ? undefined : this.#queues.get(nameOf(now.destination, now.line));
      if (queue !== undefined) behind.add(queue);
    }
    await Promise.all([...behind].map(async (queue) => queue.readTo && this.#readMore(queue, queue.readTo)));
  }

  /** Finds anew which delivery of this one's queue may run, and offers it. */
  async refresh({ now: { destination, line } }: DeliveryRow): Promise<void> {
    if (line === null) return;
    await this.load([[destination, line]]);
    const queue = this.#queues.get(nameOf(destination, line));
    if (queue === undefined) return;
    const head = await this.#headOf(queue);
    for (const row of this.#queued(queue)) {
      if (row.now.ended === null && row.now.free !== (row === head)) this.#set.assign(row, { free: row === head });
    }
    if (head !== null) this.#set.offered.add(head);
  }

  /** Forgets how much has been read of these destinations: their queues have become one. */
  merge(destinations: readonly string[]): void {
    for (const [name, queue] of this.#queues) {
      if (destinations.includes(queue.destination)) this.#queues.delete(name);
    }
  }

  /** Lines of which something has been read or made that is of this destination. */
  linesOf(destination: string): readonly string[] {
    return [...this.#rows]
      .filter(([, rows]) => [...rows].some((row) => row.now.destination === destination))
      .map(([line]) => line);
  }

  async #headOf(queue: Queue): Promise<DeliveryRow | null> {
    for (;;) {
      const rows = this.#queued(queue);
      const open = rows.find((row) => row.now.ended === null);
      if (queue.readTo === null || (open !== undefined && !isAfter(positionOf(open), queue.readTo))) {
        return open !== undefined && rows[0]?.now.place === open.now.place ? open : null;
      }
      await this.#readMore(queue, queue.readTo);
    }
  }

  async #readMore(queue: Queue, [place, seq]: Position): Promise<void> {
    const filter: Filter<DeliveryDocument> = {
      queue: queue.line,
      destination: { $in: [...this.#set.storedNames(queue.destination)] },
      front: false,
      $or: [{ place: { $gt: place } }, { place, seq: { $gt: seq } }],
    };
    const page = await this.#set.find(filter, { place: 1, seq: 1 }, PAGE);
    const last = page.at(-1);
    queue.readTo = page.length < PAGE || last === undefined ? null : positionOf(last);
  }

  /** What is in a queue by now, of what has been read, in its order. */
  #queued({ destination, line }: Queue): readonly DeliveryRow[] {
    const rows = [...(this.#rows.get(line) ?? [])];
    return rows.filter((row) => row.now.destination === destination && isQueued(row.now)).toSorted(inTurn);
  }

  /** How far a queue is known by those in front of it: up to the one that may run. */
  #readTo(front: readonly DeliveryRow[]): Position | null {
    if (front.length === 0) return null;
    const running = front.filter(({ before }) => before !== null && before.ended === null && before.free);
    const [one] = running;
    return one !== undefined && running.length === 1 && this.#set.renames.length === 0 ? positionOf(one) : START;
  }
}

function positionOf({ now }: DeliveryRow): Position {
  return [now.place, now.seq];
}

function isAfter([place, seq]: Position, [otherPlace, otherSeq]: Position): boolean {
  return place > otherPlace || (place === otherPlace && seq > otherSeq);
}

function nameOf(destination: string, line: string): string {
  return JSON.stringify([destination, line]);
}
